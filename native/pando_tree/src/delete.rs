//! What `Delete` does. A node below one that is removed before it is gone with that one.

use crate::answer::{Answer, Refusal};
use crate::command::{Scope, Wanted};
use crate::edit::{Edit, Plan};
use crate::name::Path;
use crate::props::DeleteReason;
use crate::state::State;
use crate::step::Step;
use crate::walk::{Ambiguous, walk};

impl State {
    pub(crate) fn delete(
        &mut self,
        steps: &[Step],
        scope: Scope,
        wanted: Option<Wanted>,
        left: &mut u64,
    ) -> Result<Answer, Refusal> {
        let targets = match scope {
            Scope::One => Vec::from_iter(self.delete_target(steps, left)?),
            Scope::Many => self.matches(steps, false, left)?,
            Scope::ManyAndRoot => self.matches(steps, true, left)?,
        };
        let plan = Plan { is_manifold: targets.len() > 1, depends: false };
        self.trace_targets(steps, targets.iter());
        let mut edit = Edit::new(self, wanted, plan, left);
        targets.iter().for_each(|target| edit.remove(target, DeleteReason::Explicit));
        Ok(edit.finish()?)
    }

    fn delete_target(&self, steps: &[Step], left: &mut u64) -> Result<Option<Path>, Refusal> {
        match walk(&self.root, steps, Ambiguous::Refused, left) {
            Ok(walk) => Ok(walk.first_missing.is_none().then_some(walk.names)),
            Err(Refusal::Mismatching { .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}

#[cfg(test)]
#[path = "delete_test.rs"]
mod tests;
