//! The stage machine: single steps, lost answers, races.

use crate::fixture::{Fixture, MIRROR, put, share};
use crate::tricky_store::{Mood, TrickyStore};
use cutover::{Action, Current, HISTORY, Machine, Rollback, Signed, Stage};
use migration::checkpoint::{CheckpointStore, audit};
use migration::clock::Timestamp;
use migration::error::ErrorKind;
use migration::plan::StagePlan;
use std::sync::Arc;

fn machine(fixture: &Fixture, store: &Arc<TrickyStore>) -> Machine {
    let store = Arc::clone(store) as Arc<dyn CheckpointStore>;
    Machine::new(Arc::new(fixture.plan.clone()), store, "ann@host")
}

/// Thrown on a machine whose clock has just begun.
fn rollback() -> Rollback {
    let who = "bob@host".to_owned();
    Rollback::new(Signed { who, when: Timestamp(7), why: "p99".to_owned() })
}

async fn promoted(machine: &Machine) -> Current {
    let current = machine.current().await.unwrap();
    machine.promote(&current, Vec::new(), None).await.unwrap()
}

#[tokio::test]
async fn promoting_climbs_the_plan_one_stage_at_a_time_and_stops_at_the_top() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let mut climbed = Vec::new();
    for _ in 0..6 {
        let current = promoted(&machine).await;
        climbed.push((current.record.stage, current.record.generation));
    }
    let stages = [
        MIRROR,
        Stage::At(StagePlan::Whitelist),
        share(1),
        share(100),
        share(1_000),
        share(10_000),
    ];
    assert_eq!(climbed, stages.into_iter().zip(1..).collect::<Vec<_>>());
    let current = machine.current().await.unwrap();
    let error = machine.promote(&current, Vec::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let history = machine.history(&current, 0, 100).await.unwrap();
    assert_eq!(history.iter().map(|change| change.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(history.iter().all(|change| change.signed.who == "ann@host"));
}

#[tokio::test]
async fn two_who_promote_at_once_climb_one_stage() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    machine.promote(&current, Vec::new(), None).await.unwrap();
    let error = machine.promote(&current, Vec::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(error.next_step().unwrap().contains("cutover status"));
    assert_eq!(machine.current().await.unwrap().record.stage, MIRROR);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_looked_up_and_not_made_again() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    store.be(Mood::LosesAnswers);
    let after = machine.promote(&current, Vec::new(), None).await.unwrap();
    assert_eq!((after.record.stage, after.record.generation), (MIRROR, 1));
    store.be(Mood::Works);
    assert_eq!(machine.current().await.unwrap().record, after.record);
    assert_eq!(store.log_end(HISTORY).await.unwrap(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_seen_afterwards_has_an_unknown_outcome() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    store.be(Mood::LosesPuts);
    let error = machine.promote(&current, Vec::new(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    assert_eq!(error.next_step(), Some("outcome unknown, run `cutover status` before retrying"));
}

#[tokio::test]
async fn a_line_that_the_history_lacks_is_written_before_the_next_change() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    store.be(Mood::FailsToAppend);
    let after = machine.promote(&current, vec!["why".to_owned()], None).await.unwrap();
    assert_eq!(store.log_end(HISTORY).await.unwrap(), 0);
    let shown = machine.history(&after, 0, 10).await.unwrap();
    assert_eq!(shown.len(), 1, "the entry itself has it");
    // As long as it cannot be written, nothing else is changed: no change goes without its line.
    assert!(machine.promote(&after, Vec::new(), None).await.is_err());
    assert_eq!(machine.current().await.unwrap().record.stage, MIRROR);
    store.be(Mood::Works);
    promoted(&machine).await;
    let history = machine.history(&machine.current().await.unwrap(), 0, 10).await.unwrap();
    assert_eq!(history.iter().map(|change| change.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(history[0].evidence, ["why"]);
}

/// The numbers of the changes in the history.
async fn numbers(machine: &Machine) -> Vec<u64> {
    let current = machine.current().await.unwrap();
    let history = machine.history(&current, 0, 1_000).await.unwrap();
    history.iter().map(|change| change.number).collect()
}

#[tokio::test]
async fn a_rollback_is_latched_while_the_history_cannot_be_written_and_no_line_is_lost() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    store.be(Mood::FailsToAppend);
    let mut current = machine.promote(&current, Vec::new(), None).await.unwrap();
    for number in [2, 3] {
        let thrown = rollback();
        current = machine.record_rollback(&current, &thrown).await.unwrap();
        assert!(machine.current().await.unwrap().record.is_latched_by(&thrown.id));
        assert_eq!(current.record.number(), number);
    }
    assert_eq!(store.log_end(HISTORY).await.unwrap(), 0);
    assert_eq!(numbers(&machine).await, [1, 2, 3], "the entry has what the history lacks");
    store.be(Mood::Works);
    let ready = machine.retry(&current, &[], "mended").await.unwrap();
    assert_eq!(ready.record.unsettled, []);
    assert_eq!(store.log_end(HISTORY).await.unwrap(), 4);
    assert_eq!(numbers(&machine).await, [1, 2, 3, 4]);
    assert_eq!(audit::end(&*store).await.unwrap(), 4);
}

#[tokio::test]
async fn a_rollback_is_latched_after_the_history_lost_its_tail() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let mut record = fixture.at(MIRROR);
    record.last.as_mut().unwrap().number = 7;
    put(&*store, &record).await;
    let current = machine.current().await.unwrap();
    let error = machine.abort(&current, "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    let back = machine.record_rollback(&current, &rollback()).await.unwrap();
    assert!(back.record.state().rolled_back);
    assert_eq!(numbers(&machine).await, [7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_latched_while_the_history_does_not_answer() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = promoted(&machine).await;
    store.be(Mood::HangsOnLogs);
    machine.record_rollback(&current, &rollback()).await.unwrap();
    assert!(machine.current().await.unwrap().record.state().rolled_back);
}

#[tokio::test]
async fn the_entry_stays_small_however_often_the_switch_is_thrown_without_a_history() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let mut current = promoted(&machine).await;
    store.be(Mood::FailsToAppend);
    for _ in 0..200 {
        let thrown = rollback();
        current = machine.record_rollback(&current, &thrown).await.unwrap();
        assert!(current.record.is_latched_by(&thrown.id));
    }
    assert!(current.record.unsettled.len() < 100);
    store.be(Mood::Works);
    current = machine.record_rollback(&current, &rollback()).await.unwrap();
    assert_eq!(current.record.unsettled, []);
    let written = store.log_end(HISTORY).await.unwrap();
    assert_eq!(numbers(&machine).await, (1..=written).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rollback_latches_until_retry_and_the_climb_begins_again_at_the_bottom() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    promoted(&machine).await;
    let current = promoted(&machine).await;
    let thrown = rollback();
    let back = machine.record_rollback(&current, &thrown).await.unwrap();
    assert_eq!((back.record.stage, back.record.generation), (Stage::Off, 3));
    assert!(back.record.state().rolled_back);
    for overridden in [None, Some("I know better")] {
        let error = machine.promote(&back, Vec::new(), overridden).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.next_step().unwrap().contains("cutover retry"));
    }
    assert_eq!(machine.abort(&back, "x").await.unwrap_err().kind(), ErrorKind::Refused);
    let again = machine.record_rollback(&back, &thrown).await.unwrap();
    assert_eq!(again.record, back.record, "to record it again changes nothing");
    let ready = machine.retry(&back, &[], "mended").await.unwrap();
    assert!(!ready.record.state().rolled_back && ready.record.stage == Stage::Off);
    assert_eq!(promoted(&machine).await.record.stage, MIRROR);
}

#[tokio::test]
async fn a_rollback_that_is_thrown_while_another_is_ended_fences_that_end() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let (first, second) = (rollback(), rollback());
    let current = promoted(&machine).await;
    let back = machine.record_rollback(&current, &first).await.unwrap();
    let again = machine.record_rollback(&back, &second).await.unwrap();
    let error = machine.retry(&back, &[], "mended").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    let latched = machine.current().await.unwrap().record;
    assert!(latched.is_latched_by(&second.id) && latched.has_ended(&first.id));
    let ready = machine.retry(&again, &[], "both mended").await.unwrap().record;
    assert!(ready.has_ended(&first.id) && ready.has_ended(&second.id));
}

#[tokio::test]
async fn a_rollback_is_over_when_it_was_ended_whatever_the_clocks_say() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let (first, hand_made) = (rollback(), rollback());
    let current = promoted(&machine).await;
    let back = machine.record_rollback(&current, &first).await.unwrap();
    let files = [hand_made.clone()];
    let ready = machine.retry(&back, &files, "mended").await.unwrap();
    assert!(ready.record.has_ended(&first.id) && ready.record.has_ended(&hand_made.id));
    let slow = rollback();
    assert!(!ready.record.has_ended(&slow.id), "thrown later, by a clock that is behind");
    // However many there were, the last ones are remembered and the entry stays small.
    let mut current = ready;
    for _ in 0..100 {
        current = machine.record_rollback(&current, &slow).await.unwrap();
        current = machine.retry(&current, &[rollback()], "mended").await.unwrap();
    }
    assert!(current.record.has_ended(&slow.id) && !current.record.has_ended(&first.id));
    assert!(current.record.ended.len() < 100);
}

#[tokio::test]
async fn a_pause_holds_an_override_too_and_leaves_reads_alone() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = promoted(&machine).await;
    let paused = machine.pause(&current, true, "weekend").await.unwrap();
    assert_eq!(paused.record.state(), current.record.state());
    assert_eq!(machine.pause(&paused, true, "again").await.unwrap().record, paused.record);
    let error = machine.promote(&paused, Vec::new(), Some("now")).await.unwrap_err();
    assert!(error.next_step().unwrap().contains("cutover resume"));
    let resumed = machine.pause(&paused, false, "monday").await.unwrap();
    assert!(machine.promote(&resumed, Vec::new(), None).await.is_ok());
}

#[tokio::test]
async fn an_override_is_told_apart_in_the_history() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let current = machine.current().await.unwrap();
    let gate = vec!["verdict: none yet".to_owned()];
    let after = machine.promote(&current, gate.clone(), Some("drill")).await.unwrap();
    let change = machine.history(&after, 0, 1).await.unwrap().remove(0);
    assert_eq!((change.action, change.signed.why.as_str()), (Action::Override, "drill"));
    assert_eq!(change.evidence, gate);
}

#[tokio::test]
async fn whitelist_changes_keep_the_generation_and_are_recorded_once() {
    let (fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    let machine = machine(&fixture, &store);
    let keys = ["user-1".to_owned(), "user-2".to_owned()];
    let mut current = promoted(&machine).await;
    for _ in 0..2 {
        current = machine.whitelist(&current, Action::WhitelistAdd, &keys).await.unwrap();
    }
    assert_eq!((current.record.whitelist.len(), current.record.generation), (2, 1));
    let current = machine.whitelist(&current, Action::WhitelistRemove, &keys[..1]).await.unwrap();
    assert_eq!(current.record.whitelist.first().map(String::as_str), Some("user-2"));
    assert_eq!(current.record.number(), 3);
}

#[tokio::test]
async fn another_flag_in_the_plan_is_refused() {
    let (mut fixture, store) = (Fixture::new(), Arc::new(TrickyStore::new()));
    put(&*store, &fixture.at(MIRROR)).await;
    fixture.plan.cutover.flag = "users.read".to_owned();
    let error = machine(&fixture, &store).current().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("orders.read"));
}
