//! A transaction as it stands in the log: what was read, what must hold, what is to be written; and what applying it does.
//!
//! Invariants:
//! 1. It happens as a whole or not at all.
//! 2. It happens only if everything that its function has seen would be seen again: what it read (the scopes hold), and what
//!    its writes answered and did (each does the same now). So it is as if the function had run at the moment of applying.
//! 3. What was read from a prediction (a state with commands that were not committed yet) counts only where the prediction
//!    has come true; who applies it knows ([`Context::is_as_predicted`]).

use sha2::{Digest, Sha256};

use crate::answer::{Answer, Refusal};
use crate::codec::put_names;
use crate::command::{Command, Scope, Watched};
use crate::condition::Target;
use crate::keep_while::{place_of, resolve};
use crate::limits::{COMMAND_STEPS_MAX, Limit};
use crate::name::Path;
use crate::read_set::ReadScope;
use crate::round::broken;
use crate::scan::Scan;
use crate::state::{Context, State};
use crate::step::Step;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The revision of the tree that was read.
    pub base_revision: u64,
    /// Whether that tree was a prediction.
    pub is_predicted: bool,
    /// What was read.
    pub reads: Vec<ReadScope>,
    /// What must hold, of nodes at absolute paths: of a transaction that is given as data.
    pub requirements: Vec<Watched>,
    /// What is written, in order.
    pub writes: Vec<Write>,
    /// Whether the answer has that of each write.
    pub wants_results: bool,
}

/// A command of a transaction: a put, a clear or a delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The command.
    pub command: Command,
    /// What it must answer.
    pub expected: Expected,
}

/// What a command of a transaction must answer, so that the transaction may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything but a refusal.
    Success,
    /// [`Answer::Done`], and nothing done that the command's path alone does not tell.
    Done,
    /// An answer, and what was done besides, whose encoding has this SHA-256.
    Digest([u8; 32]),
}

impl Expected {
    /// The same answer again, and the same done to the tree ([`State::apply_traced`]).
    pub(crate) fn again(answer: &Answer, trace: &[Path]) -> Expected {
        if *answer == Answer::Done && trace.is_empty() {
            return Expected::Done;
        }
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        trace.iter().for_each(|path| put_names(&mut encoded, path));
        Expected::Digest(Sha256::digest(&encoded).into())
    }

    fn is_met_by(&self, answer: &Answer, trace: &[Path]) -> bool {
        match self {
            Expected::Success => !matches!(answer, Answer::Refused(_)),
            Expected::Done => *answer == Answer::Done && trace.is_empty(),
            Expected::Digest(_) => *self == Expected::again(answer, trace),
        }
    }
}

impl State {
    pub(crate) fn transaction(&mut self, transaction: &Transaction, context: &Context) -> Answer {
        if transaction.is_predicted && !context.is_as_predicted {
            return Answer::Conflict(Path::new());
        }
        let holds = |scope: &&ReadScope| !scope.holds(self, transaction.base_revision);
        if let Some(scope) = transaction.reads.iter().find(holds) {
            return Answer::Conflict(scope.path.clone());
        }
        let mut left = COMMAND_STEPS_MAX as u64;
        if let Err(refusal) = self.check_requirements(&transaction.requirements, &mut left) {
            return Answer::Refused(refusal);
        }
        // To hold it has a price: every page that changes is copied.
        let is_certain =
            |write: &Write| write.expected == Expected::Done && self.only_answers_done(&write.command);
        let before = (!transaction.writes.iter().all(is_certain)).then(|| self.clone());
        let detached_before = self.detached.len();
        let mut results = Vec::new();
        for (index, write) in transaction.writes.iter().enumerate() {
            let (answer, trace) = self.apply_traced(&write.command, &mut left);
            if !write.expected.is_met_by(&answer, &trace) {
                // What was detached is part of the tree again.
                self.detached.truncate(detached_before);
                let detached = std::mem::take(&mut self.detached);
                if let Some(before) = before {
                    *self = State { detached, ..before };
                }
                return match (answer, &write.expected) {
                    (Answer::Refused(refusal), Expected::Success) => {
                        Answer::Refused(Refusal::InTransaction { index, refusal: Box::new(refusal) })
                    }
                    _ => Answer::Conflict(plain_beginning(write.command.path())),
                };
            }
            if transaction.wants_results {
                results.push(answer);
            }
        }
        if transaction.wants_results { Answer::Results(results) } else { Answer::Done }
    }

    /// Whether the command can answer nothing but [`Answer::Done`] if it did before: a put of one node by its names, within
    /// the limits, where nothing follows from it.
    pub(crate) fn only_answers_done(&self, command: &Command) -> bool {
        match command {
            Command::Put { path, scope: Scope::One, keep_while: None, wanted: None, .. } => {
                self.keep_while.is_empty()
                    && path.iter().all(|step| matches!(step, Step::Child(_)))
                    && command.check().is_ok()
            }
            _ => false,
        }
    }

    fn check_requirements(&self, requirements: &[Watched], left: &mut u64) -> Result<(), Refusal> {
        for (index, required) in requirements.iter().enumerate() {
            let path = resolve(&required.path, &[]);
            let required = Watched { path, condition: required.condition.clone() };
            Scan::new(self, required.path.clone(), false, None)?;
            let place = place_of(&required.path);
            if let Some(reason) = broken(self, &required, &place, left)? {
                let path = required.path;
                return Err(Refusal::RequirementNotMet { index, path, reason });
            }
        }
        Ok(())
    }
}

/// The names that a path begins with.
pub(crate) fn plain_beginning(steps: &[Step]) -> Path {
    let name = |step: &Step| match step {
        Step::Child(name) => Some(name.clone()),
        Step::Condition(condition) => match condition.target() {
            Target::Child(name) => Some(name.clone()),
            Target::This | Target::Many => None,
        },
        _ => None,
    };
    steps.iter().map_while(name).collect()
}

impl Transaction {
    /// One that was given as data: what must hold, and what is to be done then.
    pub fn as_data(requirements: Vec<Watched>, writes: Vec<Write>) -> Transaction {
        Transaction {
            base_revision: 0,
            is_predicted: false,
            reads: Vec::new(),
            requirements,
            writes,
            wants_results: true,
        }
    }

    /// Whether every part is within the limits, and every command one that a transaction may hold.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        Limit::TransactionCommands.check(self.writes.len())?;
        Limit::TransactionCommands.check(self.requirements.len())?;
        Limit::TransactionScopes.check(self.reads.len())?;
        self.requirements.iter().try_for_each(|required| crate::check_path(&required.path))?;
        self.writes.iter().enumerate().try_for_each(|(index, write)| {
            let at_index = |refusal| Refusal::InTransaction { index, refusal: Box::new(refusal) };
            write.command.check().map_err(at_index)
        })?;
        Limit::TransactionSizeBytes.check(self.size_bytes())?;
        Ok(())
    }

    /// About how many bytes it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let names =
            |path: &Path| path.iter().map(|name| name.bytes().len() + size_of_val(name)).sum::<usize>();
        let reads = self.reads.iter().map(|scope| size_of::<ReadScope>() + names(&scope.path));
        let requirements = self.requirements.iter().map(Watched::size_bytes);
        let writes = self.writes.iter().map(|write| size_of::<Expected>() + write.command.size_bytes());
        reads.sum::<usize>() + requirements.sum::<usize>() + writes.sum::<usize>()
    }
}

#[cfg(test)]
#[path = "transaction_test.rs"]
mod tests;
