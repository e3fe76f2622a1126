//! A MariaDB of the benchmark.

use crate::bed::{DATABASE, Store};
use crate::child::Failure;
use crate::table::{FILL_ROWS, Table};
use servers::{Durability, MariaDb, MariaDbSettings};

/// What servers are started with: the table and its changes fit into memory, and the log does not
/// throttle the writers, whoever they are.
const VARIABLES: [(&str, &str); 5] = [
    ("innodb_buffer_pool_size", "2G"),
    ("innodb_log_file_size", "1G"),
    ("local_infile", "ON"),
    ("max_binlog_size", "64M"),
    // No surprise from statistics that are made in the middle of a run.
    ("innodb_stats_auto_recalc", "OFF"),
];

const OUTBOX: &str = "CREATE TABLE outbox (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
     table_name VARCHAR(64) NOT NULL, op VARCHAR(9) NOT NULL, payload JSON NOT NULL, \
     made_at BIGINT NOT NULL)";

/// Starts a server, empty. `id` tells it from others in the binary log that it keeps.
pub(crate) fn start(id: u32) -> Result<MariaDb, Failure> {
    let set = |settings: MariaDbSettings, (name, value): &(&str, &str)| settings.set(name, value);
    Ok(VARIABLES.iter().fold(servers::mariadb().binary_log(id), set).start()?)
}

impl Store for MariaDb {
    fn engine(&self) -> &'static str {
        "mariadb"
    }

    fn url(&self) -> String {
        format!("{}{DATABASE}", self.url())
    }

    fn process(&self) -> Option<u32> {
        self.process_id()
    }

    fn set_durability(&self, durability: Durability) -> Result<(), Failure> {
        let (log, binary_log) = match durability {
            Durability::Relaxed => (2, 0),
            Durability::Durable => (1, 1),
        };
        self.sql(&format!(
            "SET GLOBAL innodb_flush_log_at_trx_commit = {log}; \
             SET GLOBAL sync_binlog = {binary_log}"
        ))?;
        Ok(())
    }

    fn empty(&self, table: &Table) -> Result<(), Failure> {
        self.sql(&format!(
            "DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}; USE {DATABASE}; {}; \
             RESET MASTER",
            table.create()
        ))?;
        Ok(())
    }

    fn fill(&self, table: &Table, rows: u64) -> Result<(), Failure> {
        let mut first = 1;
        while first <= rows {
            let last = rows.min(first + FILL_ROWS - 1);
            self.sql(&format!(
                "USE {DATABASE}; INSERT INTO {} SELECT {} FROM \
                 (SELECT seq AS i FROM seq_{first}_to_{last}) AS numbers",
                table.name, table.values
            ))?;
            first = last + 1;
        }
        self.sql(&format!("USE {DATABASE}; {OUTBOX}; ANALYZE TABLE {}; RESET MASTER", table.name))?;
        Ok(())
    }

    /// As a number: what `conv` makes is text, whose sum is a float, written in another way than
    /// PostgreSQL's.
    fn sum(&self, table: &Table) -> Result<String, Failure> {
        let sum = self.sql(&format!(
            "SELECT concat(count(*), ' ', coalesce(sum(cast(conv(left(md5(concat_ws('|', {})), 8), \
             16, 10) AS UNSIGNED)), 0)) FROM {DATABASE}.{}",
            table.names(),
            table.name
        ))?;
        Ok(sum.trim().to_owned())
    }
}
