//! Progress as it is fed and as it is seen.

use super::{Display, Progress, Reporting};
use crate::checkpoint::MemoryCheckpoint;
use crate::checkpoint::desired::Rate;
use crate::checkpoint::progress::{Activity, snapshots};
use crate::phase;
use crate::process::Process;
use crate::throttle::{PAUSED, Throttle};
use std::sync::Arc;
use std::time::Duration;

fn progress(throttle: Option<Arc<Throttle>>) -> Progress {
    Progress::new(&phase::BACKFILL, &Process::start("backfill"), throttle)
}

#[tokio::test(start_paused = true)]
async fn there_is_no_estimate_before_one_percent_and_one_after() {
    let progress = progress(None);
    progress.set_total(Some(10_000));
    progress.set_activity(Activity::Running);
    progress.add(50);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(progress.snapshot().eta_s, None);
    progress.add(50);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let eta = progress.snapshot().eta_s.unwrap();
    assert!((190.0..=210.0).contains(&eta), "9,900 at about 50/s, said {eta} s");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_resumes_counts_what_was_done_but_not_as_its_speed() {
    let progress = progress(None);
    progress.set_total(Some(1_000));
    progress.start_at(900);
    progress.set_activity(Activity::Running);
    tokio::time::sleep(Duration::from_secs(1)).await;
    progress.add(10);
    let seen = progress.snapshot();
    assert_eq!((seen.done, seen.ratio()), (910, Some(0.91)));
    assert!((seen.rate - 10.0).abs() < 0.1, "{}", seen.rate);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_shown_as_one_with_its_reason() {
    let throttle = Arc::new(Throttle::new(Rate::Unlimited));
    let progress = progress(Some(throttle.clone()));
    progress.set_activity(Activity::Running);
    throttle.hold(PAUSED, "paused by alice");
    let seen = progress.snapshot();
    assert_eq!(
        (seen.activity, seen.throttle.as_deref()),
        (Activity::Paused, Some("paused by alice"))
    );
    throttle.lift(PAUSED);
    assert_eq!(progress.snapshot().activity, Activity::Running);
}

#[tokio::test(start_paused = true)]
async fn others_see_the_progress_within_two_seconds_and_the_end_at_once() {
    let (store, progress) = (MemoryCheckpoint::new("m"), progress(None));
    let reporting =
        Reporting::start(&progress, Display::None, Arc::new(store.clone())).await.unwrap();
    progress.set_activity(Activity::Running);
    progress.add(5);
    progress.count("conflicts", 2);
    progress.set_lag(Some(Duration::from_millis(1_500)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let seen = snapshots(&store, "backfill").await.unwrap();
    assert_eq!((seen[0].done, seen[0].counts["conflicts"], seen[0].lag_ms), (5, 2, Some(1_500)));
    progress.add(1);
    reporting.finish(Activity::Done).await.unwrap();
    let seen = snapshots(&store, "backfill").await.unwrap();
    assert_eq!((seen[0].done, seen[0].activity), (6, Activity::Done));
}
