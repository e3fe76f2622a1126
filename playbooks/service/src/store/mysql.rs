//! MariaDB.

use super::remote::{RawEdge, date_time, edge, wait};
use super::{Committed, Found, Session, Source, Table, Write};
use crate::edge::Edge;
use crate::oracle::Effect;
use crate::traffic::{Change, Column};
use futures::TryStreamExt;
use migration::error::{Error, ErrorKind, Result};
use sqlx::mysql::{MySqlArguments, MySqlConnection};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, FromRow, MySql, QueryBuilder};
use tokio::runtime::Handle;

/// The source. Text is compared by its characters and nothing else: a collation that takes `a` for
/// `A` would make one record of two.
const SOURCE_DDL: &str = "CREATE TABLE followers (
    package VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    dependent VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    `constraint` VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    section VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    installed_kib BIGINT,
    changed_at DATETIME(6) NOT NULL,
    PRIMARY KEY (package, dependent)) ENGINE = InnoDB DEFAULT CHARSET utf8mb4";
/// One instance of the target: other names, other types.
const FOLLOWER_OF_DDL: &str = "CREATE TABLE follower_of (
    followed VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    follower VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    requirement VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    category VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    size_kib DECIMAL(20,0),
    changed_at DATETIME(6) NOT NULL,
    PRIMARY KEY (followed, follower)) ENGINE = InnoDB DEFAULT CHARSET utf8mb4";
const FOLLOWS_DDL: &str = "CREATE TABLE follows (
    follower VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    followed VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
    requirement VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    category VARCHAR(64) COLLATE utf8mb4_nopad_bin,
    size_kib DECIMAL(20,0),
    changed_at DATETIME(6) NOT NULL,
    PRIMARY KEY (follower, followed)) ENGINE = InnoDB DEFAULT CHARSET utf8mb4";

const INSERT: &str = "INSERT INTO followers VALUES (?, ?, ?, ?, ?, ?)";
const UPDATE_CONSTRAINT: &str =
    "UPDATE followers SET `constraint` = ?, changed_at = ? WHERE package = ? AND dependent = ?";
const UPDATE_SECTION: &str =
    "UPDATE followers SET section = ?, changed_at = ? WHERE package = ? AND dependent = ?";
const UPDATE_INSTALLED_KIB: &str =
    "UPDATE followers SET installed_kib = ?, changed_at = ? WHERE package = ? AND dependent = ?";
const DELETE: &str = "DELETE FROM followers WHERE package = ? AND dependent = ?";

const FOLLOWERS: &str = "SELECT package, dependent, `constraint`, section, \
     CAST(installed_kib AS CHAR), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) \
     FROM followers";
const FOLLOWER_OF: &str = "SELECT followed, follower, requirement, category, \
     CAST(size_kib AS CHAR), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) FROM follower_of";
const FOLLOWS: &str = "SELECT followed, follower, requirement, category, \
     CAST(size_kib AS CHAR), TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) FROM follows";

/// Rows of one statement while the source is filled.
const SEED_ROWS: usize = 500;

/// A connection to a database.
#[derive(Debug)]
pub(crate) struct MysqlSession {
    handle: Handle,
    connection: MySqlConnection,
}

impl MysqlSession {
    /// Connects.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let handle = Handle::current();
        let connection = wait(&handle, "connect to MariaDB", MySqlConnection::connect(url))?;
        Ok(Self { handle, connection })
    }

    /// Makes a database, which must not be there yet, and connects to it.
    pub(crate) fn create(url: &str) -> Result<Self> {
        let (server, name) = url.rsplit_once('/').unwrap_or((url, ""));
        let mut on_server = Self::open(&format!("{server}/"))?;
        on_server.run(&format!("CREATE DATABASE `{name}`")).map_err(|error| {
            error
                .with("database", name)
                .hint("of an earlier flight? `make down`, `make up`, or drop it yourself")
        })?;
        Self::open(url)
    }

    /// Makes the source's table and fills it; returns the number of edges.
    pub(crate) fn fill_source(&mut self, edges: impl Iterator<Item = Result<Edge>>) -> Result<u64> {
        self.run(SOURCE_DDL)?;
        let mut count = 0;
        let mut waiting = Vec::with_capacity(SEED_ROWS);
        for edge in edges {
            waiting.push(edge?);
            count += 1;
            if waiting.len() == SEED_ROWS {
                self.load(&waiting)?;
                waiting.clear();
            }
        }
        if !waiting.is_empty() {
            self.load(&waiting)?;
        }
        Ok(count)
    }

    /// Makes an empty table of the target.
    pub(crate) fn create_table(&mut self, table: Table) -> Result<()> {
        self.run(match table {
            Table::Followers => SOURCE_DDL,
            Table::FollowerOf => FOLLOWER_OF_DDL,
            Table::Follows => FOLLOWS_DDL,
        })
    }

    fn load(&mut self, edges: &[Edge]) -> Result<()> {
        let moments = edges.iter().map(|edge| date_time(edge.changed_at));
        let moments = moments.collect::<Result<Vec<_>>>()?;
        let mut insert = QueryBuilder::<MySql>::new("INSERT INTO followers ");
        insert.push_values(edges.iter().zip(&moments), |mut row, (edge, moment)| {
            row.push_bind(&edge.package)
                .push_bind(&edge.dependent)
                .push_bind(&edge.constraint)
                .push_bind(&edge.section)
                .push_bind(edge.installed_kib)
                .push_bind(moment);
        });
        let done = insert.build().execute(&mut self.connection);
        wait(&self.handle, "load seed data", done).map(drop)
    }

    fn run(&mut self, statement: &str) -> Result<()> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        let done = statement.execute(&mut self.connection);
        wait(&self.handle, "create what the service needs", done).map(drop)
    }

    /// Runs a statement that changes one row exactly: the graph knows what exists, and nobody else
    /// writes here.
    fn change(&mut self, query: Query<'_, MySql, MySqlArguments>) -> Result<()> {
        let done = query.execute(&mut self.connection);
        match wait(&self.handle, "commit a live write", done)?.rows_affected() {
            1 => Ok(()),
            rows => Err(Error::new(ErrorKind::Failed, "commit a live write").with("rows", rows)),
        }
    }

    fn apply(&mut self, write: &Write<'_>) -> Result<Effect> {
        let (package, dependent) = (write.package, write.dependent);
        let moment = date_time(write.changed_at)?;
        match write.change {
            Change::Insert(_, columns) => {
                let edge = columns.edge(write);
                let insert = sqlx::query(INSERT).bind(package).bind(dependent);
                let insert = insert.bind(&edge.constraint).bind(&edge.section);
                self.change(insert.bind(edge.installed_kib).bind(&moment))?;
                Ok(Effect::Upsert(edge))
            }
            Change::Update(_, column) => {
                let update = match column {
                    Column::Constraint(value) => sqlx::query(UPDATE_CONSTRAINT).bind(value),
                    Column::Section(value) => sqlx::query(UPDATE_SECTION).bind(value),
                    Column::InstalledKib(value) => sqlx::query(UPDATE_INSTALLED_KIB).bind(value),
                };
                self.change(update.bind(&moment).bind(package).bind(dependent))?;
                self.edge(package, dependent).map(Effect::Upsert)
            }
            Change::Delete(_) => {
                self.change(sqlx::query(DELETE).bind(package).bind(dependent))?;
                let (package, dependent) = (package.to_owned(), dependent.to_owned());
                Ok(Effect::Delete { package, dependent })
            }
        }
    }

    /// One edge of the source, as it is now.
    fn edge(&mut self, package: &str, dependent: &str) -> Result<Edge> {
        let select = format!("{FOLLOWERS} WHERE package = ? AND dependent = ?");
        let row = sqlx::query_as::<_, RawEdge>(AssertSqlSafe(select))
            .bind(package)
            .bind(dependent)
            .fetch_one(&mut self.connection);
        let raw = wait(&self.handle, "read what was written", row)?;
        edge(Ok(raw)).map_err(|why| Error::new(ErrorKind::Unreadable, why))
    }
}

/// The columns of an edge, and the column that names its list.
fn shape(table: Table) -> (&'static str, &'static str) {
    match table {
        Table::Followers => (FOLLOWERS, "package"),
        Table::FollowerOf => (FOLLOWER_OF, "followed"),
        Table::Follows => (FOLLOWS, "followed"),
    }
}

impl Session for MysqlSession {
    fn each(&mut self, table: Table, visit: &mut dyn FnMut(Found)) -> Result<()> {
        let connection = &mut self.connection;
        let all = async move {
            let mut rows = sqlx::query(shape(table).0).fetch(connection);
            while let Some(row) = rows.try_next().await? {
                visit(edge(RawEdge::from_row(&row)));
            }
            Ok(())
        };
        wait(&self.handle, "read every record", all)
    }

    fn list(&mut self, table: Table, package: &str) -> Result<Vec<Edge>> {
        let (columns, by) = shape(table);
        let select = format!("{columns} WHERE {by} = ?");
        let rows = sqlx::query_as::<_, RawEdge>(AssertSqlSafe(select)).bind(package);
        let rows = wait(&self.handle, "read list", rows.fetch_all(&mut self.connection))?;
        let edges = rows.into_iter().map(|raw| edge(Ok(raw)));
        edges.collect::<std::result::Result<_, _>>().map_err(|why| {
            Error::new(ErrorKind::Unreadable, "read list").with("list", package).with("why", why)
        })
    }
}

impl Source for MysqlSession {
    /// Each change is a transaction of its own, of one statement: it is committed when it returns.
    fn commit(&mut self, write: &Write<'_>) -> Result<Committed> {
        let effect = self.apply(write).map_err(|error| {
            error.with("package", write.package).with("dependent", write.dependent)
        })?;
        Ok(Committed { effect, id: None })
    }
}
