//! The small records: members, vote, identity.
//!
//! Input: a byte that says which, and the record. Of an identity, the checksum is put right first if the byte has 4 in it.

use std::path::Path;
use std::sync::Arc;

use pando_store::directory::StoreDirectory;
use pando_store::disk::{Disk, MemoryDisk};
use pando_store::fuzzing::{Membership, membership_through_raft, vote_again};

use crate::Outcome;
use crate::memory::bounded;

/// What is reserved for counts before it is seen that there is not so much.
const MEMORY_FIXED: usize = 4 * 1024 * 1024;
const MEMORY_PER_BYTE: usize = 256;
const IDENTITY_SIZE_BYTES: usize = 44;

/// See the module.
pub fn check(input: &[u8]) -> Outcome {
    let Some((selector, bytes)) = input.split_first() else { return Outcome::Refused };
    match selector % 4 {
        0 => membership(bytes),
        1 => vote(bytes),
        _ => identity(bytes, selector & 4 != 0),
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
    let mut content = bytes.to_vec();
    if is_put_right && let Some((covered, crc)) = content.split_at_mut_checked(IDENTITY_SIZE_BYTES - 4) {
        let right = crc32fast::hash(covered).to_le_bytes();
        crc.iter_mut().zip(right).for_each(|(place, byte)| *place = byte);
    }
    let disk = Arc::new(MemoryDisk::new());
    let directory = Path::new("/store");
    disk.create_dir(directory).expect("a directory");
    let path = directory.join("IDENTITY");
    let file = disk.create(&path).expect("a file");
    file.write_all_at(&content, 0).expect("a write");
    let memory = MEMORY_FIXED + MEMORY_PER_BYTE * bytes.len();
    let open = || StoreDirectory::open(disk.clone(), directory, "fuzz");
    let outcome = match bounded("an identity", memory, open) {
        Ok(opened) => {
            let identity = opened.identity().expect("there is one");
            let mut again = b"PANDOIDN\x01\0\0\0\0\0\0\0".to_vec();
            again.extend(identity.store_id.0);
            again.extend(identity.member_id.to_le_bytes());
            again.extend(crc32fast::hash(&again).to_le_bytes());
            assert_eq!(again, content, "an identity is written as it was read");
            Outcome::Read
        }
        Err(_) => Outcome::Refused,
    };
    let mut after = vec![0; usize::try_from(file.size_bytes().expect("a size")).expect("a size")];
    file.read_exact_at(&mut after, 0).expect("a read");
    assert_eq!(after, content, "reading changes nothing");
    outcome
}

/// Members of a cluster in which one set of voters replaces another.
pub(crate) fn membership_sample() -> Vec<u8> {
    let mut membership = Membership::of_one(7, "a@b");
    membership.voter_sets.push([7, 8].into());
    membership.members.insert(8, "c@d".to_owned());
    let mut out = Vec::new();
    membership.encode(&mut out);
    out
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
    let vote = |committed: u8| [&[1, 1][..], &3u64.to_le_bytes(), &9u64.to_le_bytes(), &[committed]].concat();
    vec![one, [&[0], &membership_sample()[..]].concat(), vote(0), vote(1), identity]
}
