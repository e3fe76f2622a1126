//! The servers that a service runs on, and what is said to each in its own words.

mod mariadb;
mod postgres;
mod session;

pub use session::Session;

use servers::shared::{Database, mariadb_database, postgres_database};

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `MariaDB`.
    MariaDb,
    /// `PostgreSQL`.
    Postgres,
}

/// The statements of one engine. A text in them is quoted by hand: all of it is made by the tests.
struct Dialect {
    /// As plans name it.
    name: &'static str,
    /// The service's tables, with 2,500 edges.
    source: &'static str,
    /// The tables of a target.
    shard: &'static str,
    /// A log in the target of every record that is written, in the order of the writes.
    watch: &'static str,
    /// Every edge of the source as one line of text.
    source_edges: &'static str,
    /// The application's tables, in one line.
    tables: &'static str,
    /// Every edge of one copy, as the same lines.
    target_edges: fn(&str) -> String,
    /// Writes an edge.
    put: fn(&Edge) -> String,
    /// Writes the message that the edge was written.
    emit_put: fn(&Edge) -> String,
    /// Writes the message that the edge was deleted.
    emit_delete: fn(&Edge) -> String,
}

impl Engine {
    fn dialect(self) -> &'static Dialect {
        match self {
            Self::MariaDb => &mariadb::DIALECT,
            Self::Postgres => &postgres::DIALECT,
        }
    }

    /// As plans name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.dialect().name
    }

    /// The service's tables and its first edges.
    pub(crate) fn source(self) -> &'static str {
        self.dialect().source
    }

    pub(crate) fn shard(self) -> &'static str {
        self.dialect().shard
    }

    pub(crate) fn watch(self) -> &'static str {
        self.dialect().watch
    }

    pub(crate) fn source_edges(self) -> &'static str {
        self.dialect().source_edges
    }

    pub(crate) fn target_edges(self, table: &str) -> String {
        (self.dialect().target_edges)(table)
    }

    /// The names of the tables in a database, in one line: those of the application, once nothing
    /// of a migration is left.
    #[must_use]
    pub fn tables(self) -> &'static str {
        self.dialect().tables
    }

    /// The names of the tables in a database, one a line.
    #[must_use]
    pub fn table_names(self) -> &'static str {
        match self {
            Self::MariaDb => "SHOW TABLES",
            Self::Postgres => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        }
    }

    pub(crate) fn put(self, edge: &Edge) -> [String; 2] {
        let dialect = self.dialect();
        [(dialect.put)(edge), (dialect.emit_put)(edge)]
    }

    pub(crate) fn delete(self, edge: &Edge) -> [String; 2] {
        let delete = format!(
            "DELETE FROM followers WHERE package = '{}' AND dependent = '{}'",
            edge.package, edge.dependent
        );
        [delete, (self.dialect().emit_delete)(edge)]
    }
}

/// One edge of the service, written by one operation.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) package: String,
    pub(crate) dependent: String,
    pub(crate) constraint: Option<String>,
    pub(crate) kib: u64,
    /// The number of the operation: it is in the record, so that an old one is told from a new one.
    pub(crate) operation: u64,
}

impl Edge {
    /// A decimal of the greatest size, with the operation before its point.
    fn price(&self) -> String {
        format!("{}.{:030}", self.operation, u128::from(self.kib) * 1_000_003)
    }

    fn changed_at(&self) -> String {
        let (seconds, micros) = (self.operation / 1_000_000, self.operation % 1_000_000);
        format!("2025-06-01 12:00:{seconds:02}.{micros:06}")
    }

    fn constraint(&self) -> String {
        self.constraint.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("'{text}'"))
    }

    /// The line that either side shows of it.
    pub(crate) fn line(&self) -> String {
        let constraint = self.constraint.as_deref().unwrap_or("null");
        let (price, changed_at) = (self.price(), self.changed_at());
        format!(
            "{}|{}|{constraint}|web|{}|{price}|{changed_at}",
            self.package, self.dependent, self.kib
        )
    }
}

/// A database, of a shared server or of one of the test's own.
#[derive(Debug)]
pub struct Place {
    engine: Engine,
    url: String,
    _shared: Option<Database>,
}

impl Place {
    /// An empty database of the shared server.
    #[must_use]
    pub fn shared(engine: Engine, purpose: &str) -> Self {
        let made = match engine {
            Engine::MariaDb => mariadb_database(purpose),
            Engine::Postgres => postgres_database(purpose),
        };
        let database = made.unwrap();
        Self { engine, url: database.url(), _shared: Some(database) }
    }

    /// A database of a server that the test may harm.
    #[must_use]
    pub fn of(engine: Engine, url: String) -> Self {
        Self { engine, url, _shared: None }
    }

    /// The same by another port of this machine.
    #[must_use]
    pub fn by(self, port: u16) -> Self {
        let (start, end) = self.url.rsplit_once(':').unwrap();
        let (_, database) = end.split_once('/').unwrap();
        Self { url: format!("{start}:{port}/{database}"), ..self }
    }

    /// Its engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its URL, for the account that may do everything.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on its server.
    #[must_use]
    pub fn database(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    /// Opens it as an application does.
    pub async fn session(&self) -> Session {
        Session::open(self.engine, &self.url).await.unwrap()
    }

    /// Runs statements in it.
    pub async fn run(&self, statements: &str) {
        self.session().await.run(statements).await.unwrap();
    }

    /// The first column of what a query finds, as text.
    pub async fn lines(&self, query: &str) -> Vec<String> {
        self.session().await.lines(query).await.unwrap()
    }

    /// The names of its tables, in one line.
    pub async fn tables(&self) -> String {
        self.lines(self.engine.tables()).await.join(" ")
    }
}
