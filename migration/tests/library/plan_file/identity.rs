//! What of a plan may change under way, and what makes it another migration.

use super::{GOOD, parse, with};
use migration::error::ErrorKind;

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
