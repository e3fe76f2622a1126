//! Creates the files of a flight: the service's database with the graph in it, and the empty
//! instances of the target.

use crate::edge::Edge;
use crate::files::{FlightDir, SHARDS, create, database_error, file_error};
use flate2::read::GzDecoder;
use migration::error::{Error, ErrorKind, Result};
use rusqlite::{Connection, params};
use std::fs::File;
use std::path::Path;

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

/// Creates the files and returns the number of edges.
pub(crate) fn seed(dir: &FlightDir, data: &Path) -> Result<u64> {
    std::fs::create_dir_all(&dir.0)
        .map_err(|error| file_error("create flight folder", &dir.0, error))?;
    let mut source = create(&dir.source())?;
    let failed = |error| database_error("create tables of the service", error);
    source.execute_batch(SOURCE_DDL).map_err(failed)?;
    let count = load(&mut source, data)?;
    for shard in 0..SHARDS {
        let instance = create(&dir.shard(shard))?;
        instance.execute_batch(SHARD_DDL).map_err(failed)?;
    }
    Ok(count)
}

fn load(source: &mut Connection, data: &Path) -> Result<u64> {
    let failed = |error| database_error("load seed data", error);
    let transaction = source.transaction().map_err(failed)?;
    let mut count = 0;
    {
        let mut insert = transaction
            .prepare("INSERT INTO followers VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
            .map_err(failed)?;
        for edge in edges(data)? {
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

/// The edges that a flight begins with, in the order of the file.
pub(crate) fn edges(data: &Path) -> Result<impl Iterator<Item = Result<Edge>>> {
    let file = File::open(data).map_err(|error| {
        file_error("open seed data", data, error)
            .hint("run from the playbook's folder, or name the file with --data")
    })?;
    let records = csv::Reader::from_reader(GzDecoder::new(file)).into_deserialize::<Line>();
    Ok(records.zip(0_i64..).map(|(line, number)| match line {
        Ok(line) => Ok(line.into_edge(number)),
        Err(error) => Err(Error::new(ErrorKind::Unreadable, "read seed data")
            .with("line", number + 2)
            .because(error)),
    }))
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
