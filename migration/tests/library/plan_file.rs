//! What a plan file says, and what is said about a plan file that is wrong.

use migration::checkpoint::desired::Rate;
use migration::error::{Chain, Error, ErrorKind};
use migration::layout::{ShardBound, ShardFunction};
use migration::plan::{Bucketing, Engine, Order, Plan, StagePlan, json_schema};
use migration::value::ColumnType;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

const GOOD: &str = include_str!("../plan/good.toml");
const DIR: &str = "/srv/flight";

fn parse(text: &str) -> Result<Plan, Error> {
    Plan::parse(text, Path::new(DIR))
}

/// The good plan with one piece of its text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good plan does not hold {from:?}");
    GOOD.replacen(from, to, 1)
}

fn sqlite(path: &str) -> Engine {
    Engine::Sqlite { path: PathBuf::from(path) }
}

#[test]
fn a_plan_is_what_was_written_and_a_default_for_everything_else() {
    let plan = parse(GOOD).unwrap();

    assert_eq!(plan.id, "first-flight");
    assert_eq!(plan.order, Order::DoubleWriteFirst);
    assert_eq!(plan.source.engine, sqlite("/srv/flight/service.db"));
    assert_eq!(plan.source.epoch, 0);
    let targets: Vec<&str> = plan.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["shard-0", "shard-1"]);
    assert_eq!(plan.targets[1].engine, sqlite("/srv/flight/shard-1.db"));
    assert_eq!(plan.checkpoint, sqlite("/var/lib/checkpoint.db"));
    assert_eq!(plan.lock.wait, Duration::from_millis(50));
    assert_eq!(plan.lock.lease, Duration::from_secs(10));

    let table = &plan.tables[0];
    assert_eq!(table.entity, ["package"]);
    assert_eq!(table.types, [("installed_kib".to_owned(), ColumnType::Int)]);
    let columns: Vec<(&str, &str, Option<ColumnType>)> = table.into[0]
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.from.as_str(), column.column_type))
        .collect();
    // In the order of the file, which is neither the alphabet's nor the source's.
    assert_eq!(
        columns,
        [
            ("followed", "package", None),
            ("follower", "dependent", None),
            ("requirement", "constraint", None),
            ("size_kib", "installed_kib", Some(ColumnType::Decimal)),
        ]
    );
    let shard = table.into[1].shard.as_ref().unwrap();
    assert_eq!((shard.by.as_str(), shard.function), ("follower", ShardFunction::Crc32));

    let share = |basis_points| StagePlan::Share { basis_points };
    assert_eq!(
        plan.cutover.stages,
        [
            StagePlan::Mirror,
            StagePlan::Whitelist,
            share(1),
            share(100),
            share(1_000),
            share(10_000)
        ]
    );
    assert_eq!(plan.cutover.bucketing, Bucketing::FlagdV2);
    assert_eq!(plan.cutover.rollback_file, Path::new("/srv/flight/rollback"));
    assert!((plan.verify.mismatch_rate_max - 1e-6).abs() < f64::EPSILON);
}

#[test]
fn without_entity_every_record_is_an_entity_of_its_own() {
    let plan = parse(&with("entity = [\"package\"]\n", "")).unwrap();
    assert_eq!(plan.tables[0].entity, ["package", "dependent"]);
}

#[test]
fn an_order_that_is_not_written_is_double_write_first() {
    let plan = parse(&with("order = \"double-write-first\"\n", "")).unwrap();
    assert_eq!(plan.order, Order::DoubleWriteFirst);
    let plan = parse(&with("double-write-first", "catch-up")).unwrap();
    assert_eq!(plan.order, Order::CatchUp);
}

/// A piece of the good plan, what it is replaced with, the message and the hint.
type Bad = (&'static str, &'static str, &'static str, Option<&'static str>);

fn expect_refused(cases: &[Bad]) {
    let mut wrong = Vec::new();
    for &(from, to, message, hint) in cases {
        let Err(error) = parse(&with(from, to)) else {
            wrong.push(format!("{to:?} is accepted"));
            continue;
        };
        assert_eq!(error.kind(), ErrorKind::Plan, "{to:?}");
        let found = (Chain(&error).to_string(), error.next_step());
        if found != (message.to_owned(), hint) {
            wrong.push(format!(
                "{to:?}\n  {message:?}, {hint:?}, but\n  {:?}, {:?}",
                found.0, found.1
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SCHEMA: Option<&str> = Some("`config-schema` describes every key of a plan");

/// Plans that cannot be read.
const NO_PLAN: &[Bad] = &[
    (
        "entity = [",
        "entities = [",
        "read plan: line 34, column 1: unknown field `entities`, expected one of `name`, \
             `key`, `entity`, `types`, `into`",
        Some("did you mean `entity`?"),
    ),
    (
        "type = \"decimal\"",
        "typ = \"decimal\"",
        "read plan: line 46, column 38: unknown field `typ`, expected one of `from`, `type`, `loses`",
        Some("did you mean `type`?"),
    ),
    (
        "\"decimal\"",
        "\"decmal\"",
        "read plan: line 46, column 45: unknown variant `decmal`, expected one of `bool`, \
             `int`, `unsigned`, `decimal`, `float32`, `float64`, `text`, `bytes`, `date`, `time`, \
             `timestamp`, `timestamp_tz`, `uuid`, `json`",
        Some("did you mean `decimal`?"),
    ),
    (
        "engine = \"sqlite\"\npath = \"locks.db\"",
        "engine = \"oracle\"\npath = \"locks.db\"",
        "read plan: line 24, column 10: unknown variant `oracle`, expected `sqlite` or `redis`",
        SCHEMA,
    ),
    (
        "path = \"locks.db\"",
        "path = \"locks.db\"\nlease_ms = \"10s\"",
        "read plan: line 26, column 12: invalid type: string \"10s\", expected u64",
        SCHEMA,
    ),
    (
        "requirement = \"constraint\"",
        "requirement = 7",
        "read plan: line 45, column 15: invalid type: integer `7`, expected the name of a \
             source column or { from, type, loses }",
        SCHEMA,
    ),
    (
        "flag = \"followers.read\"",
        "",
        "read plan: line 57, column 1: missing field `flag`",
        Some("add `flag`; `config-schema` describes every key of a plan"),
    ),
    (
        "requirement = \"constraint\"",
        "followed = \"constraint\"",
        "read plan: line 45, column 1: duplicate key",
        SCHEMA,
    ),
    (
        "key = [\"followed\", \"follower\"]",
        "key = [\"followed\", \"follower\"",
        "read plan: line 40, column 1: missing comma between array elements, expected `,`",
        SCHEMA,
    ),
    (
        "format = 1",
        "format = 2\nspeed = 9",
        "read plan: line 1, column 10: format 2 is not known",
        Some(
            "this version reads plans of format 1: take the version of the program that the \
                 plan was written for",
        ),
    ),
];

#[test]
fn what_is_no_plan_is_refused_with_its_place_in_the_file() {
    expect_refused(NO_PLAN);
}

/// Plans that break a rule.
const BAD_PLAN: &[Bad] = &[
    (
        "first-flight",
        "First Flight",
        "read plan: field id, must be 1 to 40 of a-z 0-9 -, found \"First Flight\"",
        None,
    ),
    (
        "\"shard-1\"",
        "\"shard-0\"",
        "read plan: field target[1].name, must be unique, found \"shard-0\", which names \
             target[0] too",
        None,
    ),
    (
        "./data/../shard-1.db",
        "./shard-0.db",
        "read plan: field target[1].path, must be a file of its own, found \
             /srv/flight/shard-0.db, which is target[0].path too",
        None,
    ),
    (
        "locks.db",
        "service.db",
        "read plan: field lock.path, must be a file of its own, found \
             /srv/flight/service.db, which is source.path too",
        None,
    ),
    (
        "path = \"locks.db\"",
        "",
        "read plan: field lock.path, must name the SQLite file, found nothing",
        None,
    ),
    (
        "table = \"outbox\"",
        "",
        "read plan: field queue.table, must name the outbox table in the source, found nothing",
        None,
    ),
    (
        "table = \"outbox\"",
        "table = \"followers\"",
        "read plan: field table[0].name, must be unique, found \"followers\", which \
             queue.table has too",
        None,
    ),
    (
        "path = \"locks.db\"",
        "path = \"locks.db\"\nlease_ms = 10",
        "read plan: field lock.lease_ms, must be 100 to 600000, found 10",
        None,
    ),
    (
        "[cutover]",
        "[backfill]\nrate = 0\n[cutover]",
        "read plan: field backfill.rate, must be at least 1, found 0",
        Some("write `rate = \"unlimited\"` for no limit; `backfill pause` stops a running copy"),
    ),
    (
        "[cutover]",
        "[verify]\nmismatch_rate_max = nan\n[cutover]",
        "read plan: field verify.mismatch_rate_max, must be a rate from 0 to 1, found NaN",
        None,
    ),
    (
        "id = ",
        "target_may_hold_rows = [\"follower-of\"]\nid = ",
        "read plan: field target_may_hold_rows[0], must name a target table of this plan, \
             found \"follower-of\"",
        Some("did you mean \"follower_of\"?"),
    ),
];

#[test]
fn a_plan_that_cannot_be_is_refused_with_the_field_and_the_rule() {
    expect_refused(BAD_PLAN);
}

/// Plans with a table that breaks a rule.
const BAD_TABLE: &[Bad] = &[
    (
        "key = [\"package\", \"dependent\"]",
        "key = []",
        "read plan: field table[0].key, must name at least one column, found none",
        None,
    ),
    (
        "key = [\"package\", \"dependent\"]",
        "key = [\"package\", \"package\"]",
        "read plan: field table[0].key, must name each column once, found \"package\" twice",
        None,
    ),
    (
        "entity = [\"package\"]",
        "entity = [\"package\", \"package\"]",
        "read plan: field table[0].entity, must name each column once, found \"package\" twice",
        None,
    ),
    (
        "entity = [\"package\"]",
        "entity = [\"dependent\"]",
        "read plan: field table[0].entity, must be the leading columns of the key, \
             [\"package\", \"dependent\"], found [\"dependent\"]",
        None,
    ),
    (
        "entity = [\"package\"]",
        "entity = []",
        "read plan: field table[0].entity, must name at least one column, found none",
        None,
    ),
    (
        "key = [\"followed\", \"follower\"]",
        "key = [\"followed\", \"requirement\"]",
        "read plan: field table[0].into[0].key, must come from the source's key [\"package\", \
             \"dependent\"], each column once: a delete carries nothing else, found [\"followed\", \
             \"requirement\"] from [\"package\", \"constraint\"]",
        None,
    ),
    (
        "key = [\"followed\", \"follower\"]",
        "key = [\"followed\"]",
        "read plan: field table[0].into[0].key, must come from the source's key [\"package\", \
             \"dependent\"], each column once: a delete carries nothing else, found [\"followed\"] \
             from [\"package\"]",
        None,
    ),
    (
        "followed = \"package\"\nfollower",
        "followed = { from = \"package\", loses = \"nul\" }\nfollower",
        "read plan: field table[0].into[0].columns.followed.loses, must not be said of a key: two \
             records could become one, found \"followed\"",
        None,
    ),
    (
        "key = [\"followed\", \"follower\"]",
        "key = [\"followed\", \"folower\"]",
        "read plan: field table[0].into[0].key, must be among `columns`, found \"folower\"",
        None,
    ),
    (
        "by = \"follower\"",
        "by = \"requirement\"",
        "read plan: field table[0].into[1].shard.by, must be one of the target table's key \
             columns, [\"follower\", \"followed\"], found \"requirement\"",
        None,
    ),
    (
        "shard = { by = \"follower\", function = \"crc32\" }",
        "",
        "read plan: field table[0].into[1].shard, must say which of the 2 targets holds a \
             record, found nothing",
        None,
    ),
    (
        "\"following_of\"",
        "\"follower_of\"",
        "read plan: field table[0].into[1].name, must be unique, found \"follower_of\", which \
             table[0].into[0] has too",
        None,
    ),
    (
        "[cutover]",
        "[[table]]\nname = \"followers\"\nkey = [\"id\"]\n[cutover]",
        "read plan: field table[1].name, must be unique, found \"followers\", which table[0] \
             has too",
        None,
    ),
    (
        "[cutover]",
        "[[table]]\nname = \"other\"\nkey = [\"id\"]\n[cutover]",
        "read plan: field table[1].into, must name at least one target table, found none",
        None,
    ),
];

#[test]
fn a_table_that_cannot_be_is_refused_with_the_field_and_the_rule() {
    expect_refused(BAD_TABLE);
}

#[test]
fn a_plan_without_tables_or_targets_is_refused() {
    let head = &GOOD[..GOOD.find("[[table]]").unwrap()];
    let error = parse(&format!("{head}[cutover]\nflag = \"f\"")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read plan: field table, must hold at least one table, found none"
    );

    let head = &GOOD[..GOOD.find("[[target]]").unwrap()];
    let tail = &GOOD[GOOD.find("[lock]").unwrap()..];
    let error = parse(&format!("{head}{tail}")).unwrap_err();
    assert_eq!(error.to_string(), "read plan: field target, must hold 1 to 1024 tables, found 0");
}

#[test]
fn the_stages_climb_in_order_and_reach_everybody() {
    let stages = |list: &str| {
        let error = parse(&format!("{GOOD}stages = {list}\n")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Plan);
        error.to_string().replace("read plan: field cutover.stages", "")
    };
    let step = "must be \"mirror\", \"whitelist\" or a share such as \"0.01%\", in steps of 0.01%";
    let order = "must come after the stage before it: mirror, whitelist, then growing shares";
    assert_eq!(
        stages(r#"["mirror", "1%", "50%"]"#),
        ", must end with \"100%\", found \"50%\" at the end"
    );
    assert_eq!(stages("[]"), ", must end with \"100%\", found none");
    assert_eq!(stages(r#"["0.005%", "100%"]"#), format!("[0], {step}, found \"0.005%\""));
    assert_eq!(stages(r#"["0%", "100%"]"#), format!("[0], {step}, found \"0%\""));
    assert_eq!(stages(r#"["1%", "100.01%"]"#), format!("[1], {step}, found \"100.01%\""));
    assert_eq!(stages(r#"["-1%", "100%"]"#), format!("[0], {step}, found \"-1%\""));
    assert_eq!(stages(r#"["1", "100%"]"#), format!("[0], {step}, found \"1\""));
    assert_eq!(
        stages(r#"["10%", "10.0%", "100%"]"#),
        format!("[1], {order}, found \"10.0%\" after \"10%\"")
    );
    assert_eq!(
        stages(r#"["1%", "whitelist", "100%"]"#),
        format!("[1], {order}, found \"whitelist\" after \"1%\"")
    );
    assert_eq!(
        stages(r#"["whitelist", "mirror", "100%"]"#),
        format!("[1], {order}, found \"mirror\" after \"whitelist\"")
    );

    let plan = parse(&format!("{GOOD}stages = [\"0.29%\", \"2.5%\", \"100%\"]\n")).unwrap();
    let share = |basis_points| StagePlan::Share { basis_points };
    assert_eq!(plan.cutover.stages, [share(29), share(250), share(10_000)]);
}

#[test]
fn the_digest_binds_what_records_lie_by_and_nothing_else() {
    let plan = parse(GOOD).unwrap();
    let recorded = plan.fixed_json();
    assert_eq!(plan.digest.len(), 32);

    let free = [
        ("[cutover]", "[backfill]\nworkers = 9\nrate = 10\n[cutover]"),
        ("[cutover]", "[backfill]\nrate = \"unlimited\"\n[cutover]"),
        ("[cutover]", "[cutover.gate]\nsoak_s = 1\n[cutover]"),
        ("path = \"service.db\"", "path = \"service.db\"\nepoch = 3"),
        ("path = \"locks.db\"", "path = \"other-locks.db\"\nwait_ms = 7"),
        ("id = ", "target_may_hold_rows = [\"follower_of\"]\nid = "),
    ];
    for (from, to) in free {
        let plan_now = parse(&with(from, to)).unwrap();
        assert_eq!(plan_now.digest, plan.digest, "{to}");
        assert_eq!(plan_now.changed_since(&recorded).unwrap(), [], "{to}");
    }

    let bound = [
        ("first-flight", "second", "id was \"first-flight\" and is \"second\""),
        ("double-write-first", "catch-up", "order was \"double-write-first\" and is \"catch-up\""),
        (
            "service.db",
            "copy.db",
            "source.path was \"/srv/flight/service.db\" and is \"/srv/flight/copy.db\"",
        ),
        ("\"outbox\"\n\n", "\"events\"\n", "queue.table was \"outbox\" and is \"events\""),
        ("shard-0\"", "s0\"", "target[0].name was \"shard-0\" and is \"s0\""),
        (
            "by = \"follower\", function = \"crc32\"",
            "by = \"follower\", function = \"modulo\"",
            "table[0].into[1].shard.function was \"crc32\" and is \"modulo\"",
        ),
        (
            "followers.read",
            "followers.reads",
            "cutover.flag was \"followers.read\" and is \"followers.reads\"",
        ),
    ];
    for (from, to, message) in bound {
        let plan_now = parse(&with(from, to)).unwrap();
        assert_ne!(plan_now.digest, plan.digest, "{to}");
        let changes = plan_now.changed_since(&recorded).unwrap();
        assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    }
}

#[test]
fn the_bounds_of_ranges_are_one_less_than_the_targets_and_ascend() {
    let ranges = |bounds: &str| {
        with(
            "by = \"follower\", function = \"crc32\"",
            &format!("by = \"follower\", function = \"ranges\"{bounds}"),
        )
    };
    let plan = parse(&ranges(", bounds = [\"m\"]")).unwrap();
    let shard = plan.tables[0].into[1].shard.as_ref().unwrap();
    assert_eq!(shard.bounds, [ShardBound::Text("m".into())]);
    let recorded = plan.fixed_json();
    let moved = parse(&ranges(", bounds = [\"n\"]")).unwrap().changed_since(&recorded).unwrap();
    let moved: Vec<String> = moved.iter().map(ToString::to_string).collect();
    assert_eq!(moved, ["table[0].into[1].shard.bounds[0] was \"m\" and is \"n\""]);

    let third = "[[target]]\nname = \"third\"\nengine = \"sqlite\"\npath = \"third.db\"\n\n[lock]";
    for (bounds, problem) in [
        ("", "be the lowest key of every target but the first: 2, found 0"),
        (", bounds = [1, 1]", "ascend, all numbers or all texts, found bound 2 no higher"),
        (", bounds = [\"b\", \"a\"]", "ascend, all numbers or all texts, found bound 2 no higher"),
        (", bounds = [1, \"a\"]", "ascend, all numbers or all texts, found bound 2 no higher"),
        (", bounds = [1.5, 2]", "a bound is a whole number or a text"),
    ] {
        let error = parse(&ranges(bounds).replacen("[lock]", third, 1)).unwrap_err();
        assert!(Chain(&error).to_string().contains(problem), "{bounds}: {error:?}");
    }
    let stray = with(
        "by = \"follower\", function = \"crc32\"",
        "by = \"follower\", function = \"crc32\", bounds = [7]",
    );
    let error = parse(&stray).unwrap_err().to_string();
    assert!(
        error.contains("field table[0].into[1].shard.bounds, must go with the function ranges")
    );
}

#[test]
fn a_lock_for_many_machines_is_named_by_a_url_and_may_be_changed_under_way() {
    let file = "engine = \"sqlite\"\npath = \"locks.db\"";
    let lock = |fields: &str| parse(&with(file, fields));
    let plan = lock("engine = \"redis\"\nurl = \"env:LOCKS\"").unwrap();
    let shown = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        (&shown["lock"]["engine"], &shown["lock"]["url"]),
        (&"redis".into(), &"env:LOCKS".into())
    );
    assert_eq!(plan.digest, parse(GOOD).unwrap().digest);
    for (fields, problem) in [
        ("engine = \"redis\"", "field lock.url, must be \"env:NAME\""),
        ("engine = \"redis\"\npath = \"l.db\"", "field lock.path, must go with another engine"),
        ("engine = \"redis\"\nurl = \"http://db\"", "field lock.url, must begin with redis://"),
        ("engine = \"redis\"\nurl = \"redis://:hunter2@db\"", "keep the password out of the plan"),
        (
            "engine = \"sqlite\"\nurl = \"redis://db\"",
            "field lock.url, must go with another engine",
        ),
        ("engine = \"sqlite\"", "field lock.path, must name the SQLite file"),
    ] {
        let error = lock(fields).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{fields}: {error}");
    }
}

#[test]
fn a_gauge_watches_a_server_and_may_be_changed_under_way() {
    let gauges = |fields: &str| parse(&format!("{GOOD}\n{fields}"));
    let gauge = |fields: &str| format!("[[gauge]]\nname = \"replica\"\n{fields}\n");
    let server = "engine = \"postgres\"\nurl = \"env:REPLICA\"";
    let good = gauge(&format!("{server}\nmax = 5"));
    let plan = gauges(&good).unwrap();
    assert_eq!((plan.gauges[0].name.as_str(), plan.gauges[0].max), ("replica", 5.0));
    assert_eq!(plan.gauges[0].query, None);
    assert_eq!(plan.digest, parse(GOOD).unwrap().digest);
    let shown = serde_json::to_value(&plan).unwrap();
    assert_eq!(shown["gauge"][0]["engine"], "postgres");
    let query = format!("{server}\nquery = \" SELECT 1; \"\nmax = 0.5");
    assert_eq!(gauges(&gauge(&query)).unwrap().gauges[0].query.as_deref(), Some("SELECT 1"));
    for (fields, problem) in [
        (good.repeat(2), "field gauge[1].name, must be unique"),
        (gauge("engine = \"sqlite\"\npath = \"a.db\"\nmax = 1"), "must be a server's"),
        (gauge(&format!("{server}\nmax = -1")), "field gauge[0].max, must be a number from 0 on"),
        (gauge(&format!("{server}\nmax = nan")), "field gauge[0].max, must be a number from 0 on"),
    ] {
        let error = gauges(&fields).unwrap_err().to_string();
        assert!(error.contains(problem), "{fields}: {error}");
    }
}

/// The digest is compared with one that an earlier version of the program recorded, so it may not
/// change with the program.
#[test]
fn the_digest_of_a_known_plan_stays_what_it_was() {
    assert_eq!(parse(GOOD).unwrap().digest, "84e71db1abd2815bb7f8df696bd98cc8");
}

#[test]
fn a_recorded_plan_that_cannot_be_read_is_said_to_be_unreadable() {
    let error = parse(GOOD).unwrap().changed_since("{").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
}

fn load_with(overrides: &[&str]) -> Result<Plan, Error> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("migration.toml");
    std::fs::write(&file, GOOD).unwrap();
    Plan::load_with(&file, &overrides.iter().map(ToString::to_string).collect::<Vec<_>>())
}

#[test]
fn overrides_are_laid_over_the_file() {
    let plan = load_with(&[
        "backfill.rate=500",
        "id=other-flight",
        "cutover.stages=[\"100%\"]",
        "target.1.path=elsewhere.db",
        "table.0.into.0.shard.function=modulo",
        "cutover.gate = { soak_s = 5 }",
    ])
    .unwrap();
    assert_eq!(plan.backfill.rate, per_second(500));
    assert_eq!(plan.id, "other-flight");
    assert_eq!(plan.cutover.stages.len(), 1);
    let Engine::Sqlite { path } = &plan.targets[1].engine else { unreachable!() };
    assert!(path.is_absolute() && path.ends_with("elsewhere.db"), "{path:?}");
    assert_eq!(plan.tables[0].into[0].shard.as_ref().unwrap().function, ShardFunction::Modulo);
    assert_eq!(plan.cutover.gate.soak, Duration::from_secs(5));
    assert_eq!(plan.targets[1].name, "shard-1", "the rest of the table stays");
}

#[test]
fn a_copy_without_a_rate_has_one_and_an_unlimited_one_is_asked_for() {
    for (over, rate, is_default) in [
        ("backfill.workers=2", per_second(10_000), true),
        ("backfill.rate=10000", per_second(10_000), false),
        ("backfill.rate=unlimited", Rate::Unlimited, false),
        ("backfill.rate=\"unlimited\"", Rate::Unlimited, false),
    ] {
        let plan = load_with(&[over]).unwrap();
        assert_eq!(
            (plan.backfill.rate, plan.backfill.is_rate_default),
            (rate, is_default),
            "{over}"
        );
        let written = serde_json::to_value(&plan).unwrap()["backfill"]["rate"].clone();
        match rate {
            Rate::Unlimited => assert_eq!(written, "unlimited", "{over}"),
            Rate::PerSecond(rate) => assert_eq!(written, rate.get(), "{over}"),
        }
    }
}

fn per_second(rate: u32) -> Rate {
    Rate::PerSecond(NonZeroU32::new(rate).unwrap())
}

#[test]
fn an_override_that_is_wrong_is_named() {
    let message = |over| Chain(&load_with(&["backfill.workers=3", over]).unwrap_err()).to_string();
    assert_eq!(
        message("backfill.worker=3"),
        "read plan: --set backfill.worker=3: unknown field `worker`, expected one of \
         `batch_bytes_max`, `batch_rows_max`, `workers`, `ranges`, `rate`"
    );
    assert_eq!(
        message("backfill.rate=fast"),
        "read plan: --set backfill.rate=fast: invalid value: string \"fast\", expected records a \
         second, such as 20000, or \"unlimited\""
    );
    assert_eq!(
        message("backfill.rate=-1"),
        "read plan: --set backfill.rate=-1: invalid value: integer `-1`, expected records a \
         second, such as 20000, or \"unlimited\""
    );
    assert_eq!(message("backfill"), "read plan: --set backfill: there is no = in it");
    assert_eq!(
        message("target.7.path=x"),
        "read plan: --set target.7.path=x: invalid type: map, expected a sequence"
    );
}

#[test]
fn a_file_that_is_wrong_is_named_with_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("migration.toml");
    let shown = file.display();
    let error = Plan::load(&file).unwrap_err();
    assert_eq!(error.to_string(), format!("read plan: file {shown}"));
    assert_eq!(error.next_step(), Some("name the plan with --config FILE"));

    std::fs::write(&file, "format = 1\nid = 5").unwrap();
    let error = Plan::load(&file).unwrap_err();
    assert_eq!(error.to_string(), format!("read plan: file {shown}, line 2, column 6"));

    std::fs::write(&file, with("shard-1\"", "shard 1\"")).unwrap();
    let error = Plan::load(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "read plan: field target[1].name, must be 1 to 64 of a-z A-Z 0-9 . _ -, found \
             \"shard 1\", file {shown}"
        )
    );
}

/// The good plan with its second instance in PostgreSQL.
fn with_server(fields: &str) -> String {
    with("engine = \"sqlite\"\npath = \"./data/../shard-1.db\"", fields)
}

#[test]
fn a_server_is_named_by_a_reference_that_is_looked_up_only_when_it_is_opened() {
    let variable = "env:MIDFLIGHT_NO_SUCH_VARIABLE";
    // A file is compared as it was written: machines keep it in different directories.
    for (url, shown, compared) in [
        (variable, variable, variable),
        ("file:shard-1.url", "file:/srv/flight/shard-1.url", "file:shard-1.url"),
        (
            "postgres://app@db.example:5432/shop?sslmode=require",
            "db.example:5432/shop",
            "db.example:5432/shop",
        ),
    ] {
        let plan = parse(&with_server(&format!("engine = \"postgres\"\nurl = \"{url}\""))).unwrap();
        let Engine::Postgres { url } = &plan.targets[1].engine else { unreachable!() };
        assert_eq!(url.to_string(), shown);
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(json["target"][1]["engine"], "postgres");
        assert_eq!(json["target"][1]["url"], compared);
        assert!(!format!("{plan:?}").contains("app@"), "{plan:?}");
    }
}

#[test]
fn mysql_and_mariadb_are_one_engine_for_every_place_but_the_lock() {
    for name in ["mysql", "mariadb"] {
        let server = format!(
            "engine = \"{name}\"\nurl = \"{name}://app@db.example/shop?ssl-mode=REQUIRED\""
        );
        let text = with_server(&server);
        let checkpoint = "engine = \"sqlite\"\npath = \"/var/lib/checkpoint.db\"";
        assert!(text.contains(checkpoint));
        let plan = parse(&text.replace(checkpoint, "engine = \"mysql\"\nurl = \"env:X\"")).unwrap();
        assert_eq!(plan.checkpoint.name(), "mysql");
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(json["target"][1]["engine"], "mysql");
        assert_eq!(json["target"][1]["url"], "db.example/shop");
        assert!(!format!("{plan:?}").contains("app@"), "{plan:?}");
    }
}

#[test]
fn what_goes_with_which_engine_is_said_with_its_place() {
    for (fields, problem) in [
        ("engine = \"postgres\"\npath = \"x.db\"", "postgres takes `url`, not `path`"),
        ("engine = \"sqlite\"\nurl = \"env:X\"", "sqlite takes `path`, not `url`"),
        ("engine = \"sqlite\"", "sqlite needs `path`, which names the file"),
        (
            "engine = \"sqlite\"\npath = \"postgres://app:hunter2@db/shop\"",
            "`path` names a file; a URL goes with another engine",
        ),
        (
            "engine = \"postgres\"",
            "postgres needs `url`: \"env:NAME\", \"file:PATH\", or a URL without a password",
        ),
        (
            "engine = \"postgres\"\nurl = \"postgres://app:hunter2@db/shop\"",
            "`url` must keep the password out of the plan: \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "engine = \"postgres\"\nurl = \"mysql://db/shop\"",
            "`url` must begin with postgres:// for postgres",
        ),
        ("engine = \"mysql\"\npath = \"x.db\"", "mysql takes `url`, not `path`"),
        (
            "engine = \"mariadb\"\nurl = \"postgres://db/shop\"",
            "`url` must begin with mysql:// for mysql",
        ),
    ] {
        let error = parse(&with_server(fields)).unwrap_err();
        let expected = format!("read plan: line 20, column 10: {problem}");
        assert_eq!(Chain(&error).to_string(), expected);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn an_override_with_a_password_is_not_repeated() {
    for over in
        ["source.url=postgres://app:hunter2@db/shop", "source.path=postgres://app:hunter2@db/shop"]
    {
        let error = format!("{:?}", load_with(&[over]).unwrap_err());
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn two_instances_behind_one_reference_are_refused() {
    let server = "engine = \"postgres\"\nurl = \"env:SHARD\"";
    let text =
        with_server(server).replacen("engine = \"sqlite\"\npath = \"shard-0.db\"", server, 1);
    assert_eq!(
        parse(&text).unwrap_err().to_string(),
        "read plan: field target[1].url, must be a database of its own, found env:SHARD, which \
         is target[0].url too"
    );
}

#[test]
fn the_schema_for_editors_describes_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    assert_eq!(schema["title"], "Midflight plan");
    assert_eq!(schema["additionalProperties"], false);
    let mut undescribed = Vec::new();
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions.iter().chain([(&"plan".to_owned(), &schema)]) {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().is_none_or(str::is_empty) {
                undescribed.push(format!("{name}.{key}"));
            }
        }
    }
    assert_eq!(undescribed, Vec::<String>::new());
    assert_eq!(schema["$defs"]["Backfill"]["properties"]["workers"]["default"], 4);
    assert_eq!(schema["$defs"]["Backfill"]["properties"]["rate"]["default"], 10_000);
    assert_eq!(schema["$defs"]["Rate"]["anyOf"][1]["const"], "unlimited");
}
