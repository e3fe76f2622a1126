use super::{Evidence, Finding, LagSeen, Outcome, VerdictsSeen, findings, said};
use crate::reader::Counts;
use crate::rollback::Rollback;
use crate::stage::{Action, Record, Signed, Stage};
use migration::checkpoint::verdict::{self, Dimension, Kind, Verdict};
use migration::clock::Timestamp;
use migration::plan::{GatePlan, Plan, StagePlan};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

fn ago(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - i64::try_from(seconds * 1_000_000).unwrap())
}

fn signed() -> Signed {
    Signed { who: "ann@host".to_owned(), when: NOW, why: "p99".to_owned() }
}

fn plan() -> GatePlan {
    GatePlan {
        lag_max: Duration::from_secs(2),
        verdict_age_max: Duration::from_secs(3_600),
        mirrored_min: 1_000,
        mirror_mismatch_rate_max: 1e-3,
        soak: Duration::from_secs(60),
    }
}

fn at(stage: Stage) -> Record {
    let directory = std::path::Path::new("/srv");
    let plan = Plan::parse(include_str!("../../tests/migration.toml"), directory).unwrap();
    let mut record = Record::initial(&plan, NOW);
    record.generation = 3;
    record.stage = stage;
    record.since = ago(100);
    record
}

fn passes(whole: bool) -> Verdict {
    Verdict {
        run: "r1".to_owned(),
        scope: "every record".to_owned(),
        whole,
        dimension: Dimension::Storage,
        kind: Kind::Census,
        compared: 282_432,
        differing: 0,
        unsettled: 0,
        rate: 0.0,
        bound95: 1e-5,
        bound99: 2e-5,
        rate_max: 1e-6,
        outcome: verdict::Outcome::Pass,
        started: ago(90),
        interruptions: 0,
        resumed: None,
        finished: ago(60),
        edition: "p".to_owned(),
    }
}

/// Evidence that meets every condition.
fn good() -> Evidence {
    Evidence {
        now: NOW,
        edition: "p".to_owned(),
        record: at(Stage::At(StagePlan::Mirror)),
        rollback_file: Ok(false),
        verdicts: Ok(VerdictsSeen { latest: vec![passes(true)], whole: Some(passes(true)) }),
        lag: Ok(Some(LagSeen { at: ago(1), lag: Some(Duration::from_millis(20)), lives: true })),
        dead_letters: Ok(0),
        mirrored: Ok(Counts { same: 5_000, ..Counts::default() }),
    }
}

/// What one condition says about good evidence with one thing changed.
fn after(condition: &str, change: impl FnOnce(&mut Evidence)) -> Finding {
    let mut evidence = good();
    change(&mut evidence);
    let findings = findings(&plan(), &evidence);
    let others = findings.iter().filter(|finding| finding.condition != condition);
    assert!(others.into_iter().all(|finding| finding.outcome == Outcome::Met), "{findings:?}");
    findings.into_iter().find(|finding| finding.condition == condition).unwrap()
}

/// What comes of a verdict about everything, with something changed.
fn whole(change: impl FnOnce(&mut Verdict)) -> Outcome {
    let mut verdict = passes(true);
    change(&mut verdict);
    let seen = VerdictsSeen { latest: vec![verdict.clone()], whole: Some(verdict) };
    after("verdict", |evidence| evidence.verdicts = Ok(seen)).outcome
}

#[test]
fn good_evidence_meets_every_condition() {
    assert!(findings(&plan(), &good()).iter().all(|finding| finding.outcome == Outcome::Met));
}

#[test]
fn a_verdict_that_is_missing_old_or_about_something_else_is_unknown() {
    assert_eq!(
        after("verdict", |e| e.verdicts = Ok(VerdictsSeen::default())).outcome,
        Outcome::Unknown
    );
    assert_eq!(whole(|v| v.started = ago(3_601)), Outcome::Unknown);
    assert_eq!(whole(|v| v.started = ago(3_600)), Outcome::Met);
    assert_eq!(whole(|v| v.edition = "another".to_owned()), Outcome::Unknown);
    assert_eq!(whole(|v| v.outcome = verdict::Outcome::Inconclusive), Outcome::Unknown);
}

#[test]
fn a_run_that_ended_just_now_is_as_old_as_its_first_comparison() {
    let mut verdict = passes(true);
    (verdict.started, verdict.finished) = (ago(4_000), ago(0));
    let seen = VerdictsSeen { latest: vec![verdict.clone()], whole: Some(verdict) };
    let finding = after("verdict", |evidence| evidence.verdicts = Ok(seen));
    assert_eq!(finding.outcome, Outcome::Unknown);
    // Comparing again would end no better: the reason names the setting.
    assert!(finding.reason.contains("verdict_age_max_s"), "{}", finding.reason);
}

#[test]
fn a_verdict_that_fails_is_evidence_against_however_old() {
    let failed = |v: &mut Verdict| {
        v.outcome = verdict::Outcome::Fail;
        v.started = ago(1_000_000);
    };
    assert_eq!(whole(failed), Outcome::NotMet);
}

#[test]
fn a_verdict_about_a_sample_opens_no_gate_but_can_close_one() {
    let seen = |sample: Verdict, whole: Option<Verdict>| {
        let seen = VerdictsSeen { latest: vec![sample], whole };
        after("verdict", |evidence| evidence.verdicts = Ok(seen)).outcome
    };
    let failing = Verdict { outcome: verdict::Outcome::Fail, ..passes(false) };
    assert_eq!(seen(passes(false), None), Outcome::Unknown);
    assert_eq!(seen(passes(false), Some(passes(true))), Outcome::Met);
    assert_eq!(seen(failing, Some(passes(true))), Outcome::NotMet);
}

#[test]
fn lag_above_the_bound_is_evidence_against_and_silence_is_unknown() {
    let lag =
        |lag, lives| after("lag", |e| e.lag = Ok(Some(LagSeen { at: ago(1), lag, lives }))).outcome;
    assert_eq!(lag(Some(Duration::from_secs(2)), true), Outcome::Met);
    assert_eq!(lag(Some(Duration::from_millis(2_001)), true), Outcome::NotMet);
    assert_eq!(lag(None, true), Outcome::Unknown);
    // A live path that died with no lag must not open a gate.
    assert_eq!(lag(Some(Duration::ZERO), false), Outcome::Unknown);
    assert_eq!(after("lag", |e| e.lag = Ok(None)).outcome, Outcome::Unknown);
}

#[test]
fn what_cannot_be_read_is_unknown_and_says_why() {
    let why = || "disk I/O error".to_owned();
    let findings = [
        after("verdict", |e| e.verdicts = Err(why())),
        after("lag", |e| e.lag = Err(why())),
        after("dead letters", |e| e.dead_letters = Err(why())),
        after("mirrored reads", |e| e.mirrored = Err(why())),
        after("rollback", |e| e.rollback_file = Err(why())),
    ];
    for finding in findings {
        assert_eq!(finding.outcome, Outcome::Unknown, "{finding:?}");
        assert!(finding.reason.contains("disk I/O error"), "{finding:?}");
    }
}

#[test]
fn an_open_dead_letter_holds() {
    assert_eq!(after("dead letters", |e| e.dead_letters = Ok(1)).outcome, Outcome::NotMet);
}

#[test]
fn too_few_mirrored_reads_are_unknown_and_too_many_differences_are_evidence_against() {
    let mirror = |same, different, lag, failed| {
        let counts = Counts { same, different, lag, failed, latency: Vec::new() };
        after("mirrored reads", |e| e.mirrored = Ok(counts)).outcome
    };
    assert_eq!(mirror(999, 0, 0, 0), Outcome::Unknown);
    assert_eq!(mirror(990, 0, 10, 0), Outcome::Met);
    assert_eq!(mirror(999, 1, 0, 0), Outcome::Met);
    assert_eq!(mirror(998, 2, 0, 0), Outcome::NotMet);
    assert_eq!(mirror(1_000, 0, 0, 100), Outcome::NotMet);
    assert_eq!(mirror(0, 0, 0, 5_000), Outcome::Unknown);
}

#[test]
fn a_stage_that_has_just_begun_is_too_young() {
    assert_eq!(after("soak", |e| e.record.since = ago(59)).outcome, Outcome::Unknown);
    assert_eq!(after("soak", |e| e.record.since = ago(60)).outcome, Outcome::Met);
    // A clock that was put back must not count as time that went by.
    assert_eq!(after("soak", |e| e.record.since = Timestamp(NOW.0 + 1)).outcome, Outcome::Unknown);
}

#[test]
fn a_latched_rollback_holds_by_the_stage_and_by_the_file() {
    let latch = |e: &mut Evidence| e.record.rolled_back = Some(Rollback::new(signed()));
    assert_eq!(after("rollback", latch).outcome, Outcome::NotMet);
    assert_eq!(after("rollback", |e| e.rollback_file = Ok(true)).outcome, Outcome::NotMet);
}

#[test]
fn a_pause_holds() {
    let held = after("pause", |e| e.record.paused = Some(signed()));
    assert_eq!(held.outcome, Outcome::NotMet);
    assert!(held.reason.contains("ann@host") && held.reason.contains("cutover resume"));
}

#[test]
fn at_off_there_is_nothing_to_mirror_and_nothing_to_soak() {
    let mut evidence = good();
    evidence.record = at(Stage::Off);
    evidence.record.since = NOW;
    evidence.mirrored = Ok(Counts::default());
    let findings = findings(&plan(), &evidence);
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Met), "{findings:?}");
}

#[test]
fn durations_are_said_as_people_say_them() {
    let seconds = [0, 12, 200, 7_500].map(|s| said(Duration::from_secs(s)));
    assert_eq!(seconds, ["0ms", "12s", "3m 20s", "2h 5m"]);
}

#[test]
fn every_change_that_moves_reads_has_a_generation_of_its_own() {
    let record = at(Stage::Off);
    let mirror = Stage::At(StagePlan::Mirror);
    let up = record.clone().changed(Action::Promote, mirror, signed());
    assert_eq!((up.generation, up.number(), up.since), (4, 1, NOW));
    let paused = up.clone().changed(Action::Pause, mirror, signed());
    assert_eq!((paused.generation, paused.number()), (4, 2));
    // A rollback at `off` moves no stage, but it latches.
    let back = record.changed(Action::Rollback, Stage::Off, signed());
    assert_eq!(back.generation, 4);
}
