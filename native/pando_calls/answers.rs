//! Answers of the tree and of stores as Erlang terms.
//!
//! Shapes: `ok`; `{ok, #{Path => Props}}`; `{ok, [Answer]}` of several commands that were one; `{conflict, Path}`;
//! `{error, Reason}`, where `pando_errors` turns reasons into those of the specification.

use crate::vm::{Atom, Encoder, Env, Term};
use pando_store::verify::{Finding, Report, Severity, Verdict};
use pando_store::{OutcomeKnown, StoreError, StoreStatus};
use pando_tree::{Answer, DeleteReason, KeepWhileReason, Name, Path, Props, Refusal, Step, Watched};

use super::atoms;
use super::cluster::{bytes_term, member_term, server_state_atom};
use super::names::{condition_term, name_term, path_term, root_name_term, steps_term};
use super::payloads::{payload_term, value_term};
use crate::raw::stored_term;

/// The map of a node's properties (specification section 1.2).
pub fn props_term<'a>(env: Env<'a>, props: &Props) -> Term<'a> {
    let mut keys: Vec<Term<'a>> = Vec::with_capacity(8);
    let mut values: Vec<Term<'a>> = Vec::with_capacity(8);
    let mut put = |key: Atom, value: Term<'a>| {
        keys.push(key.to_term(env));
        values.push(value);
    };
    match &props.payload {
        Some(pando_tree::Payload::Data(bytes)) => put(atoms::data(), value_term(env, bytes)),
        Some(pando_tree::Payload::Procedure(bytes)) => put(atoms::sproc(), value_term(env, bytes)),
        Some(pando_tree::Payload::None) | None => {}
    }
    if let Some(version) = props.payload_version {
        put(atoms::payload_version(), version.encode(env));
    }
    if let Some(version) = props.child_list_version {
        put(atoms::child_list_version(), version.encode(env));
    }
    if let Some(length) = props.child_list_length {
        put(atoms::child_list_length(), length.encode(env));
    }
    if let Some(names) = &props.child_names {
        put(atoms::child_names(), path_term(env, names));
    }
    if props.has_data {
        put(atoms::has_data(), true.encode(env));
    }
    if props.is_procedure {
        put(atoms::is_sproc(), true.encode(env));
    }
    if let Some(payload) = &props.raw_payload {
        put(atoms::raw_payload(), payload_term(env, payload));
    }
    match props.delete_reason {
        Some(DeleteReason::Explicit) => put(atoms::delete_reason(), atoms::explicit().to_term(env)),
        Some(DeleteReason::KeepWhile) => put(atoms::delete_reason(), atoms::keep_while().to_term(env)),
        None => {}
    }
    // The keys are distinct, so this cannot fail.
    Term::map_from_term_arrays(env, &keys, &values).unwrap_or_else(|_| Term::map_new(env))
}

/// Whether [`answer_term`] makes terms of payloads, or many of them: not on a thread that is no scheduler
/// (see `AnswerHandle`).
pub fn holds_terms(answer: &Answer) -> bool {
    match answer {
        Answer::Done => false,
        Answer::Nodes(nodes) => !nodes.is_empty(),
        Answer::Refused(refusal) => matches!(
            refusal,
            Refusal::Mismatching { .. }
                | Refusal::NodeNotFound { .. }
                | Refusal::KeepWhileNotMet { .. }
                | Refusal::RequirementNotMet { .. }
                | Refusal::InTransaction { .. }
        ),
        Answer::Results(_) | Answer::Repeated(_) => true,
        Answer::Conflict(_) => false,
    }
}

/// What a command answered.
pub fn answer_term<'a>(env: Env<'a>, answer: &Answer) -> Term<'a> {
    match answer {
        Answer::Done => atoms::ok().to_term(env),
        Answer::Nodes(nodes) => (atoms::ok(), nodes_term(env, nodes)).encode(env),
        Answer::Refused(refusal) => (atoms::error(), refusal_term(env, refusal)).encode(env),
        // Results hold no results, so this goes no deeper.
        Answer::Results(answers) => {
            let terms: Vec<_> = answers.iter().map(|answer| answer_term(env, answer)).collect();
            (atoms::ok(), terms).encode(env)
        }
        Answer::Conflict(path) => (atoms::conflict(), path_term(env, path)).encode(env),
        // With a note it is of a transaction: what its function returned counts.
        Answer::Repeated(repeated) => match (&repeated.note, &repeated.answer) {
            (Some(note), _) => repeated_term(env, note),
            (None, Some(answer)) => answer_term(env, answer),
            (None, None) => (atoms::error(), atoms::answer_not_kept()).encode(env),
        },
    }
}

/// What the function of a transaction returned that is applied already; an empty note stands for one too large to be kept.
pub fn repeated_term<'a>(env: Env<'a>, note: &[u8]) -> Term<'a> {
    match stored_term(env, note) {
        Some(value) => (atoms::repeated(), value).encode(env),
        None => atoms::repeated().to_term(env),
    }
}

fn nodes_term<'a>(env: Env<'a>, nodes: &[(Path, Props)]) -> Term<'a> {
    let (keys, values): (Vec<_>, Vec<_>) =
        nodes.iter().map(|(path, props)| (path_term(env, path), props_term(env, props))).unzip();
    // The paths of one answer are distinct, so this cannot fail.
    Term::map_from_term_arrays(env, &keys, &values).unwrap_or_else(|_| Term::map_new(env))
}

/// Why the tree refused.
pub fn refusal_term<'a>(env: Env<'a>, refusal: &Refusal) -> Term<'a> {
    match refusal {
        Refusal::NodeNotFound { name, path, is_target, condition } => {
            let (tag, name, path) = (atoms::node_not_found(), name_term(env, name), path_term(env, path));
            match condition {
                None => (tag, name, path, *is_target).encode(env),
                Some(condition) => (tag, name, path, *is_target, condition_term(env, condition)).encode(env),
            }
        }
        Refusal::Mismatching { name, path, is_target, props, condition } => (
            atoms::mismatching_node(),
            optional_name_term(env, name.as_ref()),
            path_term(env, path),
            *is_target,
            props_term(env, props),
            condition_term(env, condition),
        )
            .encode(env),
        Refusal::KeepWhileNotMet { name, path, reason } => {
            let reason = reason_term(env, reason);
            let name = optional_name_term(env, name.as_ref());
            (atoms::keep_while_not_met(), name, path_term(env, path), reason).encode(env)
        }
        Refusal::LimitExceeded(limit) => {
            (atoms::limit_exceeded(), limit.name(), limit.max() as u64).encode(env)
        }
        Refusal::RequirementNotMet { index, path, reason } => {
            let name = match path.last() {
                Some(Step::Child(name)) => Some(name),
                _ => None,
            };
            let name = optional_name_term(env, name);
            let tag = atoms::requirement_not_met();
            (tag, *index as u64, name, steps_term(env, path), reason_term(env, reason)).encode(env)
        }
        // A command of a transaction is none, so this goes no deeper.
        Refusal::InTransaction { index, refusal } => {
            (atoms::in_transaction(), *index as u64, refusal_term(env, refusal)).encode(env)
        }
        Refusal::WildcardInPath { .. } => (atoms::many_nodes(), refusal.to_string()).encode(env),
        Refusal::Nested => (atoms::command_failed(), refusal.to_string(), true).encode(env),
        Refusal::UnsupportedPattern { .. } => (atoms::unsupported_pattern(), refusal.to_string()).encode(env),
    }
}

fn reason_term<'a>(env: Env<'a>, reason: &KeepWhileReason) -> Term<'a> {
    match reason {
        KeepWhileReason::Condition(condition) => condition_term(env, condition),
        KeepWhileReason::NoNode(path) => {
            (atoms::pattern_matches_no_nodes(), steps_term(env, path)).encode(env)
        }
    }
}

fn optional_name_term<'a>(env: Env<'a>, name: Option<&Name>) -> Term<'a> {
    name.map_or_else(|| root_name_term(env), |name| name_term(env, name))
}

/// What a node depends on: `{Path, [{WatchedPath, Condition}]}`.
pub fn keep_while_term<'a>(env: Env<'a>, path: &Path, conditions: &[Watched]) -> Term<'a> {
    let watched = |watched: &Watched| {
        (steps_term(env, &watched.path), condition_term(env, watched.condition.term())).encode(env)
    };
    (path_term(env, path), conditions.iter().map(watched).collect::<Vec<_>>()).encode(env)
}

/// Why a store did not answer. The second element of a tuple is text, the last says whether the command may be applied.
pub fn store_error_term<'a>(env: Env<'a>, error: &StoreError) -> Term<'a> {
    let not_applied = error.outcome() == OutcomeKnown::NotApplied;
    match error {
        StoreError::NotRunning => atoms::noproc().to_term(env),
        StoreError::Overloaded => atoms::overload().to_term(env),
        StoreError::Closed => (atoms::closed(), error.to_string(), not_applied).encode(env),
        StoreError::Halted(_) => (atoms::halted(), error.to_string(), not_applied).encode(env),
        StoreError::DiskFull(_) => (atoms::disk_full(), error.to_string(), not_applied).encode(env),
        StoreError::NoQuorum { .. } => (atoms::no_quorum(), error.to_string(), not_applied).encode(env),
        StoreError::LeaderChanged => (atoms::leader_changed(), error.to_string(), not_applied).encode(env),
        _ => (atoms::command_failed(), error.to_string(), not_applied).encode(env),
    }
}

/// Figures of a store as a map.
pub fn status_term<'a>(env: Env<'a>, status: &StoreStatus) -> Term<'a> {
    let members: Vec<Term<'a>> = status.members.iter().map(|member| member_term(env, member)).collect();
    let pairs: Vec<(Term<'a>, Term<'a>)> = vec![
        (atoms::os_pid().to_term(env), u64::from(std::process::id()).encode(env)),
        (atoms::member_id().to_term(env), status.member_id.encode(env)),
        (atoms::cluster_id().to_term(env), bytes_term(env, &status.cluster_id)),
        (atoms::role().to_term(env), server_state_atom(status.consensus.server_state).to_term(env)),
        (atoms::has_quorum().to_term(env), status.consensus.has_quorum.encode(env)),
        (atoms::members().to_term(env), members.encode(env)),
        (atoms::frames_refused().to_term(env), status.frames_refused.encode(env)),
        (atoms::term().to_term(env), status.consensus.term.encode(env)),
        (atoms::leader().to_term(env), optional(env, status.consensus.leader)),
        (atoms::last_log_index().to_term(env), optional(env, status.last_log_index)),
        (atoms::applied_index().to_term(env), status.applied_index.encode(env)),
        (atoms::node_count().to_term(env), status.node_count.encode(env)),
        (atoms::log_size_bytes().to_term(env), status.log_size_bytes.encode(env)),
        (atoms::snapshot_index().to_term(env), optional(env, status.snapshot_index)),
        (atoms::snapshot_written_percent().to_term(env), optional(env, status.snapshot_written_percent)),
        (atoms::log_bytes_since_snapshot().to_term(env), status.log_bytes_since_snapshot.encode(env)),
        (atoms::transactions_in_line().to_term(env), (status.transactions_in_line as u64).encode(env)),
        (atoms::waiting_size_bytes().to_term(env), (status.waiting_size_bytes as u64).encode(env)),
    ];
    Term::map_from_pairs(env, &pairs).unwrap_or_else(|_| Term::map_new(env))
}

fn optional(env: Env<'_>, number: Option<u64>) -> Term<'_> {
    number.map_or_else(|| atoms::undefined().to_term(env), |number| number.encode(env))
}

/// `{Directory, Verdict, [{Path, Severity, Text}]}`.
pub fn report_term<'a>(env: Env<'a>, report: &Report) -> Term<'a> {
    let verdict = match report.verdict {
        Verdict::Sound => atoms::sound(),
        Verdict::Remarks => atoms::remarks(),
        Verdict::Damaged => atoms::damaged(),
        Verdict::Refused => atoms::refused(),
        Verdict::Absent => atoms::absent(),
        Verdict::InUse => atoms::in_use(),
    };
    let finding = |Finding { path, severity, text }: &Finding| {
        let severity = match severity {
            Severity::Fact => atoms::fact(),
            Severity::Remark => atoms::remark(),
            Severity::Fault => atoms::fault(),
        };
        (path.to_string_lossy().as_ref(), severity, text).encode(env)
    };
    let findings: Vec<Term<'a>> = report.findings.iter().map(finding).collect();
    (report.directory.to_string_lossy().as_ref(), verdict, findings).encode(env)
}
