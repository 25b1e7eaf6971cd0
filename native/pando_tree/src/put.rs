//! What `Put` and `Clear` do: find their targets, then edit.
//!
//! Invariants:
//! 1. Targets are found in the tree as it is before the command, each once.
//! 2. A pattern creates nothing where a condition stands; plain steps behind the last condition are created below each
//!    match. A path without conditions names one node, which is created.

use std::collections::BTreeMap;

use crate::answer::{Answer, Refusal};
use crate::command::{Scope, Wanted, Watched};
use crate::edit::{Change, Edit, check_keep_while};
use crate::limits::{COMMAND_STEPS_MAX, Limit};
use crate::name::Path;
use crate::payload::Payload;
use crate::scan::{Pulled, Scan};
use crate::state::State;
use crate::step::Step;
use crate::steps_left::OutOfSteps;
use crate::walk::{not_found, walk, walk_from};

/// What a put does about a target that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Creates it, where conditions allow that.
    Create,
    /// Leaves it alone.
    Skip,
}

/// A put, but for its payload.
pub(crate) struct Put<'a> {
    pub(crate) steps: &'a [Step],
    pub(crate) scope: Scope,
    pub(crate) missing: Missing,
    pub(crate) keep_while: Option<&'a [Watched]>,
    pub(crate) wanted: Option<&'a Wanted>,
}

/// Nodes to be put, a node before those below it, each with the places that its path enters and leaves again.
type PutTargets = BTreeMap<Path, Vec<Path>>;

impl State {
    pub(crate) fn put(&mut self, put: &Put<'_>, payload: &Payload) -> Result<Answer, Refusal> {
        Limit::PayloadSizeBytes.check(payload.bytes().map_or(0, |bytes| bytes.len()))?;
        Limit::KeepWhile.check(put.keep_while.map_or(0, <[Watched]>::len))?;
        let mut left = COMMAND_STEPS_MAX as u64;
        let targets = self.put_targets(put, &mut left)?;
        if let Some(conditions) = put.keep_while {
            for target in targets.keys() {
                check_keep_while(self, target, conditions, &mut left)?;
            }
        }
        let change = Change { payload, is_clear: put.missing == Missing::Skip, keep_while: put.keep_while };
        let depends = put.keep_while.is_some_and(|conditions| !conditions.is_empty());
        let mut edit = Edit::new(self, put.wanted.copied(), depends, left);
        targets.keys().for_each(|target| edit.put(target, &change));
        // Only now, for a place aside of one target may be another target.
        targets.values().flatten().for_each(|place| edit.create_parent(place));
        Ok(edit.finish()?)
    }

    fn put_targets(&self, put: &Put<'_>, left: &mut u64) -> Result<PutTargets, Refusal> {
        let is_conditional = |step: &Step| step.is_wildcard() || matches!(step, Step::Condition(_));
        let last_condition = put.steps.iter().rposition(is_conditional);
        let mut targets = PutTargets::new();
        let (Scope::Many | Scope::ManyAndRoot, Some(last)) = (put.scope, last_condition) else {
            let walk = walk(&self.root, put.steps, left)?;
            match (put.missing, walk.first_missing, walk.first_denied) {
                (Missing::Skip, Some(_), _) => return Ok(targets),
                (Missing::Create, _, Some(position)) => return Err(not_found(put.steps, position)),
                (Missing::Create, _, None) | (Missing::Skip, None, _) => {}
            }
            if let Some(refusal) = walk.refusal_behind {
                return Err(refusal);
            }
            targets.insert(walk.names, walk.missing_aside);
            return Ok(targets);
        };
        let (pattern, plain) = put.steps.split_at(last + 1);
        if put.scope == Scope::ManyAndRoot && put.steps.first().is_some_and(Step::is_on_children) {
            targets.insert(Path::new(), Vec::new());
        }
        for base in self.matches(pattern, false, left)? {
            let walk = walk_from(&self.root, &base, plain, left)?;
            if put.missing == Missing::Create || walk.first_missing.is_none() {
                targets.entry(walk.names).or_default().extend(walk.missing_aside);
            }
        }
        Ok(targets)
    }

    /// The paths of all nodes that match, a node before those below it.
    pub(crate) fn matches(
        &self,
        pattern: &[Step],
        include_root: bool,
        left: &mut u64,
    ) -> Result<Vec<Path>, Refusal> {
        let mut scan = Scan::new(self, pattern.to_vec(), include_root, None)?;
        let mut paths = Vec::new();
        loop {
            match scan.next_within(left) {
                Pulled::Node(path, _) => paths.push(path),
                Pulled::End => return Ok(paths),
                Pulled::OutOfSteps => return Err(OutOfSteps.into()),
            }
        }
    }
}

#[cfg(test)]
#[path = "put_test.rs"]
mod tests;
