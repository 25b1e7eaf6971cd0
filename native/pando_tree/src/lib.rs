//! The tree of Pando and what commands do to it.
//!
//! Pure: no input or output, no clock, no randomness, no globals. Everything a command depends on is in the
//! [`State`], the [`Command`] and the [`Context`], so every replica computes the same.
//!
//! Nodes are immutable and shared ([`Node`]); a change copies the way from the node to the root, and a copy of the
//! state is one reference. Payloads are bytes of the external term format ([`term`]), shared and never copied.

mod answer;
mod codec;
mod command;
mod command_check;
mod condition;
mod delete;
mod edit;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod keep_while;
pub mod limits;
mod match_specification;
#[cfg(test)]
mod model;
mod name;
mod name_regex;
mod node;
mod open_transaction;
mod pattern;
mod payload;
mod positions;
mod preorder;
mod props;
mod put;
mod read_set;
mod request_window;
mod round;
mod scan;
mod sorted_map;
mod state;
mod step;
mod steps_left;
pub mod term;
#[cfg(test)]
mod test_condition;
#[cfg(test)]
mod test_store;
mod transaction;
mod walk;

pub use answer::{Answer, KeepWhileReason, Refusal, Repeated};
pub use codec::{DecodeError, TreeBuilder, TreeRecords};
pub use command::{Command, Once, Scope, Wanted, Watched};
pub use command_check::check_path;
pub use condition::{BadCondition, Condition, Subject, Target, Verdict};
pub use limits::Limit;
pub use match_specification::{
    BUILT_TERM_SIZE_BYTES_MAX, INTEGER_BITS_MAX, MATCH_SPECIFICATION_DEPTH_MAX, MatchSpecification,
    MatchSpecificationError, VARIABLE_NUMBER_MAX,
};
pub use name::{Name, NameKind, Path};
pub use node::{Children, Node};
pub use open_transaction::OpenTransaction;
pub use payload::Payload;
pub use props::{DeleteReason, Props, PropsMask};
pub use read_set::{Extent, ReadScope};
pub use request_window::RequestId;
pub use scan::{Progress, Pulled, Scan};
pub use sorted_map::{Cursor, Iter, SortedMap};
pub use state::{Context, Found, State};
pub use step::Step;
pub use steps_left::OutOfSteps;
pub use transaction::{Expected, Transaction, Write};
