//! Where a recovery makes the new store, and where it keeps the old one: beside the directory, so that each takes its place by
//! one renaming.
//!
//! The name of no store begins like these: `pando_directory:of_store/2` encodes a `%` by two digits behind it.

use super::StoreId;
use std::path::{Path, PathBuf};

const MADE_PREFIX: &str = "%recovering-";
const KEPT_PREFIX: &str = "%recovered-";
/// File systems take 255 bytes; prefix, digest and store id come besides.
const NAME_SIZE_BYTES_MAX: usize = 190;

/// The places beside a store's directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RecoveryPlaces {
    /// Here the new store is made. It holds an identity once it is whole.
    pub(crate) made: PathBuf,
    parent: PathBuf,
    name: String,
}

impl RecoveryPlaces {
    /// Those of a directory; `None` if nothing can be beside it, or its name is no text.
    pub(crate) fn of(directory: &Path) -> Option<RecoveryPlaces> {
        let parent = directory.parent()?.to_path_buf();
        let name = shortened(directory.file_name()?.to_str()?);
        Some(RecoveryPlaces { made: parent.join(format!("{MADE_PREFIX}{name}")), parent, name })
    }

    /// The directory whose recovery is made in this one, if its name was not too long to tell.
    pub(crate) fn of_made(made: &Path) -> Option<PathBuf> {
        let directory = made.with_file_name(made.file_name()?.to_str()?.strip_prefix(MADE_PREFIX)?);
        RecoveryPlaces::of(&directory).filter(|places| places.made == made).map(|_| directory)
    }

    /// Where the files are kept that the new store has replaced.
    pub(crate) fn kept(&self, new_id: StoreId) -> PathBuf {
        self.parent.join(format!("{KEPT_PREFIX}{}-{new_id}", self.name))
    }
}

fn shortened(name: &str) -> String {
    if name.len() <= NAME_SIZE_BYTES_MAX {
        return name.to_owned();
    }
    let end = (0..=NAME_SIZE_BYTES_MAX).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}%-{:08x}", name.get(..end).unwrap_or_default(), crc32fast::hash(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_beside_the_directory_and_have_names_that_a_file_system_takes() {
        let places = RecoveryPlaces::of(Path::new("/data/stock")).unwrap();
        assert_eq!(places.made, Path::new("/data/%recovering-stock"));
        let kept = format!("/data/%recovered-stock-{}", "07".repeat(16));
        assert_eq!(places.kept(StoreId([7; 16])), Path::new(&kept));
        assert_eq!(RecoveryPlaces::of_made(&places.made).as_deref(), Some(Path::new("/data/stock")));
        assert_eq!(RecoveryPlaces::of_made(Path::new("/data/stock")), None);
        assert_eq!(RecoveryPlaces::of(Path::new("stock")).unwrap().made, Path::new("%recovering-stock"));
        for other in ["/", "/data/..", ""] {
            assert_eq!(RecoveryPlaces::of(Path::new(other)), None);
        }
        let long =
            |end: &str| RecoveryPlaces::of(Path::new(&format!("/data/{}{end}", "é".repeat(126)))).unwrap();
        let size_bytes = |path: PathBuf| path.file_name().unwrap().len();
        assert!(
            size_bytes(long("ab").made.clone()) <= 255
                && size_bytes(long("ab").kept(StoreId([7; 16]))) <= 255
        );
        assert_ne!(long("ab"), long("ac"));
    }
}
