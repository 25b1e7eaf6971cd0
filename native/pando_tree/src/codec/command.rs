//! Commands as bytes.
//!
//! Layout: tag of the command; what is wanted (0 nothing, 1 properties, 2 indirect deletes too; then the set of
//! properties in two bytes); scope (0 one, 1 many, 2 many and the root); of a put the payload; of a put and a clear the
//! conditions to depend on (0 none given, else their number plus one, and each as a path and a condition); the number
//! of steps and the steps. A condition is the size and the bytes of its term.
//!
//! A transaction: its tag; flags (1 read from a prediction, 2 wants results); the revision of what it read; the number of
//! things read, and each as a byte (the extent, from 0: presence, payload, node, subtree; and 128 if it was there) and a
//! path; the number of requirements, and each as a path and a condition; the number of commands, and each behind what it
//! must answer (0 no refusal, 1 done, 2 what has this SHA-256, of 32 bytes).
//!
//! A command that is applied once: its tag; the size and the bytes of the request id; 0, or 1 and the size and the bytes of
//! the note; the command.

use std::sync::Arc;

use super::DecodeError;
use super::reader::{Reader, put_bytes, put_condition, put_name, put_number, put_payload};
use crate::command::{Command, Once, Scope, Wanted, Watched};
use crate::limits::Limit;
use crate::name::{Name, NameKind, Path};
use crate::props::PropsMask;
use crate::read_set::{Extent, ReadScope};
use crate::request_window::RequestId;
use crate::step::Step;
use crate::transaction::{Expected, Transaction, Write};
use crate::walk::check_limits;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const CLEAR: u8 = 3;
const TRANSACTION: u8 = 4;
const ONCE: u8 = 5;

/// Flags of a transaction.
const IS_PREDICTED: u8 = 1;
const WANTS_RESULTS: u8 = 2;
/// With the extent of what was read.
const WAS_PRESENT: u8 = 0x80;

/// The kinds of names among the steps.
pub(super) const ATOM: u8 = 5;
pub(super) const BINARY: u8 = 6;

impl Command {
    /// Appends the command as bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Command::Once(once) = self {
            out.push(ONCE);
            put_bytes(out, once.id.bytes());
            put_optional_bytes(out, once.note.as_deref());
            return once.command.encode_without_id(out);
        }
        self.encode_without_id(out);
    }

    fn encode_without_id(&self, out: &mut Vec<u8>) {
        let (tag, scope, wanted) = match self {
            Command::Transaction(transaction) => {
                out.push(TRANSACTION);
                return put_transaction(out, transaction);
            }
            // One within another, which `check` refuses, becomes a tag that is not read here.
            Command::Once(_) => return out.push(ONCE),
            Command::Put { scope, wanted, .. } => (PUT, scope, wanted),
            Command::Delete { scope, wanted, .. } => (DELETE, scope, wanted),
            Command::Clear { scope, wanted, .. } => (CLEAR, scope, wanted),
        };
        out.push(tag);
        put_wanted(out, wanted.as_ref());
        out.push(match scope {
            Scope::One => 0,
            Scope::Many => 1,
            Scope::ManyAndRoot => 2,
        });
        if let Command::Put { payload, .. } = self {
            put_payload(out, payload);
        }
        if let Command::Put { keep_while, .. } | Command::Clear { keep_while, .. } = self {
            match keep_while {
                None => put_number(out, 0),
                Some(conditions) => {
                    put_number(out, conditions.len() as u64 + 1);
                    put_watched(out, conditions);
                }
            }
        }
        put_path(out, self.path());
    }

    /// Reads the command that the bytes begin with; also returns how many bytes it took.
    pub fn decode(bytes: &[u8]) -> Result<(Command, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let command = match reader.u8()? {
            ONCE => {
                let id = request_id(&mut reader)?;
                let note = optional_bytes(&mut reader, Limit::RequestAnswerSizeBytes)?;
                let tag = reader.u8()?;
                Command::Once(Box::new(Once { id, note, command: without_id(tag, &mut reader)? }))
            }
            tag => without_id(tag, &mut reader)?,
        };
        Ok((command, bytes.len() - reader.left()))
    }
}

/// Reads the rest of a command that has no request id.
fn without_id(tag: u8, reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    match tag {
        TRANSACTION => Ok(Command::Transaction(Box::new(transaction(reader)?))),
        tag => single(tag, reader),
    }
}

/// Reads the rest of a command that is not several.
fn single(tag: u8, reader: &mut Reader<'_>) -> Result<Command, DecodeError> {
    let wanted = wanted(reader)?;
    let scope = match reader.u8()? {
        0 => Scope::One,
        1 => Scope::Many,
        2 => Scope::ManyAndRoot,
        tag => return Err(DecodeError::UnknownTag { of: "scope", tag }),
    };
    let command = match tag {
        PUT => {
            let payload = reader.payload()?;
            let keep_while = keep_while(reader)?;
            Command::Put { path: path(reader)?, scope, payload, keep_while, wanted }
        }
        DELETE => Command::Delete { path: path(reader)?, scope, wanted },
        CLEAR => {
            let keep_while = keep_while(reader)?;
            Command::Clear { path: path(reader)?, scope, keep_while, wanted }
        }
        tag => return Err(DecodeError::UnknownTag { of: "command", tag }),
    };
    Ok(command)
}

fn put_transaction(out: &mut Vec<u8>, transaction: &Transaction) {
    out.push(
        if transaction.is_predicted { IS_PREDICTED } else { 0 }
            | if transaction.wants_results { WANTS_RESULTS } else { 0 },
    );
    put_number(out, transaction.base_revision);
    put_number(out, transaction.reads.len() as u64);
    for scope in &transaction.reads {
        let extent = match scope.extent {
            Extent::Presence => 0,
            Extent::Payload => 1,
            Extent::Node => 2,
            Extent::Subtree => 3,
        };
        out.push(extent | if scope.was_present { WAS_PRESENT } else { 0 });
        put_names(out, &scope.path);
    }
    put_number(out, transaction.requirements.len() as u64);
    put_watched(out, &transaction.requirements);
    put_number(out, transaction.writes.len() as u64);
    for write in &transaction.writes {
        match &write.expected {
            Expected::Success => out.push(0),
            Expected::Done => out.push(1),
            Expected::Digest(digest) => {
                out.push(2);
                out.extend(digest);
            }
        }
        write.command.encode_without_id(out);
    }
}

fn transaction(reader: &mut Reader<'_>) -> Result<Transaction, DecodeError> {
    let flags = reader.u8()?;
    if flags & !(IS_PREDICTED | WANTS_RESULTS) != 0 {
        return Err(DecodeError::UnknownTag { of: "transaction", tag: flags });
    }
    let base_revision = reader.number()?;
    let count = reader.size(Limit::TransactionScopes)?;
    let mut reads = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        let tag = reader.u8()?;
        let extent = match tag & !WAS_PRESENT {
            0 => Extent::Presence,
            1 => Extent::Payload,
            2 => Extent::Node,
            3 => Extent::Subtree,
            _ => return Err(DecodeError::UnknownTag { of: "scope that was read", tag }),
        };
        reads.push(ReadScope { path: names(reader)?, extent, was_present: tag & WAS_PRESENT != 0 });
    }
    let count = reader.size(Limit::TransactionCommands)?;
    let requirements = watched(reader, count)?;
    let count = reader.size(Limit::TransactionCommands)?;
    let mut writes = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        let expected = match reader.u8()? {
            0 => Expected::Success,
            1 => Expected::Done,
            2 => Expected::Digest(reader.array()?),
            tag => return Err(DecodeError::UnknownTag { of: "expected answer", tag }),
        };
        let tag = reader.u8()?;
        writes.push(Write { command: single(tag, reader)?, expected });
    }
    let is_predicted = flags & IS_PREDICTED != 0;
    let wants_results = flags & WANTS_RESULTS != 0;
    Ok(Transaction { base_revision, is_predicted, reads, requirements, writes, wants_results })
}

/// Appends 0, or 1 and the size and the bytes.
pub(super) fn put_optional_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

pub(super) fn optional_bytes(
    reader: &mut Reader<'_>,
    limit: Limit,
) -> Result<Option<Arc<[u8]>>, DecodeError> {
    Ok(if reader.boolean()? { Some(Arc::from(reader.bytes(limit)?)) } else { None })
}

pub(super) fn request_id(reader: &mut Reader<'_>) -> Result<RequestId, DecodeError> {
    Ok(RequestId::new(reader.bytes(Limit::RequestIdSizeBytes)?)?)
}

/// Appends conditions to depend on, without their number.
pub(super) fn put_watched(out: &mut Vec<u8>, conditions: &[Watched]) {
    for watched in conditions {
        put_path(out, &watched.path);
        put_condition(out, &watched.condition);
    }
}

/// Reads so many conditions to depend on.
pub(super) fn watched(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Watched>, DecodeError> {
    let mut conditions = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        conditions.push(Watched { path: path(reader)?, condition: reader.condition()? });
    }
    Ok(conditions)
}

fn keep_while(reader: &mut Reader<'_>) -> Result<Option<Box<[Watched]>>, DecodeError> {
    let count = usize::try_from(reader.number()?).map_err(|_| DecodeError::MalformedNumber)?;
    let Some(count) = count.checked_sub(1) else { return Ok(None) };
    Limit::KeepWhile.check(count)?;
    Ok(Some(watched(reader, count)?.into_boxed_slice()))
}

pub(super) fn put_path(out: &mut Vec<u8>, steps: &[Step]) {
    put_number(out, steps.len() as u64);
    steps.iter().for_each(|step| put_step(out, step));
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

/// Appends a path that is names only.
pub(crate) fn put_names(out: &mut Vec<u8>, names: &[Name]) {
    put_number(out, names.len() as u64);
    names.iter().for_each(|name| put_child(out, name));
}

/// Reads a path that is names only.
pub(super) fn names(reader: &mut Reader<'_>) -> Result<Path, DecodeError> {
    let name = |step| match step {
        Step::Child(name) => Ok(name),
        _ => Err(DecodeError::WrongConditions),
    };
    path(reader)?.into_iter().map(name).collect()
}

/// Appends a name and its kind.
pub(super) fn put_child(out: &mut Vec<u8>, name: &Name) {
    out.push(match name.kind() {
        NameKind::Atom => ATOM,
        NameKind::Binary => BINARY,
    });
    put_name(out, name);
}

fn put_step(out: &mut Vec<u8>, step: &Step) {
    match step {
        Step::This => out.push(0),
        Step::Parent => out.push(1),
        Step::Root => out.push(2),
        Step::AnyChild => out.push(3),
        Step::AnyDescendant => out.push(4),
        Step::Child(name) => put_child(out, name),
        Step::Condition(condition) => {
            out.push(7);
            put_condition(out, condition);
        }
    }
}

pub(super) fn path(reader: &mut Reader<'_>) -> Result<Vec<Step>, DecodeError> {
    let count = reader.size(Limit::PathComponents)?;
    let mut steps = Vec::with_capacity(count.min(reader.left()));
    for _ in 0..count {
        steps.push(match reader.u8()? {
            0 => Step::This,
            1 => Step::Parent,
            2 => Step::Root,
            3 => Step::AnyChild,
            4 => Step::AnyDescendant,
            ATOM => Step::Child(reader.name(NameKind::Atom)?),
            BINARY => Step::Child(reader.name(NameKind::Binary)?),
            7 => Step::Condition(reader.condition()?),
            tag => return Err(DecodeError::UnknownTag { of: "step", tag }),
        });
    }
    check_limits(&steps)?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{
        CONDITION_SIZE_BYTES_MAX, KEEP_WHILE_MAX, PATH_COMPONENTS_MAX, PAYLOAD_SIZE_BYTES_MAX,
        REQUEST_ANSWER_SIZE_BYTES_MAX, REQUEST_ID_SIZE_BYTES_MAX,
    };
    use crate::model::arbitrary;
    use crate::test_store::{Store, condition, data, etf, if_node_exists, steps};
    use crate::{Answer, Payload};
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
        let delete = Command::delete;
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
        let put = |size| Command::put(vec![], Payload::Data(Arc::from(vec![0; size])));
        assert_eq!(limit_of(&put(PAYLOAD_SIZE_BYTES_MAX)), None);
        assert_eq!(limit_of(&put(PAYLOAD_SIZE_BYTES_MAX + 1)), Some(Limit::PayloadSizeBytes));
        let depends = |count| {
            let one = Watched { path: steps("x"), condition: condition(&if_node_exists(true)) };
            let keep_while = Some(vec![one; count].into());
            Command::Clear { path: steps("a"), scope: Scope::Many, keep_while, wanted: None }
        };
        assert_eq!(limit_of(&depends(KEEP_WHILE_MAX)), None);
        assert_eq!(limit_of(&depends(KEEP_WHILE_MAX + 1)), Some(Limit::KeepWhile));
        let once = |id: usize, note: usize| {
            let mut bytes = vec![ONCE];
            put_bytes(&mut bytes, &vec![0; id]);
            put_optional_bytes(&mut bytes, Some(&vec![0; note]));
            bytes.extend([DELETE, 0, 0, 0]);
            Command::decode(&bytes).map(|(command, size)| assert_eq!((encode(&command), size), (bytes, size)))
        };
        assert_eq!(once(REQUEST_ID_SIZE_BYTES_MAX, REQUEST_ANSWER_SIZE_BYTES_MAX), Ok(()));
        let id_limit = Err(DecodeError::LimitExceeded(Limit::RequestIdSizeBytes));
        assert_eq!(once(0, 0), id_limit);
        assert_eq!(once(REQUEST_ID_SIZE_BYTES_MAX + 1, 0), id_limit);
        let note_limit = Err(DecodeError::LimitExceeded(Limit::RequestAnswerSizeBytes));
        assert_eq!(once(1, REQUEST_ANSWER_SIZE_BYTES_MAX + 1), note_limit);
        // A delete of one node by a condition whose size is over the limit.
        let mut bytes = vec![DELETE, 0, 0, 1, 7];
        put_number(&mut bytes, CONDITION_SIZE_BYTES_MAX as u64 + 1);
        assert_eq!(Command::decode(&bytes), Err(DecodeError::LimitExceeded(Limit::ConditionSizeBytes)));
    }

    #[test]
    fn tags_without_meaning_are_refused() {
        let unknown = |bytes: &[u8]| match Command::decode(bytes) {
            Err(DecodeError::UnknownTag { of, tag }) => (of, tag),
            other => panic!("{other:?}"),
        };
        assert_eq!(Command::decode(&[DELETE, 0, 0, 0]), Ok((Command::delete(vec![]), 4)));
        assert_eq!(unknown(&[6, 0, 0, 0]), ("command", 6));
        assert_eq!(unknown(&[TRANSACTION, 4]), ("transaction", 4));
        assert_eq!(unknown(&[TRANSACTION, 0, 0, 1, 4]), ("scope that was read", 4));
        assert_eq!(unknown(&[TRANSACTION, 0, 0, 0, 0, 1, 3]), ("expected answer", 3));
        assert_eq!(unknown(&[TRANSACTION, 0, 0, 0, 0, 1, 0, TRANSACTION, 0, 0]), ("command", TRANSACTION));
        assert_eq!(unknown(&[DELETE, 3, 0, 0]), ("wish", 3));
        assert_eq!(unknown(&[DELETE, 1, 0, 1, 0, 0]), ("set of properties", 1));
        assert_eq!(unknown(&[DELETE, 0, 3, 0]), ("scope", 3));
        assert_eq!(unknown(&[DELETE, 0, 0, 1, 8]), ("step", 8));
        assert_eq!(unknown(&[PUT, 0, 0, 3]), ("payload", 3));
        assert_eq!(Command::decode(&[DELETE, 0, 0, 0x80, 0]), Err(DecodeError::MalformedNumber));
        assert_eq!(Command::decode(&[DELETE, 0, 0, 1, 5, 1, 0xFF]), Err(DecodeError::MalformedAtom));
        assert_eq!(Command::decode(&[DELETE, 0, 0, 1, 7, 1, 131]), Err(DecodeError::MalformedCondition));
    }

    #[test]
    fn a_command_that_is_applied_once_holds_none_of_its_kind() {
        let once = |command| {
            let id = RequestId::new(b"r").unwrap();
            Command::Once(Box::new(Once { id, command, note: None }))
        };
        let nested = encode(&once(once(Command::delete(vec![]))));
        assert_eq!(nested, [ONCE, 1, b'r', 0, ONCE]);
        // Whatever follows.
        let bytes = [&nested[..], &[0, 0, 0, 0, 0]].concat();
        assert_eq!(Command::decode(&bytes), Err(DecodeError::UnknownTag { of: "command", tag: ONCE }));
    }

    #[test]
    fn a_condition_that_is_not_known_any_more_is_read_and_never_met() {
        let regex = etf::record("if_name_matches", &[etf::binary(b"(?=a)"), etf::atom("undefined")]);
        let term = etf::term(&regex);
        let mut bytes = vec![DELETE, 0, 1, 1, 7, term.len() as u8];
        bytes.extend(term);
        let (command, size) = Command::decode(&bytes).unwrap();
        assert_eq!((encode(&command), size), (bytes.clone(), bytes.len()));
        let mut s = Store::default();
        s.put("a", data(1));
        assert_eq!(s.run(command), Answer::Done);
        assert!(s.exists("a"));
    }
}
