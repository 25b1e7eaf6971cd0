//! The properties of a node that an answer or a query shows.

use std::ops::BitOr;

use crate::name::Name;
use crate::payload::Payload;

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropsMask(u16);

impl PropsMask {
    /// No property.
    pub const NONE: PropsMask = PropsMask(0);
    /// The payload, when there is one.
    pub const PAYLOAD: PropsMask = PropsMask(1);
    /// The counter of changes of the payload.
    pub const PAYLOAD_VERSION: PropsMask = PropsMask(1 << 1);
    /// Why the node was removed, when the answered command removed it.
    pub const DELETE_REASON: PropsMask = PropsMask(1 << 2);
    /// The counter of changes of the list of children.
    pub const CHILD_LIST_VERSION: PropsMask = PropsMask(1 << 3);
    /// The number of children.
    pub const CHILD_LIST_LENGTH: PropsMask = PropsMask(1 << 4);
    /// The names of the children, sorted.
    pub const CHILD_NAMES: PropsMask = PropsMask(1 << 5);
    /// Whether there is data or a procedure.
    pub const HAS_PAYLOAD: PropsMask = PropsMask(1 << 6);
    /// The payload, or that there is none.
    pub const RAW_PAYLOAD: PropsMask = PropsMask(1 << 7);
    /// What a caller gets who does not choose.
    pub const DEFAULT: PropsMask = PropsMask(0b111);
    /// Everything.
    pub const ALL: PropsMask = PropsMask(0xFF);

    /// Whether every property of `other` is in the set.
    pub fn contains(self, other: PropsMask) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as bits.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits; `None` when a bit has no meaning.
    pub fn from_bits(bits: u16) -> Option<PropsMask> {
        (bits & !Self::ALL.0 == 0).then_some(PropsMask(bits))
    }
}

impl BitOr for PropsMask {
    type Output = PropsMask;

    fn bitor(self, other: PropsMask) -> PropsMask {
        PropsMask(self.0 | other.0)
    }
}

/// Why a node was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteReason {
    /// It, or a node above it, was the target of a delete.
    Explicit,
    /// A condition of its own ceased to hold.
    KeepWhile,
}

/// Properties of one node; what was not asked for, or is not there, is `None` or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Props {
    /// The payload; `None` also when the node has none.
    pub payload: Option<Payload>,
    /// The counter of changes of the payload.
    pub payload_version: Option<u64>,
    /// The counter of changes of the list of children.
    pub child_list_version: Option<u64>,
    /// The number of children.
    pub child_list_length: Option<u64>,
    /// The names of the children, sorted.
    pub child_names: Option<Vec<Name>>,
    /// There is data. (In the answer of a put: there was, or there is.)
    pub has_data: bool,
    /// There is a procedure. (In the answer of a put: there was, or there is.)
    pub is_procedure: bool,
    /// The payload, `Payload::None` included.
    pub raw_payload: Option<Payload>,
    /// Why the node was removed.
    pub delete_reason: Option<DeleteReason>,
}
