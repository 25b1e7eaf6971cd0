//! What the torture tests share: how thorough to be, which parts of what was unsynced survive, and a scripted life of a
//! store together with what must be in it after each command.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

pub mod images;
pub mod log_script;
pub mod script;

use pando_store::disk::Operation;

/// Whether all is to be done, or a part that fits among other tests.
pub fn is_whole() -> bool {
    std::env::var_os("PANDO_TORTURE").is_some()
}

/// Numbers that are the same in each run.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Splitmix.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Operations after which something else is on the disk or in its cache.
pub fn is_change(operation: Operation) -> bool {
    match operation {
        Operation::Open | Operation::List | Operation::Kind | Operation::Read | Operation::Size => false,
        Operation::Create
        | Operation::Rename
        | Operation::Remove
        | Operation::CreateDir
        | Operation::SyncDir
        | Operation::Lock
        | Operation::Write
        | Operation::SyncData
        | Operation::SyncAll
        | Operation::SetLen => true,
    }
}

/// Which of n unsynced pieces survive a power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// The n-th if the n-th bit is set.
    Mask(u64),
    All,
    Only(usize),
    AllBut(usize),
    /// Those before.
    Before(usize),
    /// Those from there on.
    From(usize),
    /// Each with a chance of one half.
    Seeded(u64),
}

/// Of so many pieces, all subsets are tried.
const ALL_SUBSETS_PIECES_MAX: usize = 6;
/// Of more pieces than this, only so many places are looked at.
const PLACES_MAX: usize = 48;

impl Survivors {
    /// All subsets when there are few pieces; else none, all, each alone, all but each, every prefix and suffix, and random ones.
    pub fn of(count: usize, random_count: usize, random: &mut Random) -> Vec<Survivors> {
        if count <= ALL_SUBSETS_PIECES_MAX {
            return (0..1 << count).map(Survivors::Mask).collect();
        }
        let mut all = vec![Survivors::Mask(0), Survivors::All];
        let stride = count.div_ceil(PLACES_MAX);
        for place in (0..count).step_by(stride) {
            all.push(Survivors::Only(place));
            all.push(Survivors::AllBut(place));
            all.push(Survivors::Before(place));
            all.push(Survivors::From(place));
        }
        all.extend((0..random_count).map(|_| Survivors::Seeded(random.next())));
        all
    }

    /// For pieces that are not counted among the others.
    pub fn keeps_what_means_nothing(&self, piece: usize) -> bool {
        matches!(self, Survivors::All) || matches!(self, Survivors::Seeded(_)) && self.keep(piece)
    }

    pub fn keep(&self, piece: usize) -> bool {
        match *self {
            Survivors::Mask(mask) => piece < 64 && mask >> piece & 1 == 1,
            Survivors::All => true,
            Survivors::Only(only) => piece == only,
            Survivors::AllBut(lost) => piece != lost,
            Survivors::Before(end) => piece < end,
            Survivors::From(begin) => piece >= begin,
            Survivors::Seeded(seed) => Random::new(seed ^ piece as u64).next() & 1 == 1,
        }
    }
}
