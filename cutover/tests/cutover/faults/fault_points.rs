//! Every command, killed at every point that it passes.

use crate::fixture::{Fixture, MIRROR, put, share, stage};
use cutover::{Change, HISTORY, Record, Stage};
use migration::checkpoint::{CheckpointStore as _, SqliteCheckpoint, audit, document};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A command under test: where it starts, and what must be true once it has been run to its end.
struct Case {
    command: &'static [&'static str],
    from: Stage,
    thrown: bool,
    ends: fn(&Fixture, &Record) -> bool,
}

/// Runs a command to its end.
pub(crate) fn run(fixture: &Fixture, command: &[&str], fault: &str) -> ExitStatus {
    start(fixture, command, fault).wait().unwrap()
}

fn start(fixture: &Fixture, command: &[&str], fault: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cutover"))
        .arg("--config")
        .arg(fixture.plan_file())
        .args(command)
        .env("MIDFLIGHT_FAULT", fault)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A command that stands still.
pub(crate) struct Frozen(Child);

impl Frozen {
    /// Runs a command up to a point. Fails if it ends without passing it.
    pub(crate) fn at(fixture: &Fixture, command: &[&str], point: &str) -> Self {
        let child = start(fixture, command, &format!("stop:{point}@1"));
        let pid = Pid::from_child(&child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "it ended before {point}");
        Self(child)
    }

    /// Lets it go on to its end.
    pub(crate) fn go_on(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.0), Signal::CONT).unwrap();
        self.0.wait().unwrap()
    }
}

/// A switch at the stage of the case, with everything that the next gate asks for.
async fn begun(case: &Case) -> (Fixture, SqliteCheckpoint) {
    let fixture = Fixture::with("[cutover.gate]\nsoak_s = 0\nmirrored_min = 0\n");
    let store = fixture.store().await;
    put(&store, &fixture.at(case.from)).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 0).await;
    if case.thrown {
        fs::write(fixture.rollback_file(), "").unwrap();
    }
    (fixture, store)
}

/// The changes in the history, which must be numbered as its lines are, without gaps.
async fn history(store: &SqliteCheckpoint) -> Vec<Change> {
    let lines = store.read_log(HISTORY, 0, 1_000).await.unwrap();
    lines
        .iter()
        .map(|line| {
            let change: Change = document::decode(&line.value).unwrap();
            assert_eq!(change.number, line.number);
            change
        })
        .collect()
}

/// Every reachable state is a whole one: the generation grows by one with every change that moves
/// reads, and what the history lacks of what was changed, the entry has.
async fn is_whole(store: &SqliteCheckpoint) {
    let record = stage(store).await;
    let history = history(store).await;
    let written = u64::try_from(history.len()).unwrap();
    let carried = record.unsettled.iter().chain(&record.last).map(|change| change.number);
    let mut missing = carried.filter(|&number| number > written);
    assert!(missing.by_ref().eq(written + 1..=record.number()), "{record:?}");
    for pair in history.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
        let grown = pair[1].generation - pair[0].generation;
        assert!(grown <= 1, "{pair:?}");
    }
}

async fn is_crash_safe(case: Case) {
    let hits = tempfile::NamedTempFile::new().unwrap();
    let (fixture, _store) = begun(&case).await;
    assert!(run(&fixture, case.command, &format!("count:{}", hits.path().display())).success());
    let names = fs::read_to_string(hits.path()).unwrap();
    let count = names.lines().count();
    assert!(count >= 3, "{:?} passes too few points: {names}", case.command);
    for hit in 1..=count {
        let (fixture, store) = begun(&case).await;
        let at = names.lines().nth(hit - 1);
        let killed = run(&fixture, case.command, &format!("abort@{hit}"));
        assert_eq!(killed.signal(), Some(9), "{:?} at {at:?}", case.command);
        is_whole(&store).await;
        let again = run(&fixture, case.command, "abort@1000000");
        assert!(again.success(), "{:?} after {at:?}: {again:?}", case.command);
        let record = stage(&store).await;
        assert!((case.ends)(&fixture, &record), "{:?} after {at:?}: {record:?}", case.command);
        is_whole(&store).await;
        // The next change finds everything in order, and completes the history.
        assert!(run(&fixture, &["whitelist", "add", "z"], "abort@1000000").success());
        let record = stage(&store).await;
        assert_eq!(u64::try_from(history(&store).await.len()).unwrap(), record.number());
        audit::verify_chain(&store).await.unwrap();
    }
}

#[tokio::test]
async fn a_promotion_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["promote", "--to", "whitelist"],
        from: MIRROR,
        thrown: false,
        ends: |_, record| record.stage.to_string() == "whitelist" && record.generation == 2,
    })
    .await;
}

#[tokio::test]
async fn the_big_red_switch_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["rollback", "--why", "p99"],
        from: share(10_000),
        thrown: false,
        ends: |fixture, record| {
            fixture.rollback_file().exists()
                && record.rolled_back.is_some()
                && record.stage == Stage::Off
        },
    })
    .await;
}

#[tokio::test]
async fn a_retry_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["retry", "--yes"],
        from: share(10_000),
        thrown: true,
        ends: |fixture, record| {
            !fixture.rollback_file().exists()
                && record.rolled_back.is_none()
                && record.stage == Stage::Off
        },
    })
    .await;
}

#[tokio::test]
async fn an_abort_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["abort", "--yes"],
        from: share(100),
        thrown: false,
        ends: |_, record| record.stage == Stage::Off && record.rolled_back.is_none(),
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_whitelist_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["whitelist", "add", "a"],
        from: MIRROR,
        thrown: false,
        ends: |_, record| record.whitelist.contains("a"),
    })
    .await;
}

#[tokio::test]
async fn a_pause_survives_a_kill_at_every_point() {
    is_crash_safe(Case {
        command: &["pause"],
        from: MIRROR,
        thrown: false,
        ends: |_, record| record.paused.is_some() && record.stage == MIRROR,
    })
    .await;
}
