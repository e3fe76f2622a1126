//! What a database in memory holds.

use super::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::protocol::{Partition, Range};
use crate::store::{GuardRow, SideTable};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) tables: BTreeMap<String, Table>,
    /// By migration.
    pub(super) side: BTreeMap<String, Side>,
    /// How many commits are answered before the one whose answer is lost.
    pub(super) answers_left: Option<usize>,
}

impl State {
    pub(super) fn table(&self, name: &str) -> Result<&Table> {
        self.tables.get(name).ok_or_else(|| no_table(name))
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Result<&mut Table> {
        self.tables.get_mut(name).ok_or_else(|| no_table(name))
    }
}

fn no_table(name: &str) -> Error {
    Error::new(ErrorKind::Refused, "find table: there is none").with("table", name)
}

/// Source table, range key, target table.
pub(super) type GuardKey = (String, Key, String);

/// The side tables of one migration.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    pub(super) is_set_up: bool,
    pub(super) partitions: BTreeMap<String, Partition>,
    /// By source table and lower bound.
    pub(super) ranges: BTreeMap<(String, Option<Key>), Range>,
    pub(super) guards: BTreeMap<GuardKey, GuardRow>,
}

impl Side {
    pub(super) fn list(&self) -> Vec<SideTable> {
        if !self.is_set_up {
            return Vec::new();
        }
        let table = |name: &str, rows: usize| SideTable {
            name: name.to_owned(),
            rows: u64::try_from(rows).unwrap_or(u64::MAX),
        };
        vec![
            table("midflight_guard", self.guards.len()),
            table("midflight_partition", self.partitions.len()),
            table("midflight_range", self.ranges.len()),
        ]
    }
}
