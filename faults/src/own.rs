//! A database server that a test may harm.

use crate::engine::{Engine, Place};
use servers::{MariaDb, Postgres};
use std::time::Duration;

/// How often a server that was killed is started again until it runs.
const STARTS_MAX: u32 = 5;

/// A server of the test's own.
#[derive(Debug)]
pub enum OwnServer {
    /// A `MariaDB`.
    MariaDb(MariaDb),
    /// A `PostgreSQL`.
    Postgres(Postgres),
}

impl OwnServer {
    /// Starts one; a commit survives `kill -9`.
    #[must_use]
    pub fn start(engine: Engine) -> Self {
        match engine {
            Engine::MariaDb => Self::MariaDb(servers::mariadb().start().unwrap()),
            Engine::Postgres => Self::Postgres(servers::postgres().start().unwrap()),
        }
    }

    /// Starts one that keeps its last commits in its own memory for up to a second or more, so that
    /// `kill -9` loses them, as a failover to an asynchronous replica does.
    #[must_use]
    pub fn start_forgetful(engine: Engine) -> Self {
        match engine {
            Engine::MariaDb => {
                let lazy = servers::mariadb().set("innodb_flush_log_at_trx_commit", "0");
                Self::MariaDb(lazy.set("innodb_flush_log_at_timeout", "3").start().unwrap())
            }
            Engine::Postgres => {
                let lazy = servers::postgres().set("synchronous_commit", "off");
                let lazy = lazy.set("wal_writer_delay", "3s").set("wal_writer_flush_after", "0");
                Self::Postgres(lazy.start().unwrap())
            }
        }
    }

    /// Makes a database on it.
    #[must_use]
    pub fn database(&self, name: &str) -> Place {
        self.sql(&format!("CREATE DATABASE {name}"));
        let (engine, url) = match self {
            Self::MariaDb(server) => (Engine::MariaDb, server.url()),
            Self::Postgres(server) => (Engine::Postgres, server.url()),
        };
        Place::of(engine, format!("{}{name}", url.trim_end_matches(|last| last != '/')))
    }

    /// Runs statements on the server.
    pub fn sql(&self, statements: &str) {
        match self {
            Self::MariaDb(server) => server.sql(statements).map(drop).unwrap(),
            Self::Postgres(server) => server.sql(statements).map(drop).unwrap(),
        }
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        match self {
            Self::MariaDb(server) => server.kill().unwrap(),
            Self::Postgres(server) => server.kill().unwrap(),
        }
    }

    /// Starts it again, on the same port with the same data.
    pub fn start_again(&mut self) {
        let mut tries = 0;
        loop {
            tries += 1;
            let started = match self {
                Self::MariaDb(server) => server.start(),
                Self::Postgres(server) => server.start(),
            };
            match started {
                Ok(()) => return,
                // A session that was being made at the kill holds the memory for a moment.
                Err(_) if tries < STARTS_MAX => std::thread::sleep(Duration::from_millis(500)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
