//! Live writes: each change and its outbox row in one transaction.

use crate::clock::Clock;
use crate::edge::Edge;
use crate::files::database_error;
use crate::graph::Graph;
use crate::oracle::{Effect, OracleLine};
use crate::outbox::{self, TABLE};
use crate::traffic::{Change, Column};
use migration::error::Result;
use rusqlite::{Connection, Row, ToSql, Transaction, TransactionBehavior, params};

const INSERT: &str = "INSERT INTO followers VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const UPDATE_CONSTRAINT: &str = r#"UPDATE followers SET "constraint" = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *"#;
const UPDATE_SECTION: &str = "UPDATE followers SET section = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *";
const UPDATE_INSTALLED_KIB: &str = "UPDATE followers SET installed_kib = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *";
const DELETE: &str = "DELETE FROM followers WHERE package = ?1 AND dependent = ?2";
const TELL: &str = "INSERT INTO outbox (table_name, op, payload, made_at) VALUES (?1, ?2, ?3, ?4)";

/// Commits changes to the source.
#[derive(Debug)]
pub(crate) struct Writer {
    source: Connection,
    graph: Graph,
    clock: Clock,
    last_changed_at: i64,
}

impl Writer {
    /// A writer on a connection of its own, with the keys that the source holds.
    ///
    /// `synchronous = NORMAL` survives a kill of the process. What a power cut needs is left to the
    /// acknowledgement, which syncs the write-ahead log for a whole group of changes.
    pub(crate) fn new(source: Connection, clock: Clock) -> Result<Self> {
        source
            .pragma_update(None, "synchronous", "normal")
            .map_err(|error| database_error("prepare to write", error))?;
        let graph = Graph::load(&source)?;
        Ok(Self { source, graph, clock, last_changed_at: 0 })
    }

    /// The keys that exist.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Commits one change; returns what it did, to be acknowledged once it is durable.
    pub(crate) fn commit(&mut self, change: Change) -> Result<OracleLine> {
        let failed = |error| database_error("commit a live write", error);
        let begun_at = self.clock.now();
        self.last_changed_at = begun_at.max(self.last_changed_at + 1);
        let transaction = self
            .source
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let effect = apply(&transaction, &self.graph, change, self.last_changed_at)?;
        let (op, payload) = outbox::columns(&effect)?;
        transaction
            .prepare_cached(TELL)
            .and_then(|mut tell| tell.execute(params![TABLE, op, payload, begun_at]))
            .map_err(failed)?;
        let id = transaction.last_insert_rowid();
        transaction.commit().map_err(failed)?;
        match change {
            Change::Insert(edge, _) => self.graph.insert(edge),
            Change::Delete(edge) => self.graph.remove(edge),
            Change::Update(..) => {}
        }
        Ok(OracleLine { id, begun_at, committed_at: self.clock.now(), effect })
    }
}

fn apply(
    transaction: &Transaction<'_>,
    graph: &Graph,
    change: Change,
    changed_at: i64,
) -> Result<Effect> {
    let (Change::Insert(key, _) | Change::Update(key, _) | Change::Delete(key)) = change;
    let (package, dependent) = (graph.name(key.0), graph.name(key.1));
    let done = match change {
        Change::Insert(_, columns) => insert(
            transaction,
            &Edge {
                package: package.to_string(),
                dependent: dependent.to_string(),
                constraint: columns.constraint.map(str::to_owned),
                section: columns.section.map(str::to_owned),
                installed_kib: columns.installed_kib,
                changed_at,
            },
        ),
        Change::Update(_, column) => {
            let (statement, value): (_, &dyn ToSql) = match &column {
                Column::Constraint(value) => (UPDATE_CONSTRAINT, value),
                Column::Section(value) => (UPDATE_SECTION, value),
                Column::InstalledKib(value) => (UPDATE_INSTALLED_KIB, value),
            };
            transaction.prepare_cached(statement).and_then(|mut update| {
                let values = params![package, dependent, value, changed_at];
                update.query_row(values, edge_of).map(Effect::Upsert)
            })
        }
        Change::Delete(_) => transaction.prepare_cached(DELETE).and_then(|mut delete| {
            // One row exactly: the graph knows what exists, and nobody else writes here.
            match delete.execute(params![package, dependent])? {
                1 => Ok(Effect::Delete {
                    package: package.to_string(),
                    dependent: dependent.to_string(),
                }),
                other => Err(rusqlite::Error::StatementChangedRows(other)),
            }
        }),
    };
    done.map_err(|error| {
        database_error("commit a live write", error)
            .with("package", &package)
            .with("dependent", &dependent)
    })
}

fn insert(transaction: &Transaction<'_>, edge: &Edge) -> rusqlite::Result<Effect> {
    transaction.prepare_cached(INSERT)?.execute(params![
        edge.package,
        edge.dependent,
        edge.constraint,
        edge.section,
        edge.installed_kib,
        edge.changed_at
    ])?;
    Ok(Effect::Upsert(edge.clone()))
}

/// An edge, from all columns of the source table in order.
pub(crate) fn edge_of(row: &Row<'_>) -> rusqlite::Result<Edge> {
    Ok(Edge {
        package: row.get(0)?,
        dependent: row.get(1)?,
        constraint: row.get(2)?,
        section: row.get(3)?,
        installed_kib: row.get(4)?,
        changed_at: row.get(5)?,
    })
}
