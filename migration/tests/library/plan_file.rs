//! What a plan file says, and what is said about a plan file that is wrong.

mod identity;
mod overrides;
mod refused;
mod servers;

use migration::error::{Chain, Error, ErrorKind};
use migration::layout::{ShardBound, ShardFunction};
use migration::plan::{Bucketing, Engine, Order, Plan, StagePlan, json_schema};
use migration::value::ColumnType;
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
