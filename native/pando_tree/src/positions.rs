//! Sets of small numbers: the positions of a pattern that a node has reached, and in how many ways each.

/// The numbers of one word.
const WORD_BITS: usize = u64::BITS as usize;

/// A set of numbers, each with the number of ways to it; up to 63 without an allocation as long as each has one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    first: u64,
    rest: Vec<u64>,
    /// The numbers to which there is more than one way, and how many more.
    more_ways: Vec<(usize, u64)>,
}

impl Positions {
    /// Adds so many ways to a number.
    pub(crate) fn add(&mut self, position: usize, ways: u64) {
        let more = if self.contains(position) { ways } else { ways.saturating_sub(1) };
        self.insert(position);
        if more == 0 {
            return;
        }
        match self.more_ways.iter_mut().find(|(other, _)| *other == position) {
            Some((_, ways)) => *ways = ways.saturating_add(more),
            None => self.more_ways.push((position, more)),
        }
    }

    /// The number of ways to a number.
    pub(crate) fn ways(&self, position: usize) -> u64 {
        let more = self.more_ways.iter().find(|(other, _)| *other == position).map_or(0, |(_, more)| *more);
        if self.contains(position) { more.saturating_add(1) } else { 0 }
    }

    fn insert(&mut self, position: usize) {
        let bit = 1 << (position % WORD_BITS);
        match (position / WORD_BITS).checked_sub(1) {
            None => self.first |= bit,
            Some(index) => {
                if self.rest.len() <= index {
                    self.rest.resize(index + 1, 0);
                }
                if let Some(word) = self.rest.get_mut(index) {
                    *word |= bit;
                }
            }
        }
    }

    pub(crate) fn contains(&self, position: usize) -> bool {
        let word = match (position / WORD_BITS).checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.rest.get(index),
        };
        word.is_some_and(|word| word & 1 << (position % WORD_BITS) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0 && self.rest.iter().all(|word| *word == 0)
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(&self.first).chain(&self.rest).enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let lowest = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(index * WORD_BITS + lowest)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_inserted(numbers in proptest::collection::btree_set(0usize..1100, 0..20)) {
            let mut positions = Positions::default();
            numbers.iter().rev().for_each(|number| positions.add(*number, 1));
            prop_assert_eq!(positions.is_empty(), numbers.is_empty());
            prop_assert!((0..1100).all(|number| positions.contains(number) == numbers.contains(&number)));
            prop_assert!(positions.iter().eq(numbers));
        }

        #[test]
        fn ways_to_a_number_add_up(added in proptest::collection::vec((0usize..80, 1u64..4), 0..30)) {
            let mut positions = Positions::default();
            added.iter().for_each(|(number, ways)| positions.add(*number, *ways));
            for number in 0..80 {
                let ways = added.iter().filter(|(other, _)| *other == number).map(|(_, ways)| ways).sum();
                prop_assert_eq!(positions.ways(number), ways);
            }
        }
    }
}
