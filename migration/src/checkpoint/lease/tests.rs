//! Leases under every holder.

use super::{Holder, Lease, acquire, break_lease, held_leases};
use crate::checkpoint::{CheckpointStore, MemoryCheckpoint};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::process::Process;
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

fn store() -> Arc<dyn CheckpointStore> {
    Arc::new(MemoryCheckpoint::new("m"))
}

async fn take(store: &Arc<dyn CheckpointStore>, process: &Process) -> Result<Lease> {
    acquire(store, "backfill/3", process, LONG).await
}

/// Who holds the lease now.
async fn holder(store: &dyn CheckpointStore) -> Option<Holder> {
    held_leases(store, "backfill/3", 1).await.unwrap().pop().map(|(_, holder)| holder)
}

#[tokio::test]
async fn a_lease_that_is_held_is_refused_and_names_the_holder() {
    let store = store();
    let (one, other) = (Process::start("backfill"), Process::start("backfill"));
    let lease = take(&store, &one).await.unwrap();
    for process in [&other, &one] {
        let error = take(&store, process).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced);
        let text = error.to_string();
        for part in [&one.host, &format!("pid {}", one.pid), "since", "until", "backfill/3"] {
            assert!(text.contains(part), "{text} lacks {part}");
        }
    }
    lease.release().await.unwrap();
    assert_eq!(take(&store, &other).await.unwrap().generation(), 2);
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_the_next_and_its_old_holder_is_told() {
    let store = store();
    let (one, other) = (Process::start("backfill"), Process::start("backfill"));
    let mut late = acquire(&store, "backfill/3", &one, Duration::ZERO).await.unwrap();
    let lease = take(&store, &other).await.unwrap();
    assert!(lease.generation() > late.generation());
    let error = late.renew().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    late.release().await.unwrap();
    let held = holder(&*store).await.unwrap();
    assert_eq!(held.process.owner, other.owner, "a late release takes nothing away");
}

#[tokio::test]
async fn a_holding_of_the_same_process_that_ran_out_is_not_taken_for_the_new_one() {
    let (store, process) = (store(), Process::start("backfill"));
    let mut late = acquire(&store, "backfill/3", &process, Duration::ZERO).await.unwrap();
    let _lease = take(&store, &process).await.unwrap();
    assert_eq!(late.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_lease_that_ran_out_but_went_to_nobody_can_be_renewed() {
    let (store, process) = (store(), Process::start("backfill"));
    let mut lease = acquire(&store, "backfill/3", &process, Duration::ZERO).await.unwrap();
    lease.renew().await.unwrap();
}

#[tokio::test]
async fn the_lease_of_a_process_that_was_killed_is_free_at_once() {
    let store = store();
    let mut child = std::process::Command::new("sleep").arg("3600").spawn().unwrap();
    let victim = process_of(&child);
    assert_eq!(take(&store, &victim).await.unwrap().generation(), 1);
    let this = Process::start("backfill");
    assert_eq!(take(&store, &this).await.unwrap_err().kind(), ErrorKind::Fenced);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(holder(&*store).await, None);
    assert_eq!(take(&store, &this).await.unwrap().generation(), 2);
}

/// What a child would say of itself.
fn process_of(child: &std::process::Child) -> Process {
    let pid = i32::try_from(child.id()).unwrap();
    Process::with_pid("backfill", pid)
}

#[tokio::test]
async fn a_lost_answer_of_a_renewal_does_not_lose_the_lease() {
    let (store, process) = (store(), Process::start("backfill"));
    let mut lease = take(&store, &process).await.unwrap();
    let before = lease.revision;
    lease.renew().await.unwrap();
    lease.revision = before;
    lease.renew().await.unwrap();
}

#[tokio::test]
async fn a_lease_that_is_taken_away_is_lost_to_its_holder() {
    let (store, process) = (store(), Process::start("backfill"));
    let mut lease = take(&store, &process).await.unwrap();
    let broken = break_lease(&*store, "backfill/3").await.unwrap().unwrap();
    assert_eq!(broken.process, process);
    assert_eq!(break_lease(&*store, "backfill/3").await.unwrap(), None);
    assert_eq!(lease.renew().await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn only_leases_that_are_held_are_listed() {
    let (store, process) = (store(), Process::start("backfill"));
    for (name, lease) in [("backfill/1", LONG), ("backfill/2", Duration::ZERO), ("verify", LONG)] {
        acquire(&store, name, &process, lease).await.unwrap();
    }
    let names = |leases: Vec<(String, Holder)>| -> Vec<String> {
        leases.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(held_leases(&*store, "backfill/", 9).await.unwrap()), ["backfill/1"]);
    assert_eq!(names(held_leases(&*store, "", 9).await.unwrap()), ["backfill/1", "verify"]);
    assert_eq!(names(held_leases(&*store, "", 1).await.unwrap()), ["backfill/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_kept_lease_is_renewed_and_given_back() {
    let (store, whole) = (store(), Shutdown::new());
    let lease = take(&store, &Process::start("backfill")).await.unwrap();
    let first = holder(&*store).await.unwrap().expires;
    let kept = lease.keep(&whole);
    tokio::time::sleep(LONG).await;
    kept.check().unwrap();
    assert!(!kept.lost().has_begun());
    assert!(holder(&*store).await.unwrap().expires > first);
    kept.release().await.unwrap();
    assert_eq!(holder(&*store).await, None);
}

#[tokio::test(start_paused = true)]
async fn work_under_a_lease_that_is_lost_stops_and_learns_why() {
    let (store, whole) = (store(), Shutdown::new());
    let kept = take(&store, &Process::start("backfill")).await.unwrap().keep(&whole);
    break_lease(&*store, "backfill/3").await.unwrap();
    kept.lost().begun().await;
    assert!(!whole.has_begun(), "only the work under the lease stops");
    for _ in 0..2 {
        assert_eq!(kept.check().unwrap_err().kind(), ErrorKind::Fenced);
    }
    kept.release().await.unwrap();
}

#[test]
fn a_lease_lasts_until_it_expires() {
    let now = Timestamp::now();
    let process = Process::start("backfill");
    let holder = Holder { process, since: now, expires: now.plus(LONG) };
    assert!(!holder.has_lapsed(now));
    assert!(holder.has_lapsed(now.plus(LONG)));
}
