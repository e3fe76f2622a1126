//! A PostgreSQL of the benchmark.

use crate::bed::{DATABASE, Store};
use crate::child::Failure;
use crate::table::{FILL_ROWS, Table};
use servers::{Durability, Postgres};

/// What servers are started with: the table and its changes fit into memory, and checkpoints do not
/// throttle the writers, whoever they are.
const PARAMETERS: [(&str, &str); 4] = [
    ("shared_buffers", "2GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    // Between the runs, by us, and never in the middle of one.
    ("autovacuum", "off"),
];

const OUTBOX: &str = "CREATE TABLE outbox (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
     table_name TEXT NOT NULL, op TEXT NOT NULL, payload JSONB NOT NULL, made_at BIGINT NOT NULL)";

/// Starts a server, empty, whose commits promise what the server's defaults do.
pub(crate) fn start() -> Result<Postgres, Failure> {
    let settings = servers::postgres().durability(Durability::Durable);
    let set = |settings: servers::PostgresSettings, (name, value): &(&str, &str)| {
        settings.set(name, value)
    };
    Ok(PARAMETERS.iter().fold(settings, set).start()?)
}

/// Runs statements in [`DATABASE`].
fn run(server: &Postgres, statements: &str) -> Result<String, Failure> {
    Ok(server.sql(&format!("\\connect {DATABASE}\n{statements}"))?)
}

impl Store for Postgres {
    fn engine(&self) -> &'static str {
        "postgres"
    }

    fn url(&self) -> String {
        let server = self.url();
        format!("{}{DATABASE}", server.trim_end_matches(|last| last != '/'))
    }

    fn process(&self) -> Option<u32> {
        self.process_id()
    }

    fn set_durability(&self, durability: Durability) -> Result<(), Failure> {
        let commit = match durability {
            Durability::Relaxed => "off",
            Durability::Durable => "on",
        };
        self.sql(&format!(
            "ALTER SYSTEM SET synchronous_commit = {commit};\nSELECT pg_reload_conf()"
        ))?;
        Ok(())
    }

    fn empty(&self, table: &Table) -> Result<(), Failure> {
        self.sql(&format!(
            "DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE);\nCREATE DATABASE {DATABASE};\n\
             CHECKPOINT"
        ))?;
        run(self, &table.create()).map(drop)
    }

    fn fill(&self, table: &Table, rows: u64) -> Result<(), Failure> {
        let mut first = 1;
        while first <= rows {
            let last = rows.min(first + FILL_ROWS - 1);
            run(
                self,
                &format!(
                    "INSERT INTO {} SELECT {} FROM generate_series({first}::bigint, {last}) AS i",
                    table.name, table.values
                ),
            )?;
            first = last + 1;
        }
        run(self, &format!("{OUTBOX};\nVACUUM (FREEZE, ANALYZE) {}", table.name)).map(drop)
    }

    fn sum(&self, table: &Table) -> Result<String, Failure> {
        let sum = run(
            self,
            &format!(
                "SELECT count(*) || ' ' || coalesce(sum(('x' || left(md5(concat_ws('|', {})), 8))\
                 ::bit(32)::bigint), 0) FROM {}",
                table.names(),
                table.name
            ),
        )?;
        Ok(sum.trim().to_owned())
    }
}
