//! What `Put` and `Clear` do: find their targets, then edit.
//!
//! Invariants:
//! 1. Targets are found in the tree as it is before the command, each once.
//! 2. A pattern creates nothing where a condition stands; plain steps behind the last condition are created below each
//!    match. A path without conditions names one node, which is created.

use crate::answer::{Answer, Refusal};
use crate::command::{Scope, Wanted, Watched};
use crate::edit::{Change, Edit, Plan, Present};
use crate::limits::Limit;
use crate::name::Path;
use crate::payload::Payload;
use crate::round::check_keep_while;
use crate::scan::{Pulled, Scan};
use crate::state::State;
use crate::step::Step;
use crate::steps_left::OutOfSteps;
use crate::walk::{Ambiguous, Walk, not_found, walk, walk_from};

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
    pub(crate) wanted: Option<Wanted>,
}

/// A node to be put, and places that its path enters and leaves again.
struct PutTarget {
    names: Path,
    found: Present,
    aside: Vec<Path>,
}

impl State {
    pub(crate) fn put(
        &mut self,
        put: &Put<'_>,
        payload: &Payload,
        left: &mut u64,
    ) -> Result<Answer, Refusal> {
        Limit::PayloadSizeBytes.check(payload.bytes().map_or(0, |bytes| bytes.len()))?;
        Limit::KeepWhile.check(put.keep_while.map_or(0, <[Watched]>::len))?;
        let targets = self.put_targets(put, left)?;
        if let Some(conditions) = put.keep_while {
            for target in &targets {
                check_keep_while(self, &target.names, conditions, left)?;
            }
        }
        let plan = Plan {
            is_manifold: targets.len() > 1 || targets.iter().any(|target| !target.aside.is_empty()),
            depends: put.keep_while.is_some_and(|conditions| !conditions.is_empty()),
        };
        let change = Change { payload, is_clear: put.missing == Missing::Skip, keep_while: put.keep_while };
        self.trace_targets(put.steps, targets.iter().map(|target| &target.names));
        let mut edit = Edit::new(self, put.wanted, plan, left);
        let mut places_aside = Vec::new();
        for (index, PutTarget { names, found, aside }) in targets.into_iter().enumerate() {
            if index == 0 {
                edit.put_found(&names, found, &change);
            } else {
                edit.put(&names, &change);
            }
            places_aside.extend(aside);
        }
        // Only now, for a place aside of one target may be another target.
        places_aside.iter().for_each(|place| edit.create_parent(place));
        Ok(edit.finish()?)
    }

    /// The targets, a node before those below it, each once.
    fn put_targets(&self, put: &Put<'_>, left: &mut u64) -> Result<Vec<PutTarget>, Refusal> {
        let is_conditional = |step: &Step| step.is_wildcard() || matches!(step, Step::Condition(_));
        let last_condition = put.steps.iter().rposition(is_conditional);
        let (Scope::Many | Scope::ManyAndRoot, Some(last)) = (put.scope, last_condition) else {
            let walk = walk(&self.root, put.steps, Ambiguous::Refused, left)?;
            return match (put.missing, walk.first_missing, walk.first_denied) {
                (Missing::Skip, Some(_), _) => Ok(Vec::new()),
                (Missing::Create, _, Some(position)) => Err(not_found(put.steps, position)),
                (Missing::Create, _, None) | (Missing::Skip, None, _) => match walk.refusal_behind {
                    Some(refusal) => Err(refusal),
                    None => Ok(vec![PutTarget::of(walk)]),
                },
            };
        };
        let (pattern, plain) = put.steps.split_at(last + 1);
        let mut targets = Vec::new();
        if put.scope == Scope::ManyAndRoot && put.steps.first().is_some_and(Step::is_on_children) {
            let found = self.found(&[]);
            targets.push(PutTarget { names: Path::new(), found, aside: Vec::new() });
        }
        for base in self.matches(pattern, false, left)? {
            let walk = walk_from(&self.root, &base, plain, Ambiguous::Refused, left)?;
            if put.missing == Missing::Create || walk.first_missing.is_none() {
                targets.push(PutTarget::of(walk));
            }
        }
        targets.sort_by(|a, b| a.names.cmp(&b.names));
        targets.dedup_by(|again, first| {
            let is_same = again.names == first.names;
            if is_same {
                first.aside.append(&mut again.aside);
            }
            is_same
        });
        Ok(targets)
    }

    /// The paths of all nodes that match, a node before those below it.
    pub(crate) fn matches(
        &self,
        pattern: &[Step],
        include_root: bool,
        left: &mut u64,
    ) -> Result<Vec<Path>, Refusal> {
        let mut scan = Scan::new(self, pattern.to_vec(), include_root, None)?.once();
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

impl PutTarget {
    fn of(walk: Walk<'_>) -> PutTarget {
        let payload = walk.target().map(|node| node.payload.clone());
        let found = Present { present: walk.nodes.len() - 1, payload };
        PutTarget { names: walk.names, found, aside: walk.missing_aside }
    }
}

#[cfg(test)]
#[path = "put_test.rs"]
mod tests;
