//! Servers that all tests share: starting one for each test would take longer than the tests.
//!
//! `servers with mariadb,postgres,redis -- cargo test` starts them once and names them in the
//! environment. Where the environment names none, each test binary starts one of its own on first
//! use, and its watchdog ends it with the binary; so a plain `cargo test` works too.
//!
//! Each test makes a database of its own here and nothing else: no settings, no accounts, no kills.

use std::env;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::kafka::{Kafka, Listener, kafka};
use crate::mariadb::{MariaDb, mariadb, run_sql};
use crate::postgres::{Postgres, postgres, psql};
use crate::redis::{Redis, redis, redis_cli};

/// The variable that names the shared `MariaDB`.
pub const MARIADB_URL: &str = "MIDFLIGHT_TEST_MARIADB_URL";
/// The variable that names the shared `PostgreSQL`.
pub const POSTGRES_URL: &str = "MIDFLIGHT_TEST_POSTGRES_URL";
/// The variable that names the shared Redis.
pub const REDIS_URL: &str = "MIDFLIGHT_TEST_REDIS_URL";
/// The variable that names the shared Kafka's brokers.
pub const KAFKA_BROKERS: &str = "MIDFLIGHT_TEST_KAFKA_BROKERS";
/// The variables that name the instances of a target of several, each a `MariaDB` of its own.
pub const SHARD_URLS: [&str; 4] = [
    "MIDFLIGHT_TEST_SHARD_0_URL",
    "MIDFLIGHT_TEST_SHARD_1_URL",
    "MIDFLIGHT_TEST_SHARD_2_URL",
    "MIDFLIGHT_TEST_SHARD_3_URL",
];

/// A database of one test in a shared server, dropped with this value.
#[derive(Debug)]
pub struct Database {
    engine: Engine,
    server: String,
    name: String,
}

#[derive(Debug, Clone, Copy)]
enum Engine {
    MariaDb,
    Postgres,
    Redis,
}

/// A name that no other test of this run uses: `purpose`, the process id, and a count. Fit for a
/// database, a table or a topic.
#[must_use]
pub fn unique_name(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{purpose}_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Makes an empty database in the shared `MariaDB`, which keeps a binary log of rows.
///
/// # Errors
/// Fails if the server cannot be started or reached.
pub fn mariadb_database(purpose: &str) -> Result<Database> {
    static OWN: OnceLock<Result<MariaDb, String>> = OnceLock::new();
    let server = named_or_own(MARIADB_URL, &OWN, start_mariadb, MariaDb::url)?;
    Database::create(Engine::MariaDb, server, unique_name(purpose))
}

/// Makes an empty database in the shared `PostgreSQL`, which writes what logical decoding needs.
///
/// # Errors
/// Fails if the server cannot be started or reached.
pub fn postgres_database(purpose: &str) -> Result<Database> {
    static OWN: OnceLock<Result<Postgres, String>> = OnceLock::new();
    let server = named_or_own(POSTGRES_URL, &OWN, start_postgres, Postgres::url)?;
    Database::create(Engine::Postgres, server, unique_name(purpose))
}

/// Takes an empty database of the shared Redis.
///
/// # Errors
/// Fails if the server cannot be started or reached.
pub fn redis_database() -> Result<Database> {
    static OWN: OnceLock<Result<Redis, String>> = OnceLock::new();
    let server = named_or_own(REDIS_URL, &OWN, start_redis, Redis::url)?;
    // Counted in database 0, which no test gets: the number must differ between processes too.
    let number = redis_cli(&server, &["INCR", "midflight:databases"])?;
    Database::create(Engine::Redis, server, number.trim().into())
}

/// The address of the shared Kafka's one broker. Tests make topics of their own there, with
/// [`unique_name`].
///
/// # Errors
/// Fails if the broker cannot be started.
pub fn kafka_brokers() -> Result<String> {
    static OWN: OnceLock<Result<Kafka, String>> = OnceLock::new();
    let plain = |server: &Kafka| server.bootstrap(Listener::Plain).to_owned();
    named_or_own(KAFKA_BROKERS, &OWN, start_kafka, plain)
}

pub(crate) fn start_mariadb() -> Result<MariaDb> {
    mariadb().binary_log(1).start()
}

pub(crate) fn start_postgres() -> Result<Postgres> {
    postgres().logical().start()
}

pub(crate) fn start_redis() -> Result<Redis> {
    redis().start()
}

pub(crate) fn start_kafka() -> Result<Kafka> {
    kafka().start()
}

/// The URL of the server that the environment names, or of one of this process.
fn named_or_own<T>(
    variable: &str,
    own: &'static OnceLock<Result<T, String>>,
    start: fn() -> Result<T>,
    url: fn(&T) -> String,
) -> Result<String> {
    if let Ok(url) = env::var(variable) {
        return Ok(url);
    }
    match own.get_or_init(|| start().map_err(|error| error.to_string())) {
        Ok(server) => Ok(url(server)),
        Err(error) => Err(Error::Request(error.clone())),
    }
}

impl Database {
    fn create(engine: Engine, server: String, name: String) -> Result<Self> {
        let database = Self { engine, server, name };
        // Of an earlier process with the same id, if one was killed.
        database.empty()?;
        match engine {
            Engine::MariaDb | Engine::Postgres => {
                database.on_server(&format!("CREATE DATABASE {}", database.name))?;
            }
            Engine::Redis => {}
        }
        Ok(database)
    }

    /// The database's URL, for the account that may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        let server = self.server.trim_end_matches(|last| last != '/');
        format!("{server}{}", self.name)
    }

    /// The database's name (of Redis: its number).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in this database through the command-line client, and returns what they
    /// print: one line a row, no headings; columns separated by tabs (`MariaDB`) or `|`
    /// (`PostgreSQL`). Of Redis: the words of one command, separated by blanks.
    ///
    /// # Errors
    /// [`Error::Tool`] with the server's message.
    pub fn run(&self, statements: &str) -> Result<String> {
        match self.engine {
            Engine::MariaDb => run_sql(&self.url(), statements),
            Engine::Postgres => psql(&self.url(), statements),
            Engine::Redis => {
                redis_cli(&self.url(), &statements.split_whitespace().collect::<Vec<_>>())
            }
        }
    }

    fn on_server(&self, statement: &str) -> Result<String> {
        match self.engine {
            Engine::MariaDb => run_sql(&self.server, statement),
            Engine::Postgres => psql(&self.server, statement),
            Engine::Redis => self.run(statement),
        }
    }

    fn empty(&self) -> Result<()> {
        self.end_sessions()?;
        let statement = match self.engine {
            Engine::MariaDb => format!("DROP DATABASE IF EXISTS {}", self.name),
            // A replication slot holds its database even without a connection.
            Engine::Postgres => format!(
                "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots \
                 WHERE database = '{name}' AND active;\n\
                 SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                 WHERE database = '{name}';\n\
                 DROP DATABASE IF EXISTS {name} WITH (FORCE)",
                name = self.name
            ),
            Engine::Redis => "FLUSHDB".into(),
        };
        self.on_server(&statement).map(drop)
    }

    /// Ends what is still in the database: a test that is over may leave a session in the middle of
    /// a transaction, for which `MariaDB` would wait. The other engines do not.
    fn end_sessions(&self) -> Result<()> {
        if !matches!(self.engine, Engine::MariaDb) {
            return Ok(());
        }
        let kills = self.on_server(&format!(
            "SELECT concat('KILL ', id) FROM information_schema.processlist WHERE db = '{}'",
            self.name
        ))?;
        for kill in kills.lines() {
            // It may have ended by itself.
            drop(self.on_server(kill));
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Only space is lost where this fails: the name is never used again.
        drop(self.empty());
    }
}
