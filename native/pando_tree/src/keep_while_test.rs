use std::collections::BTreeSet;

use super::*;
use crate::state::State;

impl KeepWhile {
    /// Checks the invariants: both indexes hold what the conditions say and nothing else; paths are absolute and each is
    /// watched once; and those that watch are nodes of the state that can have conditions.
    pub(crate) fn check(&self, state: &State) {
        let (mut nodes, mut patterns) = (BTreeSet::new(), BTreeSet::new());
        for (watcher, conditions) in self.iter() {
            let node = state.lookup(watcher);
            assert!(node.is_some_and(|node| !node.is_implicit()), "{watcher:?} cannot depend on anything");
            assert!(!watcher.is_empty() && !conditions.is_empty(), "{watcher:?}: {conditions:?}");
            for (index, watched) in conditions.iter().enumerate() {
                assert_eq!(resolve(&watched.path, watcher), watched.path, "of {watcher:?}");
                let is_same = |other: &Watched| other.path == watched.path;
                assert_eq!(conditions.iter().position(is_same), Some(index), "of {watcher:?}");
                match place_of(&watched.path) {
                    Place::Node(path) => nodes.insert((path, watcher.clone())),
                    Place::PatternBelow(path) => patterns.insert((path, watcher.clone())),
                };
            }
        }
        let keys = |index: &SortedMap<(Path, Path), ()>| index.iter().map(|(key, ())| key.clone()).collect();
        let (of_nodes, of_patterns): (Vec<_>, Vec<_>) = (keys(&self.nodes), keys(&self.patterns));
        assert_eq!(of_nodes, nodes.into_iter().collect::<Vec<_>>());
        assert_eq!(of_patterns, patterns.into_iter().collect::<Vec<_>>());
    }
}
