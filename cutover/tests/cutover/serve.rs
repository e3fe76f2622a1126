//! `cutover serve`, over HTTP.

use crate::fixture::{Fixture, put, share, stage, wait_until};
use crate::program::{Program, get};
use cutover::{Rollback, RollbackFile, Signed};
use migration::clock::Timestamp;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_serves_health_and_the_state_of_the_switch_and_records_a_rollback_by_hand() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    put(&store, &fixture.at(share(1_000))).await;
    let mut running = Program::new(&fixture).start(&["serve", "--listen", "127.0.0.1:0"]);
    let address = running.said("address=");
    assert!(get(&address, "/livez").0.contains("200"));
    wait_until(SOON, || get(&address, "/readyz").0.contains("200"));
    let metrics = get(&address, "/metrics").1;
    for line in [
        "midflight_cutover_weight_ratio 0.1",
        "midflight_cutover_rolled_back 0",
        "midflight_cutover_stage{stage=\"10%\"} 1",
        "midflight_cutover_stage{stage=\"100%\"} 0",
        "midflight_cutover_gate_condition{condition=\"verdict\"} 0",
        "midflight_cutover_readers 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}: {metrics}");
    }
    // The switch was thrown by hand, or while the store was down.
    std::fs::write(fixture.rollback_file(), "").unwrap();
    let is_thrown = || get(&address, "/metrics").1.contains("midflight_cutover_rolled_back 1");
    wait_until(SOON, is_thrown);
    let mut record = stage(&store).await;
    while record.rolled_back.is_none() {
        record = stage(&store).await;
    }
    assert_eq!(record.stage.to_string(), "off");
    assert_eq!(running.terminate(), Some(0));
}

#[tokio::test]
async fn it_records_what_is_thrown_after_a_retry_by_a_clock_that_is_behind() {
    let fixture = Fixture::new();
    let store = fixture.store().await;
    put(&store, &fixture.at(share(1_000))).await;
    let program = Program::new(&fixture);
    assert_eq!(program.run(&["rollback"]).code, 0);
    assert_eq!(program.run(&["retry", "--yes"]).code, 0);
    let signed = Signed { who: "t".to_owned(), when: Timestamp(7), why: "p99".to_owned() };
    let rollback = Rollback::new(signed);
    RollbackFile::new(fixture.rollback_file()).throw(&rollback).await.unwrap();
    let mut running = program.start(&["serve", "--listen", "127.0.0.1:0"]);
    running.said("recorded a rollback");
    assert!(stage(&store).await.is_latched_by(&rollback.id));
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn without_an_address_it_says_how_to_give_one() {
    let ran = Program::new(&Fixture::new()).run(&["serve"]);
    assert_ne!(ran.code, 0);
}
