//! A persistent ordered map from keys to values: the children of a node.
//!
//! A B+tree whose pages are shared between copies of the map. A change copies the pages it touches unless nobody
//! else holds them; then they are changed in place. A copy of the map costs one reference.
//!
//! Invariants:
//! 1. Leaves hold the entries, sorted, each key once; all leaves are at the same depth.
//! 2. An inner page holds, with each page below it, a lower bound of that page's keys which is greater than all
//!    keys of the pages before it. The bound need not be a key of the map.
//! 3. No page is empty or has more than `PAGE_ENTRIES_MAX` entries; the root is a leaf or has two pages at least.
//! 4. An inner page other than the root, and a leaf other than the last, has at least `PAGE_ENTRIES_MIN` entries.
//!    (The last leaf splits unevenly when keys come in order, so that the leaves before it stay full.)
//!    So the height is logarithmic, and recursion over pages is bounded by it.

use std::ops::Bound;
use std::sync::Arc;

pub(crate) const PAGE_ENTRIES_MAX: usize = 32;
pub(crate) const PAGE_ENTRIES_MIN: usize = PAGE_ENTRIES_MAX / 4;
/// Leaves grow by this many entries at a time: a doubling would leave a third of the memory unused.
const PAGE_GROWTH: usize = 4;

/// The map.
#[derive(Clone, Debug)]
pub struct SortedMap<K, V> {
    root: Option<Arc<Page<K, V>>>,
    length: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Page<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<(K, Arc<Page<K, V>>)>),
}

enum Inserted<K, V> {
    Replaced(V),
    Added { split: Option<(K, Arc<Page<K, V>>)> },
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap { root: None, length: 0 }
    }
}

impl<K: Ord + Clone, V> SortedMap<K, V> {
    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut page = self.root.as_deref()?;
        loop {
            match page {
                Page::Inner(pages) => page = &pages.get(index_of_page(pages, key))?.1,
                Page::Leaf(entries) => {
                    let index = entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
                    return entries.get(index).map(|entry| &entry.1);
                }
            }
        }
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(self.root.as_deref(), Bound::Unbounded)
    }

    /// The entries in order, beginning at (or behind) a key.
    pub fn iter_from(&self, start: Bound<&K>) -> Iter<'_, K, V> {
        Iter::new(self.root.as_deref(), start)
    }

    /// The entries in order, through a cursor that holds the map itself.
    pub fn cursor(&self) -> Cursor<K, V> {
        self.cursor_from(Bound::Unbounded)
    }

    /// As `cursor`, beginning at (or behind) a key.
    pub fn cursor_from(&self, start: Bound<&K>) -> Cursor<K, V> {
        let mut pages = Vec::new();
        let mut next = self.root.as_ref();
        while let Some(page) = next {
            let index = page.index_from(start);
            next = page.below(index);
            pages.push((Arc::clone(page), if next.is_some() { index + 1 } else { index }));
        }
        Cursor { pages }
    }

    /// Builds the map from entries that are sorted, each key once. `None` when they are not.
    pub fn from_sorted(entries: Vec<(K, V)>) -> Option<Self> {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            return None;
        }
        let length = entries.len() as u64;
        let mut pages = pages_of(entries, Page::Leaf);
        while pages.len() > 1 {
            pages = pages_of(pages, Page::Inner);
        }
        Some(SortedMap { root: pages.pop().map(|page| page.1), length })
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

impl<K: Ord + Clone, V: Clone> SortedMap<K, V> {
    /// The value of this key, to be changed; the pages on the way are copied if they are shared.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let mut page = self.root.as_mut()?;
        loop {
            match Arc::make_mut(page) {
                Page::Inner(pages) => {
                    let index = index_of_page(pages, key);
                    page = &mut pages.get_mut(index)?.1;
                }
                Page::Leaf(entries) => {
                    let index = entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
                    return entries.get_mut(index).map(|entry| &mut entry.1);
                }
            }
        }
    }

    /// Sets the value of this key and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Page::Leaf(vec![(key, value)])));
            self.length = 1;
            return None;
        };
        match insert_into(root, key, value, true) {
            Inserted::Replaced(old) => Some(old),
            Inserted::Added { split } => {
                self.length += 1;
                if let Some(right) = split {
                    let left = Arc::clone(root);
                    if let Some(bound) = left.first_key().cloned() {
                        *root = Arc::new(Page::Inner(vec![(bound, left), right]));
                    }
                }
                None
            }
        }
    }

    /// Removes the entry of this key and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let root = self.root.as_mut()?;
        let value = remove_from(root, key)?;
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

impl<K, V> Page<K, V> {
    fn len(&self) -> usize {
        match self {
            Page::Leaf(entries) => entries.len(),
            Page::Inner(pages) => pages.len(),
        }
    }

    fn first_key(&self) -> Option<&K> {
        match self {
            Page::Leaf(entries) => entries.first().map(|entry| &entry.0),
            Page::Inner(pages) => pages.first().map(|entry| &entry.0),
        }
    }
}

impl<K: Ord, V> Page<K, V> {
    /// Where a walk that begins at (or behind) a key begins in this page.
    fn index_from(&self, start: Bound<&K>) -> usize {
        match (self, start) {
            (_, Bound::Unbounded) => 0,
            (Page::Inner(pages), Bound::Included(key) | Bound::Excluded(key)) => index_of_page(pages, key),
            (Page::Leaf(entries), Bound::Included(key)) => entries.partition_point(|entry| entry.0 < *key),
            (Page::Leaf(entries), Bound::Excluded(key)) => entries.partition_point(|entry| entry.0 <= *key),
        }
    }

    /// The page below at an index; a leaf has none.
    fn below(&self, index: usize) -> Option<&Arc<Page<K, V>>> {
        match self {
            Page::Leaf(_) => None,
            Page::Inner(pages) => pages.get(index).map(|entry| &entry.1),
        }
    }
}

/// The page that has the key if any has it: the last one whose bound is not greater, or the first.
fn index_of_page<K: Ord, V>(pages: &[(K, Arc<Page<K, V>>)], key: &K) -> usize {
    pages.partition_point(|entry| entry.0 <= *key).saturating_sub(1)
}

/// Spreads entries evenly over as few pages as hold them.
fn pages_of<K: Clone, V, T>(
    entries: Vec<(K, T)>,
    page: impl Fn(Vec<(K, T)>) -> Page<K, V>,
) -> Vec<(K, Arc<Page<K, V>>)> {
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

fn insert_into<K: Ord + Clone, V: Clone>(
    page: &mut Arc<Page<K, V>>,
    key: K,
    value: V,
    at_right_edge: bool,
) -> Inserted<K, V> {
    match Arc::make_mut(page) {
        Page::Leaf(entries) => match entries.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(index) => match entries.get_mut(index) {
                Some(entry) => Inserted::Replaced(std::mem::replace(&mut entry.1, value)),
                None => Inserted::Replaced(value),
            },
            Err(index) => {
                let split = add_and_split(entries, index, (key, value), at_right_edge)
                    .map(|(bound, right)| (bound, Arc::new(Page::Leaf(right))));
                Inserted::Added { split }
            }
        },
        Page::Inner(pages) => {
            let index = index_of_page(pages, &key);
            let is_last = index + 1 == pages.len();
            let Some((bound, below)) = pages.get_mut(index) else {
                return Inserted::Replaced(value);
            };
            if key < *bound {
                *bound = key.clone();
            }
            match insert_into(below, key, value, at_right_edge && is_last) {
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
fn add_and_split<K: Clone, T>(
    entries: &mut Vec<(K, T)>,
    index: usize,
    entry: (K, T),
    at_right_edge: bool,
) -> Option<(K, Vec<(K, T)>)> {
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

fn remove_from<K: Ord + Clone, V: Clone>(page: &mut Arc<Page<K, V>>, key: &K) -> Option<V> {
    match Arc::make_mut(page) {
        Page::Leaf(entries) => {
            let index = entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
            let (_, value) = entries.remove(index);
            if entries.capacity() - entries.len() > 2 * PAGE_GROWTH {
                entries.shrink_to_fit();
            }
            Some(value)
        }
        Page::Inner(pages) => {
            let index = index_of_page(pages, key);
            let below = &mut pages.get_mut(index)?.1;
            let value = remove_from(below, key)?;
            if below.len() < PAGE_ENTRIES_MIN {
                join_with_neighbour(pages, index);
            }
            Some(value)
        }
    }
}

/// Joins a page that has become short with the one beside it, as one page or as two of about equal size.
fn join_with_neighbour<K: Clone, V: Clone>(pages: &mut Vec<(K, Arc<Page<K, V>>)>, index: usize) {
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
        (_, other) => other.first_key().cloned().map(|bound| (bound, Arc::new(other))),
    };
    if let Some(right) = right {
        pages.insert(left + 1, right);
    }
}

fn join<K: Clone, T>(entries: &mut Vec<(K, T)>, more: Vec<(K, T)>) -> Option<(K, Vec<(K, T)>)> {
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
pub struct Iter<'a, K, V> {
    /// From the root to a leaf: the page and the index of what comes next in it.
    pages: Vec<(&'a Page<K, V>, usize)>,
}

impl<'a, K: Ord + Clone, V> Iter<'a, K, V> {
    fn new(root: Option<&'a Page<K, V>>, start: Bound<&K>) -> Self {
        let mut pages = Vec::new();
        let mut next = root;
        while let Some(page) = next {
            let index = page.index_from(start);
            next = page.below(index).map(|below| &**below);
            pages.push((page, if next.is_some() { index + 1 } else { index }));
        }
        Iter { pages }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (page, index) = self.pages.last_mut()?;
            let page: &'a Page<K, V> = page;
            let at = *index;
            *index += 1;
            match page {
                Page::Leaf(entries) => match entries.get(at) {
                    Some((key, value)) => return Some((key, value)),
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
pub struct Cursor<K, V> {
    pages: Vec<(Arc<Page<K, V>>, usize)>,
}

impl<K, V> Cursor<K, V> {
    /// The entries of a page, if the one that came last was the first of them.
    pub(crate) fn begun_page(&self) -> Option<&[(K, V)]> {
        match self.pages.last() {
            Some((page, 1)) => match &**page {
                Page::Leaf(entries) => Some(entries),
                Page::Inner(_) => None,
            },
            _ => None,
        }
    }
}

impl<K: Clone, V: Clone> Iterator for Cursor<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
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
#[path = "sorted_map_test.rs"]
mod tests;
