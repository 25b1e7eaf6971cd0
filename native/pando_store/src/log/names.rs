//! The names of the files in a log directory.

use super::synced_mark::SYNCED_FILE;
use std::path::{Path, PathBuf};

const SEGMENT_SUFFIX: &str = ".segment";
const TEMPORARY_SUFFIX: &str = ".tmp";
const SEQUENCE_DIGITS: usize = 16;

/// `<sequence as 16 hex digits>.segment`
pub(super) fn segment_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:016x}{SEGMENT_SUFFIX}"))
}

/// The name of a segment that is still being made.
pub(super) fn temporary_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:016x}{TEMPORARY_SUFFIX}"))
}

/// The sequence of a segment's file name; `None` for any other file.
pub(super) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let lower_case_hex = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let fits = digits.len() == SEQUENCE_DIGITS && lower_case_hex;
    fits.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether a log has files of this name, unfinished ones aside.
pub fn is_file_name(name: &str) -> bool {
    name == SYNCED_FILE || parse_segment_name(name).is_some()
}

/// True for what a crash leaves of a segment that was being made.
pub(super) fn is_temporary_name(name: &str) -> bool {
    name.ends_with(TEMPORARY_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_segments_have_are_taken_for_segments() {
        let name = segment_path(Path::new("/log"), 0xabc).file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name, "0000000000000abc.segment");
        assert_eq!(parse_segment_name(&name), Some(0xabc));
        for other in
            ["abc.segment", "0000000000000ABC.segment", "0000000000000abc.tmp", "+000000000000abc.segment"]
        {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
        assert!(is_temporary_name(temporary_path(Path::new("/log"), 1).to_str().unwrap()));
    }
}
