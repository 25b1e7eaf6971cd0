//! The limits of paths, names and payloads.
//!
//! Invariants:
//! 1. The limits are constants: a command must get the same answer on every replica, so no member can have its own.
//! 2. The border checks them first, decoding checks them again, and `State::apply` refuses what slipped through.

use std::fmt;

/// The longest path, and the deepest tree: components (steps of a command's path count as components too).
pub const PATH_COMPONENTS_MAX: usize = 1024;
/// The names of one path together, in bytes.
pub const PATH_SIZE_BYTES_MAX: usize = 256 * 1024;
/// One name, in bytes.
pub const NAME_SIZE_BYTES_MAX: usize = 64 * 1024;
/// An atom, in characters: the limit of the BEAM itself.
pub const ATOM_CHARACTERS_MAX: usize = 255;
/// One payload, in bytes of external term format: a binary of 64 MiB and its headers fit.
pub const PAYLOAD_SIZE_BYTES_MAX: usize = 64 * 1024 * 1024 + 256;
/// Conditions within conditions.
pub const CONDITION_DEPTH_MAX: usize = 64;
/// Conditions in one component, itself included.
pub const CONDITION_PARTS_MAX: usize = 1024;
/// One condition as a term, in bytes: a whole payload fits as the pattern of a data condition.
pub const CONDITION_SIZE_BYTES_MAX: usize = PAYLOAD_SIZE_BYTES_MAX + 64 * 1024;
/// What one command may cost, in steps: about one a node visited and one a token of a term looked at.
pub const COMMAND_STEPS_MAX: usize = 250_000_000;
/// Nodes on which one node may depend.
pub const KEEP_WHILE_MAX: usize = 1024;
/// Commands of one transaction, and requirements of one.
pub const TRANSACTION_COMMANDS_MAX: usize = 100_000;
/// The commands of one transaction together, in bytes, with what they must answer.
pub const TRANSACTION_SIZE_BYTES_MAX: usize = PAYLOAD_SIZE_BYTES_MAX + 64 * 1024;
/// Things that one transaction has read and that are kept apart. Beyond it, any change counts as a change of what was read.
pub const TRANSACTION_SCOPES_MAX: usize = 10_000;
/// The paths of these together, in bytes of memory: the same.
pub const TRANSACTION_SCOPES_SIZE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests of which the tree keeps that they were applied.
pub const REQUESTS_KEPT_MAX: usize = 65_536;
/// What is kept of them together, in bytes: ids, encoded answers and notes.
pub const REQUESTS_SIZE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An answer that is kept with a request id, encoded, in bytes; the same of a note. Of a larger answer is kept that there was one.
pub const REQUEST_ANSWER_SIZE_BYTES_MAX: usize = 64 * 1024;
/// A request id, in bytes.
pub const REQUEST_ID_SIZE_BYTES_MAX: usize = 256;
/// Detached subtrees that wait for `State::take_detached`; beyond it they are freed by the command that detaches.
pub const DETACHED_SUBTREES_MAX: usize = 1024;
/// A detached subtree smaller than this is freed on the spot: handing it over would cost more.
pub const DETACHED_NODES_MIN: u64 = 64;

/// A limit that something went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`PATH_COMPONENTS_MAX`].
    PathComponents,
    /// [`PATH_SIZE_BYTES_MAX`].
    PathSizeBytes,
    /// [`NAME_SIZE_BYTES_MAX`].
    NameSizeBytes,
    /// [`ATOM_CHARACTERS_MAX`].
    AtomCharacters,
    /// [`PAYLOAD_SIZE_BYTES_MAX`].
    PayloadSizeBytes,
    /// [`CONDITION_DEPTH_MAX`].
    ConditionDepth,
    /// [`CONDITION_PARTS_MAX`].
    ConditionParts,
    /// [`CONDITION_SIZE_BYTES_MAX`].
    ConditionSizeBytes,
    /// [`COMMAND_STEPS_MAX`].
    CommandSteps,
    /// [`KEEP_WHILE_MAX`].
    KeepWhile,
    /// [`TRANSACTION_COMMANDS_MAX`].
    TransactionCommands,
    /// [`TRANSACTION_SIZE_BYTES_MAX`].
    TransactionSizeBytes,
    /// [`TRANSACTION_SCOPES_MAX`].
    TransactionScopes,
    /// [`REQUEST_ANSWER_SIZE_BYTES_MAX`].
    RequestAnswerSizeBytes,
    /// [`REQUEST_ID_SIZE_BYTES_MAX`].
    RequestIdSizeBytes,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Limit; 15] = [
        Limit::PathComponents,
        Limit::PathSizeBytes,
        Limit::NameSizeBytes,
        Limit::AtomCharacters,
        Limit::PayloadSizeBytes,
        Limit::ConditionDepth,
        Limit::ConditionParts,
        Limit::ConditionSizeBytes,
        Limit::CommandSteps,
        Limit::KeepWhile,
        Limit::TransactionCommands,
        Limit::TransactionSizeBytes,
        Limit::TransactionScopes,
        Limit::RequestAnswerSizeBytes,
        Limit::RequestIdSizeBytes,
    ];

    /// The largest permitted value.
    pub fn max(self) -> usize {
        match self {
            Limit::PathComponents => PATH_COMPONENTS_MAX,
            Limit::PathSizeBytes => PATH_SIZE_BYTES_MAX,
            Limit::NameSizeBytes => NAME_SIZE_BYTES_MAX,
            Limit::AtomCharacters => ATOM_CHARACTERS_MAX,
            Limit::PayloadSizeBytes => PAYLOAD_SIZE_BYTES_MAX,
            Limit::ConditionDepth => CONDITION_DEPTH_MAX,
            Limit::ConditionParts => CONDITION_PARTS_MAX,
            Limit::ConditionSizeBytes => CONDITION_SIZE_BYTES_MAX,
            Limit::CommandSteps => COMMAND_STEPS_MAX,
            Limit::KeepWhile => KEEP_WHILE_MAX,
            Limit::TransactionCommands => TRANSACTION_COMMANDS_MAX,
            Limit::TransactionSizeBytes => TRANSACTION_SIZE_BYTES_MAX,
            Limit::TransactionScopes => TRANSACTION_SCOPES_MAX,
            Limit::RequestAnswerSizeBytes => REQUEST_ANSWER_SIZE_BYTES_MAX,
            Limit::RequestIdSizeBytes => REQUEST_ID_SIZE_BYTES_MAX,
        }
    }

    /// The name the limit is documented under.
    pub fn name(self) -> &'static str {
        match self {
            Limit::PathComponents => "path_components_max",
            Limit::PathSizeBytes => "path_size_bytes_max",
            Limit::NameSizeBytes => "name_size_bytes_max",
            Limit::AtomCharacters => "atom_characters_max",
            Limit::PayloadSizeBytes => "payload_size_bytes_max",
            Limit::ConditionDepth => "condition_depth_max",
            Limit::ConditionParts => "condition_parts_max",
            Limit::ConditionSizeBytes => "condition_size_bytes_max",
            Limit::CommandSteps => "command_steps_max",
            Limit::KeepWhile => "keep_while_max",
            Limit::TransactionCommands => "transaction_commands_max",
            Limit::TransactionSizeBytes => "transaction_size_bytes_max",
            Limit::TransactionScopes => "transaction_scopes_max",
            Limit::RequestAnswerSizeBytes => "request_answer_size_bytes_max",
            Limit::RequestIdSizeBytes => "request_id_size_bytes_max",
        }
    }

    /// `Ok` when `value` is within the limit.
    pub fn check(self, value: usize) -> Result<(), Limit> {
        if value <= self.max() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_admits_its_maximum_and_refuses_one_more() {
        for limit in Limit::ALL {
            assert_eq!(limit.check(limit.max()), Ok(()));
            assert_eq!(limit.check(limit.max() + 1), Err(limit));
            assert!(limit.to_string().contains(&limit.max().to_string()));
        }
    }
}
