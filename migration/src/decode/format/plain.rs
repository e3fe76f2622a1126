//! JSON as an application writes it: where the plan says things are.

use super::Binary;
use serde::{Deserialize, Serialize};

/// Where something stands in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A field of the value.
    Field(String),
    /// A header.
    Header(String),
}

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Gives the whole row.
    Upsert,
    /// Removes it.
    Delete,
    /// Removes every row.
    Truncate,
    /// Nothing.
    Ignore,
}

/// Which words mean which operation, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operations {
    /// Where the word stands.
    pub place: Place,
    pub(super) upsert: Vec<String>,
    pub(super) delete: Vec<String>,
    pub(super) truncate: Vec<String>,
    pub(super) ignore: Vec<String>,
}

impl Operations {
    /// The operation that a word stands for, if the plan knows it.
    #[must_use]
    pub fn of(&self, word: &str) -> Option<Operation> {
        [
            (&self.upsert, Operation::Upsert),
            (&self.delete, Operation::Delete),
            (&self.truncate, Operation::Truncate),
            (&self.ignore, Operation::Ignore),
        ]
        .into_iter()
        .find_map(|(words, operation)| words.iter().any(|known| known == word).then_some(operation))
    }
}

/// Where the key columns are.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFrom {
    /// In the row.
    #[default]
    Row,
    /// In the message's key, a JSON object.
    Json,
    /// The message's key is the text of the only key column.
    Text,
}

/// What a null value means.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NullValue {
    /// Nobody said: it is a dead letter.
    #[default]
    Refuse,
    /// The record of the message's key is deleted.
    Delete,
    /// Nothing.
    Ignore,
}

/// How to read JSON that an application writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlainFormat {
    /// Where the name of the table stands; `None`: the topic tells.
    pub table: Option<Place>,
    /// What a message does; `None`: every value is a row to write.
    pub operations: Option<Operations>,
    /// The field that holds the row; `None`: the value is the row.
    pub row_field: Option<String>,
    /// The field that holds the row before, for changes of keys.
    pub before_field: Option<String>,
    /// Where the key columns are.
    pub key: KeyFrom,
    /// What a null value means.
    pub null_value: NullValue,
    /// The field of an integer that grows with every commit of its record.
    pub version: Option<String>,
    /// The field of the time of the change, in milliseconds.
    pub made_at_ms: Option<String>,
    /// How bytes are written.
    pub binary: Binary,
    /// What a number stands for where a time is expected.
    pub time_unit: TimeUnit,
    /// Whether fields that lack are null.
    pub nulls_left_out: bool,
    /// Whether the row is JSON in a string.
    pub in_string: bool,
}

/// What a number stands for where a time is expected.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    #[default]
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}
