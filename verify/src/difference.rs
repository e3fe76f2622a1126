//! What is different, for people and for the repair.

use migration::batch::Row;
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use migration::layout::Layout;
use migration::store::Target;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// None that can be told: still moving, or not caught up with, when patience ended.
    Unsettled,
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

/// Where a record that differs lies, by the plan's lists.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    /// The source table.
    pub(crate) layout: usize,
    /// The target table under it.
    pub(crate) into: usize,
    /// The instance.
    pub(crate) instance: usize,
    /// The range key.
    pub(crate) key: Key,
}

impl Difference {
    /// Finds its place again.
    ///
    /// # Errors
    /// `Refused` if the plan no longer has it.
    pub(crate) fn locate(
        &self,
        layouts: &[Arc<Layout>],
        instances: &[Arc<dyn Target>],
    ) -> Result<Located> {
        let gone = |what| {
            Error::new(ErrorKind::Refused, "find what differs: the plan no longer has it")
                .with("missing", what)
                .with("source table", &self.source_table)
                .with("target table", &self.target_table)
                .with("instance", &self.instance)
                .hint("compare again: `verify run --restart`")
        };
        let layout = layouts
            .iter()
            .position(|layout| layout.source().table == self.source_table)
            .ok_or_else(|| gone("source table"))?;
        let into = layouts[layout]
            .targets()
            .iter()
            .position(|target| target.schema().table == self.target_table)
            .ok_or_else(|| gone("target table"))?;
        let instance = instances
            .iter()
            .position(|target| target.name() == self.instance)
            .ok_or_else(|| gone("instance"))?;
        Ok(Located { layout, into, instance, key: Key::from_hex(&self.range_key)? })
    }
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
