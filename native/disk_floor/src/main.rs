//! The floor under every durable write: a bare write and `fdatasync`, with nothing around it.
//!
//! `disk_floor DIRECTORY growing|preallocated DURATION_MS [SIZE_BYTES]`
//!
//! One thread writes `SIZE_BYTES` (default 300) at a time, one after the other, into one file, and syncs each:
//! `growing` appends to an empty file, so that every sync also makes the new length durable; `preallocated`
//! overwrites a file that was filled with zeros and synced before. Prints one `key value` a line: `write_count`,
//! `mean_us`, `p50_us`, `p99_us`, `max_us`. The file is removed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const SIZE_BYTES_DEFAULT: usize = 300;
/// Of the preallocated file. The writer starts again at its beginning when it comes to the end.
const PREALLOCATED_BYTES: u64 = 16 << 20;
/// Not counted: the first syncs of a new file also write its metadata.
const WARM_UP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Growing,
    Preallocated,
}

struct Arguments {
    directory: PathBuf,
    mode: Mode,
    duration: Duration,
    size_bytes: usize,
}

/// Removes the file also when a write has failed.
struct TemporaryFile {
    path: PathBuf,
    file: File,
}

impl TemporaryFile {
    fn create(directory: &Path) -> io::Result<TemporaryFile> {
        let path = directory.join(format!("disk_floor.{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(TemporaryFile { path, file })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            eprintln!("disk_floor: {} stays: {error}", self.path.display());
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let directory = PathBuf::from(words.next()?);
    let mode = match words.next()?.as_str() {
        "growing" => Mode::Growing,
        "preallocated" => Mode::Preallocated,
        _ => return None,
    };
    let duration = Duration::from_millis(words.next()?.parse().ok()?);
    let size_bytes = match words.next() {
        Some(word) => word.parse().ok().filter(|size| (1..=1 << 20).contains(size))?,
        None => SIZE_BYTES_DEFAULT,
    };
    words.next().is_none().then_some(Arguments { directory, mode, duration, size_bytes })
}

fn fill_with_zeros(file: &File) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    for offset in (0..PREALLOCATED_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()
}

/// How long each write with its sync took, in the order of the writes.
fn measure(arguments: &Arguments) -> io::Result<Vec<Duration>> {
    let temporary = TemporaryFile::create(&arguments.directory)?;
    let file = &temporary.file;
    if arguments.mode == Mode::Preallocated {
        fill_with_zeros(file)?;
    }
    let bytes = vec![7; arguments.size_bytes];
    let size_bytes = arguments.size_bytes as u64;
    let (mut times, mut offset) = (Vec::new(), 0);
    let begin = Instant::now();
    loop {
        let before = Instant::now();
        file.write_all_at(&bytes, offset)?;
        file.sync_data()?;
        let after = Instant::now();
        if begin.elapsed() >= WARM_UP {
            times.push(after - before);
        }
        // At least one is counted, however slow the disk is.
        if after - begin >= WARM_UP + arguments.duration && !times.is_empty() {
            return Ok(times);
        }
        offset += size_bytes;
        if arguments.mode == Mode::Preallocated && offset + size_bytes > PREALLOCATED_BYTES {
            offset = 0;
        }
    }
}

/// The smallest of the sorted times that at least `percent` of them do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn run() -> io::Result<()> {
    let arguments = parse(std::env::args().skip(1)).ok_or_else(|| {
        let usage = "usage: disk_floor DIRECTORY growing|preallocated DURATION_MS [SIZE_BYTES]";
        io::Error::new(ErrorKind::InvalidInput, usage)
    })?;
    let mut times = measure(&arguments)?;
    times.sort_unstable();
    println!("write_count {}", times.len());
    let mean_us = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / times.len() as f64;
    println!("mean_us {mean_us:.3}");
    for (key, percent) in [("p50_us", 50), ("p99_us", 99), ("max_us", 100)] {
        println!("{key} {:.3}", percentile(&times, percent).as_secs_f64() * 1e6);
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("disk_floor: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> impl Iterator<Item = String> {
        line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&times, 50), Duration::from_micros(100));
        assert_eq!(percentile(&times, 99), Duration::from_micros(198));
        assert_eq!(percentile(&times, 100), Duration::from_micros(200));
        assert_eq!(percentile(&times[..1], 50), Duration::from_micros(1));
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        for line in
            ["/tmp", "/tmp sideways 10", "/tmp growing soon", "/tmp growing 10 0", "/tmp growing 10 300 more"]
        {
            assert!(parse(words(line)).is_none(), "{line}");
        }
        assert!(parse(words("/tmp preallocated 10 512")).is_some_and(|parsed| parsed.size_bytes == 512));
    }

    #[test]
    fn both_modes_count_their_writes_and_leave_no_file() {
        let directory = std::env::temp_dir().join(format!("disk_floor_test.{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        for mode in [Mode::Growing, Mode::Preallocated] {
            let duration = Duration::from_millis(1);
            let arguments = Arguments { directory: directory.clone(), mode, duration, size_bytes: 300 };
            assert!(!measure(&arguments).unwrap().is_empty());
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        }
        std::fs::remove_dir(&directory).unwrap();
    }
}
