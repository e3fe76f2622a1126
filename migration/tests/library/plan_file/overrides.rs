//! What is laid over the file from outside, and a file that is wrong.

use super::{GOOD, with};
use migration::checkpoint::desired::Rate;
use migration::error::{Chain, Error};
use migration::layout::ShardFunction;
use migration::plan::{Engine, Plan};
use std::num::NonZeroU32;
use std::time::Duration;

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

fn per_second(rate: u32) -> Rate {
    Rate::PerSecond(NonZeroU32::new(rate).unwrap())
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

#[test]
fn an_override_with_a_password_is_not_repeated() {
    for over in
        ["source.url=postgres://app:hunter2@db/shop", "source.path=postgres://app:hunter2@db/shop"]
    {
        let error = format!("{:?}", load_with(&[over]).unwrap_err());
        assert!(!error.contains("hunter2"), "{error}");
    }
}
