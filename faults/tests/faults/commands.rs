//! Every command of the real programs that looks or prints, and what a script may rely on in it.

use faults::{Bed, Ran, Running, differences};
use serde_json::Value;
use sqlx::{Connection, Executor as _, Row};
use std::time::{Duration, Instant};

const ROWS: u64 = 600;

const PROGRAMS: [&str; 4] = ["dual-write", "backfill", "verify", "cutover"];

/// Longest wait for a phase to get somewhere.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A row that cannot be decoded, of a record that can be named.
const HALF_A_ROW: &str = r#"{"package":"lib001","dependent":"package-00001"}"#;

/// Another that cannot even be named.
const NO_ROW: &str = r#"["lib001"]"#;

/// The first column of what a query finds.
async fn texts(bed: &Bed, database: &str, select: &'static str) -> Vec<String> {
    let mut connection = bed.open(database).await;
    let rows = sqlx::query(select).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn tables(bed: &Bed, database: &str) -> Vec<String> {
    texts(bed, database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await
}

/// The audit log, as text.
async fn audit(bed: &Bed) -> String {
    let lines = "SELECT CAST(value AS TEXT) FROM log WHERE log = 'audit' ORDER BY number";
    texts(bed, "checkpoint.db", lines).await.join("\n")
}

/// A migration that has copied everything, with two dead letters, and a verdict.
async fn flown() -> Bed {
    let mut bed = Bed::new(ROWS, 21).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.emit_raw("upsert", HALF_A_ROW).await;
    bed.emit_raw("upsert", NO_ROW).await;
    bed.change(60).await;
    bed.finish();
    drop(bed.run("verify", &["run"]).ok());
    bed
}

#[tokio::test]
async fn the_statements_that_check_prints_are_all_that_the_set_up_creates() {
    let bed = Bed::new(ROWS, 21).await;
    let printed = bed.run("dual-write", &["check", "--print-ddl", "-o", "json"]).json();
    for program in PROGRAMS {
        let text = bed.run(program, &["check", "--print-ddl"]).ok();
        assert!(text.contains("-- on source\n") && text.contains("-- on target shard-1\n"));
        assert!(text.contains("midflight_outbox_mark"), "{program}: {text}");
    }
    for place in printed["places"].as_array().unwrap() {
        let name = place["place"].as_str().unwrap();
        let database = format!("{}.db", name.trim_start_matches("target "));
        for statement in place["statements"].as_array().unwrap() {
            bed.execute(&database, statement.as_str().unwrap()).await;
        }
    }
    let databases = ["source.db", "shard-0.db", "shard-1.db"];
    let mut before = Vec::new();
    for database in databases {
        before.push(tables(&bed, database).await);
    }
    drop(bed.run("dual-write", &["set-up"]).ok());
    for (database, before) in databases.iter().zip(before) {
        assert_eq!(tables(&bed, database).await, before, "{database}");
    }
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

/// What is wrong with a value as a part of a result, by the rules that scripts rely on.
fn breach(path: &str, value: &Value) -> Option<String> {
    let is_big = |number: &serde_json::Number| {
        // Microseconds since 1970, or what a reader that holds numbers as doubles would round.
        number.as_i64().is_some_and(|n| n.unsigned_abs() > 100_000_000_000_000)
            || number.as_u64().is_some_and(|n| n > 100_000_000_000_000)
    };
    match value {
        Value::Number(number) if is_big(number) => Some(format!("{path}: {number}")),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_internal = name == "birth" || name == "owner" || name.ends_with("_ms");
            let path = format!("{path}.{name}");
            if is_internal { Some(path) } else { breach(&path, value) }
        }),
        Value::Array(items) => items.iter().find_map(|item| breach(path, item)),
        _ => None,
    }
}

#[tokio::test]
async fn every_result_is_one_document_with_a_version_times_in_words_and_no_number_too_long() {
    let bed = flown().await;
    drop(bed.run("cutover", &["promote", "--override", "a test"]).ok());
    drop(bed.run("cutover", &["whitelist", "add", "lib001"]).ok());
    let id =
        bed.run("dual-write", &["dlq", "list", "-o", "json"]).json()["letters"][0]["id"].clone();
    let commands: [(&str, &[&str]); 30] = [
        ("dual-write", &["check"]),
        ("dual-write", &["status"]),
        ("dual-write", &["set-up"]),
        ("dual-write", &["run", "--until-drained"]),
        ("dual-write", &["dlq", "list", "--all"]),
        ("dual-write", &["dlq", "show", id.as_str().unwrap()]),
        ("dual-write", &["explain"]),
        ("dual-write", &["pause"]),
        ("dual-write", &["version"]),
        ("dual-write", &["cleanup"]),
        ("backfill", &["check"]),
        ("backfill", &["plan"]),
        ("backfill", &["run"]),
        ("backfill", &["status"]),
        ("backfill", &["get"]),
        ("backfill", &["set", "workers=3"]),
        ("backfill", &["locks", "list"]),
        ("backfill", &["cleanup"]),
        ("verify", &["check"]),
        ("verify", &["status"]),
        ("verify", &["list"]),
        ("verify", &["show"]),
        ("verify", &["gate"]),
        ("verify", &["repair"]),
        ("verify", &["cleanup"]),
        ("cutover", &["status"]),
        ("cutover", &["evaluate", "--key", "lib001"]),
        ("cutover", &["history"]),
        ("cutover", &["whitelist", "list"]),
        ("cutover", &["cleanup"]),
    ];
    for (program, words) in commands {
        let ran = bed.run(program, &[words, &["-o", "json"]].concat());
        let document: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| unreachable!("{program} {words:?}: {error}: {ran:?}"));
        assert_eq!(document["schema_version"], 1, "{program} {words:?}: {document}");
        assert_eq!(breach("", &document), None, "{program} {words:?}: {document}");
        let lines = bed.run(program, &[words, &["-o", "ndjson"]].concat()).stdout;
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["schema_version"], 1, "{program} {words:?}: {line}");
        }
        assert!(!bed.run(program, words).stdout.trim().is_empty(), "{program} {words:?}");
    }
}

#[tokio::test]
async fn a_plan_shows_what_would_be_copied_and_get_what_was_set() {
    let bed = flown().await;
    let plan = bed.run("backfill", &["plan", "-o", "json"]).json();
    assert_eq!(plan["tables"][0]["ranges_done"], plan["tables"][0]["ranges"], "{plan}");
    assert_eq!((&plan["workers"], &plan["batch_rows_max"]), (&2.into(), &50.into()));
    assert_eq!(plan["rate"], 10_000, "as nobody wrote one: {plan}");
    assert!(plan["lock_lease_s"].as_f64().unwrap() > 0.0, "{plan}");
    let said = bed.run("backfill", &["set", "rate=500", "workers=3", "--reason", "night"]).ok();
    assert!(said.contains("500/s") && said.contains("3, from the next start"), "{said}");
    let got = bed.run("backfill", &["get", "-o", "json"]).json();
    let of = |name: &str| {
        let settings = got["settings"].as_array().unwrap();
        settings.iter().find(|set| set["setting"] == name).unwrap().clone()
    };
    assert_eq!((&of("workers")["value"], &of("workers")["why"]), (&"3".into(), &"night".into()));
    assert_eq!(of("batch-rows")["value"], "as planned");
}

#[tokio::test]
async fn a_setting_without_effect_is_refused_and_a_flag_counts_more_than_a_setting() {
    let bed = flown().await;
    for setting in ["workers=2", "batch-rows=5"] {
        let said = bed.run("verify", &["set", setting]).refused(2);
        assert!(said.contains("settings of verify are rate=2000"), "{said}");
    }
    drop(bed.run("backfill", &["set", "workers=3"]).ok());
    let ran = bed.run("backfill", &["run", "--workers", "1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("--workers counts here"), "{ran:?}");
}

#[tokio::test]
async fn claims_and_locks_are_listed_and_broken_and_the_copy_loses_nothing() {
    let mut bed = Bed::new(ROWS, 22).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    drop(bed.run("backfill", &["set", "rate=50"]).ok());
    let running = bed.start("backfill", &["run"]);
    let begun = Instant::now();
    let listed = loop {
        let listed = bed.run("backfill", &["locks", "list", "-o", "json"]).json();
        if !listed["ranges"].as_array().unwrap().is_empty() {
            break listed;
        }
        assert!(begun.elapsed() < WAIT_MAX, "{listed}");
    };
    let holder = &listed["ranges"][0]["process"];
    assert_eq!(holder["program"], "backfill");
    assert!(holder["started"].as_str().unwrap().ends_with('Z'), "{listed}");
    assert_eq!(breach("", &listed), None, "{listed}");
    drop(bed.run("backfill", &["locks", "break"]).refused(7));
    drop(bed.run("backfill", &["locks", "break", "--yes"]).ok());
    assert!(audit(&bed).await.contains("claims on ranges"));
    bed.change(40).await;
    drop(bed.run("backfill", &["set", "rate=unlimited"]).ok());
    drop(running.wait());
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn explain_says_what_a_message_would_write_and_writes_nothing() {
    let mut bed = Bed::new(ROWS, 23).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.change(5).await;
    let before = bed.run("dual-write", &["status", "-o", "json"]).json()["positions"].clone();
    let next = bed.run("dual-write", &["explain", "-n", "2", "-o", "json"]).json();
    assert_eq!(next["messages"].as_array().unwrap().len(), 2, "{next}");
    let row =
        r#"{"table_name":"followers","op":"delete","payload":{"package":"a","dependent":"b"}}"#;
    std::fs::write(bed.path("message.json"), row).unwrap();
    let one = bed.run("dual-write", &["explain", "--file", "message.json", "-o", "json"]).json();
    let writes = one["messages"][0]["writes"].as_array().unwrap();
    let tables: Vec<_> = writes.iter().map(|write| write["table"].as_str().unwrap()).collect();
    assert!(tables.contains(&"follows") && tables.contains(&"follower_of"), "{one}");
    std::fs::write(bed.path("message.json"), row.replace("delete", "explode")).unwrap();
    let ran = bed.run("dual-write", &["explain", "--file", "message.json"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("a dead letter"), "{ran:?}");
    std::fs::write(bed.path("message.json"), "{").unwrap();
    let said = bed.run("dual-write", &["explain", "--file", "message.json"]).refused(2);
    assert!(said.contains("table_name"), "{said}");
    let after = bed.run("dual-write", &["status", "-o", "json"]).json()["positions"].clone();
    let place = |positions: &Value| positions[0]["next"].clone();
    assert_eq!(place(&after), place(&before));
}

#[tokio::test]
async fn dead_letters_are_replayed_or_dropped_on_the_record_and_then_guards_are_purged() {
    let bed = flown().await;
    let said = bed.run("dual-write", &["purge", "--yes"]).refused(7);
    assert!(said.contains("dual-write dlq list"), "{said}");
    let replayed = bed.run("dual-write", &["dlq", "replay", "--all", "--reason", "mended"]);
    assert_eq!(replayed.code, Some(3), "one of them names no record: {replayed:?}");
    drop(bed.run("dual-write", &["dlq", "drop", "--all"]).refused(7));
    drop(bed.run("dual-write", &["dlq", "drop", "--all", "--yes", "--reason", "noise"]).ok());
    let all = bed.run("dual-write", &["dlq", "list", "--all", "-o", "json"]).json();
    let mut fates: Vec<_> =
        all["letters"].as_array().unwrap().iter().map(|l| l["fate"].to_string()).collect();
    fates.sort();
    assert_eq!(fates, [r#""dropped""#, r#""replayed""#]);
    let audit = audit(&bed).await;
    for line in ["replay dead letter", "mended", "drop dead letter", "noise"] {
        assert!(audit.contains(line), "no {line} in {audit}");
    }
    drop(bed.run("dual-write", &["purge"]).refused(7));
    let purged = bed.run("dual-write", &["purge", "--yes", "-o", "json"]).json();
    assert!(purged["tables"][0]["removed"].as_u64() > Some(0), "{purged}");
    let again = bed.run("dual-write", &["purge", "--yes", "-o", "json"]).json();
    assert_eq!(again["tables"][0]["removed"], 0);
    drop(bed.run("verify", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_repair_is_on_the_record_and_differences_are_lines() {
    let bed = flown().await;
    bed.execute("shard-0.db", "DELETE FROM follows WHERE rowid % 2 = 0").await;
    drop(bed.run("verify", &["run"]).refused(3));
    for form in [&["-o", "json"][..], &["-o", "table"], &[]] {
        let lines = bed.run("verify", &[&["diff", "--limit", "3"], form].concat()).ok();
        assert_eq!(lines.lines().count(), 3, "{lines}");
        for line in lines.lines() {
            assert_eq!(serde_json::from_str::<Value>(line).unwrap()["schema_version"], 1);
        }
    }
    drop(bed.run("verify", &["repair"]).ok());
    assert!(!audit(&bed).await.contains("verify: repair"), "it only looked");
    drop(bed.run("verify", &["repair", "--execute", "--reason", "by hand"]).ok());
    let audit = audit(&bed).await;
    assert!(audit.contains("verify: repair") && audit.contains("by hand"), "{audit}");
    assert_eq!(differences(&bed).await, []);
}

/// Has a command that stands still get a signal to stop, and go on into a shard that somebody else
/// is writing to until it has learned of the signal.
async fn told_to_stop(bed: &Bed, mut frozen: Running, shard: &str) -> Ran {
    frozen.frozen();
    let mut writer = bed.open(shard).await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    frozen.signal("TERM");
    frozen.signal("CONT");
    frozen.until_it_says("draining; a second signal");
    writer.execute("ROLLBACK").await.unwrap();
    frozen.wait()
}

#[tokio::test]
async fn a_purge_that_is_told_to_stop_stops_and_says_so() {
    let bed = flown().await;
    drop(bed.run("dual-write", &["dlq", "drop", "--all", "--yes", "--reason", "noise"]).ok());
    let purge = ["purge", "--yes", "-o", "json"];
    let frozen = bed.start_with("stop:target.purge.committed@1", "dual-write", &purge);
    let ran = told_to_stop(&bed, frozen, "shard-1.db").await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    let removed = |said: &Value| said["tables"][0]["removed"].as_u64().unwrap();
    assert_eq!(said["stopped"], true, "{said}");
    let rest = bed.run("dual-write", &purge).json();
    assert!(removed(&rest) > 0, "the first had done everything: {said}, {rest}");
    assert_eq!(rest["stopped"], false, "{rest}");
}

#[tokio::test]
async fn a_repair_that_is_told_to_stop_stops_and_the_next_one_finishes_it() {
    let bed = flown().await;
    bed.execute("shard-0.db", "DELETE FROM follows WHERE rowid % 2 = 0").await;
    drop(bed.run("verify", &["run"]).refused(3));
    let repair = ["repair", "--execute", "-o", "json"];
    let mut frozen = bed.start_with("stop:repair.leased@1", "verify", &repair);
    frozen.frozen();
    let mut writer = bed.open("shard-0.db").await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    frozen.signal("TERM");
    frozen.signal("CONT");
    // It does not wait for the shard.
    let ran = frozen.wait();
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&said["stopped"], &said["written"]), (&true.into(), &0.into()), "{said}");
    writer.execute("ROLLBACK").await.unwrap();
    let rest = bed.run("verify", &repair).json();
    assert_eq!(rest["stopped"], false, "{rest}");
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn the_gate_takes_no_verdict_about_a_sample_or_another_plan_for_one_about_everything() {
    let bed = flown().await;
    drop(bed.run("verify", &["gate"]).ok());
    for wrong in ["2", "1e6", "many"] {
        let said = bed.run("verify", &["gate", "--max-mismatch-rate", wrong]).refused(2);
        assert!(said.contains("from 0 to 1"), "{said}");
    }
    drop(bed.run("verify", &["gate", "--max-mismatch-rate", "1e-3"]).ok());
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let changed = plan.replace(r#"requirement = "constraint""#, r#"requirement = "section""#);
    std::fs::write(bed.path("migration.toml"), changed).unwrap();
    let ran = bed.run("verify", &["gate"]);
    assert!(ran.code == Some(4) && ran.stdout.contains("another plan"), "{ran:?}");
    std::fs::write(bed.path("migration.toml"), plan).unwrap();
    drop(bed.run("backfill", &["run", "--sample", "50%"]).ok());
    drop(bed.run("verify", &["run", "--sample-of-backfill"]).ok());
    let ran = bed.run("verify", &["gate"]);
    assert!(ran.code == Some(4) && ran.stdout.contains("--accept-sample"), "{ran:?}");
    drop(bed.run("verify", &["gate", "--accept-sample"]).ok());
}

#[tokio::test]
async fn every_program_has_a_manual_completions_and_a_schema_of_the_plan() {
    let bed = Bed::new(1, 24).await;
    let pages = [
        ("dual-write", "dual\\-write\\-dlq\\-replay", "dual-write-dlq-replay.1"),
        ("backfill", "backfill\\-locks\\-break", "backfill-locks-break.1"),
        ("verify", "verify\\-repair", "verify-repair.1"),
        ("cutover", "cutover\\-whitelist\\-add", "cutover-whitelist-add.1"),
    ];
    for (program, page, file) in pages {
        let manual = bed.run(program, &["man"]).ok();
        assert!(manual.contains(page), "{program}: no page {page}");
        let folder = bed.path(program);
        std::fs::create_dir(&folder).unwrap();
        drop(bed.run(program, &["man", "--into", program]).ok());
        assert!(folder.join(file).is_file(), "{program}: no {file}");
        for shell in ["bash", "zsh", "fish"] {
            assert!(bed.run(program, &["completions", shell]).ok().contains(program));
        }
        let schema = bed.run(program, &["config-schema"]).json();
        assert!(schema["properties"]["table"].is_object(), "{schema}");
        assert!(bed.run(program, &["explain-config"]).ok().contains("backfill.workers = 2"));
    }
}
