//! The consensus library's own suite for what we put below it: log, votes, state machine, snapshots.

use std::path::Path;
use std::sync::{Arc, Mutex};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use super::log_storage::RaftLog;
use super::state_machine::StateMachine;
use super::type_config::PandoTypes;
use super::{Applier, Done, SnapshotFile};
use crate::directory::StoreId;
use crate::disk::{Disk, MemoryDisk};
use crate::entry::Entry;
use crate::log::{Log, LogOptions};
use crate::machine::Machine;
use crate::snapshot::SnapshotDirectory;
use crate::snapshot_thread::{load_received, write_snapshot};
use crate::view::View;

const STORE: StoreId = StoreId([3; 16]);

/// Applies on the calling thread, and writes a snapshot whenever it is asked for the newest one.
struct DirectApplier {
    machine: Mutex<Machine>,
    snapshots: SnapshotDirectory,
    snapshot: Mutex<Option<SnapshotFile>>,
}

impl Applier for DirectApplier {
    fn apply(&self, entries: Vec<Entry>, done: Done) {
        let mut machine = self.machine.lock().unwrap();
        for entry in &entries {
            machine.apply(entry);
        }
        done(Ok(()));
    }

    fn install(&self, snapshot: SnapshotFile, done: Done) {
        let loaded = load_received(&self.snapshots, Path::new("/snapshot"), &snapshot);
        done(loaded.map_err(|error| error.to_string()).map(|(view, _)| {
            *self.machine.lock().unwrap() = Machine::new(view);
            *self.snapshot.lock().unwrap() = Some(snapshot);
        }));
    }

    fn view(&self) -> Arc<View> {
        Arc::new(self.machine.lock().unwrap().view().clone())
    }

    fn newest_snapshot(&self) -> Option<SnapshotFile> {
        let view = self.view();
        let mut newest = self.snapshot.lock().unwrap();
        if newest.as_ref().is_none_or(|file| Some(file.covers) != view.applied) {
            let written = write_snapshot(&self.snapshots, &view, &|_| true).unwrap();
            *newest = written.map(|(file, _)| file);
        }
        newest.clone()
    }

    fn fatal(&self, reason: String) {
        panic!("{reason}");
    }

    fn notice(&self, _text: &str) {}

    fn cluster_event(&self, _event: &crate::cluster::ClusterEvent) {}
}

/// Builds stores that share one disk for snapshots: whoever transfers a snapshot puts the file there before it is
/// installed, which is the transport's duty.
struct Builder {
    snapshots: SnapshotDirectory,
}

impl Builder {
    fn new() -> Builder {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        Builder { snapshots: SnapshotDirectory::open(disk, Path::new("/snapshot"), STORE).unwrap() }
    }
}

impl StoreBuilder<PandoTypes, RaftLog, StateMachine, ()> for Builder {
    async fn build(&self) -> Result<((), RaftLog, StateMachine), StorageError<PandoTypes>> {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let (log, _) = Log::open(disk, Path::new("/log"), STORE, LogOptions::default()).unwrap();
        let machine = Mutex::new(Machine::new(View::empty()));
        let applier =
            DirectApplier { machine, snapshots: self.snapshots.clone(), snapshot: Mutex::new(None) };
        Ok(((), RaftLog::new(log), StateMachine::new(Arc::new(applier), None)))
    }
}

type LibrarySuite = Suite<PandoTypes, RaftLog, StateMachine, Builder, ()>;

fn run(test: impl Future<Output = Result<(), std::io::Error>>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_time().build().unwrap().block_on(test).unwrap();
}

macro_rules! run_suite {
    ($($test:ident),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                run(async {
                    let ((), log, state_machine) = Builder::new().build().await.unwrap();
                    LibrarySuite::$test(log, state_machine).await
                });
            }
        )*
    };
}

// All of the suite's tests of release 0.10.0-alpha.37 but `get_initial_state_log_ids`: it begins with a purged log and
// no snapshot, which a store refuses when it opens (`OpenError::Gap`).
run_suite! {
    last_membership_in_log_initial,
    last_membership_in_log,
    last_membership_in_log_multi_step,
    get_membership_initial,
    get_membership_from_log_and_empty_sm,
    get_membership_from_empty_log_and_sm,
    get_membership_from_log_le_sm_last_applied,
    get_membership_from_log_gt_sm_last_applied_1,
    get_membership_from_log_gt_sm_last_applied_2,
    get_initial_state_without_init,
    get_initial_state_membership_from_empty_log_and_sm,
    get_initial_state_membership_from_sm_inlog_is_smaller,
    get_initial_state_membership_from_log_insm_is_smaller,
    get_initial_state_with_state,
    get_initial_state_last_log_gt_sm,
    get_initial_state_last_log_lt_sm,
    get_initial_state_inverted_log_order,
    get_initial_state_conflict_at_same_index,
    get_initial_state_re_apply_committed,
    save_vote,
    get_log_entries,
    limited_get_log_entries,
    leader_bounded_stream,
    entries_stream,
    try_get_log_entry,
    log_reader_reads_new_entries,
    initial_logs,
    get_log_state,
    get_log_id,
    last_id_in_log,
    last_applied_state,
    purge_logs_upto_0,
    purge_logs_upto_5,
    purge_logs_upto_20,
    delete_logs_after_11,
    delete_logs_after_5,
    delete_logs_after_0,
    delete_logs_after_none,
    append_to_log,
    snapshot_meta,
    snapshot_meta_optional,
    apply_single,
    apply_multiple,
}

#[test]
fn a_snapshot_is_handed_from_one_state_machine_to_another() {
    run(LibrarySuite::transfer_snapshot(&Builder::new()));
}
