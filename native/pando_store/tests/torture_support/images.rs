//! Crash images: the moments at which the power is cut or the process killed, what may survive of each, and the opening of
//! all that differ.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pando_store::disk::MemoryDisk;

use crate::torture_support::script::Progress;
use crate::torture_support::{Random, Survivors, is_change};

/// Failures after which no more images are opened.
const FAILURES_MAX: usize = 5;

const KILLED: &str = "killed";

/// A moment, with the disk as it was then, nothing decided yet about what was not synced.
#[derive(Clone)]
pub struct CrashPoint {
    pub disk: MemoryDisk,
    /// So many commands had been acknowledged, at least.
    pub acknowledged: usize,
    /// So many had been submitted, at most.
    pub submitted: usize,
    /// Before or after what.
    pub place: String,
}

/// At least so many commands had been acknowledged, at most so many submitted.
pub type Range = RangeInclusive<usize>;

/// A disk as the next process may find it.
#[derive(Clone)]
pub struct Image {
    pub disk: MemoryDisk,
    /// How many commands had been acknowledged and submitted, of each way in which it came about.
    pub ranges: Vec<Range>,
    /// Whether it is that of a killed process, which leaves to the next what was not durable yet.
    pub is_of_kill: bool,
    /// How it came about, for the message of a failure.
    pub how: String,
}

/// Gathers crash points while something runs on a disk.
#[derive(Clone, Default)]
pub struct CrashPoints {
    points: Arc<Mutex<Vec<CrashPoint>>>,
}

impl CrashPoints {
    /// Has the power cut before and after each change of the disk from now on.
    pub fn watch(&self, disk: &MemoryDisk, progress: &Progress) {
        let (points, progress) = (self.clone(), progress.clone());
        disk.on_operation(move |disk, moment| {
            if is_change(moment.operation) {
                let when = if moment.is_after { "after" } else { "before" };
                points.add(
                    disk,
                    &progress,
                    &format!("{when} {:?} {}", moment.operation, kind_of(&moment.path)),
                );
            }
        });
    }

    pub fn add(&self, disk: &MemoryDisk, progress: &Progress, place: &str) {
        let acknowledged = progress.acknowledged();
        let disk = disk.after_kill();
        let submitted = progress.submitted();
        self.points.lock().unwrap().push(CrashPoint {
            disk,
            acknowledged,
            submitted,
            place: place.to_owned(),
        });
    }

    pub fn take(&self) -> Vec<CrashPoint> {
        std::mem::take(&mut self.points.lock().unwrap())
    }
}

/// What a file is for, by its name.
fn kind_of(path: &std::path::Path) -> String {
    let name = path.extension().or(path.file_name()).unwrap_or_default().to_string_lossy().into_owned();
    let inside = path.parent().and_then(|parent| parent.file_name()).unwrap_or_default().to_string_lossy();
    if name == "tmp" { format!("{inside}/tmp") } else { name }
}

impl Image {
    /// Whether what was found is as after a number of commands, whichever way the image came about. `is_as_after` is asked.
    pub fn allows(&self, is_as_after: impl Fn(usize) -> bool) -> Result<usize, String> {
        let mut found = 0;
        for range in &self.ranges {
            // Some commands change nothing: different numbers may be right for different ways.
            found = range
                .clone()
                .find(|number| is_as_after(*number))
                .ok_or_else(|| format!("it is not as after any of {range:?} commands"))?;
        }
        Ok(found)
    }

    /// As far as the life had come in which the image was taken, or one that left the same.
    pub fn progress(&self) -> Progress {
        let progress = Progress::default();
        let range = self.ranges.first().cloned().unwrap_or(0..=0);
        (0..*range.end()).for_each(|_| progress.submit());
        (0..*range.start()).for_each(|_| progress.acknowledge());
        progress
    }
}

/// All images of some crash points, each only once, with all that must hold of it.
#[derive(Default)]
pub struct Images {
    distinct: Vec<Image>,
    by_fingerprint: HashMap<u64, usize>,
    pub count: usize,
    pub points_by_place: BTreeMap<String, usize>,
}

impl Images {
    pub fn add(&mut self, point: &CrashPoint, random_count: usize, random: &mut Random) {
        *self.points_by_place.entry(point.place.clone()).or_insert(0) += 1;
        self.add_image(point, KILLED, point.disk.after_kill());
        // What stands in the lock file means nothing: it would only make the others too many for all subsets of them.
        let pieces = point.disk.unsynced_pieces();
        let mut counted = 0;
        let numbers: Vec<Option<usize>> = pieces
            .iter()
            .map(|path| {
                let matters = !path.ends_with("LOCK");
                counted += usize::from(matters);
                matters.then(|| counted - 1)
            })
            .collect();
        for survivors in Survivors::of(counted, random_count, random) {
            let image = point.disk.after_power_cut(|piece| match numbers[piece] {
                Some(number) => survivors.keep(number),
                None => survivors.keeps_what_means_nothing(piece),
            });
            self.add_image(point, &format!("{survivors:?} of {}", brief(&pieces)), image);
        }
    }

    fn add_image(&mut self, point: &CrashPoint, survivors: &str, disk: MemoryDisk) {
        self.count += 1;
        let range = point.acknowledged..=point.submitted;
        let number = *self.by_fingerprint.entry(disk.fingerprint()).or_insert(self.distinct.len());
        match self.distinct.get_mut(number) {
            Some(image) => {
                // A range within another asks for more.
                let is_within = |inner: &Range, outer: &Range| {
                    outer.contains(inner.start()) && outer.contains(inner.end())
                };
                if !image.ranges.iter().any(|known| is_within(known, &range)) {
                    image.ranges.retain(|known| !is_within(&range, known));
                    image.ranges.push(range);
                }
            }
            None => {
                let how = format!("{}, {survivors}", point.place);
                let is_of_kill = survivors == KILLED;
                self.distinct.push(Image { disk, ranges: vec![range], is_of_kill, how });
            }
        }
    }

    pub fn distinct_count(&self) -> usize {
        self.distinct.len()
    }

    /// So many of them, evenly spread.
    pub fn some(&self, count_max: usize) -> Vec<&Image> {
        let stride = self.distinct.len().div_ceil(count_max.max(1)).max(1);
        self.distinct.iter().step_by(stride).collect()
    }
}

/// The pieces of what was unsynced, those of the lock file left out: they are not counted.
fn brief(pieces: &[PathBuf]) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in pieces.iter().map(|path| kind_of(path)).filter(|name| name != "LOCK") {
        match counts.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => counts.push((name, 1)),
        }
    }
    format!("{counts:?}")
}

/// What was seen of an image.
#[derive(Default)]
pub struct Seen {
    pub torn_tail: bool,
    /// Moments of its own opening, if they were asked for.
    pub points: Vec<CrashPoint>,
}

/// Threads that open images. Opening is mostly waiting of threads for each other: more than a machine has cores.
const OPENERS: usize = 4;

/// Opens images. The number tells the check apart which one it is.
pub fn open_all(
    images: &[&Image],
    check: &(dyn Fn(&Image, usize) -> Result<Seen, String> + Sync),
) -> (Vec<Seen>, Vec<String>) {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (seen, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(image) = images.get(number) else { return };
            match check(image, number) {
                Ok(one) => seen.lock().unwrap().push(one),
                Err(reason) => {
                    let mut failures = failures.lock().unwrap();
                    failures.push(format!("{} ({:?}): {reason}", image.how, image.ranges));
                    stop.fetch_or(failures.len() >= FAILURES_MAX, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (0..OPENERS).for_each(|_| drop(scope.spawn(work)));
    });
    (seen.into_inner().unwrap(), failures.into_inner().unwrap())
}

/// How much of the images is opened.
#[derive(Clone, Copy)]
pub struct Thoroughness {
    /// Random subsets of what was unsynced, besides the others.
    pub random_count: usize,
    /// Distinct images that are opened.
    pub opened_max: usize,
    /// Of every so-manieth opened image the power is cut during its opening, too.
    pub nested_every: usize,
    /// Distinct images of such second crashes that are opened.
    pub nested_opened_max: usize,
}

/// What an enumeration has done.
#[derive(Default)]
pub struct Report {
    pub images: usize,
    pub distinct: usize,
    pub opened: usize,
    pub torn_tails: usize,
    pub crash_points: usize,
    pub places: BTreeMap<String, usize>,
    pub failures: Vec<String>,
}

impl Report {
    pub fn add(&mut self, other: Report) {
        self.images += other.images;
        self.distinct += other.distinct;
        self.opened += other.opened;
        self.torn_tails += other.torn_tails;
        self.crash_points += other.crash_points;
        for (place, count) in other.places {
            *self.places.entry(place).or_insert(0) += count;
        }
        self.failures.extend(other.failures);
    }

    /// Prints a line, and fails if anything has.
    pub fn finish(&self, name: &str, elapsed: std::time::Duration) {
        let rate = self.opened as f64 / elapsed.as_secs_f64();
        println!(
            "{name}: {} images, {} distinct, {} opened ({rate:.0}/s), {} torn tails, {} crash points",
            self.images, self.distinct, self.opened, self.torn_tails, self.crash_points
        );
        let places: Vec<_> = self.places.iter().map(|(place, count)| format!("{place} {count}")).collect();
        println!("{name}: crash points: {}", places.join(", "));
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

/// Makes the images of all points, opens those that differ, and does the same once more with moments of some openings.
pub fn enumerate(
    points: &[CrashPoint],
    thoroughness: Thoroughness,
    seed: u64,
    check: &(dyn Fn(&Image, bool, usize) -> Result<Seen, String> + Sync),
) -> Report {
    let mut random = Random::new(seed);
    let mut report = Report::default();
    let mut level_points = points.to_vec();
    for opened_max in [thoroughness.opened_max, thoroughness.nested_opened_max] {
        let is_first_level = report.opened == 0;
        let mut images = Images::default();
        for point in &level_points {
            images.add(point, thoroughness.random_count, &mut random);
        }
        let nests = |number: usize| is_first_level && number.is_multiple_of(thoroughness.nested_every);
        let chosen = images.some(opened_max);
        let (seen, failures) = open_all(&chosen, &|image, number| check(image, nests(number), number));
        report.images += images.count;
        report.distinct += images.distinct_count();
        report.opened += chosen.len();
        report.crash_points += level_points.len();
        report.torn_tails += seen.iter().filter(|seen| seen.torn_tail).count();
        let level = if is_first_level { "" } else { "2nd: " };
        for (place, count) in images.points_by_place {
            *report.places.entry(format!("{level}{place}")).or_insert(0) += count;
        }
        report.failures.extend(failures);
        if !report.failures.is_empty() {
            break;
        }
        level_points = seen.into_iter().flat_map(|seen| seen.points).collect();
    }
    report
}
