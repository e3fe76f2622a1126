//! The plan of a case on servers. Everything is on: lock, guard, epochs, checkpoints.

use crate::table::Table;

/// A plan that moves `table` from one server to another. The URLs lie beside it, in `source.url`
/// and `target.url`.
pub(crate) fn text(table: &Table, engines: (&str, &str), queue: &str) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|(name, _)| format!("{name} = \"{name}\"")).collect();
    let (source, target) = engines;
    format!(
        r#"format = 1
id = "bench"

[source]
engine = "{source}"
url = "file:source.url"

[queue]
{queue}

[[target]]
name = "target"
engine = "{target}"
url = "file:target.url"

[lock]
engine = "sqlite"
path = "locks.db"

[checkpoint]
engine = "sqlite"
path = "checkpoint.db"

[[table]]
name = "{name}"
key = ["id"]

[[table.into]]
name = "{name}"
key = ["id"]

[table.into.columns]
{columns}

[cutover]
flag = "bench.read"
"#,
        name = table.name,
        columns = columns.join("\n"),
    )
}

/// The end of a plan whose copy is to go as fast as it can.
pub(crate) const FULL_SPEED: &str = "[backfill]\nrate = \"unlimited\"\n";

/// A queue in the source.
pub(crate) const OUTBOX: &str = "kind = \"outbox\"\ntable = \"outbox\"";
