//! The topics of a queue, and which source table a message is of.

use super::codec::Codec;
use super::column::ColumnTraits;
use super::format::{TopicFormat, Truncates, Versions};
use super::message::TableName;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use std::collections::HashMap;
use std::sync::Arc;

/// A source table, with what its database says of the columns.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// The table and what it becomes.
    pub layout: Arc<Layout>,
    /// One per column of [`Layout::source`].
    pub traits: Vec<ColumnTraits>,
}

impl SourceTable {
    /// A table, with what `traits` says of the columns of that name.
    #[must_use]
    pub fn new(layout: Arc<Layout>, traits: impl Fn(&str) -> ColumnTraits) -> Self {
        let columns = layout.source().columns.iter();
        let traits = columns.map(|column| traits(&column.name)).collect();
        Self { layout, traits }
    }
}

/// A topic, resolved.
#[derive(Debug)]
pub(super) struct Topic {
    /// `None`: an outbox table's rows.
    pub(super) format: Option<TopicFormat>,
    /// By table; for an outbox the only one.
    codecs: Vec<Codec>,
    /// The table of all its messages.
    only: Option<usize>,
    /// Tables by their own name, with the name of their schema where the plan writes it.
    by_name: HashMap<String, Vec<(Option<String>, usize)>>,
}

/// Which table a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One of the plan's.
    Table(usize),
    /// None of the plan's.
    Foreign,
    /// Nothing tells.
    Unnamed,
}

impl Topic {
    /// The rows of an outbox that name this table.
    pub(super) fn outbox(place: usize, layout: &Layout) -> Self {
        Self {
            format: None,
            codecs: vec![Codec::outbox(layout.source())],
            only: Some(place),
            by_name: HashMap::new(),
        }
    }

    /// A topic of a queue.
    ///
    /// # Errors
    /// `Plan` if it names a table that is not moved.
    pub(super) fn new(format: TopicFormat, tables: &[SourceTable]) -> Result<Self> {
        format
            .format
            .check_versions(format.versions)
            .map_err(|e| e.with("topic", &format.topic))?;
        let mut topic =
            Self { format: None, codecs: Vec::new(), only: None, by_name: HashMap::new() };
        for (place, table) in tables.iter().enumerate() {
            let schema = table.layout.source();
            let codec = Codec::new(&format.format, schema, &table.traits);
            topic.codecs.push(codec);
            let (qualifier, name) = split(&schema.table);
            let entry = (qualifier.map(str::to_owned), place);
            topic.by_name.entry(name.to_owned()).or_default().push(entry);
        }
        if let Some(name) = &format.table {
            let is_it = |table: &SourceTable| table.layout.source().table == *name;
            topic.only = Some(tables.iter().position(is_it).ok_or_else(|| {
                Error::new(ErrorKind::Plan, "read plan: a topic is of a table that is not moved")
                    .with("topic", &format.topic)
                    .with("table", name)
                    .hint("name a [[table]] of the plan, or leave `table` out")
            })?);
        }
        topic.format = Some(format);
        Ok(topic)
    }

    /// How the messages of a table are read.
    pub(super) fn codec(&self, table: usize) -> &Codec {
        let place = if self.format.is_none() { 0 } else { table };
        &self.codecs[place]
    }

    /// What tells the commit order; `None` for an outbox, whose rows are in it.
    pub(super) fn versions(&self) -> Option<Versions> {
        self.format.as_ref().map(|format| format.versions)
    }

    /// What to do where a table was emptied at once.
    pub(super) fn truncates(&self) -> Truncates {
        self.format.as_ref().map_or(Truncates::Stop, |format| format.truncates)
    }

    /// The table that a message of this topic is of.
    pub(super) fn table_of(&self, name: &TableName<'_>) -> Of {
        let database = self.format.as_ref().and_then(|format| format.database.as_deref());
        // Two tables may share a topic, because brokers do not take every character in its name.
        if let Some(wanted) = database {
            let found = [name.schema.as_deref(), name.database.as_deref()];
            if found != [None, None] && !found.contains(&Some(wanted)) {
                return Of::Foreign;
            }
        }
        let Some(table) = name.table.as_deref() else {
            return self.only.map_or(Of::Unnamed, Of::Table);
        };
        let fits = |qualifier: &Option<String>| {
            qualifier.as_deref().is_none_or(|qualifier| {
                [name.schema.as_deref(), name.database.as_deref()].contains(&Some(qualifier))
            })
        };
        let tables = self.by_name.get(table).map_or(&[][..], Vec::as_slice);
        let mut fitting = tables.iter().filter(|(qualifier, place)| {
            fits(qualifier) && self.only.is_none_or(|only| only == *place)
        });
        fitting.next().map_or(Of::Foreign, |&(_, place)| Of::Table(place))
    }
}

/// `schema.table` is a schema and a table.
fn split(name: &str) -> (Option<&str>, &str) {
    name.rsplit_once('.').map_or((None, name), |(qualifier, name)| (Some(qualifier), name))
}
