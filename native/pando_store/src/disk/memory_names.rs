//! The names on a [`MemoryDisk`](super::MemoryDisk): which are there, which a power cut leaves.
//!
//! 1. Each creation, removal and renaming that was not synced may have come to the platter or not, whatever came of
//!    others: POSIX promises no order. (Journaling file systems keep the order; that is one of the cases.)
//! 2. A renaming takes effect at its target in one step: there is the old file or the new, never none. That the old name
//!    is gone is a second step, which comes only after the first: in between the file has both names. That of a directory,
//!    with all that is in it, is one step.
//! 3. What is in a directory whose own name did not come is gone with it.
//! 4. A sync of a directory that fails leaves its changes open, and a later one brings them: names are in a journal, and
//!    a file system whose journal fails refuses everything from then on.

use super::is_root;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash};
use std::io;
use std::path::{Path, PathBuf};

/// The number of a file, which it keeps under all its names.
pub(super) type FileNumber = u64;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Node {
    File(FileNumber),
    Directory,
}

/// All names of a disk.
#[derive(Clone, Default)]
pub(super) struct Names {
    current: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Hash)]
enum Change {
    Link { path: PathBuf, node: Node },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

impl Node {
    pub(super) fn file(self) -> Option<FileNumber> {
        match self {
            Node::File(number) => Some(number),
            Node::Directory => None,
        }
    }
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<Node> {
        if is_root(path) {
            return Some(Node::Directory);
        }
        self.current.get(path).copied()
    }

    /// The names of files that are there now.
    pub(super) fn files(&self) -> impl Iterator<Item = FileNumber> + '_ {
        self.current.values().filter_map(|node| node.file())
    }

    /// The file names in a directory, sorted.
    pub(super) fn list(&self, directory: &Path) -> Vec<String> {
        let inside = self.current.keys().filter(|path| path.parent() == Some(directory));
        inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect()
    }

    pub(super) fn check_parent(&self, path: &Path) -> Result<(), io::ErrorKind> {
        match path.parent().map(|parent| self.get(parent)) {
            None | Some(Some(Node::Directory)) => Ok(()),
            Some(Some(Node::File(_))) => Err(io::ErrorKind::NotADirectory),
            Some(None) => Err(io::ErrorKind::NotFound),
        }
    }

    pub(super) fn link(&mut self, path: &Path, node: Node) {
        self.change(Change::Link { path: path.to_path_buf(), node });
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.change(Change::Unlink { path: path.to_path_buf() });
    }

    /// A directory takes only the place of an empty one. What is in it must be durable: of anything else it is not known
    /// here where a power cut leaves it.
    pub(super) fn check_renaming(&self, from: &Path, to: &Path, node: Node) -> Result<(), io::ErrorKind> {
        let is_empty = |path: &Path| !self.current.keys().any(|other| other.parent() == Some(path));
        match (node, self.get(to)) {
            (Node::File(_), Some(Node::Directory)) => Err(io::ErrorKind::IsADirectory),
            (Node::File(_), _) => Ok(()),
            (Node::Directory, Some(Node::File(_))) => Err(io::ErrorKind::NotADirectory),
            (Node::Directory, Some(Node::Directory)) if !is_empty(to) => {
                Err(io::ErrorKind::DirectoryNotEmpty)
            }
            (Node::Directory, _) if self.unsynced.iter().any(|change| change.place().starts_with(from)) => {
                Err(io::ErrorKind::InvalidInput)
            }
            (Node::Directory, _) => Ok(()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, node: Node) {
        self.change(Change::Rename { from: from.to_path_buf(), to: to.to_path_buf(), node });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current, &mut || true);
        self.unsynced.push(change);
    }

    /// Makes durable what happened in a directory.
    pub(super) fn sync(&mut self, directory: &Path) {
        let (synced, later): (Vec<_>, _) = std::mem::take(&mut self.unsynced)
            .into_iter()
            .partition(|change| change.place().parent() == Some(directory));
        self.unsynced = later;
        for change in synced {
            change.apply(&mut self.durable, &mut || true);
        }
    }

    /// Steps that a power cut may keep or lose.
    pub(super) fn unsynced_count(&self) -> usize {
        self.unsynced.iter().map(|change| if matches!(change, Change::Rename { .. }) { 2 } else { 1 }).sum()
    }

    /// The names after a power cut that kept the unsynced steps that `keep` says yes to.
    pub(super) fn after_power_cut(&self, keep: &mut dyn FnMut() -> bool) -> Names {
        let mut survivors = self.durable.clone();
        for change in &self.unsynced {
            change.apply(&mut survivors, keep);
        }
        let is_reached = |path: &PathBuf| {
            path.ancestors().skip(1).all(|up| is_root(up) || survivors.get(up) == Some(&Node::Directory))
        };
        let durable: BTreeMap<_, _> = survivors
            .iter()
            .filter(|(path, _)| is_reached(path))
            .map(|(path, node)| (path.clone(), *node))
            .collect();
        Names { current: durable.clone(), durable, unsynced: Vec::new() }
    }

    /// Files with a durable name, in the order of their names; then those that only unsynced changes name. Each once.
    pub(super) fn reachable(&self) -> (Vec<FileNumber>, Vec<FileNumber>) {
        let (mut durable, mut other) = (Vec::new(), Vec::new());
        for number in self.durable.values().filter_map(|node| node.file()) {
            if !durable.contains(&number) {
                durable.push(number);
            }
        }
        for number in self.unsynced.iter().filter_map(Change::node).filter_map(Node::file) {
            if !durable.contains(&number) && !other.contains(&number) {
                other.push(number);
            }
        }
        (durable, other)
    }

    /// What each step that a power cut may keep or lose is about.
    pub(super) fn unsynced_pieces(&self) -> Vec<PathBuf> {
        let pieces = self.unsynced.iter().flat_map(|change| match change {
            Change::Link { path, .. } | Change::Unlink { path } => vec![path.clone()],
            Change::Rename { from, to, .. } => vec![to.clone(), from.clone()],
        });
        pieces.collect()
    }

    /// A name that a file has now.
    pub(super) fn path_now(&self, number: FileNumber) -> Option<PathBuf> {
        let found = self.current.iter().find(|(_, node)| **node == Node::File(number));
        found.map(|(path, _)| path.clone())
    }

    /// A name of a reachable file.
    pub(super) fn path_of(&self, number: FileNumber) -> PathBuf {
        let durable = self.durable.iter().map(|(path, node)| (path.as_path(), *node));
        let unsynced = self.unsynced.iter().filter_map(|change| Some((change.place(), change.node()?)));
        let mut all = durable.chain(unsynced);
        let found = all.find(|(_, node)| *node == Node::File(number));
        found.map(|(path, _)| path.to_path_buf()).unwrap_or_default()
    }

    /// Feeds names and what is open about them, files by `place_of`.
    pub(super) fn digest(&self, hasher: &mut DefaultHasher, place_of: &dyn Fn(FileNumber) -> Option<usize>) {
        let place = |node: &Node| node.file().map(place_of);
        for (path, node) in &self.durable {
            (path, place(node)).hash(hasher);
        }
        for change in &self.unsynced {
            match change {
                Change::Link { path, node } => (1, path, place(node)).hash(hasher),
                Change::Unlink { path } => (2, path).hash(hasher),
                Change::Rename { from, to, node } => (3, from, to, place(node)).hash(hasher),
            }
        }
    }
}

impl Change {
    /// The name that changes. Renamings stay within a directory.
    fn place(&self) -> &Path {
        match self {
            Change::Link { path, .. } | Change::Unlink { path } | Change::Rename { to: path, .. } => path,
        }
    }

    fn node(&self) -> Option<Node> {
        match self {
            Change::Link { node, .. } | Change::Rename { node, .. } => Some(*node),
            Change::Unlink { .. } => None,
        }
    }

    /// Takes those steps of the change that `keep` says yes to.
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>, keep: &mut dyn FnMut() -> bool) {
        match self {
            Change::Link { path, node } => {
                if keep() {
                    names.insert(path.clone(), *node);
                }
            }
            Change::Unlink { path } => {
                if keep() {
                    names.remove(path);
                }
            }
            Change::Rename { from, to, node: Node::Directory } => {
                // In one step, for it cannot have two names; two are counted as for a file.
                let (is_kept, _) = (keep(), keep());
                let inside: Vec<_> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
                for path in inside.iter().filter(|_| is_kept) {
                    let node = names.remove(path);
                    let rest = path.strip_prefix(from).unwrap_or(path);
                    let moved = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    names.extend(node.map(|node| (moved, node)));
                }
            }
            Change::Rename { from, to, node } => {
                let (arrives, leaves) = (keep(), keep());
                if arrives {
                    names.insert(to.clone(), *node);
                }
                // The old name may stand for another file by now, whose renaming or creation came before.
                if arrives && leaves && names.get(from) == Some(node) {
                    names.remove(from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const OLD: Node = Node::File(1);
    const NEW: Node = Node::File(2);

    /// All that a cut can leave, as text.
    fn outcomes(names: &Names) -> BTreeSet<String> {
        let count = names.unsynced_count();
        (0..1_u32 << count)
            .map(|mask| {
                let mut step = 0;
                let after = names.after_power_cut(&mut || {
                    step += 1;
                    mask >> (step - 1) & 1 == 1
                });
                let there: Vec<_> =
                    after.current.iter().map(|(path, node)| format!("{} {node:?}", path.display())).collect();
                there.join(", ")
            })
            .collect()
    }

    fn in_directory() -> Names {
        let mut names = Names::default();
        names.link(Path::new("/d"), Node::Directory);
        names.sync(Path::new("/"));
        names
    }

    #[test]
    fn a_renaming_leaves_the_old_file_or_the_new_and_never_none() {
        let mut names = in_directory();
        names.link(Path::new("/d/x"), OLD);
        names.link(Path::new("/d/t"), NEW);
        names.sync(Path::new("/d"));
        names.rename(Path::new("/d/t"), Path::new("/d/x"), NEW);
        let expected = [
            "/d Directory, /d/t File(2), /d/x File(1)",
            "/d Directory, /d/t File(2), /d/x File(2)",
            "/d Directory, /d/x File(2)",
        ];
        assert_eq!(outcomes(&names), expected.map(str::to_owned).into());
        names.sync(Path::new("/d"));
        assert_eq!(outcomes(&names).len(), 1);
    }

    #[test]
    fn a_directory_is_renamed_with_all_that_is_in_it_in_one_step_or_not_at_all() {
        let mut names = in_directory();
        names.link(Path::new("/d/x"), OLD);
        let is_refused = |names: &Names, to| {
            names.check_renaming(Path::new("/d"), Path::new(to), Node::Directory).is_err()
        };
        assert!(is_refused(&names, "/e"), "what is in it is not durable");
        names.sync(Path::new("/d"));
        assert!(!is_refused(&names, "/e"));
        names.rename(Path::new("/d"), Path::new("/e"), Node::Directory);
        let expected = ["/d Directory, /d/x File(1)", "/e Directory, /e/x File(1)"];
        assert_eq!(outcomes(&names), expected.map(str::to_owned).into());
        names.sync(Path::new("/"));
        assert_eq!(outcomes(&names), [expected[1].to_owned()].into());
        names.link(Path::new("/f"), Node::Directory);
        let to_full = names.check_renaming(Path::new("/f"), Path::new("/e"), Node::Directory);
        assert_eq!(to_full, Err(io::ErrorKind::DirectoryNotEmpty));
    }

    #[test]
    fn creations_and_removals_come_in_any_order_or_not_at_all() {
        let mut names = in_directory();
        names.link(Path::new("/d/x"), OLD);
        names.sync(Path::new("/d"));
        names.unlink(Path::new("/d/x"));
        names.link(Path::new("/d/y"), NEW);
        let expected = [
            "/d Directory",
            "/d Directory, /d/x File(1)",
            "/d Directory, /d/x File(1), /d/y File(2)",
            "/d Directory, /d/y File(2)",
        ];
        assert_eq!(outcomes(&names), expected.map(str::to_owned).into());
    }

    #[test]
    fn what_is_in_a_directory_that_did_not_come_is_gone() {
        let mut names = Names::default();
        names.link(Path::new("/d"), Node::Directory);
        names.link(Path::new("/d/x"), NEW);
        names.sync(Path::new("/d"));
        assert_eq!(outcomes(&names), ["", "/d Directory, /d/x File(2)"].map(str::to_owned).into());
    }

    #[test]
    fn a_sync_is_of_one_directory() {
        let mut names = in_directory();
        names.link(Path::new("/d/x"), OLD);
        names.link(Path::new("/e"), NEW);
        names.sync(Path::new("/d"));
        assert_eq!(names.unsynced_count(), 1);
    }
}
