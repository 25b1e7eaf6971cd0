//! The small records: members, vote, identity, and what a reset has still to do.
//!
//! Input: a byte that says which, and the record. Of an identity and of a reset, the checksum is put right first if the byte has
//! 4 in it.

use std::path::Path;
use std::sync::Arc;

use pando_store::directory::{Identity, StoreDirectory, StoreId};
use pando_store::disk::{Access, Disk, MemoryDisk};
use pando_store::fuzzing::{Membership, membership_through_raft, vote_again};

use crate::Outcome;
use crate::memory::bounded;

/// What is reserved for counts before it is seen that there is not so much.
const MEMORY_FIXED: usize = 4 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 256;
const DIRECTORY: &str = "/store";
const IDENTITY_SIZE_BYTES: usize = 44;
const RESET_SIZE_BYTES: usize = 68;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    match selector % 4 {
        0 => membership(bytes),
        1 => vote(bytes),
        2 => identity(bytes, selector & 4 != 0),
        _ => reset(bytes, selector & 4 != 0),
    }
}

fn membership(bytes: &[u8]) -> Outcome {
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    let decoded = bounded("members", memory, || Membership::decode(bytes));
    let Ok(membership) = decoded else { return Outcome::Refused };
    let mut again = Vec::new();
    membership.encode(&mut again);
    let decoded = Membership::decode(&again).expect("what was read is written");
    assert_eq!(decoded, membership);
    if let Ok(through) = membership_through_raft(&membership) {
        assert_eq!(through.voter_sets, membership.voter_sets);
    }
    let ids = membership.voter_sets.iter().flatten().chain(membership.members.keys());
    let alone = ids.filter(|id| membership.is_only_voter(**id)).collect::<std::collections::BTreeSet<_>>();
    assert!(alone.len() <= 1, "two members are the only voter: {membership:?}");
    Outcome::Read
}

fn vote(bytes: &[u8]) -> Outcome {
    match vote_again(bytes) {
        Ok(again) => {
            assert_eq!(again, bytes, "a vote is written as it was read");
            Outcome::Read
        }
        Err(_) => Outcome::Refused,
    }
}

fn identity(bytes: &[u8], is_put_right: bool) -> Outcome {
    let content = put_right(bytes, IDENTITY_SIZE_BYTES, is_put_right);
    let disk = MemoryDisk::new();
    write(&disk, "IDENTITY", &content);
    match opened(&disk, bytes.len()) {
        Some(identity) => {
            assert_eq!(file_of(&identity), content, "an identity is written as it was read");
            assert_eq!(read(&disk, "IDENTITY").as_ref(), Some(&content), "reading changes nothing");
            Outcome::Read
        }
        None => {
            assert_eq!(read(&disk, "IDENTITY").as_ref(), Some(&content), "reading changes nothing");
            Outcome::Refused
        }
    }
}

/// A reset of the member that it names.
fn reset(bytes: &[u8], is_put_right: bool) -> Outcome {
    let content = put_right(bytes, RESET_SIZE_BYTES, is_put_right);
    let identity_at = |at: usize| {
        let fields = content.get(at..at + 24)?;
        let (store_id, member_id) = fields.split_first_chunk::<16>()?;
        let member_id = u64::from_le_bytes(*member_id.first_chunk()?);
        Some(Identity { store_id: StoreId(*store_id), member_id })
    };
    let disk = MemoryDisk::new();
    let before = identity_at(40).map(|identity| file_of(&identity));
    write(&disk, "IDENTITY", before.as_deref().unwrap_or_default());
    write(&disk, "RESET", &content);
    match opened(&disk, bytes.len()) {
        Some(identity) => {
            assert_eq!(Some(identity), identity_at(16), "it is who it was to become");
            assert_eq!(read(&disk, "IDENTITY"), Some(file_of(&identity)));
            assert_eq!(read(&disk, "RESET"), None, "the reset is done");
            Outcome::Read
        }
        None => {
            assert_eq!(read(&disk, "RESET").as_ref(), Some(&content), "what is refused is not changed");
            assert_eq!(read(&disk, "IDENTITY").unwrap_or_default(), before.unwrap_or_default());
            Outcome::Refused
        }
    }
}

fn put_right(bytes: &[u8], size: usize, is_put_right: bool) -> Vec<u8> {
    let mut content = bytes.to_vec();
    if is_put_right && let Some((covered, crc)) = content.split_at_mut_checked(size - 4) {
        let right = crc32fast::hash(covered).to_le_bytes();
        crc.iter_mut().zip(right).for_each(|(place, byte)| *place = byte);
    }
    content
}

fn file_of(identity: &Identity) -> Vec<u8> {
    let mut file = b"PANDOIDN\x01\0\0\0\0\0\0\0".to_vec();
    file.extend(identity.store_id.0);
    file.extend(identity.member_id.to_le_bytes());
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file
}

fn write(disk: &MemoryDisk, name: &str, content: &[u8]) {
    disk.create_dir(Path::new(DIRECTORY)).expect("a directory");
    let file = disk.create(&Path::new(DIRECTORY).join(name)).expect("a file");
    file.write_all_at(content, 0).expect("a write");
}

fn read(disk: &MemoryDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(&Path::new(DIRECTORY).join(name), Access::Read).ok()?;
    let mut content = vec![0; usize::try_from(file.size_bytes().expect("a size")).expect("a size")];
    file.read_exact_at(&mut content, 0).expect("a read");
    Some(content)
}

/// Whose directory it is once it is open; `None` if it is refused. Who only looks at it before must be told the same.
fn opened(disk: &MemoryDisk, size: usize) -> Option<Identity> {
    let directory = Path::new(DIRECTORY);
    let facts = StoreDirectory::inspect(disk, directory);
    let open = || StoreDirectory::open(Arc::new(disk.clone()), directory, "fuzz");
    match bounded("a directory", MEMORY_FIXED + MEMORY_PER_BYTE * size, open) {
        Ok(opened) => {
            facts.expect("what opens is well");
            opened.identity()
        }
        Err(error) => {
            let fault = facts.map(drop).expect_err("what is refused is at fault");
            assert_eq!(fault.to_string(), error.to_string());
            None
        }
    }
}

/// Members of a cluster in which one set of voters replaces another.
pub(crate) fn membership_sample() -> Vec<u8> {
    let mut membership = Membership::of_one(7, "a@b");
    membership.voter_sets.push([7, 8].into());
    let node_name = "c@d".to_owned();
    membership.members.insert(8, pando_store::Member { node_name, role: pando_store::Role::Observer });
    let mut out = Vec::new();
    membership.encode(&mut out);
    out
}

/// The same as they were written before there were roles.
pub(crate) fn membership_sample_1() -> Vec<u8> {
    let number = |number: u64| number.to_le_bytes();
    let sets = [number(2), number(1), number(7), number(2), number(7), number(8)].concat();
    let members = [&number(2)[..], &number(7), &number(3), b"a@b", &number(8), &number(3), b"c@d"].concat();
    [&[1], &sets[..], &members].concat()
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut one = vec![0];
    Membership::of_one(1, "nonode@nohost").encode(&mut one);
    let mut identity = vec![6];
    identity.extend(b"PANDOIDN\x01\0\0\0\0\0\0\0");
    identity.extend([9; 16]);
    identity.extend(3u64.to_le_bytes());
    identity.extend([0; 4]);
    let mut reset = vec![7];
    reset.extend(b"PANDORST\x01\0\0\0\0\0\0\0");
    reset.extend([[9; 16], [8; 16]].concat().chunks(16).flat_map(|id| [id, &5u64.to_le_bytes()].concat()));
    reset.extend([0; 4]);
    let vote = |committed: u8| [&[1, 1][..], &3u64.to_le_bytes(), &9u64.to_le_bytes(), &[committed]].concat();
    vec![
        one,
        [&[0], &membership_sample()[..]].concat(),
        [&[0], &membership_sample_1()[..]].concat(),
        vote(0),
        vote(1),
        identity,
        reset,
    ]
}
