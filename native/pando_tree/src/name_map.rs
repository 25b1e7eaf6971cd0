//! A persistent ordered map from names to values: the children of a node.
//!
//! A B+tree whose pages are shared between copies of the map. A change copies the pages it touches unless nobody
//! else holds them; then they are changed in place. A copy of the map costs one reference.
//!
//! Invariants:
//! 1. Leaves hold the entries, sorted, each name once; all leaves are at the same depth.
//! 2. An inner page holds, with each page below it, a lower bound of that page's names which is greater than all
//!    names of the pages before it. The bound need not be a name of the map.
//! 3. No page is empty or has more than `PAGE_ENTRIES_MAX` entries; the root is a leaf or has two pages at least.
//! 4. An inner page other than the root, and a leaf other than the last, has at least `PAGE_ENTRIES_MIN` entries.
//!    (The last leaf splits unevenly when names come in order, so that the leaves before it stay full.)
//!    So the height is logarithmic, and recursion over pages is bounded by it.

use std::ops::Bound;
use std::sync::Arc;

use crate::name::Name;

pub(crate) const PAGE_ENTRIES_MAX: usize = 32;
pub(crate) const PAGE_ENTRIES_MIN: usize = PAGE_ENTRIES_MAX / 4;
/// Leaves grow by this many entries at a time: a doubling would leave a third of the memory unused.
const PAGE_GROWTH: usize = 4;

/// The map.
#[derive(Clone, Debug)]
pub struct NameMap<V> {
    root: Option<Arc<Page<V>>>,
    length: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Page<V> {
    Leaf(Vec<(Name, V)>),
    Inner(Vec<(Name, Arc<Page<V>>)>),
}

enum Inserted<V> {
    Replaced(V),
    Added { split: Option<(Name, Arc<Page<V>>)> },
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        NameMap { root: None, length: 0 }
    }
}

impl<V> NameMap<V> {
    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of this name.
    pub fn get(&self, name: &Name) -> Option<&V> {
        let mut page = self.root.as_deref()?;
        loop {
            match page {
                Page::Inner(pages) => page = &pages.get(index_of_page(pages, name))?.1,
                Page::Leaf(entries) => {
                    let index = entries.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
                    return entries.get(index).map(|entry| &entry.1);
                }
            }
        }
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter::new(self.root.as_deref(), Bound::Unbounded)
    }

    /// The entries in order, beginning at (or behind) a name.
    pub fn iter_from(&self, start: Bound<&Name>) -> Iter<'_, V> {
        Iter::new(self.root.as_deref(), start)
    }

    /// The entries in order, through a cursor that holds the map itself.
    pub fn cursor(&self) -> Cursor<V> {
        Cursor { pages: self.root.iter().map(|root| (Arc::clone(root), 0)).collect() }
    }

    /// Builds the map from entries that are sorted, each name once. `None` when they are not.
    pub fn from_sorted(entries: Vec<(Name, V)>) -> Option<Self> {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            return None;
        }
        let length = entries.len() as u64;
        let mut pages = pages_of(entries, Page::Leaf);
        while pages.len() > 1 {
            pages = pages_of(pages, Page::Inner);
        }
        Some(NameMap { root: pages.pop().map(|page| page.1), length })
    }

    /// Takes the map apart and hands over each value that nobody else can see any more.
    pub(crate) fn into_unshared_values(self, mut take: impl FnMut(V)) {
        let mut pages: Vec<_> = self.root.into_iter().collect();
        while let Some(page) = pages.pop() {
            match Arc::into_inner(page) {
                None => {}
                Some(Page::Inner(inner)) => pages.extend(inner.into_iter().map(|entry| entry.1)),
                Some(Page::Leaf(entries)) => entries.into_iter().for_each(|entry| take(entry.1)),
            }
        }
    }
}

impl<V: Clone> NameMap<V> {
    /// The value of this name, to be changed; the pages on the way are copied if they are shared.
    pub fn get_mut(&mut self, name: &Name) -> Option<&mut V> {
        let mut page = self.root.as_mut()?;
        loop {
            match Arc::make_mut(page) {
                Page::Inner(pages) => {
                    let index = index_of_page(pages, name);
                    page = &mut pages.get_mut(index)?.1;
                }
                Page::Leaf(entries) => {
                    let index = entries.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
                    return entries.get_mut(index).map(|entry| &mut entry.1);
                }
            }
        }
    }

    /// Sets the value of this name and returns the one it had.
    pub fn insert(&mut self, name: Name, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Page::Leaf(vec![(name, value)])));
            self.length = 1;
            return None;
        };
        match insert_into(root, name, value, true) {
            Inserted::Replaced(old) => Some(old),
            Inserted::Added { split } => {
                self.length += 1;
                if let Some(right) = split {
                    let left = Arc::clone(root);
                    if let Some(bound) = left.first_name().cloned() {
                        *root = Arc::new(Page::Inner(vec![(bound, left), right]));
                    }
                }
                None
            }
        }
    }

    /// Removes the entry of this name and returns its value.
    pub fn remove(&mut self, name: &Name) -> Option<V> {
        self.get(name)?;
        let root = self.root.as_mut()?;
        let value = remove_from(root, name)?;
        self.length -= 1;
        if root.len() == 0 {
            self.root = None;
        } else if let Page::Inner(pages) = &**root
            && let [(_, only)] = &pages[..]
        {
            *root = Arc::clone(only);
        }
        Some(value)
    }
}

impl<V> Page<V> {
    fn len(&self) -> usize {
        match self {
            Page::Leaf(entries) => entries.len(),
            Page::Inner(pages) => pages.len(),
        }
    }

    fn first_name(&self) -> Option<&Name> {
        match self {
            Page::Leaf(entries) => entries.first().map(|entry| &entry.0),
            Page::Inner(pages) => pages.first().map(|entry| &entry.0),
        }
    }
}

/// The page that has the name if any has it: the last one whose bound is not greater, or the first.
fn index_of_page<V>(pages: &[(Name, Arc<Page<V>>)], name: &Name) -> usize {
    pages.partition_point(|entry| entry.0 <= *name).saturating_sub(1)
}

/// Spreads entries evenly over as few pages as hold them.
fn pages_of<V, T>(
    entries: Vec<(Name, T)>,
    page: impl Fn(Vec<(Name, T)>) -> Page<V>,
) -> Vec<(Name, Arc<Page<V>>)> {
    let count = entries.len().div_ceil(PAGE_ENTRIES_MAX);
    let mut left = entries.len();
    let mut entries = entries.into_iter();
    let mut pages = Vec::with_capacity(count);
    for index in 0..count {
        let size = left.div_ceil(count - index);
        left -= size;
        let mut part = Vec::with_capacity(size);
        part.extend(entries.by_ref().take(size));
        if let Some(bound) = part.first().map(|entry| entry.0.clone()) {
            pages.push((bound, Arc::new(page(part))));
        }
    }
    pages
}

fn insert_into<V: Clone>(page: &mut Arc<Page<V>>, name: Name, value: V, at_right_edge: bool) -> Inserted<V> {
    match Arc::make_mut(page) {
        Page::Leaf(entries) => match entries.binary_search_by(|entry| entry.0.cmp(&name)) {
            Ok(index) => match entries.get_mut(index) {
                Some(entry) => Inserted::Replaced(std::mem::replace(&mut entry.1, value)),
                None => Inserted::Replaced(value),
            },
            Err(index) => {
                let split = add_and_split(entries, index, (name, value), at_right_edge)
                    .map(|(bound, right)| (bound, Arc::new(Page::Leaf(right))));
                Inserted::Added { split }
            }
        },
        Page::Inner(pages) => {
            let index = index_of_page(pages, &name);
            let is_last = index + 1 == pages.len();
            let Some((bound, below)) = pages.get_mut(index) else {
                return Inserted::Replaced(value);
            };
            if name < *bound {
                *bound = name.clone();
            }
            match insert_into(below, name, value, at_right_edge && is_last) {
                Inserted::Added { split: Some(right) } => {
                    let split = add_and_split(pages, index + 1, right, false)
                        .map(|(bound, right)| (bound, Arc::new(Page::Inner(right))));
                    Inserted::Added { split }
                }
                other => other,
            }
        }
    }
}

/// Inserts an entry; if the page is too long then, splits off and returns its right part.
fn add_and_split<T>(
    entries: &mut Vec<(Name, T)>,
    index: usize,
    entry: (Name, T),
    at_right_edge: bool,
) -> Option<(Name, Vec<(Name, T)>)> {
    if entries.len() == entries.capacity() {
        entries.reserve_exact(PAGE_GROWTH);
    }
    entries.insert(index, entry);
    if entries.len() <= PAGE_ENTRIES_MAX {
        return None;
    }
    let appended = at_right_edge && index + 1 == entries.len();
    let keep = if appended { PAGE_ENTRIES_MAX } else { entries.len() / 2 };
    let right = entries.split_off(keep);
    entries.shrink_to_fit();
    right.first().map(|entry| entry.0.clone()).map(|bound| (bound, right))
}

fn remove_from<V: Clone>(page: &mut Arc<Page<V>>, name: &Name) -> Option<V> {
    match Arc::make_mut(page) {
        Page::Leaf(entries) => {
            let index = entries.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
            let (_, value) = entries.remove(index);
            if entries.capacity() - entries.len() > 2 * PAGE_GROWTH {
                entries.shrink_to_fit();
            }
            Some(value)
        }
        Page::Inner(pages) => {
            let index = index_of_page(pages, name);
            let below = &mut pages.get_mut(index)?.1;
            let value = remove_from(below, name)?;
            if below.len() < PAGE_ENTRIES_MIN {
                join_with_neighbour(pages, index);
            }
            Some(value)
        }
    }
}

/// Joins a page that has become short with the one beside it, as one page or as two of about equal size.
fn join_with_neighbour<V: Clone>(pages: &mut Vec<(Name, Arc<Page<V>>)>, index: usize) {
    let left = if index + 1 < pages.len() { index } else { index.saturating_sub(1) };
    if left + 1 >= pages.len() {
        return; // The only page of the root: the root is replaced by it.
    }
    let (_, right_page) = pages.remove(left + 1);
    let Some((_, left_page)) = pages.get_mut(left) else { return };
    let right = match (Arc::make_mut(left_page), Arc::unwrap_or_clone(right_page)) {
        (Page::Leaf(entries), Page::Leaf(more)) => {
            join(entries, more).map(|(bound, right)| (bound, Arc::new(Page::Leaf(right))))
        }
        (Page::Inner(entries), Page::Inner(more)) => {
            join(entries, more).map(|(bound, right)| (bound, Arc::new(Page::Inner(right))))
        }
        // Invariant 1 excludes it; the right page is kept as it was.
        (_, other) => other.first_name().cloned().map(|bound| (bound, Arc::new(other))),
    };
    if let Some(right) = right {
        pages.insert(left + 1, right);
    }
}

fn join<T>(entries: &mut Vec<(Name, T)>, more: Vec<(Name, T)>) -> Option<(Name, Vec<(Name, T)>)> {
    entries.reserve_exact(more.len());
    entries.extend(more);
    if entries.len() <= PAGE_ENTRIES_MAX {
        return None;
    }
    let right = entries.split_off(entries.len() / 2);
    entries.shrink_to_fit();
    right.first().map(|entry| entry.0.clone()).map(|bound| (bound, right))
}

/// The entries of a map in order.
#[derive(Clone, Debug)]
pub struct Iter<'a, V> {
    /// From the root to a leaf: the page and the index of what comes next in it.
    pages: Vec<(&'a Page<V>, usize)>,
}

impl<'a, V> Iter<'a, V> {
    fn new(root: Option<&'a Page<V>>, start: Bound<&Name>) -> Self {
        let mut pages = Vec::new();
        let mut next = root;
        while let Some(page) = next {
            next = None;
            match page {
                Page::Inner(below) => {
                    let index = match start {
                        Bound::Unbounded => 0,
                        Bound::Included(name) | Bound::Excluded(name) => index_of_page(below, name),
                    };
                    pages.push((page, index + 1));
                    next = below.get(index).map(|entry| &*entry.1);
                }
                Page::Leaf(entries) => {
                    let index = match start {
                        Bound::Unbounded => 0,
                        Bound::Included(name) => entries.partition_point(|entry| entry.0 < *name),
                        Bound::Excluded(name) => entries.partition_point(|entry| entry.0 <= *name),
                    };
                    pages.push((page, index));
                }
            }
        }
        Iter { pages }
    }
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a Name, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (page, index) = self.pages.last_mut()?;
            let page: &'a Page<V> = page;
            let at = *index;
            *index += 1;
            match page {
                Page::Leaf(entries) => match entries.get(at) {
                    Some((name, value)) => return Some((name, value)),
                    None => self.pages.pop(),
                },
                Page::Inner(below) => match below.get(at) {
                    Some((_, below)) => {
                        self.pages.push((below, 0));
                        None
                    }
                    None => self.pages.pop(),
                },
            };
        }
    }
}

/// The entries of a map in order, copied out; unlike [`Iter`] it keeps the pages alive itself.
#[derive(Clone, Debug)]
pub struct Cursor<V> {
    pages: Vec<(Arc<Page<V>>, usize)>,
}

impl<V: Clone> Iterator for Cursor<V> {
    type Item = (Name, V);

    fn next(&mut self) -> Option<(Name, V)> {
        loop {
            let (page, index) = self.pages.last_mut()?;
            let at = *index;
            *index += 1;
            match &**page {
                Page::Leaf(entries) => match entries.get(at) {
                    Some(entry) => return Some(entry.clone()),
                    None => self.pages.pop(),
                },
                Page::Inner(below) => match below.get(at) {
                    Some((_, below)) => {
                        let below = Arc::clone(below);
                        self.pages.push((below, 0));
                        None
                    }
                    None => self.pages.pop(),
                },
            };
        }
    }
}

#[cfg(test)]
#[path = "name_map_test.rs"]
mod tests;
