//! Lanes: where transactions stand in line for what they have lost on, so that each gets its turn.
//!
//! A transaction that lost because the node at a path had changed stands in line for that path. Whose turn it is runs on the
//! newest state, and those that touch the path meanwhile wait until it has ended. This decides only who waits for whom:
//! whether a transaction happens is decided by validation alone.
//!
//! Invariants
//! 1. Turns are given in the order in which they were asked for.
//! 2. A turn has a limit ([`LANE_HOLD_MS_MAX`]): after it, others go on as if it had ended.
//! 3. Whoever is told that it is their turn has been in line, and was told once. A runner that ends leaves all lines.
//! 4. There are at most [`LANES_MAX`] lanes; without one, nobody waits.

use std::collections::{HashMap, VecDeque};

use pando_tree::{Name, Path};

use crate::options::{LANE_HOLD_MS_MAX, LANE_HOT_MS, LANES_MAX};

/// One attempt of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runner(pub u64);

/// Whether a runner has its turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing<T> {
    /// It has. The caller is given back.
    Turn(T),
    /// It stands in line; its caller is kept, and handed out when it is its turn.
    InLine,
}

/// See the module.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: HashMap<Path, Lane<T>>,
    next_sweep_ms: u64,
}

#[derive(Debug)]
struct Lane<T> {
    holder: Option<Holder>,
    line: VecDeque<(Runner, T)>,
    /// Until then it is kept, though nobody may stand in it.
    hot_until_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    runner: Runner,
    since_ms: u64,
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes { lanes: HashMap::new(), next_sweep_ms: 0 }
    }
}

impl<T> Lanes<T> {
    /// How many lanes there are.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Runners that hold a lane or stand in one.
    pub fn runners(&self) -> usize {
        self.lanes.values().map(|lane| lane.line.len() + usize::from(lane.holder.is_some())).sum()
    }

    /// A transaction was lost because of this path: from now on, and for a while, others stand in line for it.
    pub fn open(&mut self, path: &[Name], now_ms: u64) {
        if let Some(lane) = self.lanes.get_mut(path) {
            lane.hot_until_ms = now_ms + LANE_HOT_MS;
            return;
        }
        if self.lanes.len() >= LANES_MAX {
            self.close_unused(now_ms);
        }
        if self.lanes.len() < LANES_MAX {
            let lane = Lane { holder: None, line: VecDeque::new(), hot_until_ms: now_ms + LANE_HOT_MS };
            self.lanes.insert(path.to_vec(), lane);
        }
    }

    /// Closes lanes that nobody has used for a while, once in such a while: while any is open, everybody looks there.
    pub fn sweep(&mut self, now_ms: u64) {
        // The clock may have been set back.
        let is_due = now_ms >= self.next_sweep_ms || self.next_sweep_ms - now_ms > LANE_HOT_MS;
        if is_due {
            self.next_sweep_ms = now_ms + LANE_HOT_MS;
            self.close_unused(now_ms);
        }
    }

    fn close_unused(&mut self, now_ms: u64) {
        self.lanes.retain(|_, lane| lane.is_used() || lane.hot_until_ms > now_ms);
    }

    /// Whether there is a lane for this path. One that nobody has used for a while goes.
    pub fn is_open(&mut self, path: &[Name], now_ms: u64) -> bool {
        match self.lanes.get(path) {
            None => false,
            Some(lane) if lane.is_used() || lane.hot_until_ms > now_ms => true,
            Some(_) => {
                self.lanes.remove(path);
                false
            }
        }
    }

    /// Stands in line for a path, at its end. Without a lane for it, it is everybody's turn.
    pub fn stand(&mut self, path: &[Name], runner: Runner, caller: T, now_ms: u64) -> Standing<T> {
        let Some(lane) = self.lanes.get_mut(path) else { return Standing::Turn(caller) };
        match lane.holder {
            Some(holder) if holder.runner == runner => return Standing::Turn(caller),
            Some(holder) if !holder.is_overdue(now_ms) => {
                lane.hot_until_ms = now_ms + LANE_HOT_MS;
                lane.line.push_back((runner, caller));
                return Standing::InLine;
            }
            Some(_) | None => {}
        }
        // Those before it are told when the turn that begins now ends. (They also stop waiting by themselves.)
        lane.holder = Some(Holder { runner, since_ms: now_ms });
        Standing::Turn(caller)
    }

    /// The first of the paths, or of those above it, that another runner has its turn on; of those behind `behind` only, in
    /// the order of paths.
    pub fn held_by_another(
        &self,
        paths: impl Iterator<Item = Path>,
        behind: Option<&[Name]>,
        runner: Runner,
        now_ms: u64,
    ) -> Option<Path> {
        let is_held = |path: &[Name]| {
            if behind.is_some_and(|behind| path <= behind) {
                return false;
            }
            let holder = self.lanes.get(path).and_then(|lane| lane.holder);
            holder.is_some_and(|holder| holder.runner != runner && !holder.is_overdue(now_ms))
        };
        let mut paths = paths;
        paths.find_map(|path| {
            let held = (0..=path.len()).find(|length| path.get(..*length).is_some_and(is_held))?;
            Some(path.into_iter().take(held).collect())
        })
    }

    /// The runner waits no longer: takes it out of the lines that it stands in, and gives its callers back. None: it has been
    /// told, or will be, or did not wait.
    pub fn withdraw<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>, runner: Runner) -> Vec<T> {
        let mut withdrawn = Vec::new();
        for path in paths {
            let Some(lane) = self.lanes.get_mut(path) else { continue };
            while let Some(place) = lane.line.iter().position(|(other, _)| *other == runner) {
                withdrawn.extend(lane.line.remove(place).map(|(_, caller)| caller));
            }
        }
        withdrawn
    }

    /// The runner has ended, or waits no longer, and has withdrawn: it leaves these lanes. Gives those whose turn it is now.
    pub fn leave<'a>(
        &mut self,
        paths: impl IntoIterator<Item = &'a Path>,
        runner: Runner,
        now_ms: u64,
    ) -> Vec<T> {
        let mut turns = Vec::new();
        for path in paths {
            let Some(lane) = self.lanes.get_mut(path) else { continue };
            if lane.holder.is_some_and(|holder| holder.runner == runner) {
                lane.holder = None;
                if let Some((next, caller)) = lane.line.pop_front() {
                    lane.holder = Some(Holder { runner: next, since_ms: now_ms });
                    turns.push(caller);
                }
            }
        }
        turns
    }

    /// The store ends: gives everybody who stands in line.
    pub fn end(&mut self) -> Vec<T> {
        let lanes = std::mem::take(&mut self.lanes);
        lanes.into_values().flat_map(|lane| lane.line).map(|(_, caller)| caller).collect()
    }
}

impl<T> Lane<T> {
    fn is_used(&self) -> bool {
        self.holder.is_some() || !self.line.is_empty()
    }
}

impl Holder {
    fn is_overdue(self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms) > LANE_HOLD_MS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Runner = Runner(1);
    const B: Runner = Runner(2);
    const C: Runner = Runner(3);

    fn path(text: &str) -> Path {
        text.split_whitespace().map(Name::atom).collect()
    }

    fn hot(paths: &[&str]) -> Lanes<char> {
        let mut lanes = Lanes::default();
        paths.iter().for_each(|text| lanes.open(&path(text), 0));
        lanes
    }

    #[test]
    fn turns_are_given_in_order_and_once() {
        let mut lanes = hot(&["k"]);
        let k = path("k");
        assert_eq!(lanes.stand(&k, A, 'a', 0), Standing::Turn('a'));
        assert_eq!(lanes.stand(&k, A, 'a', 0), Standing::Turn('a'));
        assert_eq!(lanes.stand(&k, B, 'b', 0), Standing::InLine);
        assert_eq!(lanes.stand(&k, C, 'c', 0), Standing::InLine);
        assert_eq!(lanes.leave([&k], A, 1), ['b']);
        assert_eq!(lanes.leave([&k], A, 1), []);
        assert_eq!(lanes.stand(&k, B, 'b', 1), Standing::Turn('b'));
        assert_eq!(lanes.leave([&k], B, 1), ['c']);
        assert_eq!(lanes.leave([&k], C, 1), []);
        assert_eq!(lanes.runners(), 0);
    }

    #[test]
    fn whoever_leaves_the_line_is_not_called() {
        let mut lanes = hot(&["k"]);
        let k = path("k");
        lanes.stand(&k, A, 'a', 0);
        lanes.stand(&k, B, 'b', 0);
        lanes.stand(&k, C, 'c', 0);
        assert_eq!(lanes.withdraw([&k], B), ['b']);
        assert_eq!(lanes.leave([&k], B, 0), []);
        assert_eq!(lanes.leave([&k], A, 0), ['c']);
        // Its turn was given already: it will be told.
        assert_eq!(lanes.withdraw([&k], C), []);
        assert_eq!(lanes.leave([&k], C, 0), []);
        assert_eq!(lanes.runners(), 0);
    }

    #[test]
    fn a_turn_that_takes_too_long_ends_by_itself() {
        let mut lanes = hot(&["k"]);
        let k = path("k");
        lanes.stand(&k, A, 'a', 0);
        assert_eq!(lanes.stand(&k, B, 'b', LANE_HOLD_MS_MAX), Standing::InLine);
        let later = LANE_HOLD_MS_MAX + 1;
        assert_eq!(lanes.held_by_another([k.clone()].into_iter(), None, C, later), None);
        assert_eq!(lanes.stand(&k, C, 'c', later), Standing::Turn('c'));
        assert_eq!(lanes.leave([&k], A, later), []);
        assert_eq!(lanes.leave([&k], C, later), ['b']);
    }

    #[test]
    fn what_is_below_a_held_path_is_held_and_what_is_beside_or_above_is_not() {
        let mut lanes = hot(&["a b"]);
        lanes.stand(&path("a b"), A, 'a', 0);
        let held = |text: &str, runner| lanes.held_by_another([path(text)].into_iter(), None, runner, 0);
        assert_eq!(held("a b", B), Some(path("a b")));
        assert_eq!(held("a b c", B), Some(path("a b")));
        assert_eq!(held("a b c", A), None);
        assert_eq!(held("a", B), None);
        assert_eq!(held("a c", B), None);
    }

    #[test]
    fn of_what_is_held_only_what_is_behind_a_path_is_given() {
        let mut lanes = hot(&["a", "b"]);
        lanes.stand(&path("a"), A, 'a', 0);
        lanes.stand(&path("b"), B, 'b', 0);
        let touched = || [path("a"), path("b")].into_iter();
        assert_eq!(lanes.held_by_another(touched(), None, C, 0), Some(path("a")));
        assert_eq!(lanes.held_by_another(touched(), Some(&path("a")), C, 0), Some(path("b")));
        assert_eq!(lanes.held_by_another(touched(), Some(&path("b")), C, 0), None);
        assert_eq!(lanes.held_by_another(touched(), Some(&path("a")), A, 0), Some(path("b")));
    }

    #[test]
    fn without_a_lane_it_is_everybodys_turn_and_an_unused_lane_goes() {
        let mut lanes = Lanes::default();
        let k = path("k");
        assert_eq!(lanes.stand(&k, A, 'a', 0), Standing::Turn('a'));
        lanes.open(&k, 0);
        assert!(lanes.is_open(&k, LANE_HOT_MS - 1));
        assert!(!lanes.is_open(&k, LANE_HOT_MS));
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn lanes_of_which_nobody_asks_any_more_go_and_used_ones_stay() {
        let mut lanes = hot(&["a", "b"]);
        lanes.stand(&path("a"), A, 'a', 0);
        lanes.sweep(LANE_HOT_MS - 1);
        assert_eq!(lanes.len(), 2);
        lanes.sweep(2 * LANE_HOT_MS);
        assert_eq!(lanes.len(), 1);
        lanes.leave([&path("a")], A, 2 * LANE_HOT_MS);
        lanes.sweep(3 * LANE_HOT_MS);
        assert_eq!(lanes.len(), 0);
    }

    #[test]
    fn one_lane_too_many_takes_the_place_of_an_unused_one_or_is_not_opened() {
        let mut lanes = Lanes::<char>::default();
        (0..LANES_MAX).for_each(|number| lanes.open(&path(&format!("n{number}")), 0));
        lanes.open(&path("new"), 1);
        assert!(!lanes.is_open(&path("new"), 1));
        lanes.open(&path("new"), LANE_HOT_MS);
        assert!(lanes.is_open(&path("new"), LANE_HOT_MS));
        assert_eq!(lanes.len(), 1);
    }

    #[test]
    fn everybody_in_line_is_handed_out_at_the_end() {
        let mut lanes = hot(&["k"]);
        lanes.stand(&path("k"), A, 'a', 0);
        lanes.stand(&path("k"), B, 'b', 0);
        assert_eq!(lanes.end(), ['b']);
        assert_eq!(lanes.runners(), 0);
    }
}
