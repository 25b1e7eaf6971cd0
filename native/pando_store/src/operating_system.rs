//! What the C library is asked for directly. The only file with `unsafe` in this crate.
#![allow(unsafe_code)]

use std::fs::File;

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

/// Has the system begin to write a part of a file to the disk, without waiting for it and without making anything
/// durable. False: it could not be asked, as elsewhere than on Linux.
pub fn begin_writing_back(file: &File, offset: u64, size_bytes: u64) -> bool {
    // SAFETY: the call takes no pointer, and the descriptor is open as long as `file` is borrowed. Should it fail, the
    // bytes are written later, by the sync that is needed in any case.
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        match (i64::try_from(offset), i64::try_from(size_bytes)) {
            (Ok(offset), Ok(size_bytes)) => unsafe {
                libc::sync_file_range(file.as_raw_fd(), offset, size_bytes, libc::SYNC_FILE_RANGE_WRITE) == 0
            },
            _ => false,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, offset, size_bytes);
        false
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
