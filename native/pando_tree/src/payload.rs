//! What a node carries.
//!
//! Invariants:
//! 1. The bytes are external term format, opaque here and returned unchanged.
//! 2. They are shared and never copied: a clone is one reference more.

use std::fmt;
use std::sync::Arc;

use crate::term;

/// The payload of a node.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Payload {
    /// None.
    #[default]
    None,
    /// A term.
    Data(Arc<[u8]>),
    /// A stored procedure.
    Procedure(Arc<[u8]>),
}

impl Payload {
    /// Whether there is no payload.
    pub fn is_none(&self) -> bool {
        matches!(self, Payload::None)
    }

    /// The bytes, unless there is no payload.
    pub fn bytes(&self) -> Option<&Arc<[u8]>> {
        match self {
            Payload::None => None,
            Payload::Data(bytes) | Payload::Procedure(bytes) => Some(bytes),
        }
    }

    /// Whether both are the same kind and the same term (`=:=`), however each is encoded. (`==` compares the bytes.)
    pub fn is_same_term(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::None, Payload::None) => true,
            (Payload::Data(a), Payload::Data(b)) | (Payload::Procedure(a), Payload::Procedure(b)) => {
                Arc::ptr_eq(a, b) || term::exactly_equal(a, b)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::None => f.write_str("None"),
            Payload::Data(bytes) => write!(f, "Data({})", bytes.escape_ascii()),
            Payload::Procedure(bytes) => write!(f, "Procedure({})", bytes.escape_ascii()),
        }
    }
}
