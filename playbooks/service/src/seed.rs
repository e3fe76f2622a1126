//! Creates the databases of a flight: the service's own with the graph in it, and the empty
//! instances of the target.

use crate::edge::Edge;
use crate::files::{FlightDir, create, database_error, file_error};
use crate::store::{self, MysqlSession, Place, PostgresSession, Stores, Table};
use flate2::read::GzDecoder;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::{Engine, Plan};
use rusqlite::{Connection, params};
use std::fs::File;
use std::path::PathBuf;

/// The source, and the outbox that is the queue.
pub(crate) const SOURCE_DDL: &str = r#"
CREATE TABLE followers(
    package       TEXT NOT NULL,
    dependent     TEXT NOT NULL,
    "constraint"  VARCHAR(64),
    section       TEXT,
    installed_kib INTEGER,
    changed_at    INTEGER NOT NULL,
    PRIMARY KEY(package, dependent)
);
CREATE TABLE outbox(
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    op         TEXT NOT NULL,
    payload    TEXT,
    made_at    INTEGER NOT NULL
);
"#;

/// One instance of the target: other names, other types, and every edge a second time. The size is
/// an exact decimal, which SQLite keeps only as text: it would make a float of a long DECIMAL.
const SHARD_DDL: &str = "
CREATE TABLE follower_of(
    followed    TEXT NOT NULL,
    follower    TEXT NOT NULL,
    requirement VARCHAR(64),
    category    TEXT,
    size_kib    TEXT,
    changed_at  TIMESTAMP NOT NULL,
    PRIMARY KEY(followed, follower)
);
CREATE TABLE follows(
    follower    TEXT NOT NULL,
    followed    TEXT NOT NULL,
    requirement VARCHAR(64),
    category    TEXT,
    size_kib    TEXT,
    changed_at  TIMESTAMP NOT NULL,
    PRIMARY KEY(follower, followed)
);
";

/// 2026-11-01T00:00:00Z, in microseconds.
const FIRST_CHANGED_AT: i64 = 1_793_491_200_000_000;
/// About a second and a bit, so that every digit of a microsecond timestamp is in use.
const CHANGED_AT_STEP: i64 = 1_234_567;

/// Creates the databases, and returns the number of edges.
pub(crate) fn seed(dir: &FlightDir, stores: &Stores, data: &Data) -> Result<u64> {
    std::fs::create_dir_all(&dir.0)
        .map_err(|error| file_error("create flight folder", &dir.0, error))?;
    let count = match &stores.source {
        Place::File(path) => {
            let mut source = create(path)?;
            source
                .execute_batch(SOURCE_DDL)
                .map_err(|error| database_error("create tables of the service", error))?;
            load(&mut source, data)?
        }
        Place::Mysql(url) => MysqlSession::create(url)?.fill_source(data.edges()?)?,
        Place::Postgres(_) => stores.open_source().map(|_| 0)?,
    };
    stores.instances.iter().try_for_each(|instance| create_instance(instance, &stores.tables))?;
    Ok(count)
}

/// Makes the empty database of the checkpoints, as whoever looks after the servers would.
pub(crate) fn create_checkpoint(plan: &Plan) -> Result<()> {
    match &plan.checkpoint {
        Engine::Mysql { .. } => match store::place(&plan.checkpoint)? {
            Place::Mysql(url) => MysqlSession::create(&url).map(drop),
            Place::File(_) | Place::Postgres(_) => Ok(()),
        },
        // A file is made by whoever opens it first; in PostgreSQL they lie in the target's
        // database.
        Engine::Sqlite { .. } | Engine::Postgres { .. } => Ok(()),
    }
}

/// Makes the empty tables of one instance of the target.
fn create_instance(instance: &Place, tables: &[Table]) -> Result<()> {
    match instance {
        Place::File(path) => create(path)?
            .execute_batch(SHARD_DDL)
            .map_err(|error| database_error("create tables of the target", error)),
        Place::Mysql(url) => {
            let mut session = MysqlSession::create(url)?;
            tables.iter().try_for_each(|&table| session.create_table(table))
        }
        Place::Postgres(url) => {
            let mut session = PostgresSession::open(url)?;
            tables.iter().try_for_each(|&table| session.create_table(table))
        }
    }
}

fn load(source: &mut Connection, data: &Data) -> Result<u64> {
    let failed = |error| database_error("load seed data", error);
    let transaction = source.transaction().map_err(failed)?;
    let mut count = 0;
    {
        let mut insert = transaction
            .prepare("INSERT INTO followers VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
            .map_err(failed)?;
        for edge in data.edges()? {
            let edge = edge?;
            insert
                .execute(params![
                    edge.package,
                    edge.dependent,
                    edge.constraint,
                    edge.section,
                    edge.installed_kib,
                    edge.changed_at
                ])
                .map_err(failed)?;
            count += 1;
        }
    }
    transaction.commit().map_err(failed)?;
    Ok(count)
}

/// What a flight begins with.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    /// The file.
    pub(crate) file: PathBuf,
    /// Most edges of it that are taken.
    pub(crate) most: usize,
}

impl Data {
    /// The edges, in the order of the file.
    pub(crate) fn edges(&self) -> Result<impl Iterator<Item = Result<Edge>> + use<>> {
        let file = File::open(&self.file).map_err(|error| {
            file_error("open seed data", &self.file, error)
                .hint("run from the playbook's folder, or name the file with --data")
        })?;
        let records = csv::Reader::from_reader(GzDecoder::new(file)).into_deserialize::<Line>();
        let edges = records.zip(0_i64..).map(|(line, number)| match line {
            Ok(line) => Ok(line.into_edge(number)),
            Err(error) => Err(Error::new(ErrorKind::Unreadable, "read seed data")
                .with("line", number + 2)
                .because(error)),
        });
        Ok(edges.take(self.most))
    }
}

#[derive(serde::Deserialize)]
struct Line {
    package: String,
    dependent: String,
    constraint: String,
    section: String,
    installed_kib: i64,
}

impl Line {
    fn into_edge(self, number: i64) -> Edge {
        let is_null = self.constraint.is_empty() && number % 2 == 1;
        Edge {
            package: self.package,
            dependent: self.dependent,
            constraint: (!is_null).then_some(self.constraint),
            section: Some(self.section),
            installed_kib: Some(self.installed_kib),
            changed_at: FIRST_CHANGED_AT + number * CHANGED_AT_STEP,
        }
    }
}
