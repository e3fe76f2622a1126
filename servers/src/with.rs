//! `servers with mariadb,postgres -- COMMAND`: one of each for as long as a command runs.

use std::process::{Command, ExitStatus};
use std::thread;

use crate::error::{During, Error, Result};
use crate::kafka::{Kafka, Listener};
use crate::mariadb::MariaDb;
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
}

impl Member {
    fn start(kind: Kind) -> Result<Option<Self>> {
        Ok(match kind {
            // Each test starts a worker of its own, with its connectors.
            Kind::Build | Kind::Connect | Kind::Mydumper | Kind::Pgcopydb | Kind::Pgloader => None,
            Kind::MariaDb => Some(Self::MariaDb(start_mariadb()?)),
            Kind::Postgres => Some(Self::Postgres(start_postgres()?)),
            Kind::Redis => Some(Self::Redis(start_redis()?)),
            Kind::Kafka => Some(Self::Kafka(start_kafka()?)),
        })
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
        self.servers
            .iter()
            .map(|member| match member {
                Member::MariaDb(server) => (shared::MARIADB_URL, server.url()),
                Member::Postgres(server) => (shared::POSTGRES_URL, server.url()),
                Member::Redis(server) => (shared::REDIS_URL, server.url()),
                Member::Kafka(server) => {
                    (shared::KAFKA_BROKERS, server.bootstrap(Listener::Plain).to_owned())
                }
            })
            .collect()
    }

    /// Keeps the servers' logs and says where, for a command that failed.
    pub fn keep_logs(&mut self) {
        for member in &mut self.servers {
            let server: &mut Server = match member {
                Member::MariaDb(server) => server,
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
