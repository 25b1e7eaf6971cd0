use super::*;
use crate::model::Model;
use crate::model::generator::{Generator, Random};
use crate::open_transaction::OpenTransaction;
use crate::props::PropsMask;
use crate::read_set::Extent;
use crate::scan::Pulled;
use crate::test_store::*;
use crate::{Payload, Scope, Wanted};
use proptest::prelude::*;

/// What the function of a transaction does, and whether it looks at the answers makes no difference.
#[derive(Clone, Debug)]
enum Deed {
    Read(Vec<Step>, PropsMask),
    Scan(Vec<Step>),
    Write(Command),
}

fn deed() -> impl Strategy<Value = Deed> {
    any::<u64>().no_shrink().prop_map(|seed| {
        let mut random = Random(seed);
        let command = Generator::new(random.next()).command().command();
        match random.below(4) {
            0 => {
                let masks = [PropsMask::NONE, PropsMask::DEFAULT, PropsMask::CHILD_NAMES, PropsMask::ALL];
                Deed::Read(command.path().to_vec(), *random.pick(&masks))
            }
            1 => Deed::Scan(command.path().to_vec()),
            _ => Deed::Write(command),
        }
    })
}

/// Does it all, and gives what is seen on the way.
fn run(transaction: &mut OpenTransaction, deeds: &[Deed]) -> Vec<String> {
    let mut seen = Vec::new();
    for deed in deeds {
        seen.push(match deed {
            Deed::Read(path, mask) => {
                let found = transaction.resolve(path, *mask);
                format!("{:?}", found.map(|found| (found.path.clone(), found.node.props(*mask))))
            }
            Deed::Scan(pattern) => {
                transaction.note_pattern(pattern);
                let scan = Scan::new(transaction.state(), pattern.clone(), false, None);
                format!("{:?}", scan.map(|scan| all(scan.once())))
            }
            // Who writes has it checked first.
            Deed::Write(command) => match command.check() {
                Ok(()) => format!("{:?}", transaction.write(command.clone())),
                Err(refusal) => format!("{refusal:?}"),
            },
        });
    }
    seen
}

fn all(mut scan: Scan) -> Vec<(Path, crate::Props)> {
    let mut found = Vec::new();
    while let Pulled::Node(path, node) = scan.next_within(&mut 1_000_000) {
        found.push((path, node.props(PropsMask::ALL)));
    }
    found
}

fn next(state: &State) -> Context {
    Context { revision: state.revision() + 1, clock_ms: 0, is_as_predicted: false }
}

fn apply(state: &mut State, command: &Command) -> Answer {
    let context = next(state);
    state.apply(command, &context)
}

/// The command that commits it.
fn commit(transaction: OpenTransaction) -> Command {
    let command = Command::Transaction(Box::new(transaction.finish().0.unwrap()));
    assert_eq!(command.check(), Ok(()));
    let mut bytes = Vec::new();
    command.encode(&mut bytes);
    assert_eq!(Command::decode(&bytes), Ok((command.clone(), bytes.len())));
    command
}

fn commands(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Command>> {
    proptest::collection::vec(crate::model::arbitrary::command(), count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_transaction_happens_exactly_as_its_function_would_run_at_that_moment_or_not_at_all(
        before in crate::model::arbitrary::test_commands(),
        deeds in proptest::collection::vec(deed(), 1..8),
        meanwhile in commands(0..4),
    ) {
        let mut state = State::new();
        before.iter().for_each(|command| drop(apply(&mut state, &command.command())));
        let mut transaction = OpenTransaction::new(state.clone(), false);
        let seen = run(&mut transaction, &deeds);
        let command = commit(transaction);
        meanwhile.iter().for_each(|command| drop(apply(&mut state, command)));
        let at_commit = state.clone();
        match apply(&mut state, &command) {
            Answer::Done => {
                let mut again = OpenTransaction::new(at_commit, false);
                prop_assert_eq!(run(&mut again, &deeds), seen);
                prop_assert_eq!(Model::of(&state), Model::of(again.state()));
                state.keep_while.check(&state);
            }
            Answer::Conflict(_) => {
                prop_assert!(!meanwhile.is_empty(), "a conflict with nobody");
                prop_assert_eq!(Model::of(&state), Model::of(&at_commit));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

fn begin(s: &Store) -> OpenTransaction {
    OpenTransaction::new(s.state.clone(), false)
}

fn is_conflict(s: &mut Store, transaction: OpenTransaction) -> bool {
    matches!(s.run(commit(transaction)), Answer::Conflict(_))
}

fn put(path: &str, value: u8) -> Command {
    Command::put(steps(path), data(value))
}

fn list(transaction: &mut OpenTransaction, pattern: &[Step]) -> usize {
    transaction.note_pattern(pattern);
    all(Scan::new(transaction.state(), pattern.to_vec(), false, None).unwrap()).len()
}

#[test]
fn a_transaction_sees_its_own_writes_and_nobody_else_does() {
    let mut s = Store::default();
    s.put("a", data(1));
    let mut transaction = begin(&s);
    assert_eq!(transaction.write(put("a b", 2)), Answer::Done);
    assert!(transaction.lookup(&path("a b"), Extent::Payload).is_some());
    assert!(!s.exists("a b"));
    assert!(!is_conflict(&mut s, transaction));
    assert!(s.exists("a b"));
}

#[test]
fn a_node_that_was_read_and_has_changed_is_a_conflict_and_nothing_is_written() {
    let mut s = Store::default();
    s.put("a", data(1));
    let mut transaction = begin(&s);
    transaction.lookup(&path("a"), Extent::Payload);
    transaction.write(put("b", 1));
    s.put("a", data(2));
    assert_eq!(s.run(commit(transaction)), Answer::Conflict(path("a")));
    assert!(!s.exists("b"));
}

#[test]
fn a_payload_that_was_read_does_not_conflict_with_new_children_but_the_list_of_children_does() {
    for (extent, conflicts) in [(Extent::Presence, false), (Extent::Payload, false), (Extent::Node, true)] {
        let mut s = Store::default();
        s.put("a", data(1));
        let mut transaction = begin(&s);
        transaction.lookup(&path("a"), extent);
        transaction.write(put("b", 1));
        s.put("a c", data(1));
        assert_eq!(is_conflict(&mut s, transaction), conflicts, "{extent:?}");
    }
}

#[test]
fn a_node_that_was_absent_and_is_there_is_a_conflict_and_one_that_came_and_went_is_none() {
    for (returns, conflicts) in [(true, true), (false, false)] {
        let mut s = Store::default();
        let mut transaction = begin(&s);
        assert!(transaction.lookup(&path("a b"), Extent::Payload).is_none());
        transaction.write(put("x", 1));
        s.put("a b", data(1));
        if !returns {
            s.delete("a");
        }
        assert_eq!(is_conflict(&mut s, transaction), conflicts);
    }
}

#[test]
fn a_node_that_was_removed_and_put_again_is_a_conflict_for_who_read_its_payload() {
    let mut s = Store::default();
    s.put("a", data(1));
    let mut transaction = begin(&s);
    transaction.lookup(&path("a"), Extent::Payload);
    transaction.write(put("x", 1));
    s.delete("a");
    s.put("a", data(1));
    assert!(is_conflict(&mut s, transaction));
}

#[test]
fn a_new_child_under_a_listed_parent_is_a_conflict() {
    let mut s = Store::default();
    s.put("a b", data(1));
    let mut transaction = begin(&s);
    assert_eq!(list(&mut transaction, &[steps("a"), vec![Step::AnyChild]].concat()), 1);
    transaction.write(put("x", 1));
    s.put("a c", data(1));
    assert!(is_conflict(&mut s, transaction));
}

#[test]
fn a_new_match_of_a_pattern_is_a_conflict_and_a_change_elsewhere_is_none() {
    for (elsewhere, conflicts) in [("a c", true), ("b", false)] {
        let mut s = Store::default();
        s.put("a b", data(1));
        let pattern = [steps("a"), vec![Step::Condition(condition(&if_has_data(true)))]].concat();
        let mut transaction = begin(&s);
        assert_eq!(list(&mut transaction, &pattern), 1);
        transaction.write(put("x", 1));
        s.put(elsewhere, data(1));
        assert_eq!(is_conflict(&mut s, transaction), conflicts);
    }
}

#[test]
fn a_pattern_below_a_node_that_was_absent_conflicts_when_it_is_there() {
    let mut s = Store::default();
    let mut transaction = begin(&s);
    assert_eq!(list(&mut transaction, &[steps("a"), vec![Step::AnyDescendant]].concat()), 0);
    transaction.write(put("x", 1));
    s.put("a", data(1));
    assert!(is_conflict(&mut s, transaction));
}

#[test]
fn a_pattern_that_climbs_has_read_everything() {
    let mut s = Store::default();
    s.put("a b", data(1));
    let mut transaction = begin(&s);
    list(&mut transaction, &[steps("a"), vec![Step::AnyChild, Step::Parent, Step::Parent]].concat());
    transaction.write(put("x", 1));
    s.put("c", data(1));
    assert!(is_conflict(&mut s, transaction));
}

#[test]
fn blind_writes_conflict_with_nothing() {
    let mut s = Store::default();
    let mut transaction = begin(&s);
    transaction.write(put("a b", 1));
    transaction.write(Command::delete(steps("c")));
    s.put("a b", data(2));
    s.put("c", data(2));
    assert!(!is_conflict(&mut s, transaction));
    assert!(!s.exists("c"));
}

#[test]
fn a_write_that_would_answer_otherwise_is_a_conflict_and_undoes_those_before_it() {
    let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
    let showing =
        Command::Put { path: steps("a"), scope: Scope::One, payload: data(3), keep_while: None, wanted };
    let creating = Command::put(steps_if("a", &[if_node_exists(false)]), data(3));
    for command in [showing, creating, Command::Delete { path: steps("a"), scope: Scope::One, wanted }] {
        let mut s = Store::default();
        let mut transaction = begin(&s);
        transaction.write(put("b", 1));
        assert!(!matches!(transaction.write(command.clone()), Answer::Conflict(_)));
        s.put("a", data(2));
        let before = Model::of(&s.state);
        assert_eq!(s.run(commit(transaction)), Answer::Conflict(path("a")), "{command:?}");
        assert_eq!(Model::of(&s.state), before);
    }
}

#[test]
fn a_refusal_that_the_function_saw_has_to_be_seen_again() {
    let mut s = Store::default();
    let mut transaction = begin(&s);
    let updating = Command::put(steps_if("a", &[if_node_exists(true)]), data(3));
    assert!(matches!(transaction.write(updating), Answer::Refused(Refusal::NodeNotFound { .. })));
    s.put("a", data(1));
    assert!(is_conflict(&mut s, transaction));
}

#[test]
fn what_was_read_from_a_prediction_counts_only_where_it_came_true() {
    for is_as_predicted in [false, true] {
        let mut s = Store::default();
        let mut transaction = OpenTransaction::new(s.state.clone(), true);
        transaction.write(put("a", 1));
        let command = commit(transaction);
        let answer = s.state.apply(&command, &Context { is_as_predicted, ..next(&s.state) });
        assert_eq!(answer == Answer::Done, is_as_predicted);
        assert_eq!(s.exists("a"), is_as_predicted);
    }
}

fn as_data(requirements: Vec<Watched>, commands: Vec<Command>) -> Command {
    let writes = commands.into_iter().map(|command| Write { command, expected: Expected::Success }).collect();
    Command::Transaction(Box::new(Transaction::as_data(requirements, writes)))
}

#[test]
fn a_transaction_given_as_data_answers_each_command_or_says_which_requirement_is_not_met() {
    let mut s = Store::default();
    s.put("a", data(1));
    let wanted = Some(Wanted { props: PropsMask::PAYLOAD, indirect_deletes: true });
    let commands = vec![put("b", 1), Command::Delete { path: steps("a"), scope: Scope::One, wanted }];
    let given = |requirement| as_data(watched(&[("a", requirement)]), commands.clone());
    let refused = s.run(given(if_payload_version(7)));
    assert!(matches!(refused, Answer::Refused(Refusal::RequirementNotMet { index: 0, .. })), "{refused:?}");
    assert!(!s.exists("b"));
    let done = s.run(given(if_payload_version(1)));
    let shown = crate::Props { payload: Some(data(1)), ..crate::Props::default() };
    assert_eq!(done, Answer::Results(vec![Answer::Done, nodes([("a", shown)])]));
    let refused = s.run(given(if_node_exists(true)));
    assert!(matches!(refused, Answer::Refused(Refusal::RequirementNotMet { .. })), "{refused:?}");
}

#[test]
fn a_refused_command_of_a_transaction_given_as_data_undoes_those_before_it() {
    let mut s = Store::default();
    (0..100).for_each(|index| drop(s.put(&format!("t n{index}"), data(1))));
    let before = Model::of(&s.state);
    let updating = Command::put(steps_if("a", &[if_node_exists(true)]), data(3));
    let answer = s.run(as_data(Vec::new(), vec![put("b", 1), Command::delete(steps("t")), updating]));
    assert!(matches!(answer, Answer::Refused(Refusal::InTransaction { index: 2, .. })), "{answer:?}");
    assert_eq!(Model::of(&s.state), before);
    assert!(s.state.take_detached().is_empty());
}

#[test]
fn a_transaction_within_a_transaction_is_refused_before_it_is_proposed_and_by_the_decoder() {
    let nested = as_data(Vec::new(), vec![as_data(Vec::new(), Vec::new())]);
    assert_eq!(nested.check(), Err(Refusal::Nested));
    let mut bytes = Vec::new();
    nested.encode(&mut bytes);
    assert!(Command::decode(&bytes).is_err());
}

#[test]
fn one_write_too_many_leaves_a_transaction_that_can_only_be_given_up() {
    let s = Store::default();
    let mut transaction = begin(&s);
    for _ in 0..crate::limits::TRANSACTION_COMMANDS_MAX {
        assert_eq!(transaction.write(put("a", 1)), Answer::Done);
    }
    let limit = Limit::TransactionCommands;
    assert_eq!(transaction.write(put("a", 1)), Answer::Refused(limit.into()));
    assert_eq!(transaction.finish().0, Err(limit));
}

#[test]
fn a_transaction_that_writes_too_many_bytes_can_only_be_given_up() {
    let s = Store::default();
    let mut transaction = begin(&s);
    let large = || Command::put(steps("a"), Payload::Data(vec![131; 40 << 20].into()));
    assert_eq!(transaction.write(large()), Answer::Done);
    let limit = Limit::TransactionSizeBytes;
    assert_eq!(transaction.write(large()), Answer::Refused(limit.into()));
    assert_eq!(transaction.write(put("a", 1)), Answer::Refused(limit.into()));
    assert_eq!(transaction.finish().0, Err(limit));
}

#[test]
fn who_reads_paths_of_too_many_bytes_has_read_everything() {
    for (bytes, conflicts) in [(1 << 20, false), (crate::limits::TRANSACTION_SCOPES_SIZE_BYTES_MAX, true)] {
        let mut s = Store::default();
        let mut transaction = begin(&s);
        for index in 0..=bytes / 60_000 {
            let name = crate::Name::binary(format!("{index:060000}").as_bytes());
            transaction.lookup(&[name], Extent::Presence);
        }
        transaction.write(put("a", 1));
        s.put("elsewhere", data(1));
        assert_eq!(is_conflict(&mut s, transaction), conflicts, "{bytes}");
    }
}

#[test]
fn who_reads_too_many_things_has_read_everything() {
    let mut s = Store::default();
    let mut transaction = begin(&s);
    for index in 0..=crate::limits::TRANSACTION_SCOPES_MAX {
        transaction.lookup(&path(&format!("n{index}")), Extent::Payload);
    }
    transaction.write(put("a", 1));
    s.put("elsewhere", data(1));
    assert_eq!(s.run(commit(transaction)), Answer::Conflict(Path::new()));
}
