//! Tests only: random commands over a small set of names, so that they meet each other. One seed makes one command.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::command::{TestCommand, TestStep, TestWatched, Verb};
use crate::command::{Scope, Wanted};
use crate::name::Name;
use crate::payload::Payload;
use crate::props::PropsMask;
use crate::step::Step;
use crate::test_condition::{self, Number, TestCondition};

/// How many conditions there are to choose from.
const CONDITIONS: usize = 600;

/// A source of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn payload(&mut self) -> Payload {
        let value = self.below(3) as u8;
        // The same term has two encodings.
        let bytes = if self.percent(50) { vec![131, 97, value] } else { vec![131, 98, 0, 0, 0, value] };
        match self.weighted(&[2, 4, 1]) {
            0 => Payload::None,
            1 => Payload::Data(Arc::from(bytes)),
            _ => Payload::Procedure(Arc::from(bytes)),
        }
    }

    /// An index, each as often as its weight says.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        weights
            .iter()
            .position(|weight| {
                let is_it = left < *weight;
                left = left.saturating_sub(*weight);
                is_it
            })
            .unwrap()
    }
}

/// What commands are made of. Conditions come from a fixed pool: to make one by a strategy takes long.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    pub(crate) random: Random,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    nameless: Vec<TestCondition>,
    any: Vec<TestCondition>,
}

impl Pool {
    fn shared() -> Arc<Pool> {
        thread_local! {
            static POOL: Arc<Pool> = {
                let mut runner = TestRunner::deterministic();
                let mut sample = |strategy: BoxedStrategy<TestCondition>| {
                    let mut one = || strategy.new_tree(&mut runner).unwrap().current();
                    (0..CONDITIONS).map(|_| one()).collect()
                };
                let nameless = sample(test_condition::nameless().boxed());
                let any = sample(test_condition::arbitrary(super::arbitrary::name().boxed()).boxed());
                Arc::new(Pool { nameless, any })
            };
        }
        POOL.with(Arc::clone)
    }
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator { random: Random(seed), pool: Pool::shared() }
    }

    fn name(&mut self) -> Name {
        match self.random.weighted(&[8, 6, 5, 1, 1, 1]) {
            0 => Name::atom("a"),
            1 => Name::atom("b"),
            2 => Name::binary(b"a"),
            3 => Name::binary(b""),
            4 => Name::binary(b"a name too long to be stored in place"),
            _ => Name::atom("\u{e9}t\u{e9} \u{10000} too long to be stored in place"),
        }
    }

    fn child(&mut self) -> TestStep {
        TestStep::Plain(Step::Child(self.name()))
    }

    fn names(&mut self, count_min: usize, count_max: usize) -> Vec<TestStep> {
        let count = count_min + self.random.below(count_max + 1 - count_min);
        (0..count).map(|_| self.child()).collect()
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let bits = self.random.next() as u16 & PropsMask::ALL.bits();
        let some = PropsMask::from_bits(bits).unwrap();
        let props = if self.random.percent(30) { PropsMask::ALL } else { some };
        let wanted = Wanted { props, indirect_deletes: self.random.percent(70) };
        (!self.random.percent(20)).then_some(wanted)
    }

    pub(crate) fn nameless(&mut self) -> TestCondition {
        self.random.pick(&Arc::clone(&self.pool).nameless).clone()
    }

    /// Any condition, names among its parts.
    pub(crate) fn condition(&mut self) -> TestCondition {
        self.random.pick(&Arc::clone(&self.pool).any).clone()
    }

    /// A component that leads to one place, and conditions on the node there.
    fn conditional_component(&mut self) -> TestStep {
        let component = match self.random.weighted(&[8, 1, 1]) {
            0 => TestCondition::Name(self.name()),
            1 => TestCondition::This,
            _ => TestCondition::Root,
        };
        let mut conditions: Vec<_> = (0..1 + self.random.below(2)).map(|_| self.nameless()).collect();
        conditions.insert(self.random.below(conditions.len() + 1), component);
        TestStep::If(TestCondition::All(conditions))
    }

    /// One that most nodes meet, or that allows the creation of one.
    fn lenient_component(&mut self) -> TestStep {
        let name = TestCondition::Name(self.name());
        let condition = match self.random.below(5) {
            0 => TestCondition::Exists(false),
            1 => TestCondition::Exists(true),
            2 => TestCondition::HasData(true),
            3 => TestCondition::PayloadVersion(Number::Compared("ge", 1)),
            _ => TestCondition::Any(vec![TestCondition::Exists(false), TestCondition::HasPayload(true)]),
        };
        TestStep::If(TestCondition::All(vec![name, condition]))
    }

    fn any_step(&mut self) -> TestStep {
        match self.random.weighted(&[16, 6, 3, 1, 4, 1, 1]) {
            0 => self.child(),
            1 => self.lenient_component(),
            2 => self.conditional_component(),
            3 => TestStep::Plain(Step::This),
            4 => TestStep::Plain(Step::Parent),
            5 => TestStep::Plain(Step::Root),
            _ => TestStep::If(self.condition()),
        }
    }

    /// A path that mostly leads to one node.
    fn single_path(&mut self) -> Vec<TestStep> {
        match self.random.weighted(&[14, 3, 2, 3]) {
            0 => self.names(1, 3),
            1 => [self.names(0, 3), vec![self.lenient_component()]].concat(),
            2 => [self.names(0, 3), vec![self.conditional_component()]].concat(),
            _ => (0..self.random.below(8)).map(|_| self.any_step()).collect(),
        }
    }

    /// A path that mostly leads to many nodes.
    fn pattern(&mut self) -> Vec<TestStep> {
        let step = |generator: &mut Generator| match generator.random.weighted(&[8, 6, 2, 5, 3, 1, 2]) {
            0 => generator.child(),
            1 => TestStep::Plain(Step::AnyChild),
            2 => TestStep::Plain(Step::AnyDescendant),
            3 => TestStep::If(generator.condition()),
            4 => generator.conditional_component(),
            5 => TestStep::Plain(Step::This),
            _ => TestStep::Plain(Step::Parent),
        };
        (0..1 + self.random.below(5)).map(|_| step(self)).collect()
    }

    /// A pattern that leads to children, below plain names.
    fn short_pattern(&mut self) -> Vec<TestStep> {
        let last = match self.random.below(4) {
            0 => TestStep::Plain(Step::AnyDescendant),
            1 => TestStep::If(TestCondition::HasData(true)),
            2 => TestStep::If(self.nameless()),
            _ => TestStep::Plain(Step::AnyChild),
        };
        let behind = if self.random.percent(30) { self.names(1, 1) } else { Vec::new() };
        [vec![last], behind].concat()
    }

    fn watched_path(&mut self) -> Vec<TestStep> {
        let this = || vec![TestStep::Plain(Step::This)];
        let up = |count: usize| vec![TestStep::Plain(Step::Parent); count];
        match self.random.weighted(&[6, 3, 5, 2, 4, 2, 1, 1]) {
            0 => self.names(1, 2),
            1 => [this(), self.names(0, 2)].concat(),
            2 => [this(), up(1 + self.random.below(2)), self.names(0, 2)].concat(),
            3 => [this(), self.short_pattern()].concat(),
            4 => [self.names(0, 2), self.short_pattern()].concat(),
            5 => [this(), up(1), self.short_pattern()].concat(),
            6 => Vec::new(),
            _ => self.pattern(),
        }
    }

    fn watched(&mut self) -> TestWatched {
        let condition = match self.random.weighted(&[8, 1, 4, 2, 3, 1, 2]) {
            0 => TestCondition::Exists(true),
            1 => TestCondition::Exists(false),
            2 => TestCondition::HasData(true),
            3 => TestCondition::ChildListLength(Number::Compared("gt", 0)),
            4 => TestCondition::PayloadVersion(Number::Compared("lt", 3)),
            5 => TestCondition::ChildListVersion(Number::Compared("lt", 4)),
            _ => self.condition(),
        };
        TestWatched { path: self.watched_path(), condition }
    }

    fn targets(&mut self) -> (Vec<TestStep>, Scope) {
        match self.random.weighted(&[12, 5, 1]) {
            0 => (self.single_path(), Scope::One),
            1 if self.random.percent(50) => ([self.names(0, 2), self.short_pattern()].concat(), Scope::Many),
            1 => (self.pattern(), Scope::Many),
            _ => (self.pattern(), Scope::ManyAndRoot),
        }
    }

    /// A put without anything special, to begin a tree with.
    pub(crate) fn plain_put(&mut self) -> TestCommand {
        let verb = Verb::Put(self.random.payload());
        TestCommand { verb, path: self.names(1, 3), scope: Scope::One, keep_while: None, wanted: None }
    }

    /// A command as it may come from a caller.
    pub(crate) fn command(&mut self) -> TestCommand {
        let verb = match self.random.weighted(&[12, 2, 5]) {
            0 => Verb::Put(self.random.payload()),
            1 => Verb::Clear,
            _ => Verb::Delete,
        };
        let depends = verb != Verb::Delete && self.random.percent(45);
        let keep_while = depends
            .then(|| (0..self.random.weighted(&[1, 5, 2, 1])).map(|_| self.watched()).collect::<Vec<_>>());
        // Most deletes should leave something.
        let (path, scope) = match verb {
            Verb::Delete if self.random.percent(70) => (self.names(1, 2), Scope::One),
            _ => self.targets(),
        };
        TestCommand { verb, path, scope, keep_while, wanted: self.wanted() }
    }
}
