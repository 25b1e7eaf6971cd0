//! The bytes of a file of a [`MemoryDisk`](super::MemoryDisk), in pages that copies share.
//!
//! 1. A page that is not there is all zeros: large preallocated files and their copies cost next to nothing.
//! 2. Bytes of the last page that lie behind the end of the file are zeros.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

const PAGE_BYTES: usize = 4096;

/// The bytes of one file.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: Vec<Option<Arc<Page>>>,
    size_bytes: usize,
}

struct Page {
    bytes: [u8; PAGE_BYTES],
    /// Of the bytes, once somebody has asked.
    digest: OnceLock<u64>,
}

impl Clone for Page {
    /// A copy is made to be changed.
    fn clone(&self) -> Page {
        Page { bytes: self.bytes, digest: OnceLock::new() }
    }
}

impl Page {
    /// `None` of a page of zeros, which is as good as one that is not there.
    fn digest(&self) -> Option<u64> {
        let digest = *self.digest.get_or_init(|| {
            if self.bytes.iter().all(|byte| *byte == 0) {
                return 0;
            }
            let mut hasher = DefaultHasher::new();
            self.bytes.hash(&mut hasher);
            hasher.finish().max(1)
        });
        (digest != 0).then_some(digest)
    }
}

impl Content {
    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Fills the buffer, with zeros from the end of the file on.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) {
        for (page, within, piece) in pieces_mut(offset, buffer) {
            let bytes =
                self.pages.get(page).and_then(Option::as_ref).and_then(|page| page.bytes.get(within..));
            match bytes.and_then(|bytes| bytes.get(..piece.len())) {
                Some(bytes) => piece.copy_from_slice(bytes),
                None => piece.fill(0),
            }
        }
    }

    /// Writes, extending the file as needed.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        if end > self.size_bytes {
            self.set_len(end);
        }
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let within = at % PAGE_BYTES;
            let (piece, later) = rest.split_at(rest.len().min(PAGE_BYTES - within));
            if let Some(place) = self.pages.get_mut(at / PAGE_BYTES)
                && (place.is_some() || piece.iter().any(|byte| *byte != 0))
            {
                let page = Arc::make_mut(place.get_or_insert_with(|| {
                    Arc::new(Page { bytes: [0; PAGE_BYTES], digest: OnceLock::new() })
                }));
                page.digest = OnceLock::new();
                if let Some(target) = page.bytes.get_mut(within..within + piece.len()) {
                    target.copy_from_slice(piece);
                }
            }
            at += piece.len();
            rest = later;
        }
    }

    /// Cuts, or extends with zeros.
    pub(super) fn set_len(&mut self, size_bytes: usize) {
        if size_bytes < self.size_bytes {
            let page_end = size_bytes.next_multiple_of(PAGE_BYTES).min(self.size_bytes);
            let zeros = [0; PAGE_BYTES];
            self.write(size_bytes, zeros.get(..page_end - size_bytes).unwrap_or_default());
        }
        self.pages.resize(size_bytes.div_ceil(PAGE_BYTES), None);
        self.size_bytes = size_bytes;
    }

    /// Feeds length and bytes.
    pub(super) fn digest(&self, hasher: &mut DefaultHasher) {
        self.size_bytes.hash(hasher);
        for (number, page) in self.pages.iter().enumerate() {
            if let Some(digest) = page.as_ref().and_then(|page| page.digest()) {
                (number, digest).hash(hasher);
            }
        }
    }
}

/// The buffer cut at the borders of pages: number of the page, offset in it, piece.
fn pieces_mut(offset: usize, buffer: &mut [u8]) -> impl Iterator<Item = (usize, usize, &mut [u8])> {
    let head_size = (PAGE_BYTES - offset % PAGE_BYTES).min(buffer.len());
    let (head, tail) = buffer.split_at_mut(head_size);
    let mut at = offset;
    std::iter::once(head).chain(tail.chunks_mut(PAGE_BYTES)).map(move |piece| {
        let place = (at / PAGE_BYTES, at % PAGE_BYTES);
        at += piece.len();
        (place.0, place.1, piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![1; content.size_bytes()];
        content.read(0, &mut bytes);
        bytes
    }

    fn digest(content: &Content) -> u64 {
        let mut hasher = DefaultHasher::new();
        content.digest(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn it_holds_what_a_plain_vector_of_bytes_would() {
        let (mut content, mut plain) = (Content::default(), Vec::new());
        for round in 0..200_usize {
            let offset = round * 977 % 20_000;
            if round % 7 == 3 {
                content.set_len(offset);
                plain.resize(offset, 0);
            } else {
                let bytes = vec![u8::try_from(round).unwrap() % 3; round * 61 % 9_000];
                content.write(offset, &bytes);
                plain.resize(plain.len().max(offset + bytes.len()), 0);
                plain[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            assert_eq!(all(&content), plain, "round {round}");
        }
    }

    #[test]
    fn equal_bytes_have_equal_digests_however_they_came_about() {
        let (mut one, mut other) = (Content::default(), Content::default());
        one.set_len(10_000);
        one.write(5_000, b"abc");
        other.write(0, &[9; 10_000]);
        assert_ne!(digest(&one), digest(&other));
        other.write(0, &[0; 10_000]);
        other.write(5_000, b"abc");
        assert_eq!(digest(&one), digest(&other));
        other.set_len(9_999);
        assert_ne!(digest(&one), digest(&other));
    }
}
