//! The way to a store's members on other nodes: an Erlang process for each lane, which sends over the distribution.
//!
//! Invariant: frames of one lane reach its process in the order in which they were handed over by one thread.

use crate::vm::{Atom, Encoder, Error, LocalPid, NifResult, OwnedBinary, OwnedEnv, Term};
use pando_store::peers::{Lane, PeerTransport};

use super::atoms;

/// The processes of a store's lanes; where there is none, nothing is sent.
#[derive(Default)]
pub struct Lanes {
    consensus: Option<LocalPid>,
    bulk: Option<LocalPid>,
}

impl Lanes {
    /// With `process` for a lane.
    pub fn set(&mut self, lane: Lane, process: LocalPid) {
        match lane {
            Lane::Consensus => self.consensus = Some(process),
            Lane::Bulk => self.bulk = Some(process),
        }
    }
}

impl PeerTransport for Lanes {
    /// Sends `{pando_frame_out, NodeName, Frame}`. Not for the thread of a scheduler, as all that sends without being called.
    fn send(&self, node_name: &str, lane: Lane, frame: Vec<u8>) {
        let process = match lane {
            Lane::Consensus => &self.consensus,
            Lane::Bulk => &self.bulk,
        };
        let Some(process) = process else { return };
        // The one copy: the VM takes this binary over as it is.
        let mut binary = OwnedBinary::new(frame.len());
        binary.as_mut_slice().copy_from_slice(&frame);
        // A lane that is gone goes with its store.
        let _ = OwnedEnv::new().send_and_clear(process, |env| {
            (atoms::pando_frame_out(), node_name, binary.release(env)).encode(env)
        });
    }
}

/// `consensus` or `bulk`.
pub fn lane(term: Term<'_>) -> NifResult<Lane> {
    match term.decode::<Atom>()? {
        atom if atom == atoms::consensus() => Ok(Lane::Consensus),
        atom if atom == atoms::bulk() => Ok(Lane::Bulk),
        _ => Err(Error::BadArg),
    }
}
