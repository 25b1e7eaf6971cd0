//! What the proposer promises: order, predictions that come true, and what is taken back when one does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::bounded;
use pando_tree::{Extent, Name, OpenTransaction, Payload, State, Step};

use super::*;
use crate::entry::{Change, Entry};
use crate::log::LogPosition;
use crate::machine::{CommandAnswer, Machine};

/// A caller with a name, that may give up.
#[derive(Clone, Debug)]
struct Named(&'static str, Arc<AtomicBool>);

impl Ticket for Named {
    fn is_cancelled(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    fn dismiss(self) {}
}

fn named(name: &'static str) -> Named {
    Named(name, Arc::default())
}

fn names(callers: &[Named]) -> Vec<&'static str> {
    callers.iter().map(|caller| caller.0).collect()
}

fn put(key: &str, value: u8) -> Command {
    Command::put(vec![Step::Child(Name::atom(key))], Payload::Data(Arc::from(vec![131, 97, value])))
}

fn value(state: &State, key: &str) -> Option<u8> {
    state.lookup(&[Name::atom(key)])?.payload().bytes()?.last().copied()
}

/// Reads a key and writes another with one more.
fn successor(base: &State, is_predicted: bool, from: &str, to: &str) -> Command {
    let mut open = OpenTransaction::new(base.clone(), is_predicted);
    open.lookup(&[Name::atom(from)], Extent::Payload);
    let next = value(open.state(), from).unwrap_or(0) + 1;
    open.write(put(to, next));
    Command::Transaction(Box::new(open.finish().0.unwrap()))
}

/// A proposer, and what applies its batches.
struct Bench {
    proposer: Proposer<Named>,
    admission: Admission,
    machine: Machine,
    next_index: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            proposer: Proposer::new(1),
            admission: Admission::new(1_000_000),
            machine: Machine::new(View::empty()),
            next_index: 1,
        }
    }

    fn queue(&mut self, command: Command, caller: Named) {
        assert!(self.admission.admit(command.size_bytes()));
        self.proposer.push(IngestJob::Command(command, caller), &self.admission).unwrap();
    }

    /// A value that is there and committed: what changes it and is refused leaves its revision as old as it was.
    fn settle(&mut self, key: &str, value: u8) {
        self.queue(put(key, value), named("settled"));
        let (batch, _) = self.round();
        assert_eq!(self.apply(batch), [Answer::Done]);
    }

    fn predicted(&mut self) -> State {
        let view = self.machine.view().clone();
        self.proposer.predict(&view, &self.admission).unwrap();
        self.proposer.prediction.as_ref().unwrap().state().clone()
    }

    fn commit(&mut self, command: Command, lineage: Lineage, caller: Named) -> Committed<Named> {
        self.predicted();
        let size_bytes = command.size_bytes();
        assert!(self.admission.admit(size_bytes));
        let committed = self.proposer.commit(command, lineage, caller, &self.admission);
        if !matches!(committed, Committed::Queued) {
            self.admission.release(size_bytes);
        }
        committed
    }

    /// Gives who has lost.
    fn take_back(&mut self, refused: Option<u64>) -> Vec<Named> {
        self.proposer.take_back(refused, &self.admission);
        self.proposer.take_lost()
    }

    /// The batch that would be proposed now, and its callers.
    fn round(&mut self) -> (Batch, Vec<Named>) {
        let view = self.machine.view().clone();
        let round = self.proposer.round(&view, &self.admission);
        self.admission.release(round.size_bytes);
        (self.proposer.propose((1, 7), 0, round.commands, round.predicted_from), round.callers)
    }

    /// Another member's batch, which nobody here could foresee.
    fn apply_of_another(&mut self, command: Command) {
        let origin = Origin { member_id: 2, incarnation: 1, first_sequence: self.next_index };
        let batch = Batch::new(origin, 0, vec![command], None);
        let position = LogPosition { term: 1, node_id: 1, index: self.next_index };
        self.next_index += 1;
        self.machine.apply(&Entry { position, change: Change::Commands(Arc::new(batch)) });
        self.machine.own_mut().note_surprise();
    }

    fn apply(&mut self, batch: Batch) -> Vec<Answer> {
        let next_sequence = batch.origin.first_sequence + batch.commands.len() as u64;
        let position = LogPosition { term: 1, node_id: 1, index: self.next_index };
        self.next_index += 1;
        let applied = self.machine.apply(&Entry { position, change: Change::Commands(Arc::new(batch)) });
        self.machine.own_mut().note_own(next_sequence);
        applied
            .answers
            .into_iter()
            .map(|answer| match answer {
                CommandAnswer::Answer(answer) => answer,
                CommandAnswer::Failed(text) => panic!("{text}"),
            })
            .collect()
    }
}

#[test]
fn the_prediction_is_what_applying_comes_to() {
    let mut bench = Bench::new();
    bench.queue(put("a", 1), named("one"));
    let base = bench.predicted();
    for (number, caller) in ["two", "three", "four"].into_iter().enumerate() {
        let base = if number == 0 { base.clone() } else { bench.predicted() };
        assert!(matches!(
            bench.commit(successor(&base, true, "a", "a"), Lineage::default(), named(caller)),
            Committed::Queued
        ));
        bench.queue(put("b", 9), named("blind"));
    }
    let predicted = bench.predicted();
    let (batch, callers) = bench.round();
    assert_eq!(names(&callers), ["one", "two", "blind", "three", "blind", "four", "blind"]);
    assert!(bench.apply(batch).iter().all(|answer| *answer == Answer::Done));
    assert_eq!(value(&predicted, "a"), Some(4));
    assert_eq!(value(&bench.machine.view().state, "a"), Some(4));
    assert_eq!(predicted.revision(), bench.machine.view().state.revision());
    assert_eq!(bench.admission.waiting_size_bytes(), 0);
}

#[test]
fn a_transaction_that_would_lose_is_not_proposed_and_leaves_the_prediction_as_it_was() {
    let mut bench = Bench::new();
    let base = bench.machine.view().state.clone();
    bench.queue(put("a", 1), named("writer"));
    let before = bench.predicted().revision();
    let late = bench.commit(successor(&base, false, "a", "b"), Lineage::default(), named("late"));
    assert!(matches!(late, Committed::Conflict(Named("late", _), path) if path == [Name::atom("a")]));
    assert_eq!(bench.predicted().revision(), before);
    assert_eq!(names(&bench.round().1), ["writer"]);
}

#[test]
fn who_gives_up_is_dropped_before_it_is_predicted_and_never_afterwards() {
    let mut bench = Bench::new();
    let (early, late) = (named("early"), named("late"));
    bench.queue(put("a", 1), early.clone());
    early.1.store(true, Ordering::Relaxed);
    assert_eq!(names(&bench.round().1), [""; 0]);
    bench.queue(put("a", 2), late.clone());
    bench.predicted();
    late.1.store(true, Ordering::Relaxed);
    let (batch, callers) = bench.round();
    assert_eq!(names(&callers), ["late"]);
    bench.apply(batch);
    assert_eq!(value(&bench.machine.view().state, "a"), Some(2));
    assert_eq!(bench.admission.waiting_size_bytes(), 0);
}

#[test]
fn a_refused_batch_takes_those_with_it_that_read_what_it_would_have_done_and_no_others() {
    let mut bench = Bench::new();
    bench.settle("a", 7);
    bench.queue(put("a", 1), named("refused"));
    bench.predicted();
    let (refused, _) = bench.round();
    // Everybody reads what that batch would have done, or not, and waits.
    let committed = bench.machine.view().state.clone();
    let predicted = bench.predicted();
    assert_eq!(value(&predicted, "a"), Some(1));
    bench.queue(put("c", 3), named("command"));
    assert!(matches!(
        bench.commit(successor(&predicted, true, "a", "b"), Lineage::default(), named("lost")),
        Committed::Queued
    ));
    assert!(matches!(
        bench.commit(successor(&committed, false, "x", "d"), Lineage::default(), named("unconcerned")),
        Committed::Queued
    ));
    let lost = bench.take_back(Some(refused.origin.first_sequence));
    assert_eq!(names(&lost), ["lost"]);
    // One that was open meanwhile comes too late, though what it read looks the same by its revision.
    let late = bench.commit(successor(&predicted, true, "a", "b"), Lineage::default(), named("late"));
    assert!(matches!(late, Committed::Conflict(..)));
    let (batch, callers) = bench.round();
    assert_eq!(names(&callers), ["command", "unconcerned"]);
    assert_eq!(bench.apply(batch), [Answer::Done, Answer::Done]);
    let state = &bench.machine.view().state;
    assert_eq!((value(state, "a"), value(state, "b"), value(state, "c")), (Some(7), None, Some(3)));
    assert_eq!(bench.admission.waiting_size_bytes(), 0);
}

#[test]
fn a_transaction_behind_a_batch_that_is_never_applied_conflicts_when_it_is_applied_itself() {
    let mut bench = Bench::new();
    bench.settle("a", 7);
    bench.queue(put("a", 1), named("never"));
    bench.predicted();
    let (never, _) = bench.round();
    let predicted = bench.predicted();
    assert!(matches!(
        bench.commit(successor(&predicted, true, "a", "b"), Lineage::default(), named("lost")),
        Committed::Queued
    ));
    // On its way already when the other is refused.
    let (lost, _) = bench.round();
    assert_eq!(bench.take_back(Some(never.origin.first_sequence)).len(), 0);
    // Whoever predicts now knows that it will conflict.
    assert_eq!(value(&bench.predicted(), "b"), None);
    // And that nobody can tell of one behind it whether it was predicted rightly: the refused batch might come between.
    let (lineage, base) = (bench.proposer.lineage(), bench.predicted());
    assert!(bench.proposer.ahead_of(bench.machine.view()).is_none());
    assert!(matches!(
        bench.commit(successor(&base, true, "b", "c"), lineage, named("next")),
        Committed::Conflict(..)
    ));
    assert!(matches!(bench.apply(lost)[..], [Answer::Conflict(_)]));
    bench.queue(put("d", 1), named("ahead"));
    let (lineage, base) = (bench.proposer.lineage(), bench.predicted());
    assert!(bench.proposer.ahead_of(bench.machine.view()).is_some());
    assert!(matches!(
        bench.commit(successor(&base, true, "b", "c"), lineage, named("again")),
        Committed::Queued
    ));
    let (again, _) = bench.round();
    assert_eq!(bench.apply(again), [Answer::Done, Answer::Done]);
    assert_eq!(value(&bench.machine.view().state, "b"), None);
    assert_eq!(value(&bench.machine.view().state, "c"), Some(1));
}

#[test]
fn a_prediction_made_anew_from_a_newer_view_is_the_same_and_counts_from_there() {
    let mut bench = Bench::new();
    let mut under_way = std::collections::VecDeque::new();
    for _ in 0..20 {
        let base = bench.predicted();
        assert!(matches!(
            bench.commit(successor(&base, true, "a", "a"), Lineage::default(), named("one")),
            Committed::Queued
        ));
        under_way.push_back(bench.round().0);
        if under_way.len() > 2 {
            let batch = under_way.pop_front().unwrap();
            assert_eq!(bench.apply(batch), [Answer::Done]);
        }
        // As if it had become large.
        let view = bench.machine.view().clone();
        bench.proposer.look_at(&view, &bench.admission);
        bench.proposer.prediction = Some(bench.proposer.predict_anew(&view).unwrap());
    }
    for batch in under_way {
        assert_eq!(bench.apply(batch), [Answer::Done]);
    }
    assert_eq!(value(&bench.machine.view().state, "a"), Some(20));
}

#[test]
fn the_thread_sleeps_only_when_nothing_is_ready_and_is_woken_once() {
    let mut bench = Bench::new();
    assert!(bench.proposer.may_sleep());
    assert!(!bench.proposer.must_wake());
    bench.queue(put("a", 1), named("one"));
    assert!(bench.proposer.must_wake());
    assert!(!bench.proposer.must_wake());
    assert!(!bench.proposer.may_sleep());
    bench.round();
    assert!(bench.proposer.may_sleep());
    // What is taken back needs nobody to be woken; what comes next does.
    let base = bench.predicted();
    assert!(matches!(
        bench.commit(successor(&base, true, "a", "a"), Lineage::default(), named("lost")),
        Committed::Queued
    ));
    assert!(bench.proposer.must_wake());
    assert_eq!(bench.take_back(None).len(), 1);
    assert!(bench.proposer.may_sleep());
    bench.queue(put("a", 1), named("two"));
    assert!(bench.proposer.must_wake());
}

#[test]
fn a_queue_that_nobody_can_fill_any_more_is_the_end() {
    let mut bench = Bench::new();
    let (sender, queue) = bounded(2);
    assert!(sender.send(IngestJob::Command(put("a", 1), named("last"))).is_ok());
    drop(sender);
    bench.proposer.take_queued(&queue, 10, &bench.admission).unwrap();
    let view = bench.machine.view().clone();
    let round = bench.proposer.round(&view, &bench.admission);
    assert_eq!(names(&round.callers), ["last"]);
    assert!(round.is_last);
}

#[test]
fn what_is_left_at_the_end_is_given_back_in_order_and_nothing_is_predicted_any_more() {
    let mut bench = Bench::new();
    bench.queue(put("a", 1), named("one"));
    bench.predicted();
    bench.queue(put("a", 2), named("two"));
    let left: Vec<&str> = bench
        .proposer
        .end()
        .into_iter()
        .map(|job| match job {
            IngestJob::Command(_, caller) => caller.0,
            _ => panic!("not a command"),
        })
        .collect();
    assert_eq!(left, ["one", "two"]);
    assert!(bench.proposer.has_ended);
    assert!(bench.proposer.prediction.is_none());
}

#[test]
fn a_batch_of_another_member_ends_the_lineage_and_those_who_read_what_it_has_overtaken_are_told_at_the_next_round()
 {
    let mut bench = Bench::new();
    bench.settle("a", 7);
    bench.queue(put("a", 1), named("first"));
    let before = bench.predicted();
    let lineage = bench.proposer.lineage();
    assert!(matches!(
        bench.commit(successor(&before, true, "a", "b"), lineage, named("lost")),
        Committed::Queued
    ));
    bench.apply_of_another(put("a", 3));
    // Too late, though by its revision what it has read is older than what came between.
    assert_ne!(bench.proposer.backlog(&bench.machine.view().clone()), 0);
    assert!(bench.proposer.ahead_of(bench.machine.view()).is_none());
    let (batch, callers) = bench.round();
    assert_eq!(names(&callers), ["first"]);
    assert_eq!(names(&bench.proposer.take_lost()), ["lost"]);
    assert!(matches!(
        bench.commit(successor(&before, true, "a", "b"), lineage, named("late")),
        Committed::Conflict(..)
    ));
    let (lineage, base) = (bench.proposer.lineage(), bench.predicted());
    assert!(matches!(
        bench.commit(successor(&base, true, "a", "b"), lineage, named("again")),
        Committed::Queued
    ));
    assert_eq!(bench.apply(batch), [Answer::Done]);
    let (again, _) = bench.round();
    assert_eq!(bench.apply(again), [Answer::Done]);
    let state = &bench.machine.view().state;
    assert_eq!((value(state, "a"), value(state, "b")), (Some(1), Some(2)));
    assert_eq!(bench.admission.waiting_size_bytes(), 0);
}
