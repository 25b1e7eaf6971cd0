//! What `Put` and `Clear` do: find their targets, then edit.
//!
//! Invariants:
//! 1. Targets are found in the tree as it is before the command, each once.
//! 2. A pattern creates nothing where a condition stands; plain steps behind the last condition are created below each
//!    match. A path without conditions names one node, which is created.

use crate::answer::{Answer, Refusal};
use crate::command::{Scope, Wanted, Watched};
use crate::edit::{Edit, Present, check_keep_while};
use crate::limits::{COMMAND_STEPS_MAX, Limit};
use crate::name::Path;
use crate::payload::Payload;
use crate::scan::{Pulled, Scan};
use crate::state::State;
use crate::step::Step;
use crate::steps_left::OutOfSteps;
use crate::walk::{Ambiguous, Walk, not_found, walk, walk_from};

/// What a put does about a target that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Creates it, where conditions allow that.
    Create,
    /// Leaves it alone.
    Skip,
}

/// A put, but for its payload.
pub(crate) struct Put<'a> {
    pub(crate) steps: &'a [Step],
    pub(crate) scope: Scope,
    pub(crate) missing: Missing,
    pub(crate) keep_while: Option<&'a [Watched]>,
    pub(crate) wanted: Option<&'a Wanted>,
}

/// A node to be put, and places that its path enters and leaves again.
struct PutTarget {
    names: Path,
    found: Present,
    aside: Vec<Path>,
}

impl State {
    pub(crate) fn put(&mut self, put: &Put<'_>, payload: &Payload) -> Result<Answer, Refusal> {
        Limit::PayloadSizeBytes.check(payload.bytes().map_or(0, |bytes| bytes.len()))?;
        Limit::KeepWhile.check(put.keep_while.map_or(0, <[Watched]>::len))?;
        let mut left = COMMAND_STEPS_MAX as u64;
        let targets = self.put_targets(put, &mut left)?;
        for target in &targets {
            if let Some(conditions) = put.keep_while {
                check_keep_while(self, &target.names, conditions, &mut left)?;
            }
        }
        let is_manifold = targets.len() > 1
            || put.keep_while.is_some()
            || targets.iter().any(|target| !target.aside.is_empty());
        self.edit(put.wanted, is_manifold, left, |edit| {
            let mut is_first = true;
            for PutTarget { names, found, aside } in targets {
                if std::mem::take(&mut is_first) {
                    edit.put_found(&names, found, payload, put.keep_while);
                } else {
                    edit.put(&names, payload, put.keep_while);
                }
                aside.iter().for_each(|place| edit.create_parent(place));
            }
        })
    }

    fn put_targets(&self, put: &Put<'_>, left: &mut u64) -> Result<Vec<PutTarget>, Refusal> {
        let is_conditional = |step: &Step| step.is_wildcard() || matches!(step, Step::Condition(_));
        let last_condition = put.steps.iter().rposition(is_conditional);
        let (Scope::Many | Scope::ManyAndRoot, Some(last)) = (put.scope, last_condition) else {
            let walk = walk(&self.root, put.steps, Ambiguous::Refused, left)?;
            return Ok(match (put.missing, walk.first_missing, walk.first_denied) {
                (Missing::Create, _, Some(position)) => return Err(not_found(put.steps, position)),
                (Missing::Create, _, None) | (Missing::Skip, None, _) => vec![PutTarget::of(walk)],
                (Missing::Skip, Some(_), _) => Vec::new(),
            });
        };
        let (pattern, plain) = put.steps.split_at(last + 1);
        let mut targets = Vec::new();
        if put.scope == Scope::ManyAndRoot && put.steps.first().is_some_and(is_conditional) {
            let found = self.found(&[]);
            targets.push(PutTarget { names: Path::new(), found, aside: Vec::new() });
        }
        for base in self.matches(pattern, false, left)? {
            let walk = walk_from(&self.root, &base, plain, Ambiguous::Refused, left)?;
            if put.missing == Missing::Create || walk.first_missing.is_none() {
                targets.push(PutTarget::of(walk));
            }
        }
        targets.sort_unstable_by(|a, b| a.names.cmp(&b.names));
        targets.dedup_by(|a, b| a.names == b.names);
        Ok(targets)
    }

    /// The paths of all nodes that match, a node before those below it.
    pub(crate) fn matches(
        &self,
        pattern: &[Step],
        include_root: bool,
        left: &mut u64,
    ) -> Result<Vec<Path>, Refusal> {
        let mut scan = Scan::new(self, pattern.to_vec(), include_root, None)?.once();
        let mut paths = Vec::new();
        loop {
            match scan.next_within(left) {
                Pulled::Node(path, _) => paths.push(path),
                Pulled::End => return Ok(paths),
                Pulled::OutOfSteps => return Err(OutOfSteps.into()),
            }
        }
    }

    /// Does what a command does and what follows from it; all of it or, should the steps not suffice, nothing.
    pub(crate) fn edit(
        &mut self,
        wanted: Option<&Wanted>,
        is_manifold: bool,
        left: u64,
        change: impl FnOnce(&mut Edit<'_>),
    ) -> Result<Answer, Refusal> {
        // Only conditions of nodes can run out of steps now. Holding the tree before has a price: every page that
        // changes is copied.
        let before = (!self.keep_while.is_empty()).then(|| self.clone());
        let mut edit = Edit::new(self, wanted.copied(), is_manifold, left);
        change(&mut edit);
        match edit.settle() {
            Ok(()) => Ok(edit.into_answer()),
            Err(out_of_steps) => {
                if let Some(before) = before {
                    *self = before;
                }
                Err(out_of_steps.into())
            }
        }
    }
}

impl PutTarget {
    fn of(walk: Walk<'_>) -> PutTarget {
        let payload = walk.target().map(|node| node.payload.clone());
        let found = Present { present: walk.nodes.len() - 1, payload };
        PutTarget { names: walk.names, found, aside: walk.missing_aside }
    }
}

#[cfg(test)]
#[path = "put_test.rs"]
mod tests;
