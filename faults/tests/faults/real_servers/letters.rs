//! Dead letters of a topic: where they lie, and that a replay brings nothing back that was
//! overtaken.

use super::flying::{Flying, directions};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_brings_neither_an_older_change_nor_a_deleted_record_back() {
    for direction in directions(117) {
        let (flying, live) = Flying::live(direction).await;
        let flight = &flying.flight;
        // What the target cannot hold for a while is passed.
        flying.resize(20).await;
        for dependent in ["overtaken", "gone", "missing"] {
            flight.application.put("lib1", dependent, Some(&"l".repeat(60))).await;
        }
        // (No command but the live path runs until they are wide.)
        flying.change(5).await;
        flying.until_missing(3).await;
        flying.resize(99).await;
        flight.application.put("lib1", "overtaken", Some("short")).await;
        flight.application.delete("lib1", "gone").await;
        flight.carried().await;
        flight.bed.wait_until_applied();
        drop(live.drain().ok());

        for letter in flight.topic().dead_letters() {
            assert_eq!(letter.says("stage"), "TASK_PUT", "the target refused it: {letter:?}");
        }
        let records: BTreeMap<String, String> = flying
            .letters()
            .iter()
            .map(|letter| {
                let text = |name: &str| letter[name].as_str().unwrap().to_owned();
                (text("id"), text("record"))
            })
            .collect();
        assert_eq!(records.len(), 3, "{records:?}");
        let replay = ["dlq", "replay", "--all", "-o", "json"];
        let replayed = flight.bed.run("dual-write", &replay).json();
        for outcome in replayed["letters"].as_array().unwrap() {
            let record = &records[outcome["id"].as_str().unwrap()];
            let expected = if record.contains("missing") { "repaired" } else { "overtaken" };
            assert_eq!(outcome["replayed"], expected, "{record}");
        }
        assert_eq!(flying.letters().len(), 0);
        flight.is_the_same().await;
        flying.ends_well().await;
    }
}
