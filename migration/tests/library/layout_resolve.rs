//! What a layout is made of, and which tables it refuses.

use migration::batch::{Batch, Column, Schema};
use migration::error::{Error, ErrorKind};
use migration::key::Key;
use migration::layout::Layout;
use migration::plan::{Plan, TablePlan};
use migration::store::TableDescription;
use migration::value::{ColumnType, Value};
use std::path::Path;
use std::sync::Arc;

const GOOD: &str = include_str!("../plan/good.toml");

/// A message with its hint, and what brings it.
type Bad = (&'static str, fn(&mut World));

/// The databases of the good plan.
struct World {
    table: TablePlan,
    source: TableDescription,
    targets: Vec<TableDescription>,
}

impl World {
    fn new() -> Self {
        use ColumnType::{Decimal, Int, Text};
        let plan = Plan::parse(GOOD, Path::new("/")).unwrap();
        Self {
            table: plan.tables[0].clone(),
            source: described(
                "followers",
                &[
                    ("dependent", Text, false),
                    ("package", Text, false),
                    ("constraint", Text, true),
                    ("section", Text, true),
                    ("installed_kib", Text, true),
                ],
                &[1, 0],
            ),
            targets: vec![
                described(
                    "follower_of",
                    &[
                        ("followed", Text, false),
                        ("follower", Text, false),
                        ("requirement", Text, true),
                        ("size_kib", Decimal, true),
                        ("noticed_at", Int, true),
                    ],
                    &[0, 1],
                ),
                described(
                    "following_of",
                    &[("follower", Text, false), ("followed", Text, false)],
                    &[0, 1],
                ),
            ],
        }
    }

    fn resolve(&self) -> Result<Layout, Error> {
        Layout::resolve(&self.table, &self.source, &self.targets, 2)
    }

    /// The error that one change to this world brings.
    fn refusal(change: impl FnOnce(&mut Self)) -> String {
        let mut world = Self::new();
        change(&mut world);
        let error = world.resolve().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        format!("{error} | {}", error.next_step().unwrap_or("no hint")).replacen(
            "resolve layout: ",
            "",
            1,
        )
    }
}

fn described(table: &str, columns: &[(&str, ColumnType, bool)], key: &[usize]) -> TableDescription {
    let columns: Vec<Column> = columns
        .iter()
        .map(|&(name, column_type, nullable)| Column {
            name: name.to_owned(),
            column_type,
            nullable,
        })
        .collect();
    TableDescription {
        lengths_max: vec![None; columns.len()],
        schema: Schema { table: table.to_owned(), columns, key: key.to_vec() },
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    }
}

#[test]
fn a_layout_takes_the_columns_of_the_plan_with_types_and_nulls_of_the_database() {
    let layout = World::new().resolve().unwrap();

    let source = layout.source();
    let columns: Vec<(&str, ColumnType, bool)> = source
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.column_type, column.nullable))
        .collect();
    // `section` is taken by nobody; the type of `installed_kib` is the plan's.
    assert_eq!(
        columns,
        [
            ("dependent", ColumnType::Text, false),
            ("package", ColumnType::Text, false),
            ("constraint", ColumnType::Text, true),
            ("installed_kib", ColumnType::Int, true),
        ]
    );
    assert_eq!(source.key, [1, 0]);
    let keys: Vec<&str> =
        layout.source_keys().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(keys, ["package", "dependent"]);
    assert_eq!(layout.source_keys().key, [0, 1]);

    let [follower_of, following_of] = layout.targets() else { panic!("two targets") };
    let columns: Vec<&str> =
        follower_of.schema().columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["followed", "follower", "requirement", "size_kib"]);
    assert!(follower_of.is_aligned());
    assert!(!following_of.is_aligned());
    assert!(!follower_of.is_complete(), "section is not in it");
    assert_eq!(
        layout.notes(),
        ["followers: no target takes section, so it cannot be restored from the target"]
    );
}

#[test]
fn a_record_goes_where_each_of_its_copies_belongs() {
    let world = World::new();
    let layout = Layout::resolve(&world.table, &world.source, &world.targets, 1_000).unwrap();
    let mut rows = Batch::new(Arc::clone(layout.source()));
    for value in [Value::Text("python3-full"), Value::Text("2to3"), Value::Null, Value::Int(6)] {
        rows.push(value).unwrap();
    }
    let row = rows.row(0);
    assert_eq!(layout.entity(&row.key().unwrap()).unwrap(), key(&["2to3"]));

    let [follower_of, following_of] = layout.targets() else { panic!("two targets") };
    let first = follower_of.project(&rows).unwrap();
    assert_eq!(
        first.row(0).values().collect::<Vec<_>>(),
        [Value::Text("2to3"), Value::Text("python3-full"), Value::Null, Value::Decimal("6")]
    );
    let second = following_of.project(&rows).unwrap();
    assert_eq!(second.row(0).key().unwrap(), key(&["python3-full", "2to3"]));
    // CRC-32 of "2to3" is 0x752b39c4 and of "python3-full" 0x6a2f3d16 (zlib);
    // modulo 1,000 instances.
    assert_eq!(follower_of.instance_of(&first.row(0)).unwrap(), 108);
    assert_eq!(following_of.instance_of(&second.row(0)).unwrap(), 726);
    for (target, batch) in [(follower_of, &first), (following_of, &second)] {
        assert_eq!(target.range_key(&batch.row(0)).unwrap(), row.key().unwrap());
    }
}

fn key(columns: &[&str]) -> Key {
    Key::new(columns.iter().map(|text| Value::Text(text))).unwrap()
}

#[test]
fn a_source_that_does_not_fit_the_plan_is_refused() {
    let cases: [Bad; 10] = [
        (
            "the database does not tell a column's type: table followers, column constraint, \
             declared \"STRING\" | state it in the plan: types = { constraint = \"int\" }",
            |world| {
                world.source.unknown_types.push(("constraint".into(), "STRING".into()));
                // The plan states this one's.
                world.source.unknown_types.push(("installed_kib".into(), String::new()));
            },
        ),
        (
            "the source table lacks a key column: table followers, column package | \
             did you mean \"packages\"?",
            |world| world.source.schema.columns[1].name = "packages".into(),
        ),
        (
            "the source table lacks a column: table followers, column constraint | \
             it has dependent, package, x, section, installed_kib",
            |world| world.source.schema.columns[2].name = "x".into(),
        ),
        (
            "the plan states a type for a column that is not there: table followers, column \
             installed_kb | did you mean \"installed_kib\"?",
            |world| world.table.types[0].0 = "installed_kb".into(),
        ),
        (
            "the source table has no primary key: table followers | add one, such as CREATE \
             UNIQUE INDEX followers_key ON followers (package, dependent) over NOT NULL columns",
            |world| world.source.schema.key.clear(),
        ),
        (
            "the plan's key is not a unique key of the source table: table followers, key \
             (package, dependent), primary key (package) | name the primary key or a unique key \
             as `key` in the plan",
            |world| world.source.schema.key = vec![1],
        ),
        (
            "a key column allows null: table followers, column dependent | make it NOT NULL, or \
             use the primary key in the plan",
            |world| {
                world.source.schema.key.clear();
                world.source.schema.columns[0].nullable = true;
                world.source.other_unique_keys = vec![vec!["package".into(), "dependent".into()]];
            },
        ),
        (
            "a column of this type cannot be part of a key: table followers, column package, type \
             decimal | engines do not agree on its order; choose another unique key, or state the \
             column's real type in the plan: types = { column = \"int\" }",
            |world| world.source.schema.columns[1].column_type = ColumnType::Decimal,
        ),
        (
            "the plan's table is not valid: table followers, field key, must name each column \
             once, found \"package\" twice | no hint",
            |world| world.table.key[1] = "package".into(),
        ),
        (
            "the plan's table is not valid: table followers, field entity, must be the leading \
             columns of the key, [\"package\", \"dependent\"], found [\"dependent\"] | no hint",
            |world| world.table.entity[0] = "dependent".into(),
        ),
    ];
    for (message, change) in cases {
        assert_eq!(World::refusal(change), message);
    }
}

#[test]
fn a_target_column_whose_type_nobody_tells_is_refused() {
    let message = World::refusal(|world| {
        world.targets[0].unknown_types.push(("requirement".into(), String::new()));
    });
    let expected = "the database does not tell a column's type: table follower_of, column \
                    requirement, declared \"\" | state it in the plan: requirement = { from = \
                    \"constraint\", type = \"int\" }";
    assert_eq!(message, expected);
}

#[test]
fn a_target_that_does_not_fit_the_plan_is_refused() {
    let cases: [Bad; 10] = [
        (
            "the target table lacks a column: table follower_of, column requirement | did you \
             mean \"requirements\"?",
            |world| world.targets[0].schema.columns[2].name = "requirements".into(),
        ),
        (
            "the target column is narrower than the source column: table follower_of, column \
             requirement, from constraint (at most: 40), to at most: 39 | widen the target column",
            |world| {
                world.source.lengths_max[2] = Some(40);
                world.targets[0].lengths_max[2] = Some(39);
            },
        ),
        (
            "the target column is narrower than the source column: table follower_of, column \
             requirement, from constraint (at most: no bound), to at most: 255 | widen the target \
             column",
            |world| world.targets[0].lengths_max[2] = Some(255),
        ),
        (
            "no conversion between these types loses nothing: table follower_of, column \
             requirement, from constraint (text), to int | change the target column's type; where \
             a database does not tell the real type, state it in the plan, in `types` or as { \
             from, type }",
            |world| world.targets[0].schema.columns[2].column_type = ColumnType::Int,
        ),
        (
            "the source column allows null and the target column does not: table follower_of, \
             column requirement, from constraint | let the target column be null, or make the \
             source column NOT NULL",
            |world| world.targets[0].schema.columns[2].nullable = false,
        ),
        (
            "nothing fills a column that does not allow null: table follower_of, column \
             noticed_at | map it in the plan, let it be null, or drop it",
            |world| world.targets[0].schema.columns[4].nullable = false,
        ),
        (
            "the plan's key is not unique in the target: table following_of, key (follower, \
             followed) | make (follower, followed) the target's primary key, so that one record \
             is one row",
            |world| world.targets[1].schema.key = vec![0],
        ),
        (
            "the shard function does not take this type: table following_of, column follower, \
             type text | crc32 and murmur3 take text, bytes or integers; modulo takes non-negative \
             integers; ranges takes integers where its bounds are numbers, else text or bytes",
            |world| {
                world.table.into[1].shard.as_mut().unwrap().function =
                    migration::layout::ShardFunction::Modulo;
            },
        ),
        (
            "the plan's table is not valid: table followers, field into[1].shard.by, must be one \
             of the target table's key columns, [\"follower\", \"followed\"], found \"size\" | no \
             hint",
            |world| world.table.into[1].shard.as_mut().unwrap().by = "size".into(),
        ),
        (
            "a target table is not described: table followers, described 1, planned 2 | no hint",
            |world| {
                world.targets.pop();
            },
        ),
    ];
    for (message, change) in cases {
        assert_eq!(World::refusal(change), message);
    }
}

#[test]
fn a_bound_that_the_source_keeps_too_is_no_narrower() {
    let mut world = World::new();
    world.source.lengths_max[2] = Some(40);
    world.targets[0].lengths_max[2] = Some(40);
    assert!(world.resolve().is_ok());
}

#[test]
fn a_unique_key_serves_where_the_primary_key_is_another() {
    let mut world = World::new();
    let edge = || vec!["dependent".to_owned(), "package".to_owned()];
    world.source.schema.key = vec![4];
    world.source.other_unique_keys = vec![edge()];
    assert_eq!(world.resolve().unwrap().source().key, [1, 0]);
}

#[test]
fn what_may_cost_time_is_noted() {
    let mut world = World::new();
    world.source.schema.key = vec![0, 1];
    assert_eq!(
        world.resolve().unwrap().notes(),
        [
            "followers: the plan's key (package, dependent) is the primary key in another order, \
             so a scan needs an index in that order or sorts the table for every batch",
            "followers: no target takes section, so it cannot be restored from the target",
        ]
    );
}

#[test]
fn a_unique_key_that_two_records_can_meet_on_is_refused() {
    let cases: [(&[&str], bool); 6] = [
        (&["requirement"], true),
        (&["followed", "requirement"], true),
        (&["(expression)"], true),
        (&["requirement", "(partial)"], true),
        // It holds the plan's key, so records that differ in that differ in it.
        (&["requirement", "follower", "followed"], false),
        // The plan fills nothing of it.
        (&["unheard_of"], false),
    ];
    for (key, is_refused) in cases {
        let mut world = World::new();
        world.targets[0].other_unique_keys = vec![key.iter().map(|&name| name.into()).collect()];
        let met = world.resolve().unwrap().refuse_collisions();
        assert_eq!(met.is_err(), is_refused, "{key:?}");
        let Err(error) = met else { continue };
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains(&key.join(", ")), "{error}");
        assert!(error.next_step().unwrap().contains("drop it"), "{error}");
    }
}

#[test]
fn a_primary_key_beside_the_plans_may_only_be_one_that_the_plan_does_not_fill() {
    let mut world = World::new();
    world.targets[0].other_unique_keys = vec![vec!["followed".to_owned(), "follower".to_owned()]];
    let [requirement, noticed_at] = [2, 4];
    world.targets[0].schema.key = vec![requirement];
    let error = world.resolve().unwrap().refuse_collisions().unwrap_err();
    let hint = error.next_step().unwrap();
    assert!(hint.contains("name (requirement) as the table's key in the plan"), "{hint}");
    world.targets[0].schema.key = vec![noticed_at];
    assert!(world.resolve().unwrap().refuse_collisions().is_ok());
}
