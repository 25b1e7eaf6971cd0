//! How much memory something takes: counted per thread by the allocator of every binary that links this crate.
#![allow(unsafe_code, reason = "an allocator is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // While a thread ends its counters may be gone; nobody asks then.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: everything is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Runs something and panics if at any time it held more than so many bytes that it had allocated on this thread.
pub fn bounded<R>(what: &str, bytes_max: usize, run: impl FnOnce() -> R) -> R {
    let before = HELD.get();
    PEAK.set(before);
    let result = run();
    let taken = usize::try_from(PEAK.get() - before).unwrap_or(0);
    assert!(taken <= bytes_max, "{what} took {taken} bytes of memory, more than {bytes_max}");
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_freed_in_between_counts() {
        bounded("a vector", 2_000, || drop(vec![0u8; 1_000]));
        let over = std::panic::catch_unwind(|| bounded("a vector", 2_000, || drop(vec![0u8; 3_000])));
        assert!(over.is_err());
    }
}
