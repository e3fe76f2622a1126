//! The text of a plan: one table, through a topic, into an SQLite file beside it.

/// What differs between the plans of these tests, each part in the plan's own words.
pub(crate) struct Flown<'a> {
    pub(crate) source: &'a str,
    pub(crate) brokers: &'a str,
    pub(crate) topic: &'a str,
    /// What follows the topic's name.
    pub(crate) format: &'a str,
    /// What follows the table's name, up to its target's columns.
    pub(crate) key: &'a str,
    pub(crate) columns: &'a str,
}

impl Flown<'_> {
    /// The plan of a table that is called `items` on both sides.
    pub(crate) fn plan(&self) -> String {
        let Self { source, brokers, topic, format, key, columns } = self;
        format!(
            r#"
format = 1
id = "items"
[source]
{source}
[queue]
kind = "kafka"
brokers = ["{brokers}"]
group = "group-of-{topic}"
[[queue.topic]]
name = "{topic}"
{format}
[[target]]
name = "new"
engine = "sqlite"
path = "new.db"
[lock]
engine = "sqlite"
path = "locks.db"
[checkpoint]
engine = "sqlite"
path = "checkpoint.db"
[[table]]
name = "items"
{key}
[[table.into]]
name = "items"
key = ["id"]
columns = {{ {columns} }}
[cutover]
flag = "items"
"#
        )
    }
}
