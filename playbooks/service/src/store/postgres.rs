//! PostgreSQL, as a target.

use super::remote::{RawEdge, edge, wait};
use super::{Found, Session, Table};
use crate::edge::Edge;
use futures::TryStreamExt;
use migration::error::{Error, ErrorKind, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, FromRow};
use tokio::runtime::Handle;

/// Other names and other types. Collation C: keys have the order of their bytes, as in the source.
const FOLLOWER_OF_DDL: &str = "CREATE TABLE follower_of (
    followed text COLLATE \"C\" NOT NULL,
    follower text COLLATE \"C\" NOT NULL,
    requirement varchar(64),
    category text,
    size_kib numeric(20,0),
    changed_at timestamp NOT NULL,
    PRIMARY KEY (followed, follower))";
const FOLLOWS_DDL: &str = "CREATE TABLE follows (
    follower text COLLATE \"C\" NOT NULL,
    followed text COLLATE \"C\" NOT NULL,
    requirement varchar(64),
    category text,
    size_kib numeric(20,0),
    changed_at timestamp NOT NULL,
    PRIMARY KEY (follower, followed))";

const COLUMNS: &str = "SELECT followed, follower, requirement, category, size_kib::text, \
     (extract(epoch FROM changed_at) * 1000000)::bigint FROM ";

/// A connection to a database.
#[derive(Debug)]
pub(crate) struct PostgresSession {
    handle: Handle,
    connection: PgConnection,
}

impl PostgresSession {
    /// Connects.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let handle = Handle::current();
        let connection = wait(&handle, "connect to PostgreSQL", PgConnection::connect(url))?;
        Ok(Self { handle, connection })
    }

    /// Makes an empty table of the target, which must not be there yet.
    pub(crate) fn create_table(&mut self, table: Table) -> Result<()> {
        let statement = if table == Table::Follows { FOLLOWS_DDL } else { FOLLOWER_OF_DDL };
        let done = sqlx::raw_sql(statement).execute(&mut self.connection);
        wait(&self.handle, "create table of the target", done).map(drop).map_err(|error| {
            error.hint("of an earlier flight? `make down`, `make up`, or drop it yourself")
        })
    }
}

fn name(table: Table) -> &'static str {
    match table {
        Table::Followers => "followers",
        Table::FollowerOf => "follower_of",
        Table::Follows => "follows",
    }
}

impl Session for PostgresSession {
    fn each(&mut self, table: Table, visit: &mut dyn FnMut(Found)) -> Result<()> {
        let connection = &mut self.connection;
        let select = format!("{COLUMNS}{}", name(table));
        let all = async move {
            let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(connection);
            while let Some(row) = rows.try_next().await? {
                visit(edge(RawEdge::from_row(&row)));
            }
            Ok(())
        };
        wait(&self.handle, "read every record", all)
    }

    fn list(&mut self, table: Table, package: &str) -> Result<Vec<Edge>> {
        let select = format!("{COLUMNS}{} WHERE followed = $1", name(table));
        let rows = sqlx::query_as::<_, RawEdge>(AssertSqlSafe(select)).bind(package);
        let rows = wait(&self.handle, "read list", rows.fetch_all(&mut self.connection))?;
        let edges = rows.into_iter().map(|raw| edge(Ok(raw)));
        edges.collect::<std::result::Result<_, _>>().map_err(|why| {
            Error::new(ErrorKind::Unreadable, "read list").with("list", package).with("why", why)
        })
    }
}
