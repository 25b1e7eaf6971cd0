//! Several members that propose, and everything that may happen to their batches on the way: the log has them late, in another
//! order, twice, or never. Whatever happens, the tree is what the commands come to that were told to be applied, one after another.
//!
//! What the store's threads do stands here as single steps, in an order that a seed decides. What became of each command is told
//! by three: its caller, a machine that only reads the log, and a map that does what the commands say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use pando_tree::{Answer, Command, Extent, Name, OpenTransaction, Payload, State, Step, TreeRecords};

use super::*;
use crate::admission::Admission;
use crate::batch::Batch;
use crate::ingest_thread::IngestJob;
use crate::lineage::Lineage;
use crate::log::LogPosition;
use crate::membership::{Member as Named, Membership};
use crate::proposer::{Committed, Proposer};
use crate::ticket::Ticket;
use crate::waiter::{Places, Waiter};

const MEMBERS: usize = 3;
const KEYS: u64 = 3;
const STEPS: usize = 600;
const BATCHES_IN_FLIGHT_MAX: usize = 3;
const RUNS: u64 = 1_500;
const RUNS_OF_TORTURE: u64 = 50_000;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What a caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// It happened, as the change with this revision; what was read was so as of this one.
    Done(u64),
    NotApplied,
    Unknown,
}

#[derive(Clone, Debug)]
struct Operation {
    reads: Vec<(u64, Option<u32>)>,
    /// The key, to which the number of the operation is put.
    writes: Option<u64>,
    is_predicted: bool,
    told: Told,
}

type Book = Arc<Mutex<Vec<Operation>>>;

/// The caller of an operation.
struct Caller {
    operation: usize,
    book: Book,
    gives_up: bool,
    /// Of one that only read: what it has read from.
    seen: Option<(Lineage, u64)>,
    is_told: bool,
}

impl Caller {
    fn tell(mut self, told: Told) {
        self.is_told = true;
        let mut book = self.book.lock().unwrap();
        assert_eq!(book[self.operation].told, Told::Nothing, "told twice: {:?}", book[self.operation]);
        book[self.operation].told = told;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.is_told && !std::thread::panicking() {
            self.book.lock().unwrap()[self.operation].told = Told::Unknown;
        }
    }
}

impl Ticket for Caller {
    fn is_cancelled(&self) -> bool {
        self.gives_up
    }

    fn dismiss(self) {
        self.tell(Told::NotApplied);
    }
}

fn name(key: u64) -> Name {
    Name::atom(&format!("k{key}"))
}

fn put(key: u64, operation: usize) -> Command {
    let mut bytes = vec![131, 98];
    bytes.extend(u32::try_from(operation).unwrap().to_be_bytes());
    Command::put(vec![Step::Child(name(key))], Payload::Data(bytes.into()))
}

fn value(state: &State, key: u64) -> Option<u32> {
    let bytes = state.lookup(&[name(key)])?.payload().bytes()?.clone();
    bytes.last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The operation that a command is of.
fn operation_of(command: &Command) -> usize {
    match command {
        Command::Put { payload, .. } => {
            let bytes = payload.bytes().unwrap();
            u32::from_be_bytes(*bytes.last_chunk().unwrap()) as usize
        }
        Command::Transaction(transaction) => operation_of(&transaction.writes[0].command),
        other => panic!("{other:?}"),
    }
}

fn records(state: &State) -> Vec<Vec<u8>> {
    let mut records = TreeRecords::new(state);
    let (mut all, mut record) = (Vec::new(), Vec::new());
    while records.next_into(&mut record) {
        all.push(std::mem::take(&mut record));
    }
    all
}

/// A transaction under way.
struct Open {
    open: OpenTransaction,
    lineage: Lineage,
    reads: Vec<(u64, Option<u32>)>,
}

struct Member {
    id: u64,
    incarnation: u64,
    proposer: Proposer<Caller>,
    pending: Pending<Caller>,
    places: Places,
    machine: Machine,
    /// What readers see.
    view: View,
    /// Entries of the log that it has.
    entries: usize,
    /// Applied and published, and nobody was told yet.
    settled: Vec<Settled<Caller>>,
    barriers: Vec<Waiter<Caller>>,
    open: Vec<Open>,
    entered: Vec<Batch>,
}

impl Member {
    fn new(id: u64, incarnation: u64, mut view: View, entries: usize) -> Member {
        view.own = Default::default();
        Member {
            id,
            incarnation,
            proposer: Proposer::new(1),
            pending: Pending::new(BATCHES_IN_FLIGHT_MAX),
            places: Places::new(10_000),
            machine: Machine::new(view.clone()),
            view,
            entries,
            settled: Vec::new(),
            barriers: Vec::new(),
            open: Vec::new(),
            entered: Vec::new(),
        }
    }

    fn own_batches(pending: &Pending<Caller>, id: u64, incarnation: u64) -> OwnBatches<'_, Caller> {
        OwnBatches { pending, member_id: id, incarnation }
    }
}

/// What a run has met, so that it can be said that the test meets it.
#[derive(Default, Debug)]
struct Met {
    done: usize,
    done_predicted: usize,
    reads_come_true: usize,
    reads_lost: usize,
    conflicts_applied: usize,
    left_out: usize,
    dropped: usize,
    dropped_of_strangers: usize,
    unknown_applied: usize,
    unknown_not_applied: usize,
    installed: usize,
    refused_and_applied: usize,
}

struct Cluster {
    random: Random,
    /// Out of ten batches so many have a smooth way.
    calm: u64,
    /// Out of ten steps so many are the first member's.
    lead: u64,
    book: Book,
    members: Vec<Member>,
    log: Vec<Entry>,
    /// Batches on their way to the log.
    flights: Vec<Batch>,
    given_up: BTreeSet<(u64, u64, u64)>,
    admission: Admission,
    next_incarnation: u64,
    met: Met,
}

fn origin_of(batch: &Batch) -> (u64, u64, u64) {
    (batch.origin.member_id, batch.origin.incarnation, batch.origin.first_sequence)
}

impl Cluster {
    fn new(seed: u64) -> Cluster {
        let members = (0..MEMBERS).map(|number| number as u64 + 1);
        let members = members.map(|id| Member::new(id, id * 10, View::empty(), 0)).collect();
        let mut random = Random(seed);
        let mut cluster = Cluster {
            calm: [0, 5, 9, 10][random.index(4)],
            lead: [0, 5, 9][random.index(3)],
            random,
            book: Book::default(),
            members,
            log: Vec::new(),
            flights: Vec::new(),
            given_up: BTreeSet::new(),
            admission: Admission::new(usize::MAX / 2),
            next_incarnation: 100,
            met: Met::default(),
        };
        cluster.append_members(&[1, 2, 3]);
        cluster
    }

    fn append(&mut self, change: Change) {
        let position = LogPosition { term: 1, node_id: 1, index: self.log.len() as u64 };
        self.log.push(Entry { position, change });
    }

    fn append_members(&mut self, ids: &[u64]) {
        let membership = Membership {
            voter_sets: vec![ids.iter().copied().collect()],
            members: ids.iter().map(|id| (*id, Named::default())).collect(),
        };
        self.append(Change::Membership(Arc::new(membership)));
    }

    fn caller(&mut self, operation: Operation) -> Caller {
        let mut book = self.book.lock().unwrap();
        book.push(operation);
        Caller {
            operation: book.len() - 1,
            book: self.book.clone(),
            gives_up: false,
            seen: None,
            is_told: false,
        }
    }

    /// What every holder of the proposer does when it lets go of it.
    fn let_go(&mut self, at: usize) {
        drop(self.members[at].proposer.take_detached());
        for lost in self.members[at].proposer.take_lost() {
            lost.tell(Told::NotApplied);
        }
    }

    fn step(&mut self) {
        let at = if self.random.below(10) < self.lead { 0 } else { self.random.index(MEMBERS) };
        match self.random.below(100) {
            0..12 => self.put(at),
            12..24 => self.begin(at),
            24..40 => self.commit(at),
            40..46 => self.close(at),
            46..62 => self.round(at),
            62..74 => self.fly(),
            74..77 if !self.is_smooth() => self.refuse(),
            77..88 => self.apply(at),
            88..97 => self.tell(at),
            97 if self.random.one_in(3) => self.install(at),
            98 if self.random.one_in(6) => self.restart(at),
            99 if self.random.one_in(12) => self.replace(at),
            _ => {}
        }
    }

    fn is_smooth(&mut self) -> bool {
        self.random.below(10) < self.calm
    }

    fn put(&mut self, at: usize) {
        let key = self.random.below(KEYS);
        let mut caller = self.caller(Operation {
            reads: Vec::new(),
            writes: Some(key),
            is_predicted: false,
            told: Told::Nothing,
        });
        caller.gives_up = self.random.one_in(8);
        let job = IngestJob::Command(put(key, caller.operation), caller);
        assert!(self.members[at].proposer.push(job, &self.admission).is_ok());
        self.let_go(at);
    }

    fn begin(&mut self, at: usize) {
        let wants_prediction = !self.random.one_in(4);
        let member = &mut self.members[at];
        let ahead = member.proposer.ahead_of(&member.view).filter(|_| wants_prediction);
        let (mut open, lineage) = match ahead {
            Some((state, lineage)) => (OpenTransaction::new(state, true), lineage),
            None => (OpenTransaction::new(member.view.state.clone(), false), Lineage::default()),
        };
        let mut reads = Vec::new();
        for key in 0..KEYS {
            if !self.random.one_in(3) {
                open.lookup(&[name(key)], Extent::Payload);
                reads.push((key, value(open.state(), key)));
            }
        }
        self.members[at].open.push(Open { open, lineage, reads });
    }

    fn take_open(&mut self, at: usize) -> Option<Open> {
        let count = self.members[at].open.len();
        (count > 0).then(|| {
            let index = self.random.index(count);
            self.members[at].open.swap_remove(index)
        })
    }

    fn commit(&mut self, at: usize) {
        let Some(Open { mut open, lineage, reads }) = self.take_open(at) else { return };
        let key = self.random.below(KEYS);
        let is_predicted = open.is_predicted();
        let caller = self.caller(Operation { reads, writes: Some(key), is_predicted, told: Told::Nothing });
        open.write(put(key, caller.operation));
        let command = Command::Transaction(Box::new(open.finish().0.unwrap()));
        let member = &mut self.members[at];
        assert!(member.proposer.predict(&member.view, &self.admission).is_ok());
        match member.proposer.commit(command, lineage, caller, &self.admission) {
            Committed::Queued => {}
            Committed::Conflict(caller, _) => caller.tell(Told::NotApplied),
            Committed::Refused(..) => panic!("refused"),
        }
        self.let_go(at);
    }

    /// Ends a transaction that has only read: if it was a prediction, a barrier tells whether that counts.
    fn close(&mut self, at: usize) {
        let Some(Open { open, lineage, reads }) = self.take_open(at) else { return };
        let (is_predicted, revision) = (open.is_predicted(), open.base_revision());
        let mut caller = self.caller(Operation { reads, writes: None, is_predicted, told: Told::Nothing });
        if !is_predicted {
            return caller.tell(Told::Done(revision));
        }
        caller.seen = Some((lineage, revision));
        let place = self.members[at].places.take().unwrap();
        let barrier = IngestJob::Barrier(Waiter::new(caller, 0, place));
        assert!(self.members[at].proposer.push(barrier, &self.admission).is_ok());
    }

    fn round(&mut self, at: usize) {
        let (commands_max, without_transaction_max) = (self.random.index(4), self.random.index(8));
        let member = &mut self.members[at];
        member.entered.retain(|batch| member.pending.holds(batch.origin.first_sequence));
        if member.entered.len() >= BATCHES_IN_FLIGHT_MAX {
            return;
        }
        let round = member.proposer.round(&member.view, &self.admission);
        let batch = (!round.commands.is_empty()).then(|| {
            let proposed_by = (member.id, member.incarnation);
            member.proposer.propose(proposed_by, 0, round.commands, round.predicted_from)
        });
        // Most of the time as if it had become large, or as if nobody had needed it for long.
        let refreshed = member.proposer.refresh_beyond(commands_max, without_transaction_max, &member.view);
        assert!(refreshed.is_ok());
        let next_sequence = member.proposer.next_sequence();
        self.let_go(at);
        if let Some(batch) = batch {
            let first_sequence = batch.origin.first_sequence;
            if !self.is_smooth() && self.random.one_in(12) {
                self.members[at].proposer.take_back(Some(first_sequence), &self.admission);
                self.let_go(at);
                round.callers.into_iter().for_each(|caller| caller.tell(Told::NotApplied));
            } else {
                let member = &mut self.members[at];
                assert!(member.pending.enter(first_sequence, round.callers).is_ok());
                member.entered.push(batch.clone());
                self.flights.push(batch);
            }
        }
        if !round.barriers.is_empty() {
            let index = self.log.len() as u64 - 1;
            let pending = &self.members[at].pending;
            let number = pending.enter_barriers(next_sequence, round.barriers).ok().unwrap();
            let ready = pending.barriers_until(number, index);
            self.members[at].barriers.extend(ready);
        }
    }

    /// A batch comes to the log, and may be under way once more; or is lost.
    fn fly(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        if self.is_smooth() {
            let batch = self.flights.remove(0);
            return self.append(Change::Commands(Arc::new(batch)));
        }
        let index = self.random.index(self.flights.len());
        let batch = match self.random.below(8) {
            0..2 => self.flights[index].clone(),
            2 => {
                self.flights.swap_remove(index);
                return;
            }
            _ => self.flights.swap_remove(index),
        };
        self.append(Change::Commands(Arc::new(batch)));
    }

    /// Consensus gives a batch up, and knows what has become of it or does not.
    fn refuse(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let index = self.random.index(self.flights.len());
        let origin = origin_of(&self.flights[index]);
        let is_it = |batch: &Batch| origin_of(batch) == origin;
        let is_in_log =
            self.log.iter().any(|entry| matches!(&entry.change, Change::Commands(batch) if is_it(batch)));
        let told = if is_in_log || self.random.one_in(2) {
            Told::Unknown
        } else {
            self.flights.retain(|batch| !is_it(batch));
            Told::NotApplied
        };
        let by = |member: &Member| (member.id, member.incarnation) == (origin.0, origin.1);
        let Some(at) = self.members.iter().position(by) else { return };
        let Some(callers) = self.members[at].pending.take(origin.2) else { return };
        self.given_up.insert(origin);
        self.members[at].proposer.take_back(Some(origin.2), &self.admission);
        self.let_go(at);
        callers.into_iter().for_each(|caller| caller.tell(told));
        let ready = self.members[at].pending.answered(origin.2);
        self.members[at].barriers.extend(ready);
    }

    fn apply(&mut self, at: usize) {
        let count = 1 + self.random.index(4);
        let member = &mut self.members[at];
        let (id, incarnation) = (member.id, member.incarnation);
        for entry in self.log.iter().skip(member.entries).take(count) {
            let own_batches = Member::own_batches(&member.pending, id, incarnation);
            own_batches.apply(&mut member.machine, entry, &mut member.settled);
            member.entries += 1;
        }
        self.publish(at);
    }

    fn publish(&mut self, at: usize) {
        let member = &mut self.members[at];
        member.view = member.machine.view().clone();
        drop(member.machine.take_detached());
    }

    /// The callers of what was applied hear of it, and those whose barriers are through.
    fn tell(&mut self, at: usize) {
        let member = &mut self.members[at];
        for Settled { first_sequence, replies } in member.settled.drain(..) {
            for (caller, outcome) in replies {
                caller.tell(match outcome {
                    Ok(Applied { answer: Answer::Done, revision, .. }) => Told::Done(revision),
                    Ok(Applied { answer: Answer::Conflict(_), .. }) => {
                        self.met.conflicts_applied += 1;
                        Told::NotApplied
                    }
                    Err(StoreError::LeaderChanged) => {
                        self.met.left_out += 1;
                        Told::NotApplied
                    }
                    other => panic!("{other:?}"),
                });
            }
            member.barriers.extend(member.pending.answered(first_sequence));
        }
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut member.barriers)
            .into_iter()
            .partition(|barrier| barrier.index() <= member.view.applied_index());
        member.barriers = waiting;
        for caller in ready.into_iter().map(Waiter::into_ticket) {
            let (lineage, revision) = caller.seen.unwrap();
            if lineage.has_come_true(member.proposer.lineage().taken_back(), &member.view.own) {
                self.met.reads_come_true += 1;
                caller.tell(Told::Done(revision));
            } else {
                self.met.reads_lost += 1;
                caller.tell(Told::NotApplied);
            }
        }
    }

    /// A member that is far behind is sent a snapshot.
    fn install(&mut self, at: usize) {
        let from = self.random.index(MEMBERS);
        let (view, entries) = (self.members[from].view.clone(), self.members[from].entries);
        let member = &mut self.members[at];
        if entries <= member.entries {
            return;
        }
        let own_batches = Member::own_batches(&member.pending, member.id, member.incarnation);
        member.settled.extend(own_batches.install(&mut member.machine, view));
        member.entries = entries;
        self.met.installed += 1;
        self.publish(at);
    }

    /// A member opens its store again.
    fn restart(&mut self, at: usize) {
        let incarnation = self.next_incarnation;
        self.next_incarnation += 1;
        let id = self.members[at].id;
        self.begin_again(at, id, incarnation);
    }

    /// A member comes back with nothing, under another id.
    fn replace(&mut self, at: usize) {
        let id = self.next_incarnation;
        let mut ids: Vec<u64> = self.members.iter().map(|member| member.id).collect();
        ids.push(id);
        self.append_members(&ids);
        ids.remove(at);
        self.append_members(&ids);
        self.next_incarnation += 1;
        self.begin_again(at, id, id);
    }

    fn begin_again(&mut self, at: usize, id: u64, incarnation: u64) {
        self.tell(at);
        let (view, entries) = (self.members[at].view.clone(), self.members[at].entries);
        let before = std::mem::replace(&mut self.members[at], Member::new(id, incarnation, view, entries));
        // Whoever waits is let go with it.
        drop(before);
    }

    /// Everything comes to an end: what is still waited for is sent again.
    fn settle(&mut self) {
        for at in 0..MEMBERS {
            while self.take_open(at).is_some() {}
        }
        for round in 0..50 {
            for at in 0..MEMBERS {
                if round == 20 {
                    self.put(at);
                }
                self.round(at);
                let member = &mut self.members[at];
                member.entered.retain(|batch| member.pending.holds(batch.origin.first_sequence));
                self.flights.extend(member.entered.iter().cloned());
            }
            self.flights.drain(..).collect::<Vec<_>>().into_iter().for_each(|batch| {
                self.append(Change::Commands(Arc::new(batch)));
            });
            for at in 0..MEMBERS {
                while self.members[at].entries < self.log.len() {
                    self.apply(at);
                }
                self.tell(at);
            }
        }
    }

    fn check(&mut self) {
        let mut observer = Machine::new(View::empty());
        let mut applied: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for entry in &self.log {
            let answers = observer.apply(entry);
            let Change::Commands(batch) = &entry.change else { continue };
            if answers.effect == Effect::Dropped {
                assert!(answers.answers.is_empty());
                self.met.dropped += 1;
                let is_member =
                    |(_, membership): &(_, Arc<Membership>)| membership.has(batch.origin.member_id);
                if !observer.view().membership.as_ref().is_some_and(is_member) {
                    self.met.dropped_of_strangers += 1;
                }
                continue;
            }
            if self.given_up.contains(&origin_of(batch)) {
                self.met.refused_and_applied += 1;
            }
            assert_eq!(answers.answers.len(), batch.commands.len());
            for ((command, answer), revision) in
                batch.commands.iter().zip(answers.answers).zip(answers.first_revision..)
            {
                match answer {
                    CommandAnswer::Answer(Answer::Done) => {
                        applied.entry(operation_of(command)).or_default().push(revision);
                    }
                    CommandAnswer::Answer(Answer::Conflict(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let expected = records(&observer.view().state);
        for member in &self.members {
            assert_eq!(records(&member.view.state), expected, "members have the same tree");
            assert_eq!(member.view.sessions, observer.view().sessions);
            assert_eq!(member.view.history, observer.view().history);
        }
        let book = self.book.lock().unwrap();
        let mut in_order: Vec<(u64, bool, usize)> = Vec::new();
        for (number, operation) in book.iter().enumerate() {
            let revisions = applied.get(&number).map_or(&[][..], Vec::as_slice);
            assert!(revisions.len() <= 1, "applied more than once: {operation:?} {revisions:?}");
            let is_write = operation.writes.is_some();
            match operation.told {
                Told::Nothing => panic!("nobody was told: {operation:?}"),
                Told::Done(revision) => {
                    if is_write {
                        assert_eq!(revisions, [revision], "told to be applied: {operation:?}");
                    }
                    self.met.done += 1;
                    self.met.done_predicted += usize::from(operation.is_predicted && is_write);
                    in_order.push((revision, !is_write, number));
                }
                Told::NotApplied => assert!(revisions.is_empty(), "told not to be applied: {operation:?}"),
                Told::Unknown => match revisions.first() {
                    Some(revision) => {
                        self.met.unknown_applied += 1;
                        in_order.push((*revision, false, number));
                    }
                    None => self.met.unknown_not_applied += 1,
                },
            }
        }
        in_order.sort_unstable();
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        for (revision, _, number) in in_order {
            let operation = &book[number];
            for (key, read) in &operation.reads {
                let found = model.get(key).copied();
                assert_eq!(*read, found, "key {key} at revision {revision}: {operation:?}");
            }
            if let Some(key) = operation.writes {
                model.insert(key, u32::try_from(number).unwrap());
            }
        }
        for key in 0..KEYS {
            assert_eq!(value(&observer.view().state, key), model.get(&key).copied(), "key {key} at the end");
        }
    }
}

fn run(seed: u64) -> Met {
    let mut cluster = Cluster::new(seed);
    (0..STEPS).for_each(|_| cluster.step());
    cluster.settle();
    cluster.check();
    cluster.met
}

#[test]
fn whatever_happens_to_batches_the_tree_is_what_those_commands_come_to_that_were_told_to_be_applied() {
    let runs = if std::env::var_os("PANDO_TORTURE").is_some() { RUNS_OF_TORTURE } else { RUNS };
    let mut met = Met::default();
    for seed in 0..runs {
        let of_run = std::panic::catch_unwind(|| run(seed));
        let Ok(of_run) = of_run else { panic!("seed {seed}") };
        met.done += of_run.done;
        met.done_predicted += of_run.done_predicted;
        met.reads_come_true += of_run.reads_come_true;
        met.reads_lost += of_run.reads_lost;
        met.conflicts_applied += of_run.conflicts_applied;
        met.left_out += of_run.left_out;
        met.dropped += of_run.dropped;
        met.dropped_of_strangers += of_run.dropped_of_strangers;
        met.unknown_applied += of_run.unknown_applied;
        met.unknown_not_applied += of_run.unknown_not_applied;
        met.installed += of_run.installed;
        met.refused_and_applied += of_run.refused_and_applied;
    }
    println!("{runs} runs of {STEPS} steps: {met:?}");
    let Met {
        done,
        done_predicted,
        reads_come_true,
        reads_lost,
        conflicts_applied,
        left_out,
        dropped,
        dropped_of_strangers,
        unknown_applied,
        unknown_not_applied,
        installed,
        refused_and_applied,
    } = met;
    for count in [
        done,
        done_predicted,
        reads_come_true,
        reads_lost,
        conflicts_applied,
        left_out,
        dropped,
        dropped_of_strangers,
        unknown_applied,
        unknown_not_applied,
        installed,
        refused_and_applied,
    ] {
        assert!(count > 0, "something was never met");
    }
}

/// One member, and a log that the test writes.
struct Single {
    pending: Pending<Caller>,
    book: Book,
    machine: Machine,
    next_index: u64,
}

impl Single {
    fn new() -> Single {
        let mut single = Single {
            pending: Pending::new(9),
            book: Book::default(),
            machine: Machine::new(View::empty()),
            next_index: 1,
        };
        single.set_members(&[&[1, 2]]);
        single
    }

    fn enter(&mut self, first_sequence: u64) {
        let mut book = self.book.lock().unwrap();
        let (reads, told) = (Vec::new(), Told::Nothing);
        book.push(Operation { reads, writes: Some(first_sequence), is_predicted: false, told });
        let operation = book.len() - 1;
        let caller =
            Caller { operation, book: self.book.clone(), gives_up: false, seen: None, is_told: false };
        assert!(self.pending.enter(first_sequence, vec![caller]).is_ok());
    }

    fn told(&self) -> Vec<Told> {
        self.book.lock().unwrap().iter().map(|operation| operation.told).collect()
    }

    fn apply(&mut self, change: Change) -> Vec<u64> {
        let position = LogPosition { term: 1, node_id: 1, index: self.next_index };
        self.next_index += 1;
        let mut settled = Vec::new();
        let own_batches = Member::own_batches(&self.pending, 1, 7);
        own_batches.apply(&mut self.machine, &Entry { position, change }, &mut settled);
        Self::tell(settled)
    }

    fn tell(settled: Vec<Settled<Caller>>) -> Vec<u64> {
        let mut order = Vec::new();
        for Settled { first_sequence, replies } in settled {
            order.push(first_sequence);
            for (caller, outcome) in replies {
                caller.tell(match outcome {
                    Ok(applied) => Told::Done(applied.revision),
                    Err(error) => {
                        assert_eq!(error, StoreError::LeaderChanged);
                        Told::NotApplied
                    }
                });
            }
        }
        order
    }

    /// A put to a key of its own.
    fn batch(member_id: u64, first_sequence: u64) -> Change {
        let origin = Origin { member_id, incarnation: 7, first_sequence };
        let command = put(first_sequence + 100 * member_id, 5);
        Change::Commands(Arc::new(Batch::new(origin, 0, vec![command], None)))
    }

    fn set_members(&mut self, sets: &[&[u64]]) {
        let voter_sets = sets.iter().map(|ids| ids.iter().copied().collect()).collect();
        let membership = Membership { voter_sets, ..Membership::default() };
        self.apply(Change::Membership(Arc::new(membership)));
    }

    fn has(&self, member_id: u64, first_sequence: u64) -> bool {
        value(&self.machine.view().state, first_sequence + 100 * member_id).is_some()
    }
}

#[test]
fn a_batch_that_is_sent_again_changes_nothing_takes_no_revision_and_is_no_surprise() {
    let mut single = Single::new();
    single.enter(1);
    assert_eq!(single.apply(Single::batch(1, 1)), [1]);
    let before = single.machine.view().clone();
    assert_eq!(single.apply(Single::batch(1, 1)), [0; 0]);
    let after = single.machine.view().clone();
    assert_eq!(records(&after.state), records(&before.state));
    assert_eq!(after.state.revision(), before.state.revision());
    assert_eq!((after.history, after.own), (before.history, before.own));
    assert_eq!((after.applied_index(), after.own.surprises()), (before.applied_index() + 1, 0));
    assert_eq!(single.told(), [Told::Done(1)]);
}

#[test]
fn callers_of_batches_that_a_later_one_has_overtaken_are_told_before_its_own_that_theirs_were_not_applied() {
    let mut single = Single::new();
    [1, 3, 6, 8].into_iter().for_each(|first_sequence| single.enter(first_sequence));
    assert_eq!(single.apply(Single::batch(1, 6)), [1, 3, 6]);
    assert_eq!(single.told(), [Told::NotApplied, Told::NotApplied, Told::Done(1), Told::Nothing]);
    assert_eq!(single.machine.view().own.surprises(), 1);
    // They come too late.
    assert_eq!(single.apply(Single::batch(1, 1)), [0; 0]);
    assert_eq!(single.apply(Single::batch(1, 3)), [0; 0]);
    assert!(!single.has(1, 1) && !single.has(1, 3) && single.has(1, 6));
    assert_eq!(single.apply(Single::batch(1, 8)), [8]);
    assert_eq!(single.machine.view().own.surprises(), 1);
}

#[test]
fn what_is_sent_by_who_is_no_member_is_left_out_and_a_change_of_members_under_way_leaves_nobody_out() {
    let mut single = Single::new();
    single.apply(Single::batch(2, 1));
    single.set_members(&[&[1, 2], &[1, 3]]);
    single.apply(Single::batch(2, 2));
    single.apply(Single::batch(3, 1));
    single.set_members(&[&[1, 3]]);
    let revision = single.machine.view().state.revision();
    // Neither again nor for the first time.
    single.apply(Single::batch(2, 1));
    single.apply(Single::batch(2, 3));
    assert_eq!(single.machine.view().state.revision(), revision);
    assert!(single.has(2, 1) && single.has(2, 2) && single.has(3, 1) && !single.has(2, 3));
    // Nor this member, when it was removed itself: its callers are told.
    single.set_members(&[&[3]]);
    single.enter(4);
    assert_eq!(single.apply(Single::batch(1, 4)), [4]);
    assert_eq!(single.told(), [Told::NotApplied]);
}

#[test]
fn callers_whose_batches_were_settled_by_what_a_snapshot_holds_learn_that_the_outcome_is_unknown() {
    let mut other = Single::new();
    other.apply(Single::batch(1, 3));
    let mut single = Single::new();
    [1, 3, 4].into_iter().for_each(|first_sequence| single.enter(first_sequence));
    let own_batches = Member::own_batches(&single.pending, 1, 7);
    let settled = own_batches.install(&mut single.machine, other.machine.view().clone());
    assert_eq!(Single::tell(settled), [1, 3]);
    assert_eq!(single.told(), [Told::Unknown, Told::Unknown, Told::Nothing]);
    let own = single.machine.view().own;
    assert_eq!((own.next_sequence(), own.surprises(), own.surprises_before_own()), (4, 1, 1));
    single.next_index = 9;
    assert_eq!(single.apply(Single::batch(1, 4)), [4]);
}
