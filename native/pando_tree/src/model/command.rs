//! Tests only: commands whose conditions are those of the model.

use crate::command::{Command, Scope, Wanted, Watched};
use crate::payload::Payload;
use crate::step::Step;
use crate::test_condition::TestCondition;

/// One component of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TestStep {
    /// One without a condition record.
    Plain(Step),
    If(TestCondition),
}

/// What a node depends on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestWatched {
    pub(crate) path: Vec<TestStep>,
    pub(crate) condition: TestCondition,
}

/// What a command does to its targets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    Put(Payload),
    Clear,
    Delete,
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestCommand {
    pub(crate) verb: Verb,
    pub(crate) path: Vec<TestStep>,
    pub(crate) scope: Scope,
    /// Of no meaning for a delete.
    pub(crate) keep_while: Option<Vec<TestWatched>>,
    pub(crate) wanted: Option<Wanted>,
}

impl TestStep {
    /// Whether it is a condition, one of the two wildcards included.
    pub(crate) fn is_conditional(&self) -> bool {
        matches!(self, TestStep::If(_) | TestStep::Plain(Step::AnyChild | Step::AnyDescendant))
    }

    /// Whether it is a condition on children (section 4.4).
    pub(crate) fn is_on_children(&self) -> bool {
        match self {
            TestStep::If(condition) => !condition.is_on_this(),
            TestStep::Plain(_) => self.is_conditional(),
        }
    }

    /// Whether it may lead to many nodes.
    pub(crate) fn is_wildcard(&self) -> bool {
        match self {
            TestStep::If(condition) => condition.child().is_none() && !condition.is_on_this(),
            TestStep::Plain(_) => self.is_conditional(),
        }
    }

    fn normal(&self) -> TestStep {
        match self {
            TestStep::If(condition) => TestStep::If(condition.normal()),
            TestStep::Plain(_) => self.clone(),
        }
    }

    pub(crate) fn step(&self) -> Step {
        match self {
            TestStep::Plain(step) => step.clone(),
            TestStep::If(condition) => condition.step(),
        }
    }
}

pub(crate) fn steps_of(path: &[TestStep]) -> Vec<Step> {
    path.iter().map(TestStep::step).collect()
}

impl TestWatched {
    pub(crate) fn watched(&self) -> Watched {
        Watched { path: steps_of(&self.path), condition: self.condition.compile() }
    }
}

impl TestCommand {
    /// The same with normal conditions: what errors show and states hold.
    pub(crate) fn normal(&self) -> TestCommand {
        let path = |path: &[TestStep]| path.iter().map(TestStep::normal).collect();
        let watched = |watched: &TestWatched| TestWatched {
            path: path(&watched.path),
            condition: watched.condition.normal(),
        };
        let keep_while = self.keep_while.as_ref().map(|all| all.iter().map(watched).collect());
        TestCommand { path: path(&self.path), keep_while, ..self.clone() }
    }

    pub(crate) fn command(&self) -> Command {
        let (path, scope, wanted) = (steps_of(&self.path), self.scope, self.wanted);
        let watched = |all: &Vec<TestWatched>| all.iter().map(TestWatched::watched).collect();
        let keep_while = self.keep_while.as_ref().map(watched);
        match &self.verb {
            Verb::Put(payload) => Command::Put { path, scope, payload: payload.clone(), keep_while, wanted },
            Verb::Clear => Command::Clear { path, scope, keep_while, wanted },
            Verb::Delete => Command::Delete { path, scope, wanted },
        }
    }
}
