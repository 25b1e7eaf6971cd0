//! The last resort with survivors of real clusters: what is recovered goes on, and grows again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cluster_support;
mod store_support;

use cluster_support::{CLUSTER_ID, Cluster};
use pando_store::cluster::{ClusterAnswer, ClusterRequest};
use pando_store::directory::StoreId;
use pando_store::disk::{Disk, MemoryDisk};
use pando_store::recover::{NodeName, RecoverOptions, Recovery, Survivor, inspect, recover};
use pando_store::verify::Verdict;
use pando_store::{Birth, Membership, Role};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use store_support::*;

const NEW: [u8; 16] = [6; 16];

fn look(disk: &MemoryDisk) -> Survivor {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    inspect(&disk, Path::new(DIRECTORY), &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

fn recovered(disk: &MemoryDisk) -> Recovery {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let node = NodeName::AsBefore { or: "nobody@host".to_owned() };
    let options =
        RecoverOptions { cluster_id: StoreId(NEW), node, is_forced: false, holder: "a test".to_owned() };
    recover(&disk, Path::new(DIRECTORY), &options, &mut |_, _, _| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_last_of_three_goes_on_alone_with_all_that_its_log_has_and_grows_again() {
    let mut cluster = Cluster::of(3);
    let last = cluster.leader();
    run(cluster.nodes[last].store(), put(&["a"], "1")).unwrap();
    cluster.await_all_applied();
    let lost = cluster.followers();
    let before = cluster.nodes[last].status();
    cluster.isolate(last);
    // Taken into its log, mostly, and acknowledged to nobody.
    let outcome = submit(cluster.nodes[last].store(), put(&["b"], "2"));
    for number in [last, lost[0], lost[1]] {
        cluster.close(number);
    }
    if let Ok(outcome) = outcome {
        assert!(outcome.recv_timeout(WAIT_MAX).unwrap().is_err());
    }

    let node = &cluster.nodes[last];
    let survivor = look(&node.disk);
    assert_eq!(survivor.report.verdict, Verdict::Sound, "{survivor:?}");
    assert_eq!(
        survivor.identity.map(|it| (it.store_id.0, it.member_id)),
        Some((CLUSTER_ID, before.member_id))
    );
    let contents = survivor.contents.unwrap();
    let membership = contents.membership.unwrap();
    assert_eq!((membership.members.len(), membership.voter_sets[0].len()), (3, 3), "{membership:?}");
    let is_in_log = contents.last.unwrap().index > before.last_log_index.unwrap();

    let recovery = recovered(&node.disk);
    assert_eq!(recovery.membership, Some(Membership::of_one(1, &node.name)));
    cluster.reopen(last);
    let store = cluster.nodes[last].store();
    assert_eq!(store.status().cluster_id, NEW);
    assert_eq!(get(store, &["a"]).as_deref(), Some("1"));
    assert_eq!(get(store, &["b"]).as_deref(), is_in_log.then_some("2"));
    run(store, put(&["c"], "3")).unwrap();

    // A member of the old cluster comes back: it is none of this one, and neither hears of the other.
    cluster.wires.heal();
    cluster.reopen(lost[0]);
    run(cluster.nodes[last].store(), put(&["d"], "4")).unwrap();
    assert_eq!(get(cluster.nodes[lost[0]].store(), &["d"]), None);
    assert_eq!(cluster.nodes[last].status().members.len(), 1);
    cluster.close(lost[0]);

    let number = cluster.add_node();
    let ClusterAnswer::MemberId(member_id) = cluster.request(&ClusterRequest::AllocateMemberId) else {
        panic!("no id")
    };
    assert!(member_id > before.member_id, "no id is given twice");
    cluster.open(number, Birth::Join { cluster_id: NEW, member_id });
    let node_name = cluster.nodes[number].name.clone();
    cluster.request(&ClusterRequest::AddMember { member_id, node_name, role: Role::Voter });
    wait_until("the new member votes", || {
        cluster.nodes[last].status().members.iter().filter(|member| member.is_voter).count() == 2
    });
    let joined = cluster.nodes[number].store();
    run(joined, put(&["e"], "5")).unwrap();
    for (name, value) in [("a", "1"), ("c", "3"), ("d", "4"), ("e", "5")] {
        assert_eq!(get(joined, &[name]).as_deref(), Some(value));
    }
    wait_until("both have it", || get(cluster.nodes[last].store(), &["e"]).is_some());
}
