//! The databases of a flight, as the service speaks to them: with statements and conversions of its
//! own, so that a mistake of the product cannot hide itself.

mod mysql;
mod postgres;
mod remote;
mod sqlite;

pub(crate) use mysql::MysqlSession;
pub(crate) use postgres::PostgresSession;
pub(crate) use sqlite::SqliteSession;
#[cfg(test)]
pub(crate) use sqlite::edge_of;

use crate::edge::Edge;
use crate::files::{FlightDir, SHARDS};
use crate::oracle::Effect;
use crate::traffic::Change;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::{Engine, Plan, QueuePlan};
use std::fmt::{self, Debug};
use std::path::PathBuf;

/// A table that edges lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The source: `package <- dependent`.
    Followers,
    /// The target, by followed.
    FollowerOf,
    /// The target, by follower.
    Follows,
}

/// A record as an edge, or why it is nothing that the service ever wrote.
pub(crate) type Found = std::result::Result<Edge, String>;

/// A session with one database. Each thread has its own.
pub(crate) trait Session: Debug + Send {
    /// Visits every edge of a table, in any order.
    fn each(&mut self, table: Table, visit: &mut dyn FnMut(Found)) -> Result<()>;

    /// The list of a package, by one statement, so of one moment.
    fn list(&mut self, table: Table, package: &str) -> Result<Vec<Edge>>;
}

/// A session that writes to the source.
pub(crate) trait Source: Session {
    /// Commits one change. It survives a kill of the database when this returns.
    fn commit(&mut self, write: &Write<'_>) -> Result<Committed>;
}

/// A change to commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    pub(crate) package: &'a str,
    pub(crate) dependent: &'a str,
    pub(crate) change: Change,
    /// What the column of that name becomes, in microseconds since 1970.
    pub(crate) changed_at: i64,
    /// Now, in microseconds since 1970.
    pub(crate) made_at: i64,
}

/// A change that was committed.
#[derive(Debug)]
pub(crate) struct Committed {
    /// What it did.
    pub(crate) effect: Effect,
    /// The id of its outbox row, where there is an outbox.
    pub(crate) id: Option<i64>,
}

/// Where one database is.
#[derive(Clone)]
pub(crate) enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A `MariaDB` database, by its URL.
    Mysql(String),
    /// A PostgreSQL database, by its URL.
    Postgres(String),
}

/// All databases of a flight.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    pub(crate) source: Place,
    /// The target's instances, in shard order.
    pub(crate) instances: Vec<Place>,
    /// The target's tables.
    pub(crate) tables: Vec<Table>,
}

impl Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL holds a password.
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Mysql(_) => "Mysql",
            Self::Postgres(_) => "Postgres",
        })
    }
}

impl Stores {
    /// The files of a flight.
    pub(crate) fn in_files(dir: &FlightDir) -> Self {
        Self {
            source: Place::File(dir.source()),
            instances: (0..SHARDS).map(|index| Place::File(dir.shard(index))).collect(),
            tables: vec![Table::FollowerOf, Table::Follows],
        }
    }

    /// What the plan names: files in `dir`, or servers by variables.
    ///
    /// # Errors
    /// `Plan` for what this service does not know, and for a variable that is not set.
    pub(crate) fn of(plan: &Plan, dir: &FlightDir) -> Result<Self> {
        if matches!(plan.source.engine, Engine::Sqlite { .. }) {
            return Ok(Self::in_files(dir));
        }
        if matches!(plan.queue, QueuePlan::Outbox { .. }) {
            let problem = "on a server this service writes no outbox: capture its changes";
            return Err(Error::new(ErrorKind::Plan, problem));
        }
        let into = plan.tables.first().map(|table| table.into.as_slice()).unwrap_or_default();
        let table =
            |name: &str| match name {
                "follower_of" => Ok(Table::FollowerOf),
                "follows" => Ok(Table::Follows),
                _ => Err(Error::new(ErrorKind::Plan, "this service knows no such table")
                    .with("table", name)),
            };
        let instances = plan.targets.iter().map(|instance| place(&instance.engine));
        Ok(Self {
            source: place(&plan.source.engine)?,
            instances: instances.collect::<Result<_>>()?,
            tables: into.iter().map(|into| table(&into.name)).collect::<Result<_>>()?,
        })
    }

    /// Opens the source to write to it. Needs a runtime, as everything here on a server.
    pub(crate) fn open_source(&self) -> Result<Box<dyn Source>> {
        match &self.source {
            Place::File(path) => Ok(Box::new(SqliteSession::to_write(path)?)),
            Place::Mysql(url) => Ok(Box::new(MysqlSession::open(url)?)),
            Place::Postgres(_) => Err(Error::new(
                ErrorKind::Plan,
                "this service has its own data in SQLite or MariaDB only",
            )),
        }
    }

    /// Opens the source to read from it.
    pub(crate) fn open_source_to_read(&self) -> Result<Box<dyn Session>> {
        self.source.open()
    }

    /// Opens every instance of the target to read from it.
    pub(crate) fn open_instances(&self) -> Result<Vec<Box<dyn Session>>> {
        self.instances.iter().map(Place::open).collect()
    }
}

impl Place {
    fn open(&self) -> Result<Box<dyn Session>> {
        Ok(match self {
            Self::File(path) => Box::new(SqliteSession::to_read(path)?),
            Self::Mysql(url) => Box::new(MysqlSession::open(url)?),
            Self::Postgres(url) => Box::new(PostgresSession::open(url)?),
        })
    }
}

/// Where an engine of the plan is. The service looks its URLs up by itself.
pub(crate) fn place(engine: &Engine) -> Result<Place> {
    let named = |url: &dyn fmt::Display| {
        let place = url.to_string();
        let name = place.strip_prefix("env:").ok_or_else(|| {
            Error::new(ErrorKind::Plan, "this service finds its servers by variables: env:NAME")
        })?;
        std::env::var(name).map_err(|cause| {
            Error::new(ErrorKind::Plan, "find a server's URL: the variable cannot be read")
                .with("variable", name)
                .because(cause)
                .hint(format!("export {name}=URL"))
        })
    };
    match engine {
        Engine::Sqlite { path } => Ok(Place::File(path.clone())),
        Engine::Mysql { url } => named(url).map(Place::Mysql),
        Engine::Postgres { url } => named(url).map(Place::Postgres),
    }
}
