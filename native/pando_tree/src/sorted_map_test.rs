use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::name::Name;

fn name(number: u32) -> Name {
    Name::binary(&number.to_be_bytes())
}

/// Checks the invariants of the module on every page.
fn check<V>(map: &SortedMap<Name, V>) {
    let Some(root) = map.root.as_deref() else {
        assert_eq!(map.length, 0);
        return;
    };
    if let Page::Inner(pages) = root {
        assert!(pages.len() >= 2, "an inner root with one page");
    }
    let mut leaf_depths = Vec::new();
    let mut names = Vec::new();
    let mut open = vec![(root, 0, None)];
    while let Some((page, depth, bound)) = open.pop() {
        assert!(page.len() > 0 && page.len() <= PAGE_ENTRIES_MAX);
        if let Some(bound) = &bound {
            assert!(page.first_key().is_some_and(|first| bound <= first), "a bound above the first name");
        }
        match page {
            Page::Leaf(entries) => {
                let is_last = open.is_empty();
                assert!(is_last || depth == 0 || entries.len() >= PAGE_ENTRIES_MIN, "a short leaf");
                leaf_depths.push(depth);
                if let (Some(last), Some(bound)) = (names.last(), &bound) {
                    assert!(last < bound, "a name that the bound of a later page should have excluded");
                }
                names.extend(entries.iter().map(|entry| entry.0.clone()));
            }
            Page::Inner(pages) => {
                assert!(depth == 0 || pages.len() >= PAGE_ENTRIES_MIN, "a short inner page");
                open.extend(
                    pages.iter().rev().map(|(bound, page)| (&**page, depth + 1, Some(bound.clone()))),
                );
            }
        }
    }
    assert!(leaf_depths.windows(2).all(|pair| pair[0] == pair[1]), "leaves at different depths");
    assert!(names.is_sorted_by(|a, b| a < b));
    assert_eq!(names.len() as u64, map.length);
}

fn assert_same(map: &SortedMap<Name, u32>, model: &BTreeMap<Name, u32>) {
    assert!(map.iter().eq(model.iter()));
    assert!(map.cursor().eq(model.iter().map(|(name, value)| (name.clone(), *value))));
    assert_eq!(map.len(), model.len() as u64);
    assert_eq!(map.is_empty(), model.is_empty());
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(u32, u32),
    Remove(u32),
    Change(u32, u32),
    Fork,
}

fn operation(keys: u32) -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..keys, any::<u32>()).prop_map(|(key, value)| Operation::Insert(key, value)),
        7 => (0..keys).prop_map(Operation::Remove),
        2 => (0..keys, any::<u32>()).prop_map(|(key, value)| Operation::Change(key, value)),
        1 => Just(Operation::Fork),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_agrees_with_the_standard_map_and_copies_never_change(
        operations in proptest::collection::vec(operation(600), 0..2500),
    ) {
        let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
        let mut copies = Vec::new();
        for operation in operations {
            match operation {
                Operation::Insert(key, value) => {
                    prop_assert_eq!(map.insert(name(key), value), model.insert(name(key), value));
                }
                Operation::Remove(key) => prop_assert_eq!(map.remove(&name(key)), model.remove(&name(key))),
                Operation::Change(key, value) => {
                    prop_assert_eq!(map.get(&name(key)), model.get(&name(key)));
                    if let Some(old) = map.get_mut(&name(key)) {
                        *old = value;
                        model.insert(name(key), value);
                    }
                }
                Operation::Fork if copies.len() < 5 => copies.push((map.clone(), model.clone())),
                Operation::Fork => {}
            }
        }
        check(&map);
        assert_same(&map, &model);
        for (map, model) in &copies {
            check(map);
            assert_same(map, model);
        }
    }

    #[test]
    fn a_range_begins_where_it_is_told(keys in proptest::collection::btree_set(0u32..2000, 0..600), at in 0u32..2000) {
        let map = SortedMap::from_sorted(keys.iter().map(|key| (name(*key), *key)).collect()).unwrap();
        check(&map);
        let at_or_behind: Vec<u32> = map.iter_from(Bound::Included(&name(at))).map(|entry| *entry.1).collect();
        prop_assert_eq!(&at_or_behind, &keys.range(at..).copied().collect::<Vec<_>>());
        let behind: Vec<u32> = map.iter_from(Bound::Excluded(&name(at))).map(|entry| *entry.1).collect();
        prop_assert_eq!(&behind, &keys.range(at + 1..).copied().collect::<Vec<_>>());
        for (bound, expected) in
            [(Bound::Included(&name(at)), at_or_behind), (Bound::Excluded(&name(at)), behind)]
        {
            prop_assert_eq!(map.cursor_from(bound).map(|entry| entry.1).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_bulk_built_map_can_be_changed_like_any_other(count in 0u32..5000, step in 1u32..7) {
        let mut map = SortedMap::from_sorted((0..count).map(|key| (name(key), key)).collect()).unwrap();
        for key in (0..count).step_by(step as usize) {
            prop_assert_eq!(map.remove(&name(key)), Some(key));
        }
        check(&map);
        prop_assert_eq!(map.len(), u64::from(count - count.div_ceil(step)));
    }
}

#[test]
fn every_order_of_inserts_and_removals_keeps_the_pages_balanced() {
    let count = 3000u32;
    type Order = fn(u32, u32) -> u32;
    let orders: [Order; 3] = [|i, _| i, |i, n| n - 1 - i, |i, n| (i.wrapping_mul(1_103_515_245)) % n];
    for insert in orders {
        for remove in orders {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            for i in 0..count {
                let key = insert(i, count);
                assert_eq!(map.insert(name(key), i), model.insert(name(key), i));
                if i % 97 == 0 {
                    check(&map);
                }
            }
            assert_same(&map, &model);
            for i in 0..count {
                let key = remove(i, count);
                assert_eq!(map.remove(&name(key)), model.remove(&name(key)));
                if i % 97 == 0 {
                    check(&map);
                }
            }
            assert_same(&map, &model);
            check(&map);
        }
    }
}

#[test]
fn inserts_in_order_fill_the_leaves() {
    let mut map = SortedMap::default();
    for key in 0..32 * 100 {
        map.insert(name(key), key);
    }
    let mut leaves = 0;
    let mut open: Vec<&Page<Name, u32>> = map.root.as_deref().into_iter().collect();
    while let Some(page) = open.pop() {
        match page {
            Page::Leaf(_) => leaves += 1,
            Page::Inner(pages) => open.extend(pages.iter().map(|entry| &*entry.1)),
        }
    }
    assert_eq!(leaves, 100);
}

#[test]
fn an_unshared_map_is_changed_in_place_and_a_shared_one_is_not() {
    let mut map = SortedMap::default();
    for key in 0..1000 {
        map.insert(name(key), key);
    }
    let before: *const u32 = map.get(&name(500)).unwrap();
    *map.get_mut(&name(500)).unwrap() = 7;
    assert!(std::ptr::eq(before, map.get(&name(500)).unwrap()));
    let copy = map.clone();
    *map.get_mut(&name(500)).unwrap() = 8;
    assert_eq!((copy.get(&name(500)), map.get(&name(500))), (Some(&7), Some(&8)));
}

#[test]
fn a_bulk_build_refuses_unsorted_and_duplicate_names() {
    assert!(SortedMap::from_sorted(vec![(name(2), ()), (name(1), ())]).is_none());
    assert!(SortedMap::from_sorted(vec![(name(1), ()), (name(1), ())]).is_none());
}
