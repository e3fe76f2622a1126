//! A database server that a test may harm.

use crate::engine::{Engine, Place};
use servers::{MariaDb, Postgres, Server};
use std::time::{Duration, Instant};

/// How often a server that was killed is started again until it runs.
const STARTS_MAX: u32 = 5;

/// Longest until a standby has heard that it follows nobody.
const DEAF_MAX: Duration = Duration::from_secs(30);

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

    /// Starts one whose log a Debezium can read. `server_id` is its own among replicas.
    #[must_use]
    pub fn start_with_log(engine: Engine, server_id: u32) -> Self {
        match engine {
            Engine::MariaDb => {
                Self::MariaDb(servers::mariadb().binary_log(server_id).start().unwrap())
            }
            Engine::Postgres => {
                Self::Postgres(servers::postgres().set("wal_level", "logical").start().unwrap())
            }
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

    /// Starts one that replicas can follow.
    #[must_use]
    pub fn start_primary(engine: Engine) -> Self {
        match engine {
            Engine::MariaDb => Self::MariaDb(servers::mariadb().binary_log(81).start().unwrap()),
            Engine::Postgres => Self::start(engine),
        }
    }

    /// Starts a replica that follows this server: a primary, and as yet an empty one.
    #[must_use]
    pub fn start_replica(&self) -> Self {
        match self {
            Self::MariaDb(primary) => {
                let replica = servers::mariadb().binary_log(82).start().unwrap();
                primary.lead(&replica).unwrap();
                Self::MariaDb(replica)
            }
            Self::Postgres(primary) => {
                Self::Postgres(servers::postgres().start_standby(primary).unwrap())
            }
        }
    }

    /// As a replica, hears of no more commits: it applies at most what it has received.
    pub fn stops_following(&self) {
        match self {
            Self::MariaDb(_) => self.sql("STOP ALL SLAVES"),
            Self::Postgres(server) => {
                self.sql("ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()");
                let receives = "SELECT count(*) FROM pg_stat_wal_receiver";
                let begun = Instant::now();
                while server.sql(receives).unwrap().trim() != "0" {
                    assert!(begun.elapsed() < DEAF_MAX, "it goes on following");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    /// As a replica, takes its primary's place with what it has.
    pub fn is_promoted(&self) {
        match self {
            Self::MariaDb(_) => self.sql("RESET SLAVE ALL; SET GLOBAL read_only = 0"),
            Self::Postgres(_) => self.sql("SELECT pg_promote()"),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::MariaDb(server) => server.port(),
            Self::Postgres(server) => server.port(),
        }
    }

    /// Makes a database on it.
    #[must_use]
    pub fn database(&self, name: &str) -> Place {
        self.sql(&format!("CREATE DATABASE {name}"));
        self.place(name)
    }

    /// A database that is there, for an account that may do everything in it and nothing beside: on
    /// `MariaDB` it obeys `read_only`.
    #[must_use]
    pub fn plain(&self, name: &str) -> Place {
        let place = self.place(name);
        match self {
            Self::MariaDb(_) => {
                self.sql(&format!(
                    "CREATE USER IF NOT EXISTS plain@'127.0.0.1' IDENTIFIED BY 'plain'; \
                     GRANT ALL PRIVILEGES ON {name}.* TO plain@'127.0.0.1'; \
                     GRANT RELOAD ON *.* TO plain@'127.0.0.1'"
                ));
                let (_, server) = place.url().rsplit_once('@').unwrap();
                Place::of(Engine::MariaDb, format!("mysql://plain:plain@{server}"))
            }
            Self::Postgres(_) => place,
        }
    }

    /// Whether those who may not do everything may write from now on.
    pub fn takes_writes(&self, takes: bool) {
        let value = if takes { "off" } else { "on" };
        match self {
            Self::MariaDb(_) => self.sql(&format!("SET GLOBAL read_only = {value}")),
            Self::Postgres(_) => self.sql(&format!(
                "SET default_transaction_read_only = off; \
                 ALTER SYSTEM SET default_transaction_read_only = {value}; SELECT pg_reload_conf()"
            )),
        }
    }

    /// A database that is there.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
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

    /// Whether it has ended itself, or is about to: a `MariaDB` still answers while it writes down
    /// where it was. No other does so.
    #[must_use]
    pub fn ends_itself(&self) -> bool {
        match self {
            Self::MariaDb(server) => server.log().contains("got signal"),
            Self::Postgres(_) => false,
        }
    }

    /// The server, whatever its engine.
    #[must_use]
    pub fn server(&mut self) -> &mut Server {
        match self {
            Self::MariaDb(server) => server,
            Self::Postgres(server) => server,
        }
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.server().kill().unwrap();
    }

    /// Starts it again, on the same port with the same data.
    pub fn start_again(&mut self) {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.server().start() {
                Ok(()) => return,
                // A session that was being made at the kill holds the memory for a moment.
                Err(_) if tries < STARTS_MAX => std::thread::sleep(Duration::from_millis(500)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
