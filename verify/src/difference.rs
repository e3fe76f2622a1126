//! What is different, for people and for the repair.

use migration::batch::Row;
use serde::{Deserialize, Serialize};

/// How a record differs between source and target, after it has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The source has it, the target does not.
    Missing,
    /// Both have it, with other values.
    Different,
    /// The target has it, the source does not.
    OnlyOnTarget,
    /// The target has it beside the tombstone of its delete.
    Resurrected,
}

/// One record that differs. Holds no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The source table.
    pub source_table: String,
    /// The target table.
    pub target_table: String,
    /// The name of the target instance.
    pub instance: String,
    /// How it differs.
    pub kind: DifferenceKind,
    /// The record's source key, for people.
    pub key: String,
    /// The record's range key, in hexadecimal, for the repair.
    pub range_key: String,
    /// The target columns whose values differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// The names of the columns in which two records of one schema differ.
pub(crate) fn differing_columns(expected: Row<'_>, found: Row<'_>, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .enumerate()
        .filter(|(column, _)| expected.encoded(*column) != found.encoded(*column))
        .map(|(_, name)| (*name).to_owned())
        .collect()
}
