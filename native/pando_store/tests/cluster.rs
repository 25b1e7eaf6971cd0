//! Clusters of stores in one process: replication, members, fail-over, minorities.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cluster_support;
mod store_support;

use cluster_support::Cluster;
use pando_store::cluster::{ClusterAnswer, ClusterError, ClusterEvent, ClusterRequest};
use pando_store::disk::{Failure, MemoryDisk, Operation};
use pando_store::peers::Lane;
use pando_store::{OutcomeKnown, Role, StoreError};
use store_support::{TestStore, WAIT_MAX, barrier, get, put, run, submit, wait_until};

#[test]
fn a_write_on_any_member_is_read_there_at_once_and_soon_everywhere() {
    let cluster = Cluster::of(3);
    for (number, node) in cluster.nodes.iter().enumerate() {
        let text = format!("from {number}");
        run(node.store(), put(&["stock", &text], &text)).unwrap();
        assert_eq!(get(node.store(), &["stock", &text]).as_deref(), Some(&text[..]));
    }
    cluster.await_all_applied();
    for node in &cluster.nodes {
        for number in 0..3 {
            let text = format!("from {number}");
            assert_eq!(get(node.store(), &["stock", &text]).as_deref(), Some(&text[..]), "on {}", node.name);
        }
    }
}

#[test]
fn a_barrier_on_a_follower_sees_what_was_answered_on_the_leader() {
    let cluster = Cluster::of(3);
    let leader = cluster.leader();
    for number in 0..20 {
        let text = number.to_string();
        run(cluster.nodes[leader].store(), put(&["stock"], &text)).unwrap();
        for follower in cluster.followers() {
            let store = cluster.nodes[follower].store();
            barrier(store).unwrap().recv_timeout(WAIT_MAX).unwrap().unwrap();
            assert_eq!(get(store, &["stock"]).as_deref(), Some(&text[..]));
        }
    }
}

#[test]
fn when_the_leader_goes_another_member_leads_and_has_everything() {
    let mut cluster = Cluster::of(3);
    let first = cluster.leader();
    run(cluster.nodes[first].store(), put(&["a"], "1")).unwrap();
    cluster.isolate(first);
    cluster.tell_down(first);
    cluster.close(first);
    let second = cluster.leader();
    assert_ne!(second, first);
    assert_eq!(get(cluster.nodes[second].store(), &["a"]).as_deref(), Some("1"));
    run(cluster.nodes[second].store(), put(&["b"], "2")).unwrap();
    cluster.wires.heal();
    cluster.reopen(first);
    cluster.await_all_applied();
    assert_eq!(get(cluster.nodes[first].store(), &["b"]).as_deref(), Some("2"));
}

#[test]
fn a_write_under_way_when_the_leader_goes_is_applied_once() {
    let cluster = Cluster::of(3);
    let first = cluster.leader();
    let follower = cluster.followers()[0];
    let answers: Vec<_> = (0..100)
        .map(|number| submit(cluster.nodes[follower].store(), put(&["n", &number.to_string()], "x")).unwrap())
        .collect();
    cluster.isolate(first);
    cluster.tell_down(first);
    for answer in answers {
        answer.recv_timeout(WAIT_MAX).unwrap().unwrap();
    }
    assert!(get(cluster.nodes[follower].store(), &["n", "99"]).is_some());
}

#[test]
fn a_leader_that_is_silent_is_replaced() {
    let cluster = Cluster::of(3);
    let first = cluster.leader();
    let follower = cluster.followers()[0];
    // Nobody is told: as when its process is stopped.
    cluster.isolate(first);
    run(cluster.nodes[follower].store(), put(&["a"], "1")).unwrap();
    wait_until("another one leads", || (0..3).any(|number| number != first && cluster.nodes[number].leads()));
}

#[test]
fn in_a_minority_writes_and_barriers_are_refused_soon_and_reads_go_on() {
    let cluster = Cluster::of(3);
    let leader = cluster.leader();
    run(cluster.nodes[leader].store(), put(&["a"], "1")).unwrap();
    cluster.isolate(leader);
    let store = cluster.nodes[leader].store();
    // Unknown, but where the machine was so slow that the cut was noticed before.
    let refused = run(store, put(&["a"], "2")).unwrap_err();
    assert!(matches!(refused, StoreError::NoQuorum { .. }), "{refused:?}");
    // Now it knows, and asks nobody any more.
    let refused = run(store, put(&["a"], "3")).unwrap_err();
    assert!(matches!(refused, StoreError::NoQuorum { outcome: OutcomeKnown::NotApplied, .. }), "{refused:?}");
    let refused = barrier(store).unwrap().recv_timeout(WAIT_MAX).unwrap().unwrap_err();
    assert!(matches!(refused, StoreError::NoQuorum { .. }), "{refused:?}");
    assert_eq!(get(store, &["a"]).as_deref(), Some("1"));
    let was_told = |event| cluster.nodes[leader].events.events.lock().unwrap().contains(&event);
    wait_until("it was told", || was_told(ClusterEvent::QuorumLost));
    cluster.wires.heal();
    wait_until("it is well again", || run(store, put(&["a"], "4")).is_ok());
    assert_eq!(get(store, &["a"]).as_deref(), Some("4"));
    wait_until("it was told", || was_told(ClusterEvent::QuorumRegained));
}

#[test]
fn a_member_that_lost_its_disk_comes_back_under_a_new_id_and_the_old_one_goes() {
    let mut cluster = Cluster::of(3);
    run(cluster.nodes[0].store(), put(&["a"], "1")).unwrap();
    let wiped = cluster.followers()[0];
    let old_id = cluster.nodes[wiped].status().member_id;
    cluster.close(wiped);
    cluster.nodes[wiped].disk = pando_store::disk::MemoryDisk::new();
    let new_id = cluster.join(wiped, Role::Voter);
    assert!(new_id > old_id);
    let leader = cluster.leader();
    wait_until("the old id is gone", || {
        let members = cluster.nodes[leader].status().members;
        members.len() == 3 && members.iter().all(|member| member.member_id != old_id && member.is_voter)
    });
    cluster.await_all_applied();
    assert_eq!(get(cluster.nodes[wiped].store(), &["a"]).as_deref(), Some("1"));
}

#[test]
fn an_observer_has_everything_and_never_votes_until_it_is_promoted() {
    let mut cluster = Cluster::of(2);
    let observer = cluster.add_node();
    let member_id = cluster.join(observer, Role::Observer);
    run(cluster.nodes[observer].store(), put(&["a"], "1")).unwrap();
    assert_eq!(get(cluster.nodes[observer].store(), &["a"]).as_deref(), Some("1"));
    let votes = |cluster: &Cluster| {
        let members = cluster.nodes[cluster.leader()].status().members;
        members.iter().find(|member| member.member_id == member_id).is_some_and(|member| member.is_voter)
    };
    assert!(!votes(&cluster));
    cluster.request(&ClusterRequest::ChangeRole { member_id, role: Role::Voter });
    wait_until("it votes", || votes(&cluster));
    cluster.request(&ClusterRequest::ChangeRole { member_id, role: Role::Observer });
    wait_until("it does not vote", || !votes(&cluster));
    run(cluster.nodes[observer].store(), put(&["a"], "2")).unwrap();
}

#[test]
fn a_removed_member_is_told_so_and_the_others_go_on() {
    let mut cluster = Cluster::of(3);
    let removed = cluster.followers()[0];
    let member_id = cluster.nodes[removed].status().member_id;
    cluster.request(&ClusterRequest::RemoveMember { member_id });
    wait_until("it was told", || {
        cluster.nodes[removed].events.events.lock().unwrap().contains(&ClusterEvent::Removed)
    });
    cluster.close(removed);
    let leader = cluster.leader();
    run(cluster.nodes[leader].store(), put(&["a"], "1")).unwrap();
    assert_eq!(cluster.nodes[leader].status().members.len(), 2);
}

#[test]
fn the_leader_can_be_removed_too_and_the_last_voter_cannot() {
    let cluster = Cluster::of(2);
    let leader = cluster.leader();
    let member_id = cluster.nodes[leader].status().member_id;
    cluster.request(&ClusterRequest::RemoveMember { member_id });
    let other = 1 - leader;
    wait_until("the other one is alone", || cluster.nodes[other].status().members.len() == 1);
    let last = cluster.nodes[other].status().member_id;
    wait_until("the other one leads", || cluster.nodes[other].leads());
    let refused = cluster.nodes[other].request(ClusterRequest::RemoveMember { member_id: last });
    assert_eq!(refused, Err(ClusterError::LastVoter));
}

#[test]
fn leadership_goes_where_it_is_asked_to_and_away_from_who_stops() {
    let mut cluster = Cluster::of(3);
    let to = cluster.followers()[0];
    let member_id = Some(cluster.nodes[to].status().member_id);
    wait_until("it was handed over", || {
        let leader = cluster.leader();
        leader == to
            || cluster.nodes[leader].request(ClusterRequest::TransferLeadership { member_id }).is_ok()
    });
    wait_until("it leads", || cluster.leader() == to);
    cluster.close(to);
    assert_ne!(cluster.leader(), to);
    run(cluster.nodes[cluster.leader()].store(), put(&["a"], "1")).unwrap();
}

#[test]
fn only_the_leader_changes_members_and_others_say_who_leads() {
    let cluster = Cluster::of(3);
    let follower = cluster.followers()[0];
    let leader = cluster.nodes[cluster.leader()].name.clone();
    let refused = cluster.nodes[follower].request(ClusterRequest::AllocateMemberId);
    assert_eq!(refused, Err(ClusterError::NotLeader(Some(leader))));
}

#[test]
fn an_id_that_a_newer_one_of_its_node_has_taken_the_place_of_does_not_come_back() {
    let mut cluster = Cluster::of(2);
    let number = cluster.add_node();
    let ClusterAnswer::MemberId(older) = cluster.request(&ClusterRequest::AllocateMemberId) else {
        panic!("no id")
    };
    let newer = cluster.join(number, Role::Voter);
    assert!(older < newer);
    let node_name = cluster.nodes[number].name.clone();
    let add =
        |member_id| ClusterRequest::AddMember { member_id, node_name: node_name.clone(), role: Role::Voter };
    let leader = &cluster.nodes[cluster.leader()];
    assert_eq!(leader.request(add(older)), Err(ClusterError::NoSuchMember));
    // One that is there is added again without harm.
    assert_eq!(leader.request(add(newer)), Ok(ClusterAnswer::Done));
    let ids: Vec<u64> = leader.status().members.iter().map(|member| member.member_id).collect();
    assert!(ids.contains(&newer) && !ids.contains(&older), "{ids:?}");
}

#[test]
fn a_member_far_behind_gets_a_snapshot_and_its_callers_are_answered() {
    let mut cluster = Cluster::of(3);
    let behind = cluster.followers()[0];
    cluster.close(behind);
    let leader = cluster.leader();
    let store = cluster.nodes[leader].store.clone().unwrap();
    let large = "x".repeat(64 * 1024);
    // Two snapshots: then the log before the older one goes.
    for round in 0..3 {
        for number in 0..40 {
            run(&store, put(&["n", &number.to_string()], &format!("{round}{large}"))).unwrap();
        }
        let written = store.status().snapshot_index;
        wait_until("a snapshot is written", || {
            store.take_snapshot() || store.status().snapshot_index > written
        });
        wait_until("it is there", || store.status().snapshot_index > written);
    }
    drop(store);
    cluster.reopen(behind);
    cluster.await_all_applied();
    let installed = |event: &ClusterEvent| matches!(event, ClusterEvent::SnapshotInstalled { .. });
    wait_until("a snapshot was installed", || {
        cluster.nodes[behind].events.events.lock().unwrap().iter().any(installed)
    });
    run(cluster.nodes[behind].store(), put(&["a"], "1")).unwrap();
    assert_eq!(get(cluster.nodes[behind].store(), &["n", "39"]).unwrap().len(), 64 * 1024 + 1);
    cluster.close(behind);
    cluster.reopen(behind);
    cluster.await_all_applied();
    assert_eq!(get(cluster.nodes[behind].store(), &["a"]).as_deref(), Some("1"));
}

/// No further segment of the log can be made.
fn fill_disk(disk: &MemoryDisk) {
    disk.fail(Failure {
        operation: Operation::Write,
        path_suffix: ".tmp".to_owned(),
        after: 0,
        times: u64::MAX,
        kind: std::io::ErrorKind::StorageFull,
    });
}

/// Puts with which several segments of the log are filled.
fn put_much(store: &TestStore) {
    let large = "x".repeat(64 * 1024);
    for number in 0..100 {
        run(store, put(&["n", &(number % 10).to_string()], &format!("{number}{large}"))).unwrap();
    }
}

#[test]
fn a_follower_with_a_full_disk_does_not_halt_and_catches_up_when_there_is_room() {
    let cluster = Cluster::of(3);
    let full = cluster.followers()[0];
    fill_disk(&cluster.nodes[full].disk);
    let writes = cluster.leader();
    put_much(cluster.nodes[writes].store());
    assert!(cluster.nodes[full].events.halts.lock().unwrap().is_empty());
    cluster.nodes[full].disk.heal();
    cluster.await_all_applied();
    assert!(get(cluster.nodes[full].store(), &["n", "9"]).unwrap().starts_with("99x"));
}

#[test]
fn a_leader_with_a_full_disk_hands_leadership_over_and_writes_go_on_elsewhere() {
    let cluster = Cluster::of(3);
    let full = cluster.leader();
    let other = cluster.followers()[0];
    fill_disk(&cluster.nodes[full].disk);
    put_much(cluster.nodes[other].store());
    assert_ne!(cluster.leader(), full);
    assert!(cluster.nodes[full].events.halts.lock().unwrap().is_empty());
    cluster.nodes[full].disk.heal();
    cluster.await_all_applied();
    assert!(get(cluster.nodes[full].store(), &["n", "9"]).unwrap().starts_with("99x"));
}

#[test]
fn malformed_frames_are_counted_and_dropped() {
    let cluster = Cluster::of(1);
    let node = &cluster.nodes[0];
    let before = node.status().frames_refused;
    for frame in [vec![], vec![0; 3], vec![1; 100], vec![255; 70_000]] {
        cluster.wires.inject(&node.name, Lane::Consensus, frame.clone());
        cluster.wires.inject(&node.name, Lane::Bulk, frame);
    }
    wait_until("all were refused", || node.status().frames_refused == before + 8);
    run(node.store(), put(&["a"], "1")).unwrap();
}
