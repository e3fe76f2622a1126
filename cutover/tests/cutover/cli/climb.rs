//! The climb from stage to stage, as an operator types it.

use super::{begun, easy, stage_of};
use crate::fixture::MIRROR;
use cutover::Stage;
use serde_json::json;

#[tokio::test]
async fn a_gate_without_evidence_is_inconclusive_and_nothing_is_promoted() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    let gate = program.run(&["gate"]);
    assert_eq!(gate.code, 4, "{gate:?}");
    assert!(gate.stdout.contains("verify run") && gate.stdout.contains("dual-write run"));
    assert_eq!(program.run(&["promote"]).code, 4);
    assert_eq!(stage_of(&store).await.stage, Stage::Off);
}

#[tokio::test]
async fn a_gate_with_evidence_against_it_says_so_and_how_to_go_on() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 7).await;
    fixture.lag(&store, 5).await;
    let promoted = program.run(&["promote"]);
    assert_eq!(promoted.code, 3, "{promoted:?}");
    assert!(promoted.stdout.contains("fails: 7 differing"), "{promoted:?}");
}

#[tokio::test]
async fn the_climb_stops_where_the_evidence_ends_and_goes_on_when_it_is_there() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    assert_eq!(program.run(&["promote"]).code, 0);
    let full = program.run(&["promote", "--full", "-o", "json"]);
    assert_eq!(full.code, 4, "no read was mirrored yet: {full:?}");
    assert_eq!(full.json()["gate"]["findings"][5]["outcome"], "unknown");
    fixture.mirrored(&store, stage_of(&store).await.generation, 10).await;
    let one = program.run(&["promote"]);
    assert_eq!(one.code, 0, "{one:?}");
    assert_eq!(stage_of(&store).await.stage.to_string(), "whitelist");
    let whitelist = stage_of(&store).await.generation;
    fixture.mirrored(&store, whitelist, 10).await;
    assert_eq!(program.run(&["promote"]).code, 0);
    let kept = migration::checkpoint::list_all(&store, "mirror/").await.unwrap();
    let last = cutover::mirror_key(whitelist, "r");
    assert_eq!(kept, [last], "those of the stage before the last are gone");
    let history = program.run(&["history", "-o", "json"]).json();
    let climbed: Vec<_> =
        history["changes"].as_array().unwrap().iter().map(|c| c["to"].clone()).collect();
    assert_eq!(climbed, ["off", "mirror", "whitelist", "0.01%"].map(serde_json::Value::from));
    assert!(history["changes"][2]["evidence"].as_array().unwrap().len() > 3);
}

#[tokio::test]
async fn a_climb_to_a_named_stage_may_be_said_again() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    for _ in 0..2 {
        let ran = program.run(&["promote", "--to", "mirror"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(stage_of(&store).await.stage, MIRROR);
    }
    let beyond = program.run(&["promote", "--to", "1%"]);
    assert_eq!(beyond.code, 4, "no read was mirrored yet: {beyond:?}");
    let unknown = program.run(&["promote", "--to", "2%"]);
    assert_eq!(unknown.code, 7);
    assert!(unknown.stderr.contains("mirror, whitelist, 0.01%"), "{unknown:?}");
}

#[tokio::test]
async fn a_promotion_that_waits_ends_at_its_timeout() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, Stage::Off).await;
    let ran = program.run(&["promote", "--wait", "--timeout", "1500ms"]);
    assert_eq!(ran.code, 6, "{ran:?}");
}

#[tokio::test]
async fn a_promotion_that_is_told_to_stop_while_it_waits_has_not_arrived_and_says_so() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    let mut running = program.start(&["promote", "--wait", "-o", "ndjson"]);
    running.said("the gate is not met");
    let (code, printed) = running.terminate_and_read();
    assert_eq!(code, Some(4), "{printed}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&printed["stopped"], &printed["steps"]), (&json!(true), &json!([])));
    assert_eq!(stage_of(&store).await.stage, Stage::Off);
}

#[tokio::test]
async fn a_promotion_that_waits_outlives_a_store_that_is_busy() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    // The history is written up to here before the store is locked.
    assert_eq!(program.run(&["whitelist", "add", "a"]).code, 0);
    let lock = crate::fixture::lock(&fixture.checkpoint()).await;
    let mut running = program.start(&["promote", "--wait", "--to", "mirror"]);
    running.said("looking again");
    drop(lock);
    // However long it stood before the lock, the live path has reported since.
    fixture.lag(&store, 5).await;
    assert_eq!(running.wait(), Some(0));
    assert_eq!(stage_of(&store).await.stage, MIRROR);
}

#[tokio::test]
async fn an_override_climbs_without_evidence_and_is_recorded() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    assert_eq!(program.run(&["promote", "--override", "drill"]).code, 0);
    assert_eq!(stage_of(&store).await.stage, MIRROR);
    let history = program.run(&["history", "-o", "json"]).json();
    assert_eq!(history["changes"][1]["action"], "override");
    assert_eq!(history["changes"][1]["why"], "drill");
}
