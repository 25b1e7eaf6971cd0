//! What the C library is asked for directly. The only file with `unsafe` in this crate.
#![allow(unsafe_code)]

/// How much less the calling thread is worth to the scheduler, from 0 to 19 (`nice`).
const BACKGROUND_NICENESS: i32 = 10;

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

/// Lets other threads go first: for one that nobody waits for. On Linux the priority is that of the calling thread
/// alone; elsewhere, where it is the whole process's, this does nothing.
pub fn let_others_go_first() {
    // SAFETY: the call takes no pointer. 0 stands for the calling thread. Should it fail, the thread is as it was.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICENESS);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = BACKGROUND_NICENESS;
}
