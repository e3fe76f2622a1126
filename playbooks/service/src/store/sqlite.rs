//! SQLite files.

use super::{Committed, Found, Session, Source, Table, Write};
use crate::edge::Edge;
use crate::files::{self, database_error};
use crate::oracle::Effect;
use crate::outbox::{self, TABLE};
use crate::target_row;
use crate::traffic::{Change, Column};
use migration::error::Result;
use rusqlite::{Connection, Row, ToSql, Transaction, TransactionBehavior, params};
use std::path::Path;

const INSERT: &str = "INSERT INTO followers VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const UPDATE_CONSTRAINT: &str = r#"UPDATE followers SET "constraint" = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *"#;
const UPDATE_SECTION: &str = "UPDATE followers SET section = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *";
const UPDATE_INSTALLED_KIB: &str = "UPDATE followers SET installed_kib = ?3, changed_at = ?4
    WHERE package = ?1 AND dependent = ?2 RETURNING *";
const DELETE: &str = "DELETE FROM followers WHERE package = ?1 AND dependent = ?2";
const TELL: &str = "INSERT INTO outbox (table_name, op, payload, made_at) VALUES (?1, ?2, ?3, ?4)";

/// A connection to a file.
#[derive(Debug)]
pub(crate) struct SqliteSession(Connection);

type EdgeOf = fn(&Row<'_>) -> rusqlite::Result<Edge>;

impl SqliteSession {
    /// Opens a file to read from it.
    pub(crate) fn to_read(path: &Path) -> Result<Self> {
        files::open_to_read(path).map(Self)
    }

    /// Opens the source to write to it.
    ///
    /// `synchronous = NORMAL` survives a kill of the process. What a power cut needs is left to the
    /// acknowledgement, which syncs the write-ahead log for a whole group of changes.
    pub(crate) fn to_write(path: &Path) -> Result<Self> {
        let connection = files::open_to_write(path)?;
        connection
            .pragma_update(None, "synchronous", "normal")
            .map_err(|error| database_error("prepare to write", error))?;
        Ok(Self(connection))
    }
}

/// The columns of an edge, the column that names its list, and how the edge is made of them.
fn shape(table: Table) -> (&'static str, &'static str, EdgeOf) {
    match table {
        Table::Followers => ("* FROM followers", "package", edge_of),
        Table::FollowerOf => (
            "followed, follower, requirement, category, size_kib, changed_at FROM follower_of",
            "followed",
            target_row::edge_of,
        ),
        Table::Follows => (
            "followed, follower, requirement, category, size_kib, changed_at FROM follows",
            "followed",
            target_row::edge_of,
        ),
    }
}

impl Session for SqliteSession {
    fn each(&mut self, table: Table, visit: &mut dyn FnMut(Found)) -> Result<()> {
        let failed = |error| database_error("read every record", error);
        let (columns, _, edge_of) = shape(table);
        let mut select = self.0.prepare(&format!("SELECT {columns}")).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            visit(edge_of(row).map_err(|error| error.to_string()));
        }
        Ok(())
    }

    fn list(&mut self, table: Table, package: &str) -> Result<Vec<Edge>> {
        let (columns, by, edge_of) = shape(table);
        let statement = format!("SELECT {columns} WHERE {by} = ?1");
        let list = self
            .0
            .prepare_cached(&statement)
            .and_then(|mut select| select.query_map([package], edge_of)?.collect());
        list.map_err(|error| database_error("read list", error).with("list", package))
    }
}

impl Source for SqliteSession {
    fn commit(&mut self, write: &Write<'_>) -> Result<Committed> {
        let failed = |error| database_error("commit a live write", error);
        let transaction =
            self.0.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let effect = apply(&transaction, write)?;
        let (op, payload) = outbox::columns(&effect)?;
        transaction
            .prepare_cached(TELL)
            .and_then(|mut tell| tell.execute(params![TABLE, op, payload, write.made_at]))
            .map_err(failed)?;
        let id = transaction.last_insert_rowid();
        transaction.commit().map_err(failed)?;
        Ok(Committed { effect, id: Some(id) })
    }
}

fn apply(transaction: &Transaction<'_>, write: &Write<'_>) -> Result<Effect> {
    let Write { package, dependent, changed_at, .. } = *write;
    let done = match write.change {
        Change::Insert(_, columns) => insert(transaction, columns.edge(write)),
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
                    package: package.to_owned(),
                    dependent: dependent.to_owned(),
                }),
                other => Err(rusqlite::Error::StatementChangedRows(other)),
            }
        }),
    };
    done.map_err(|error| {
        database_error("commit a live write", error)
            .with("package", package)
            .with("dependent", dependent)
    })
}

fn insert(transaction: &Transaction<'_>, edge: Edge) -> rusqlite::Result<Effect> {
    transaction.prepare_cached(INSERT)?.execute(params![
        edge.package,
        edge.dependent,
        edge.constraint,
        edge.section,
        edge.installed_kib,
        edge.changed_at
    ])?;
    Ok(Effect::Upsert(edge))
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
