//! `servers with mariadb,postgres -- COMMAND`: one of each for as long as a command runs.

use std::process::{Command, ExitStatus};
use std::thread;

use crate::error::{During, Error, Result};
use crate::kafka::{Kafka, Listener};
use crate::mariadb::{MariaDb, mariadb};
use crate::notice::notice;
use crate::packages::{Kind, install};
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::server::Server;
use crate::shared::{self, start_kafka, start_mariadb, start_postgres, start_redis};

/// One running server of each kind that was asked for.
#[derive(Debug)]
pub struct Fleet {
    servers: Vec<Member>,
}

#[derive(Debug)]
enum Member {
    MariaDb(MariaDb),
    Postgres(Postgres),
    Redis(Redis),
    Kafka(Kafka),
    /// One of several, by the variable that names it.
    Shard(&'static str, MariaDb),
}

impl Member {
    fn start(kind: Kind) -> Result<Vec<Self>> {
        Ok(match kind {
            // Each test starts a worker of its own, with its connectors.
            Kind::Build | Kind::Connect | Kind::Mydumper | Kind::Pgcopydb | Kind::Pgloader => {
                Vec::new()
            }
            Kind::MariaDb => vec![Self::MariaDb(start_mariadb()?)],
            Kind::Postgres => vec![Self::Postgres(start_postgres()?)],
            Kind::Redis => vec![Self::Redis(start_redis()?)],
            Kind::Kafka => vec![Self::Kafka(start_kafka()?)],
            Kind::Shards => {
                let one = |variable| mariadb().start().map(|server| Self::Shard(variable, server));
                shared::SHARD_URLS.into_iter().map(one).collect::<Result<_>>()?
            }
        })
    }

    /// The variable that names it, and what that holds.
    fn named(&self) -> (&'static str, String) {
        match self {
            Self::MariaDb(server) => (shared::MARIADB_URL, server.url()),
            Self::Postgres(server) => (shared::POSTGRES_URL, server.url()),
            Self::Redis(server) => (shared::REDIS_URL, server.url()),
            Self::Kafka(server) => {
                (shared::KAFKA_BROKERS, server.bootstrap(Listener::Plain).to_owned())
            }
            Self::Shard(variable, server) => (variable, server.url()),
        }
    }
}

impl Fleet {
    /// Installs what is missing, and starts one server of each kind.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(kinds: &[Kind]) -> Result<Self> {
        install(kinds)?;
        let died = || Error::Request("the thread that starts a server panicked".into());
        thread::scope(|scope| {
            let threads = kinds.iter().map(|kind| scope.spawn(|| Member::start(*kind)));
            let threads: Vec<_> = threads.collect();
            // All are joined before the first error ends this: what did start is stopped then.
            let started: Vec<_> =
                threads.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(died()))).collect();
            let servers: Result<Vec<_>> = started.into_iter().collect();
            Ok(Self { servers: servers?.into_iter().flatten().collect() })
        })
    }

    /// The variables that name the servers to tests.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.servers.iter().map(Member::named).collect()
    }

    /// Keeps the servers' logs and says where, for a command that failed.
    pub fn keep_logs(&mut self) {
        for member in &mut self.servers {
            let server: &mut Server = match member {
                Member::MariaDb(server) | Member::Shard(_, server) => server,
                Member::Postgres(server) => server,
                Member::Redis(server) => server,
                Member::Kafka(server) => &mut server.brokers()[0],
            };
            server.keep_log();
        }
    }
}

/// Runs `command` beside a server of each kind, named in its environment. The servers are stopped
/// when it ends; their logs are kept if it fails.
///
/// # Errors
/// Fails if a server or the command cannot be started. A command that fails is no error here.
pub fn run(kinds: &[Kind], program: &str, arguments: &[String]) -> Result<ExitStatus> {
    let mut fleet = Fleet::start(kinds)?;
    for (name, url) in fleet.environment() {
        notice(&format!("{name}={url}"));
    }
    let mut command = Command::new(program);
    command.args(arguments).envs(fleet.environment());
    let status = command.status().during(|| format!("run {program}"))?;
    if !status.success() {
        fleet.keep_logs();
    }
    Ok(status)
}
