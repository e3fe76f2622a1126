//! What is no plan, or a plan that cannot be: refused with its place, the rule and the next step.

use super::{GOOD, parse, with};
use migration::error::{Chain, ErrorKind};

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
