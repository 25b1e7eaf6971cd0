//! The C library's allocator, which Rust uses: asked to give free memory back to the system. The only file with `unsafe`
//! in this crate.
#![allow(unsafe_code)]

/// Gives memory that was freed back to the system. Takes some milliseconds for each hundred megabytes: not for a thread
/// that somebody waits for.
///
/// glibc keeps what was freed in the arena of the thread that had allocated it; after an opening, a large delete or a
/// closing that is most of what the store had used. Elsewhere this does nothing.
pub fn give_back_free_memory() {
    // SAFETY: the call takes no pointer and may be made at any time from any thread; it takes the arenas' own locks.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}
