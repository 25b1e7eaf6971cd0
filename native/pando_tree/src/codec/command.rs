//! Commands as bytes.
//!
//! Layout: tag of the command; what is wanted (0 nothing, 1 properties, 2 indirect deletes too; then the set of
//! properties in two bytes); of a put the expectation and the payload; the number of steps and the steps.

use super::DecodeError;
use super::reader::{Reader, put_name, put_number, put_payload};
use crate::command::{Command, Expectation, Wanted};
use crate::limits::Limit;
use crate::name::NameKind;
use crate::props::PropsMask;
use crate::step::Step;
use crate::walk::check_limits;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const CLEAR: u8 = 3;

impl Command {
    /// Appends the command as bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let path = match self {
            Command::Put { path, payload, expectation, wanted } => {
                out.push(PUT);
                put_wanted(out, wanted.as_ref());
                out.push(match expectation {
                    Expectation::Anything => 0,
                    Expectation::Absent => 1,
                    Expectation::Present => 2,
                });
                put_payload(out, payload);
                path
            }
            Command::Delete { path, wanted } => {
                out.push(DELETE);
                put_wanted(out, wanted.as_ref());
                path
            }
            Command::Clear { path, wanted } => {
                out.push(CLEAR);
                put_wanted(out, wanted.as_ref());
                path
            }
        };
        put_number(out, path.len() as u64);
        path.iter().for_each(|step| put_step(out, step));
    }

    /// Reads the command that the bytes begin with; also returns how many bytes it took.
    pub fn decode(bytes: &[u8]) -> Result<(Command, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let tag = reader.u8()?;
        let wanted = wanted(&mut reader)?;
        let command = match tag {
            PUT => {
                let expectation = match reader.u8()? {
                    0 => Expectation::Anything,
                    1 => Expectation::Absent,
                    2 => Expectation::Present,
                    tag => return Err(DecodeError::UnknownTag { of: "expectation", tag }),
                };
                let payload = reader.payload()?;
                Command::Put { path: path(&mut reader)?, payload, expectation, wanted }
            }
            DELETE => Command::Delete { path: path(&mut reader)?, wanted },
            CLEAR => Command::Clear { path: path(&mut reader)?, wanted },
            tag => return Err(DecodeError::UnknownTag { of: "command", tag }),
        };
        Ok((command, bytes.len() - reader.left()))
    }
}

fn put_wanted(out: &mut Vec<u8>, wanted: Option<&Wanted>) {
    match wanted {
        None => out.push(0),
        Some(wanted) => {
            out.push(if wanted.indirect_deletes { 2 } else { 1 });
            out.extend(wanted.props.bits().to_le_bytes());
        }
    }
}

fn wanted(reader: &mut Reader<'_>) -> Result<Option<Wanted>, DecodeError> {
    let indirect_deletes = match reader.u8()? {
        0 => return Ok(None),
        1 => false,
        2 => true,
        tag => return Err(DecodeError::UnknownTag { of: "wish", tag }),
    };
    let bits = reader.u16()?;
    let props = PropsMask::from_bits(bits);
    let props =
        props.ok_or(DecodeError::UnknownTag { of: "set of properties", tag: bits.to_be_bytes()[0] })?;
    Ok(Some(Wanted { props, indirect_deletes }))
}

fn put_step(out: &mut Vec<u8>, step: &Step) {
    match step {
        Step::This => out.push(0),
        Step::Parent => out.push(1),
        Step::Root => out.push(2),
        Step::AnyChild => out.push(3),
        Step::AnyDescendant => out.push(4),
        Step::Condition(_) => {} // PROVISIONAL: the lead's version wins.
        Step::Child(name) => {
            out.push(match name.kind() {
                NameKind::Atom => 5,
                NameKind::Binary => 6,
            });
            put_name(out, name);
        }
    }
}

fn path(reader: &mut Reader<'_>) -> Result<Vec<Step>, DecodeError> {
    let count = reader.size(Limit::PathComponents)?;
    let mut steps = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        steps.push(match reader.u8()? {
            0 => Step::This,
            1 => Step::Parent,
            2 => Step::Root,
            3 => Step::AnyChild,
            4 => Step::AnyDescendant,
            5 => Step::Child(reader.name(NameKind::Atom)?),
            6 => Step::Child(reader.name(NameKind::Binary)?),
            tag => return Err(DecodeError::UnknownTag { of: "step", tag }),
        });
    }
    check_limits(&steps)?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{PATH_COMPONENTS_MAX, PAYLOAD_SIZE_BYTES_MAX};
    use crate::model::arbitrary;
    use crate::{Name, Payload};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn encode(command: &Command) -> Vec<u8> {
        let mut out = Vec::new();
        command.encode(&mut out);
        out
    }

    proptest! {
        #[test]
        fn a_command_is_read_as_written_and_bytes_behind_it_are_left(
            command in arbitrary::command(), behind in proptest::collection::vec(any::<u8>(), 0..5),
        ) {
            let mut bytes = encode(&command);
            let size = bytes.len();
            bytes.extend(behind);
            prop_assert_eq!(Command::decode(&bytes), Ok((command, size)));
            for end in 0..size {
                prop_assert_eq!(Command::decode(&bytes[..end]), Err(DecodeError::Truncated));
            }
        }

        #[test]
        fn damaged_commands_never_panic_and_what_is_read_has_one_encoding(
            command in arbitrary::command(),
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = encode(&command);
            for (at, byte) in damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok((command, size)) = Command::decode(&bytes) {
                prop_assert_eq!(encode(&command), &bytes[..size]);
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Command::decode(&bytes);
        }
    }

    #[test]
    fn what_is_over_a_limit_is_not_decoded() {
        let limit_of = |command: &Command| match Command::decode(&encode(command)) {
            Ok((decoded, _)) => {
                assert_eq!(&decoded, command);
                None
            }
            Err(DecodeError::LimitExceeded(limit)) => Some(limit),
            Err(other) => panic!("{other}"),
        };
        let delete = |path| Command::Delete { path, wanted: None };
        assert_eq!(limit_of(&delete(vec![Step::This; PATH_COMPONENTS_MAX])), None);
        assert_eq!(limit_of(&delete(vec![Step::This; PATH_COMPONENTS_MAX + 1])), Some(Limit::PathComponents));
        let named = |size| Step::Child(Name::binary(&vec![0; size]));
        assert_eq!(limit_of(&delete(vec![named(65_536)])), None);
        assert_eq!(limit_of(&delete(vec![named(65_537)])), Some(Limit::NameSizeBytes));
        assert_eq!(limit_of(&delete(vec![named(65_536); 4])), None);
        assert_eq!(limit_of(&delete(vec![named(65_536); 5])), Some(Limit::PathSizeBytes));
        let atom = |length| Step::Child(Name::atom(&"a".repeat(length)));
        assert_eq!(limit_of(&delete(vec![atom(255)])), None);
        assert_eq!(limit_of(&delete(vec![atom(256)])), Some(Limit::AtomCharacters));
        let put = |size| Command::Put {
            path: vec![],
            payload: Payload::Data(Arc::from(vec![0; size])),
            expectation: Expectation::Anything,
            wanted: None,
        };
        assert_eq!(limit_of(&put(PAYLOAD_SIZE_BYTES_MAX)), None);
        assert_eq!(limit_of(&put(PAYLOAD_SIZE_BYTES_MAX + 1)), Some(Limit::PayloadSizeBytes));
    }
}
