//! The targets, by name.

use crate::Outcome;

pub mod command;
pub mod condition;
pub mod control;
pub mod frame;
pub mod log;
pub mod match_specification;
pub mod port_call;
pub mod port_frame;
pub mod snapshot;
pub mod term;
pub mod tree;

/// What is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of the binary and of the directory of found inputs.
    pub name: &'static str,
    /// What is checked of an input.
    pub check: fn(&[u8]) -> Outcome,
    /// Inputs to begin with, all of which are read.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "term", check: term::check, seeds: term::seeds },
    Target {
        name: "match_specification",
        check: match_specification::check,
        seeds: match_specification::seeds,
    },
    Target { name: "condition", check: condition::check, seeds: condition::seeds },
    Target { name: "command", check: command::check, seeds: command::seeds },
    Target { name: "tree", check: tree::check, seeds: tree::seeds },
    Target { name: "control", check: control::check, seeds: control::seeds },
    Target { name: "log", check: log::check, seeds: log::seeds },
    Target { name: "frame", check: frame::check, seeds: frame::seeds },
    Target { name: "port_frame", check: port_frame::check, seeds: port_frame::seeds },
    Target { name: "port_call", check: port_call::check, seeds: port_call::seeds },
    Target { name: "snapshot", check: snapshot::check, seeds: snapshot::seeds },
];
