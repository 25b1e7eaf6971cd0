//! What can be told of a command before it is proposed: whether it is within the limits, and how large it is.
//!
//! The border refuses here, so that no command enters the log that every member would only refuse.

use crate::answer::Refusal;
use crate::command::{Command, Once, Scope, Watched};
use crate::limits::Limit;
use crate::step::Step;
use crate::transaction::{Transaction, Write};
use crate::walk;

/// What a command takes in memory besides what it points to.
const COMMAND_SIZE_BYTES_FIXED: usize = size_of::<Command>();
/// The same of a component. (Encoded both are smaller.)
const COMPONENT_SIZE_BYTES_FIXED: usize = size_of::<Step>();

/// Whether a path or a pattern is within the limits.
pub fn check_path(steps: &[Step]) -> Result<(), Limit> {
    walk::check_limits(steps)
}

impl Command {
    /// The targets; those of a transaction are in its commands.
    pub fn path(&self) -> &[Step] {
        match self {
            Command::Put { path, .. } | Command::Delete { path, .. } | Command::Clear { path, .. } => path,
            Command::Transaction(_) => &[],
            Command::Once(once) => once.command.path(),
        }
    }

    /// About how many bytes the command takes in memory; in the log it is smaller.
    pub fn size_bytes(&self) -> usize {
        if let Command::Once(once) = self {
            let note_size_bytes = once.note.as_ref().map_or(0, |note| note.len());
            let kept = size_of::<Once>() + once.id.bytes().len() + note_size_bytes;
            return kept + once.command.size_bytes();
        }
        let fixed = COMMAND_SIZE_BYTES_FIXED;
        if let Command::Transaction(transaction) = self {
            return fixed + size_of::<Transaction>() + transaction.size_bytes();
        }
        let watched = self.watched().iter().map(Watched::size_bytes);
        fixed + path_size_bytes(self.path()) + self.payload_size_bytes() + watched.sum::<usize>()
    }

    /// Whether the command may be proposed: within the limits, and without a wildcard where one node must be named.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Command::Once(once) = self {
            Limit::RequestAnswerSizeBytes.check(once.note.as_ref().map_or(0, |note| note.len()))?;
            let is_nested = matches!(once.command, Command::Once(_));
            return if is_nested { Err(Refusal::Nested) } else { once.command.check() };
        }
        if let Command::Transaction(transaction) = self {
            let holds_more =
                |write: &Write| matches!(write.command, Command::Transaction(_) | Command::Once(_));
            let is_nested = transaction.writes.iter().any(holds_more);
            return if is_nested { Err(Refusal::Nested) } else { transaction.check() };
        }
        check_path(self.path())?;
        Limit::PayloadSizeBytes.check(self.payload_size_bytes())?;
        Limit::KeepWhile.check(self.watched().len())?;
        self.watched().iter().try_for_each(|watched| check_path(&watched.path))?;
        let paths = self.watched().iter().map(|watched| &watched.path[..]).chain([self.path()]);
        let in_paths: usize = paths.flatten().map(Step::condition_size_bytes).sum();
        let watched = self.watched().iter().map(|watched| watched.condition.size_bytes());
        Limit::ConditionSizeBytes.check(in_paths + watched.sum::<usize>())?;
        match (self.scope(), self.path().iter().position(Step::is_wildcard)) {
            (Scope::One, Some(position)) => Err(Refusal::WildcardInPath { position }),
            _ => Ok(()),
        }
    }

    fn scope(&self) -> Scope {
        match self {
            Command::Put { scope, .. } | Command::Delete { scope, .. } | Command::Clear { scope, .. } => {
                *scope
            }
            Command::Transaction(_) => Scope::Many,
            Command::Once(once) => once.command.scope(),
        }
    }

    fn watched(&self) -> &[Watched] {
        match self {
            Command::Put { keep_while, .. } | Command::Clear { keep_while, .. } => {
                keep_while.as_deref().unwrap_or_default()
            }
            Command::Delete { .. } | Command::Transaction(_) => &[],
            Command::Once(once) => once.command.watched(),
        }
    }

    fn payload_size_bytes(&self) -> usize {
        match self {
            Command::Put { payload, .. } => payload.bytes().map_or(0, |bytes| bytes.len()),
            Command::Delete { .. } | Command::Clear { .. } | Command::Transaction(_) => 0,
            Command::Once(once) => once.command.payload_size_bytes(),
        }
    }
}

impl Watched {
    /// About how many bytes it takes in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        COMPONENT_SIZE_BYTES_FIXED + path_size_bytes(&self.path) + self.condition.size_bytes()
    }
}

fn path_size_bytes(steps: &[Step]) -> usize {
    let size_bytes =
        |step: &Step| COMPONENT_SIZE_BYTES_FIXED + step.name_size_bytes() + step.condition_size_bytes();
    steps.iter().map(size_bytes).sum()
}

impl Step {
    fn name_size_bytes(&self) -> usize {
        match self {
            Step::Child(name) => name.bytes().len(),
            Step::This
            | Step::Parent
            | Step::Root
            | Step::AnyChild
            | Step::AnyDescendant
            | Step::Condition(_) => 0,
        }
    }

    fn condition_size_bytes(&self) -> usize {
        match self {
            Step::Condition(condition) => condition.size_bytes(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::name::Name;
    use crate::payload::Payload;
    use crate::test_store::*;

    fn put(path: Vec<Step>, payload_size_bytes: usize) -> Command {
        let payload = Payload::Data(vec![131; payload_size_bytes].into());
        Command::put(path, payload)
    }

    #[test]
    fn a_command_at_every_limit_passes_and_one_beyond_any_is_refused() {
        let name = |size| Step::Child(Name::binary(&vec![b'a'; size]));
        let short = || name(1);
        assert_eq!(put(vec![short(); limits::PATH_COMPONENTS_MAX], 1).check(), Ok(()));
        assert_eq!(
            put(vec![short(); limits::PATH_COMPONENTS_MAX + 1], 1).check(),
            Err(Limit::PathComponents.into())
        );
        assert_eq!(put(vec![name(limits::NAME_SIZE_BYTES_MAX)], 1).check(), Ok(()));
        assert_eq!(
            put(vec![name(limits::NAME_SIZE_BYTES_MAX + 1)], 1).check(),
            Err(Limit::NameSizeBytes.into())
        );
        let four = vec![
            name(limits::NAME_SIZE_BYTES_MAX);
            limits::PATH_SIZE_BYTES_MAX / limits::NAME_SIZE_BYTES_MAX
        ];
        assert_eq!(put(four.clone(), 1).check(), Ok(()));
        let more = four.into_iter().chain([short()]).collect();
        assert_eq!(put(more, 1).check(), Err(Limit::PathSizeBytes.into()));
        assert_eq!(put(vec![short()], limits::PAYLOAD_SIZE_BYTES_MAX).check(), Ok(()));
        assert_eq!(
            put(vec![short()], limits::PAYLOAD_SIZE_BYTES_MAX + 1).check(),
            Err(Limit::PayloadSizeBytes.into())
        );
    }

    #[test]
    fn a_wildcard_is_refused_before_it_is_proposed() {
        let path = vec![Step::Child(Name::atom("a")), Step::AnyChild];
        assert_eq!(put(path.clone(), 1).check(), Err(Refusal::WildcardInPath { position: 1 }));
        let many = Command::Delete { path, scope: Scope::Many, wanted: None };
        assert_eq!(many.check(), Ok(()));
        let has_data = Step::Condition(condition(&if_has_data(true)));
        assert_eq!(put(vec![has_data], 1).check(), Err(Refusal::WildcardInPath { position: 0 }));
        assert_eq!(put(steps_if("a b", &[if_has_data(true)]), 1).check(), Ok(()));
    }

    #[test]
    fn the_nodes_to_depend_on_are_counted_and_their_paths_checked() {
        let depends = |watched| Command::Clear {
            path: steps("a"),
            scope: Scope::One,
            keep_while: Some(Vec::into_boxed_slice(watched)),
            wanted: None,
        };
        let one = || watched(&[("x", if_node_exists(true))]).remove(0);
        assert_eq!(depends(vec![one(); limits::KEEP_WHILE_MAX]).check(), Ok(()));
        assert_eq!(depends(vec![one(); limits::KEEP_WHILE_MAX + 1]).check(), Err(Limit::KeepWhile.into()));
        let deep = vec![Step::This; limits::PATH_COMPONENTS_MAX + 1];
        let deep = Watched { path: deep, ..one() };
        assert_eq!(depends(vec![deep]).check(), Err(Limit::PathComponents.into()));
    }

    #[test]
    fn conditions_of_a_command_have_a_size_together() {
        let large = condition(&etf::record(
            "if_name_matches",
            &[etf::atom("any"), etf::binary(&vec![0; limits::CONDITION_SIZE_BYTES_MAX / 2])],
        ));
        let watched = Watched { path: steps("x"), condition: large.clone() };
        let depends = |path| Command::Clear {
            path,
            scope: Scope::One,
            keep_while: Some(vec![watched.clone()].into()),
            wanted: None,
        };
        assert_eq!(depends(steps("a")).check(), Ok(()));
        assert!(depends(steps("a")).size_bytes() > limits::CONDITION_SIZE_BYTES_MAX / 2);
        assert_eq!(
            Command::Delete { path: vec![Step::Condition(large); 2], scope: Scope::Many, wanted: None }
                .check(),
            Err(Limit::ConditionSizeBytes.into())
        );
    }

    #[test]
    fn the_size_counts_names_and_payload() {
        let small = put(vec![Step::Child(Name::binary(b"a"))], 1).size_bytes();
        assert_eq!(put(vec![Step::Child(Name::binary(b"abc"))], 11).size_bytes(), small + 2 + 10);
    }
}
