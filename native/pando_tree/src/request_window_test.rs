//! Commands that are applied once, and how long that is known.

use proptest::prelude::*;

use super::*;
use crate::answer::Refusal;
use crate::codec::{TreeBuilder, TreeRecords};
use crate::command::{Command, Scope, Wanted};
use crate::name::Name;
use crate::payload::Payload;
use crate::props::{Props, PropsMask};
use crate::state::{Context, State};
use crate::step::Step;
use crate::test_store::*;
use crate::transaction::{Expected, Transaction, Write};

fn id(text: &str) -> RequestId {
    RequestId::new(text.as_bytes()).unwrap()
}

fn once(id: RequestId, command: Command) -> Command {
    Command::Once(Box::new(Once::new(id, command, None)))
}

fn noted(id: RequestId, command: Command, note: Vec<u8>) -> Command {
    Command::Once(Box::new(Once { id, command, note: Some(note.into()) }))
}

/// A put that answers with all that there is to say of the node.
fn put(text: &str, value: u8) -> Command {
    let wanted = Some(Wanted { props: PropsMask::DEFAULT, indirect_deletes: true });
    Command::Put { path: steps(text), scope: Scope::One, payload: data(value), keep_while: None, wanted }
}

fn repeated(answer: Option<Answer>) -> Answer {
    Answer::Repeated(Box::new(Repeated { answer, note: None }))
}

#[test]
fn a_command_is_applied_once_and_whoever_repeats_it_has_the_first_answer() {
    let mut s = Store::default();
    s.put("a", data(1));
    let first = s.run(once(id("r"), put("a", 2)));
    assert_eq!(first, nodes([("a", default_props(Some(data(1)), 2))]));
    let root = Arc::clone(s.state.root());
    for again in [put("a", 2), put("a", 3), Command::delete(steps("a"))] {
        assert_eq!(s.run(once(id("r"), again)), repeated(Some(first.clone())));
        assert!(Arc::ptr_eq(&root, s.state.root()), "a repeated command changed something");
    }
    assert_eq!(s.state.revision(), 5, "each has a revision of its own");
    // Another id, and none.
    assert_eq!(s.run(once(id("s"), put("a", 3))), nodes([("a", default_props(Some(data(2)), 3))]));
    assert_eq!(s.run(put("a", 4)), nodes([("a", default_props(Some(data(3)), 4))]));
    assert_eq!(s.run(once(id("t"), Command::delete(steps("a")))), Answer::Done);
    assert_eq!(s.run(once(id("t"), put("a", 5))), repeated(Some(Answer::Done)));
    assert!(!s.exists("a"));
}

#[test]
fn a_command_that_found_nothing_to_do_is_kept_and_a_refused_one_is_not() {
    let mut s = Store::default();
    let nothing = s.run(once(id("r"), Command::delete(steps("a"))));
    s.put("a", data(1));
    assert_eq!(s.run(once(id("r"), Command::delete(steps("a")))), repeated(Some(nothing)));
    assert!(s.exists("a"));

    let update = Command::put(steps_if("b", &[if_node_exists(true)]), data(2));
    assert!(matches!(s.run(once(id("u"), update.clone())), Answer::Refused(Refusal::NodeNotFound { .. })));
    assert_eq!(s.state.repeated(&id("u")), None);
    s.put("b", data(1));
    assert_eq!(s.run(once(id("u"), update)), Answer::Done);
    assert!(s.state.repeated(&id("u")).is_some());
}

#[test]
fn a_note_is_told_to_whoever_repeats_the_command() {
    let mut s = Store::default();
    assert_eq!(s.run(noted(id("r"), Command::put(steps("a"), data(1)), vec![7])), Answer::Done);
    let kept = Repeated { answer: Some(Answer::Done), note: Some(vec![7].into()) };
    assert_eq!(s.state.repeated(&id("r")), Some(kept.clone()));
    let other_note = noted(id("r"), Command::delete(vec![]), vec![8]);
    assert_eq!(s.run(other_note), Answer::Repeated(Box::new(kept)));
    assert_eq!(s.state.repeated(&id("s")), None);
}

#[test]
fn of_an_answer_or_a_note_too_large_is_kept_only_that_it_was() {
    const MAX: usize = REQUEST_ANSWER_SIZE_BYTES_MAX;
    let mut s = Store::default();
    // So large that the answer, which shows it, takes so much more bytes.
    let payload = |more: usize| Payload::Data(Arc::from(vec![131; MAX - 20 + more]));
    let wanted = Some(Wanted { props: PropsMask::PAYLOAD, indirect_deletes: true });
    let delete = || Command::Delete { path: steps("a"), scope: Scope::One, wanted };
    let mut sizes = Vec::new();
    for more in 0..20 {
        s.run(Command::put(steps("a"), payload(more)));
        let answer = s.run(once(id(&more.to_string()), delete()));
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        let kept = (encoded.len() <= MAX).then_some(answer);
        assert_eq!(s.run(once(id(&more.to_string()), delete())), repeated(kept));
        sizes.push(encoded.len());
    }
    assert!(sizes.contains(&MAX) && sizes.contains(&(MAX + 1)), "{sizes:?}");

    let note = |size: usize| Some(Arc::from(vec![0; size]));
    let command = || Command::delete(vec![]);
    assert_eq!(Once::new(id("n"), command(), note(MAX)).note, note(MAX));
    assert_eq!(Once::new(id("n"), command(), note(MAX + 1)).note, None);
    // Also if it came all the same.
    assert_eq!(s.run(noted(id("n"), command(), vec![0; MAX + 1])), Answer::Done);
    assert_eq!(s.run(once(id("n"), command())), repeated(Some(Answer::Done)));
}

#[test]
fn what_an_answer_takes_is_found_out_within_bounds() {
    let long = || Name::binary(&[0; 1000]);
    let many = |count: usize| Answer::Nodes(vec![(vec![long()], Props::default()); count]);
    let children = Props { child_names: Some(vec![long(); 1000]), ..Props::default() };
    let payload = |raw| Some(Payload::Data(vec![0; raw].into()));
    let too_large = [
        many(11),
        Answer::Results(vec![many(6), Answer::Done, many(5)]),
        Answer::Results(vec![Answer::Done; 10_001]),
        Answer::Nodes(vec![(vec![], children)]),
        Answer::Nodes(vec![(vec![], Props { payload: payload(10_000), ..Props::default() })]),
        Answer::Nodes(vec![(vec![], Props { raw_payload: payload(10_000), ..Props::default() })]),
    ];
    for answer in too_large {
        assert_eq!(answer.encode_within(10_000), None);
    }
    for answer in [Answer::Done, many(9), Answer::Results(vec![many(4), Answer::Done, many(5)])] {
        let mut encoded = Vec::new();
        answer.encode(&mut encoded);
        assert_eq!(answer.encode_within(10_000), Some(encoded.clone()));
        assert_eq!(answer.encode_within(encoded.len()), Some(encoded.clone()));
        assert_eq!(answer.encode_within(encoded.len() - 1), None);
    }
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let mut s = Store::default();
    let run = |s: &mut Store, number: usize| s.run(once(id(&number.to_string()), Command::delete(vec![])));
    for number in 0..REQUESTS_KEPT_MAX {
        assert_eq!(run(&mut s, number), Answer::Done);
    }
    let is_known = |s: &Store, number: usize| s.state.repeated(&id(&number.to_string())).is_some();
    let before = s.state.clone();
    assert_eq!(run(&mut s, 0), repeated(Some(Answer::Done)), "a repetition makes nothing older or younger");
    assert!(is_known(&s, 0));
    assert_eq!(run(&mut s, REQUESTS_KEPT_MAX), Answer::Done);
    assert!(!is_known(&s, 0) && is_known(&s, 1) && is_known(&s, REQUESTS_KEPT_MAX));
    assert_eq!(run(&mut s, 0), Answer::Done, "it is a new one");
    assert!(is_known(&s, 0) && !is_known(&s, 1) && is_known(&s, 2));
    s.state.requests.check();
    // A copy keeps what it had.
    assert!(before.repeated(&id("0")).is_some() && before.requests.len() == REQUESTS_KEPT_MAX as u64);
    before.requests.check();
}

#[test]
fn the_oldest_go_when_what_is_kept_is_too_large() {
    let mut s = Store::default();
    let name = |number: usize| format!("{number:06}");
    // With the id and the answer, which is one byte, each is a whole part of the limit.
    let size_bytes = REQUEST_ANSWER_SIZE_BYTES_MAX / 2;
    let count = REQUESTS_SIZE_BYTES_MAX / size_bytes;
    let note = vec![0; size_bytes - name(0).len() - 1];
    let run = |s: &mut Store, number| {
        let command = noted(id(&name(number)), Command::delete(vec![]), note.clone());
        assert_eq!(s.run(command), Answer::Done);
    };
    (0..count).for_each(|number| run(&mut s, number));
    let is_known = |s: &Store, number: usize| s.state.repeated(&id(&name(number))).is_some();
    assert!(is_known(&s, 0));
    run(&mut s, count);
    assert!(!is_known(&s, 0) && is_known(&s, 1));
    // A small one needs the place of a large one.
    assert_eq!(s.run(once(id("small"), Command::delete(vec![]))), Answer::Done);
    assert!(!is_known(&s, 1) && is_known(&s, 2));
    assert_eq!(s.run(once(id("other"), Command::delete(vec![]))), Answer::Done);
    assert!(is_known(&s, 2));
    s.state.requests.check();
}

#[test]
fn an_id_has_one_byte_at_least_and_as_many_as_permitted() {
    assert_eq!(RequestId::new(&[]), Err(Limit::RequestIdSizeBytes));
    assert_eq!(RequestId::new(&[0; REQUEST_ID_SIZE_BYTES_MAX]).unwrap().bytes().len(), 256);
    assert_eq!(RequestId::new(&[0; REQUEST_ID_SIZE_BYTES_MAX + 1]), Err(Limit::RequestIdSizeBytes));
}

#[test]
fn a_command_within_another_is_looked_at_and_one_of_the_same_kind_refused() {
    let nested = once(id("a"), once(id("b"), Command::delete(vec![])));
    assert_eq!(nested.check(), Err(Refusal::Nested));
    let mut s = Store::default();
    s.put("a", data(1));
    assert_eq!(s.run(nested), Answer::Refused(Refusal::Nested));
    assert!(s.exists("a"));
    assert_eq!(s.state.requests.len(), 0);

    let put = |size| Command::put(steps("a"), Payload::Data(vec![131; size].into()));
    let max = crate::limits::PAYLOAD_SIZE_BYTES_MAX;
    assert_eq!(once(id("a"), put(max)).check(), Ok(()));
    assert_eq!(once(id("a"), put(max + 1)).check(), Err(Limit::PayloadSizeBytes.into()));
    let wildcard = once(id("a"), Command::delete(vec![Step::AnyChild]));
    assert_eq!(wildcard.check(), Err(Refusal::WildcardInPath { position: 0 }));
    let note = |size| noted(id("a"), Command::delete(vec![]), vec![0; size]);
    assert_eq!(note(REQUEST_ANSWER_SIZE_BYTES_MAX).check(), Ok(()));
    assert_eq!(note(REQUEST_ANSWER_SIZE_BYTES_MAX + 1).check(), Err(Limit::RequestAnswerSizeBytes.into()));
    assert_eq!(note(100).size_bytes(), note(0).size_bytes() + 100);
    assert!(once(id("a"), put(1000)).size_bytes() > put(1000).size_bytes());
    assert_eq!(once(id("a"), put(1)).path(), steps("a"));
}

/// A transaction of these commands that has read nothing.
fn transaction(is_predicted: bool, commands: Vec<Command>) -> Command {
    let writes = commands.into_iter().map(|command| Write { command, expected: Expected::Success }).collect();
    let (reads, requirements, wants_results) = (Vec::new(), Vec::new(), true);
    let base_revision = 0;
    Command::Transaction(Box::new(Transaction {
        base_revision,
        is_predicted,
        reads,
        requirements,
        writes,
        wants_results,
    }))
}

#[test]
fn a_transaction_is_applied_once_and_one_in_conflict_is_not_kept() {
    let mut s = Store::default();
    let both = || transaction(false, vec![put("a", 1), put("b", 1)]);
    let first = s.run(once(id("r"), both()));
    let is_all = |answer: &Answer| matches!(answer, Answer::Results(answers) if answers.len() == 2);
    assert!(is_all(&first), "{first:?}");
    assert_eq!(s.run(once(id("r"), both())), repeated(Some(first)));
    assert_eq!(s.versions("a").0, 1);

    let predicted = || once(id("p"), transaction(true, vec![put("a", 2), put("b", 2)]));
    let context = |is_as_predicted| Context { revision: 9, clock_ms: 0, is_as_predicted };
    assert!(matches!(s.state.apply(&predicted(), &context(false)), Answer::Conflict(_)));
    assert_eq!(s.state.repeated(&id("p")), None);
    assert!(is_all(&s.state.apply(&predicted(), &context(true))));
    let refused = transaction(false, vec![put("c", 1), Command::put(vec![Step::AnyChild], data(1))]);
    assert!(matches!(s.run(once(id("q"), refused)), Answer::Refused(Refusal::InTransaction { .. })));
    assert_eq!(s.state.repeated(&id("q")), None);

    let nested = transaction(false, vec![once(id("n"), put("d", 1))]);
    assert_eq!(nested.check(), Err(Refusal::Nested));
    assert_eq!(once(id("o"), nested.clone()).check(), Err(Refusal::Nested));
    assert!(matches!(s.run(nested), Answer::Refused(Refusal::InTransaction { index: 0, .. })));
    assert_eq!((s.exists("d"), s.state.repeated(&id("n"))), (false, None));
}

#[test]
fn who_predicts_knows_the_same_requests() {
    let (mut applied, mut predicted) = (State::new(), State::new());
    let commands = [
        once(id("a"), put("a", 1)),
        once(id("b"), transaction(false, vec![put("a", 2)])),
        once(id("c"), Command::delete(steps("a"))),
        once(id("a"), put("a", 3)),
    ];
    for (revision, command) in (1..).zip(&commands) {
        let context = Context { revision, clock_ms: 0, is_as_predicted: true };
        applied.apply(command, &context);
        predicted.predict(command, &context);
    }
    let all = |state: &State| state.requests.cursor().collect::<Vec<_>>();
    assert_eq!(all(&applied).len(), 3);
    assert_eq!(all(&predicted), all(&applied));
}

#[test]
fn what_is_known_of_requests_survives_a_snapshot_in_its_order() {
    let mut s = Store::default();
    s.put("a", data(1));
    s.run(once(id("z"), put("a", 2)));
    s.run(noted(id("y"), Command::delete(steps("a")), vec![1, 2]));
    s.run(once(id("x"), Command::delete(vec![])));
    let mut all = Vec::new();
    let mut records = TreeRecords::new(&s.state);
    let mut builder = TreeBuilder::new();
    loop {
        let mut record = Vec::new();
        if !records.next_into(&mut record) {
            break;
        }
        builder.push(&record).unwrap();
        all.push(record);
    }
    assert_eq!(all.len() as u64, records.count());
    let built = builder.finish(s.state.revision()).unwrap();
    for name in ["x", "y", "z"] {
        assert!(built.repeated(&id(name)).is_some());
        assert_eq!(built.repeated(&id(name)), s.state.repeated(&id(name)));
    }
    let order = |state: &State| state.requests.cursor().map(|(_, of)| of.id.clone()).collect::<Vec<_>>();
    assert_eq!(order(&built), [id("z"), id("y"), id("x")]);
    built.requests.check();
    // It goes on where it was.
    let mut built = Store { state: built };
    assert_eq!(built.run(once(id("x"), put("a", 2))), repeated(Some(Answer::Done)));
    assert_eq!(built.run(once(id("w"), Command::delete(vec![]))), Answer::Done);
    assert_eq!(order(&built.state).last(), Some(&id("w")));
}

proptest! {
    #[test]
    fn a_window_keeps_what_a_list_would(
        bounds in (1u64..6, 40usize..120),
        pushed in proptest::collection::vec((0u8..12, 1usize..8, 0usize..16, 0usize..16), 0..120),
    ) {
        let bounds = Bounds { requests_max: bounds.0, size_bytes_max: bounds.1 };
        let (mut window, mut list) = (RequestWindow::default(), Vec::<Request>::new());
        for (name, repeat, answer, note) in pushed {
            let id = RequestId::new(&vec![name; repeat]).unwrap();
            if list.iter().any(|request| request.id == id) {
                prop_assert!(window.repeated(&id).is_some());
                continue;
            }
            prop_assert_eq!(window.repeated(&id), None);
            let bytes = |size: usize| (size > 0).then(|| Arc::from(vec![0; size]));
            let request = Request { id, answer: bytes(answer), note: bytes(note) };
            window.push(request.clone(), bounds);
            list.push(request);
            while list.len() as u64 > bounds.requests_max
                || list.iter().map(Request::size_bytes).sum::<usize>() > bounds.size_bytes_max
            {
                list.remove(0);
            }
            window.check();
            let kept: Vec<_> = window.cursor().map(|(_, request)| (*request).clone()).collect();
            prop_assert_eq!(&kept, &list);
            let built = RequestWindow::from_requests(kept).unwrap();
            built.check();
            prop_assert!(list.iter().all(|request| built.repeated(&request.id).is_some()));
        }
    }
}

#[test]
fn copies_of_a_state_know_what_each_of_them_applied() {
    let context = |revision| Context { revision, clock_ms: 0, is_as_predicted: true };
    let mut old = State::new();
    old.apply(&once(id("a"), put("a", 1)), &context(1));
    let mut new = old.clone();
    new.apply(&once(id("b"), put("a", 2)), &context(2));
    assert!(matches!(new.apply(&once(id("a"), put("a", 1)), &context(3)), Answer::Repeated(_)));
    assert_eq!(old.repeated(&id("b")), None);
    assert!(matches!(old.apply(&once(id("b"), put("a", 3)), &context(2)), Answer::Nodes(_)));
}
