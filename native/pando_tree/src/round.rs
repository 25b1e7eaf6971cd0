//! What changed since the conditions were looked at last, and which nodes go because of it.
//!
//! Invariants:
//! 1. Looking takes steps off the command's budget for whatever it looks at, in an order that the tree alone decides: every
//!    replica runs out at the same place, or none does.
//! 2. A node is asked about once a round, however many changes concern it; only one that watches nodes which changed is
//!    asked about each of those.
//! 3. A round removes nothing itself: what it finds is found in one tree.

use std::collections::BTreeSet;

use crate::answer::{KeepWhileReason, Refusal};
use crate::command::Watched;
use crate::condition::Verdict;
use crate::keep_while::{KeepWhile, Place, place_of, resolved};
use crate::name::{Name, Path};
use crate::scan::{Pulled, Scan};
use crate::state::State;
use crate::steps_left::{OutOfSteps, take_steps};

/// See the module.
#[derive(Default)]
pub(crate) struct Round {
    updated: BTreeSet<Path>,
    /// Those of `updated` that lost a child, or their payload by a clear: what was created as a parent may have lost its
    /// reason.
    shrunk: BTreeSet<Path>,
    removed: Vec<Path>,
    /// Nodes that were created, or were given the conditions they have: those on themselves are not looked at yet.
    fresh: BTreeSet<Path>,
}

impl Round {
    /// The node was created, or its payload or its list of children changed.
    pub(crate) fn note_update(&mut self, names: &[Name]) {
        insert(&mut self.updated, names);
    }

    /// The node changed and lost a child, or its payload by a clear.
    pub(crate) fn note_loss(&mut self, names: &[Name]) {
        self.note_update(names);
        insert(&mut self.shrunk, names);
    }

    /// The node was removed, and with it everything below.
    pub(crate) fn note_removal(&mut self, names: &Path) {
        self.removed.push(names.clone());
    }

    /// The node was created, or given the conditions it has.
    pub(crate) fn note_fresh(&mut self, names: &[Name]) {
        insert(&mut self.fresh, names);
    }

    /// The nodes that lost the reason for which they are there: their conditions do not hold any more, or they were
    /// created as parents and are so no longer. `seen` is the state when conditions were looked at last.
    pub(crate) fn doomed(
        &self,
        state: &State,
        seen: Option<&State>,
        left: &mut u64,
    ) -> Result<BTreeSet<Path>, OutOfSteps> {
        let keep_while = &state.keep_while;
        let mut doomed = BTreeSet::new();
        // Each is looked at once, however many changes concern it.
        let mut of_removed = BTreeSet::new();
        for path in &self.updated {
            take_steps(left, 1 + path.len() as u64)?;
            let Some(node) = state.lookup(path) else { continue };
            let may_lack_reason = node.is_implicit() && node.payload.is_none() && node.children.is_empty();
            if may_lack_reason && self.shrunk.contains(path) {
                doomed.insert(path.clone());
            }
            for watcher in keep_while.watchers_of(path) {
                let is_exempt = watcher == path && self.fresh.contains(watcher);
                if !is_exempt
                    && !doomed.contains(watcher)
                    && !all_hold(state, watcher, Asked::At(path), left)?
                {
                    doomed.insert(watcher.clone());
                }
            }
        }
        for path in &self.removed {
            of_removed.extend(keep_while.watchers_at_or_below(path));
        }
        for watcher in of_removed {
            if !doomed.contains(watcher) && !all_hold(state, watcher, Asked::All, left)? {
                doomed.insert(watcher.clone());
            }
        }
        let Some(seen) = seen.filter(|_| keep_while.has_patterns()) else { return Ok(doomed) };
        for watcher in self.pattern_watchers(keep_while, left)? {
            if !doomed.contains(watcher) && self.breaks_pattern_of(watcher, state, seen, left)? {
                doomed.insert(watcher.clone());
            }
        }
        Ok(doomed)
    }

    /// The nodes that watch a pattern which may concern what changed: its plain beginning leads there, or above, or
    /// below what was removed.
    fn pattern_watchers<'a>(
        &self,
        keep_while: &'a KeepWhile,
        left: &mut u64,
    ) -> Result<BTreeSet<&'a Path>, OutOfSteps> {
        let mut watchers: BTreeSet<&Path> = keep_while.pattern_watchers_of(&Path::new()).collect();
        let mut last: &[Name] = &[];
        for path in self.updated.iter().chain(&self.removed) {
            // What it has in common with the last one was looked at.
            let common = path.iter().zip(last).take_while(|(name, other)| name == other).count();
            for length in common + 1..=path.len() {
                take_steps(left, length as u64)?;
                let above = path.iter().take(length).cloned().collect();
                watchers.extend(keep_while.pattern_watchers_of(&above));
            }
            last = path;
        }
        for path in &self.removed {
            watchers.extend(keep_while.pattern_watchers_below(path));
        }
        Ok(watchers)
    }

    /// Whether a pattern that this node watches does not hold, and the changes concern it: a node that matches changed,
    /// or other nodes match. (So it does no harm that a new node has nothing below it yet which it will depend on.)
    fn breaks_pattern_of(
        &self,
        watcher: &Path,
        state: &State,
        seen: &State,
        left: &mut u64,
    ) -> Result<bool, OutOfSteps> {
        let exempt = self.fresh.contains(watcher).then_some(watcher);
        for watched in state.keep_while.of(watcher).iter().flat_map(|conditions| conditions.iter()) {
            let place = place_of(&watched.path);
            if matches!(place, Place::PatternBelow(_)) && broken(state, watched, &place, left)?.is_some() {
                let mut now = Matches::new(state, watched, exempt);
                let mut before = Matches::new(seen, watched, exempt);
                loop {
                    let (path, path_before) = (now.next(left)?, before.next(left)?);
                    if path != path_before {
                        return Ok(true);
                    }
                    match path {
                        Some(path) if self.updated.contains(&path) => return Ok(true),
                        Some(_) => {}
                        None => break,
                    }
                }
            }
        }
        Ok(false)
    }
}

/// Looked for before it is copied: many children of one parent may come or go with one command.
fn insert(paths: &mut BTreeSet<Path>, names: &[Name]) {
    if !paths.contains(names) {
        paths.insert(names.to_vec());
    }
}

/// The nodes that match a watched pattern, in order, but for one that is exempt.
struct Matches<'a> {
    scan: Option<Scan>,
    exempt: Option<&'a Path>,
}

impl<'a> Matches<'a> {
    fn new(state: &State, watched: &Watched, exempt: Option<&'a Path>) -> Matches<'a> {
        // What cannot be scanned was refused when it was put.
        let scan = Scan::new(state, watched.path.clone(), false, None);
        Matches { scan: scan.map(Scan::once).ok(), exempt }
    }

    fn next(&mut self, left: &mut u64) -> Result<Option<Path>, OutOfSteps> {
        let Some(scan) = &mut self.scan else { return Ok(None) };
        loop {
            match scan.next_within(left) {
                Pulled::Node(path, _) if Some(&path) == self.exempt => {}
                Pulled::Node(path, _) => return Ok(Some(path)),
                Pulled::End => return Ok(None),
                Pulled::OutOfSteps => return Err(OutOfSteps),
            }
        }
    }
}

/// Which conditions of a node are asked for.
#[derive(Clone, Copy)]
enum Asked<'path> {
    All,
    /// Those on this node.
    At(&'path Path),
}

/// Whether the conditions of a node that are asked for hold.
fn all_hold(state: &State, watcher: &Path, asked: Asked<'_>, left: &mut u64) -> Result<bool, OutOfSteps> {
    let Some(conditions) = state.keep_while.of(watcher) else { return Ok(true) };
    for watched in conditions.iter() {
        take_steps(left, 1)?;
        let place = place_of(&watched.path);
        let is_asked = match (asked, &place) {
            (Asked::All, _) => true,
            (Asked::At(path), Place::Node(watched)) => path == watched,
            (Asked::At(_), Place::PatternBelow(_)) => false,
        };
        if is_asked && broken(state, watched, &place, left)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why a condition does not hold, if so.
pub(crate) fn broken(
    state: &State,
    watched: &Watched,
    place: &Place,
    left: &mut u64,
) -> Result<Option<KeepWhileReason>, OutOfSteps> {
    let no_node = || KeepWhileReason::NoNode(watched.path.clone());
    if let Place::Node(path) = place {
        take_steps(left, path.len() as u64)?;
        return Ok(match state.lookup(path) {
            Some(node) => match watched.condition.test(path.last(), &node.into(), left)? {
                Verdict::Met => None,
                Verdict::NotMet(condition) => Some(KeepWhileReason::Condition(condition)),
            },
            None if watched.condition.is_absence() => None,
            None => Some(no_node()),
        });
    }
    // What cannot be scanned was refused when it was put.
    let Ok(mut scan) = Scan::new(state, watched.path.clone(), false, None).map(Scan::once) else {
        return Ok(Some(no_node()));
    };
    let mut has_match = false;
    loop {
        match scan.next_within(left) {
            Pulled::Node(path, node) => {
                has_match = true;
                let verdict = watched.condition.test(path.last(), &(&*node).into(), left)?;
                if let Verdict::NotMet(condition) = verdict {
                    return Ok(Some(KeepWhileReason::Condition(condition)));
                }
            }
            Pulled::OutOfSteps => return Err(OutOfSteps),
            Pulled::End if has_match || watched.condition.is_absence() => return Ok(None),
            Pulled::End => return Ok(Some(no_node())),
        }
    }
}

/// Refuses conditions that do not hold when they are given; those of a new node on itself and on what will be below it
/// are not looked at.
pub(crate) fn check_keep_while(
    state: &State,
    names: &Path,
    conditions: &[Watched],
    left: &mut u64,
) -> Result<(), Refusal> {
    let is_new = state.lookup(names).is_none();
    take_steps(left, (conditions.len() as u64).pow(2))?; // For `resolved` compares each with each.
    for watched in resolved(conditions, names) {
        Scan::new(state, watched.path.clone(), false, None)?;
        let place = place_of(&watched.path);
        let (Place::Node(at) | Place::PatternBelow(at)) = &place;
        if is_new && at.starts_with(names) {
            continue;
        }
        if let Some(reason) = broken(state, &watched, &place, left)? {
            return Err(Refusal::KeepWhileNotMet {
                name: names.last().cloned(),
                path: names.clone(),
                reason,
            });
        }
    }
    Ok(())
}
