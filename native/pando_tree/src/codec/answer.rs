//! Answers as bytes: of the commands of a transaction, and of commands that may be sent again.
//!
//! Layout: tag of the answer; then of nodes their number, and each as a path and properties; of a refusal its tag and
//! what belongs to it; of results their number and each as an answer; of a conflict the path. Properties: two bytes, one
//! bit for each that is there, then the values of those that have one, in the order of the bits.
//!
//! Invariant: results hold no results and no conflict, and nobody is told of a repetition by bytes: these are not read, and what
//! is written in their place is a tag that is not read either.

use std::sync::Arc;

use super::DecodeError;
use super::command::{ATOM, BINARY, names, path, put_child, put_names, put_path};
use super::reader::{Reader, put_bytes, put_number, put_payload};
use crate::answer::{Answer, KeepWhileReason, Refusal};
use crate::limits::Limit;
use crate::name::{Name, NameKind, Path};
use crate::payload::Payload;
use crate::props::{DeleteReason, Props};

const DONE: u8 = 1;
const NODES: u8 = 2;
const REFUSED: u8 = 3;
const RESULTS: u8 = 4;
const CONFLICT: u8 = 5;
const REPEATED: u8 = 6;

const NODE_NOT_FOUND: u8 = 1;
const MISMATCHING: u8 = 2;
const KEEP_WHILE_NOT_MET: u8 = 3;
const WILDCARD_IN_PATH: u8 = 4;
const UNSUPPORTED_PATTERN: u8 = 5;
const LIMIT_EXCEEDED: u8 = 6;
const OF_TRANSACTION: u8 = 7;

const PAYLOAD: u16 = 1;
const PAYLOAD_VERSION: u16 = 1 << 1;
const CHILD_LIST_VERSION: u16 = 1 << 2;
const CHILD_LIST_LENGTH: u16 = 1 << 3;
const CHILD_NAMES: u16 = 1 << 4;
const RAW_PAYLOAD: u16 = 1 << 5;
const HAS_DATA: u16 = 1 << 6;
const IS_PROCEDURE: u16 = 1 << 7;
const DELETED_EXPLICITLY: u16 = 1 << 8;
const DELETED_BY_KEEP_WHILE: u16 = 1 << 9;
const PROPS_ALL: u16 = (1 << 10) - 1;

impl Answer {
    /// Appends the answer as bytes. What is never kept (see the module) becomes bytes that nobody reads.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Results(answers) => {
                out.push(RESULTS);
                put_number(out, answers.len() as u64);
                answers.iter().for_each(|answer| put_result(out, answer));
            }
            Answer::Conflict(path) => {
                out.push(CONFLICT);
                put_names(out, path);
            }
            Answer::Done | Answer::Nodes(_) | Answer::Refused(_) | Answer::Repeated(_) => {
                put_result(out, self);
            }
        }
    }

    /// The answer as bytes, unless they are more than so many: then the work done is bounded by that, however large the
    /// answer is.
    pub(crate) fn encode_within(&self, size_bytes_max: usize) -> Option<Vec<u8>> {
        let mut left = size_bytes_max;
        let results = match self {
            Answer::Results(answers) => &answers[..],
            single => std::slice::from_ref(single),
        };
        for result in results {
            take_bytes(&mut left, 1)?;
            if let Answer::Nodes(nodes) = result {
                nodes.iter().try_for_each(|(path, props)| take_node(&mut left, path, props))?;
            }
        }
        let mut out = Vec::new();
        self.encode(&mut out);
        (out.len() <= size_bytes_max).then_some(out)
    }

    /// Reads the answer that the bytes begin with; also returns how many bytes it took.
    pub fn decode(bytes: &[u8]) -> Result<(Answer, usize), DecodeError> {
        let mut reader = Reader::new(bytes);
        let answer = match reader.u8()? {
            RESULTS => {
                let count = reader.count()?;
                let result = |_| {
                    let tag = reader.u8()?;
                    result(tag, &mut reader)
                };
                Answer::Results((0..count).map(result).collect::<Result<_, _>>()?)
            }
            CONFLICT => Answer::Conflict(names(&mut reader)?),
            tag => result(tag, &mut reader)?,
        };
        Ok((answer, bytes.len() - reader.left()))
    }
}

/// Takes what a node of an answer has at least when it is encoded.
fn take_node(left: &mut usize, path: &[Name], props: &Props) -> Option<()> {
    let payloads = [&props.payload, &props.raw_payload].into_iter().flatten();
    payloads.filter_map(Payload::bytes).try_for_each(|bytes| take_bytes(left, bytes.len()))?;
    take_bytes(left, 1)?;
    path.iter().chain(props.child_names.iter().flatten()).try_for_each(|name| {
        take_bytes(left, 1 + name.bytes().len()) // Its kind and its text.
    })
}

fn take_bytes(left: &mut usize, count: usize) -> Option<()> {
    *left = left.checked_sub(count)?;
    Some(())
}

/// Appends the answer of a single command.
fn put_result(out: &mut Vec<u8>, answer: &Answer) {
    match answer {
        Answer::Done => out.push(DONE),
        Answer::Nodes(nodes) => {
            out.push(NODES);
            put_number(out, nodes.len() as u64);
            for (path, props) in nodes {
                put_names(out, path);
                put_props(out, props);
            }
        }
        Answer::Refused(refusal) => {
            out.push(REFUSED);
            put_refusal(out, refusal);
        }
        Answer::Results(_) => out.push(RESULTS),
        Answer::Conflict(_) => out.push(CONFLICT),
        Answer::Repeated(_) => out.push(REPEATED),
    }
}

fn result(tag: u8, reader: &mut Reader<'_>) -> Result<Answer, DecodeError> {
    match tag {
        DONE => Ok(Answer::Done),
        NODES => {
            let count = reader.count()?;
            let node = |_| Ok((names(reader)?, props(reader)?));
            Ok(Answer::Nodes((0..count).map(node).collect::<Result<_, DecodeError>>()?))
        }
        REFUSED => Ok(Answer::Refused(refusal(reader)?)),
        tag => Err(DecodeError::UnknownTag { of: "answer", tag }),
    }
}

fn put_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    match refusal {
        Refusal::NodeNotFound { name, path, is_target, condition } => {
            out.push(NODE_NOT_FOUND);
            put_child(out, name);
            put_names(out, path);
            out.push(u8::from(*is_target));
            out.push(u8::from(condition.is_some()));
            if let Some(condition) = condition {
                put_bytes(out, condition);
            }
        }
        Refusal::Mismatching { name, path, is_target, props, condition } => {
            out.push(MISMATCHING);
            put_optional_name(out, name.as_ref());
            put_names(out, path);
            out.push(u8::from(*is_target));
            put_props(out, props);
            put_bytes(out, condition);
        }
        Refusal::KeepWhileNotMet { name, path, reason } => {
            out.push(KEEP_WHILE_NOT_MET);
            put_optional_name(out, name.as_ref());
            put_names(out, path);
            match reason {
                KeepWhileReason::Condition(condition) => {
                    out.push(0);
                    put_bytes(out, condition);
                }
                KeepWhileReason::NoNode(path) => {
                    out.push(1);
                    put_path(out, path);
                }
            }
        }
        Refusal::WildcardInPath { position } => {
            out.push(WILDCARD_IN_PATH);
            put_number(out, *position as u64);
        }
        Refusal::UnsupportedPattern { position } => {
            out.push(UNSUPPORTED_PATTERN);
            put_number(out, *position as u64);
        }
        Refusal::LimitExceeded(limit) => {
            out.push(LIMIT_EXCEEDED);
            out.push(limit_tag(*limit));
        }
        // No single command is refused so, and refusals of transactions are not kept: bytes that nobody reads.
        Refusal::RequirementNotMet { .. } | Refusal::InTransaction { .. } | Refusal::Nested => {
            out.push(OF_TRANSACTION);
        }
    }
}

fn refusal(reader: &mut Reader<'_>) -> Result<Refusal, DecodeError> {
    Ok(match reader.u8()? {
        NODE_NOT_FOUND => Refusal::NodeNotFound {
            name: name(reader.u8()?, reader)?,
            path: names(reader)?,
            is_target: reader.boolean()?,
            condition: if reader.boolean()? { Some(condition_term(reader)?) } else { None },
        },
        MISMATCHING => Refusal::Mismatching {
            name: optional_name(reader)?,
            path: names(reader)?,
            is_target: reader.boolean()?,
            props: Box::new(props(reader)?),
            condition: condition_term(reader)?,
        },
        KEEP_WHILE_NOT_MET => Refusal::KeepWhileNotMet {
            name: optional_name(reader)?,
            path: names(reader)?,
            reason: match reader.boolean()? {
                false => KeepWhileReason::Condition(condition_term(reader)?),
                true => KeepWhileReason::NoNode(path(reader)?),
            },
        },
        WILDCARD_IN_PATH => Refusal::WildcardInPath { position: position(reader)? },
        UNSUPPORTED_PATTERN => Refusal::UnsupportedPattern { position: position(reader)? },
        LIMIT_EXCEEDED => {
            let tag = reader.u8()?;
            let limit = Limit::ALL.into_iter().find(|limit| limit_tag(*limit) == tag);
            Refusal::LimitExceeded(limit.ok_or(DecodeError::UnknownTag { of: "limit", tag })?)
        }
        tag => return Err(DecodeError::UnknownTag { of: "refusal", tag }),
    })
}

fn limit_tag(limit: Limit) -> u8 {
    match limit {
        Limit::PathComponents => 1,
        Limit::PathSizeBytes => 2,
        Limit::NameSizeBytes => 3,
        Limit::AtomCharacters => 4,
        Limit::PayloadSizeBytes => 5,
        Limit::ConditionDepth => 6,
        Limit::ConditionParts => 7,
        Limit::ConditionSizeBytes => 8,
        Limit::CommandSteps => 9,
        Limit::KeepWhile => 10,
        Limit::TransactionCommands => 11,
        Limit::TransactionSizeBytes => 12,
        Limit::TransactionScopes => 13,
        Limit::RequestAnswerSizeBytes => 14,
        Limit::RequestIdSizeBytes => 15,
    }
}

fn put_props(out: &mut Vec<u8>, props: &Props) {
    let bits = [
        (PAYLOAD, props.payload.is_some()),
        (PAYLOAD_VERSION, props.payload_version.is_some()),
        (CHILD_LIST_VERSION, props.child_list_version.is_some()),
        (CHILD_LIST_LENGTH, props.child_list_length.is_some()),
        (CHILD_NAMES, props.child_names.is_some()),
        (RAW_PAYLOAD, props.raw_payload.is_some()),
        (HAS_DATA, props.has_data),
        (IS_PROCEDURE, props.is_procedure),
        (DELETED_EXPLICITLY, props.delete_reason == Some(DeleteReason::Explicit)),
        (DELETED_BY_KEEP_WHILE, props.delete_reason == Some(DeleteReason::KeepWhile)),
    ];
    let bits = bits.into_iter().filter(|(_, is_there)| *is_there).fold(0, |bits, (bit, _)| bits | bit);
    out.extend(bits.to_le_bytes());
    if let Some(payload) = &props.payload {
        put_payload(out, payload);
    }
    let numbers = [props.payload_version, props.child_list_version, props.child_list_length];
    numbers.into_iter().flatten().for_each(|number| put_number(out, number));
    if let Some(names) = &props.child_names {
        put_number(out, names.len() as u64);
        names.iter().for_each(|name| put_child(out, name));
    }
    if let Some(payload) = &props.raw_payload {
        put_payload(out, payload);
    }
}

fn props(reader: &mut Reader<'_>) -> Result<Props, DecodeError> {
    let bits = reader.u16()?;
    let has = |bit: u16| bits & bit != 0;
    let delete_reason = match (has(DELETED_EXPLICITLY), has(DELETED_BY_KEEP_WHILE)) {
        (false, false) => Some(None),
        (true, false) => Some(Some(DeleteReason::Explicit)),
        (false, true) => Some(Some(DeleteReason::KeepWhile)),
        (true, true) => None,
    };
    let (Some(delete_reason), 0) = (delete_reason, bits & !PROPS_ALL) else {
        let [_, tag] = bits.to_le_bytes();
        return Err(DecodeError::UnknownTag { of: "set of properties", tag });
    };
    Ok(Props {
        payload: if has(PAYLOAD) { Some(reader.payload()?) } else { None },
        payload_version: if has(PAYLOAD_VERSION) { Some(reader.number()?) } else { None },
        child_list_version: if has(CHILD_LIST_VERSION) { Some(reader.number()?) } else { None },
        child_list_length: if has(CHILD_LIST_LENGTH) { Some(reader.number()?) } else { None },
        child_names: if has(CHILD_NAMES) { Some(child_names(reader)?) } else { None },
        raw_payload: if has(RAW_PAYLOAD) { Some(reader.payload()?) } else { None },
        has_data: has(HAS_DATA),
        is_procedure: has(IS_PROCEDURE),
        delete_reason,
    })
}

/// As many as a node has: unlike those of a path, only the bytes bound their number.
fn child_names(reader: &mut Reader<'_>) -> Result<Path, DecodeError> {
    let count = reader.count()?;
    (0..count).map(|_| name(reader.u8()?, reader)).collect()
}

fn put_optional_name(out: &mut Vec<u8>, of: Option<&Name>) {
    match of {
        None => out.push(0),
        Some(name) => put_child(out, name),
    }
}

fn optional_name(reader: &mut Reader<'_>) -> Result<Option<Name>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        tag => name(tag, reader).map(Some),
    }
}

fn name(tag: u8, reader: &mut Reader<'_>) -> Result<Name, DecodeError> {
    match tag {
        ATOM => reader.name(NameKind::Atom),
        BINARY => reader.name(NameKind::Binary),
        tag => Err(DecodeError::UnknownTag { of: "name", tag }),
    }
}

fn condition_term(reader: &mut Reader<'_>) -> Result<Arc<[u8]>, DecodeError> {
    reader.bytes(Limit::ConditionSizeBytes).map(Arc::from)
}

fn position(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    usize::try_from(reader.number()?).map_err(|_| DecodeError::MalformedNumber)
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod tests;
