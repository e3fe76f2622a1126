//! Servers: named by a reference, and what goes with which engine.

use super::{parse, with};
use migration::error::Chain;
use migration::plan::Engine;

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
