//! `servers capture NAME URL BROKERS [PROPERTY=VALUE ...]`: a Debezium beside a person or a
//! playbook, until it is told to stop.

use crate::connect::{Connector, connect};
use crate::error::{During, Error, Result};
use crate::notice::notice;
use crate::url::Address;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks at whether the connector still works.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Partitions of a topic that the connector makes.
const PARTITIONS: &str = "4";

/// Reads what the database of `url` commits from now on into topics of `brokers`, called
/// `name.DATABASE.TABLE` (`MariaDB`) or `name.SCHEMA.TABLE` (`PostgreSQL`), until SIGTERM or
/// Ctrl-C. What the tables hold already is not read. `properties` are the connector's, as
/// `name=value`.
///
/// # Errors
/// As [`Server::start`](crate::Server::start), and if the connector fails.
pub fn capture(name: &str, url: &str, brokers: &str, properties: &[String]) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.during(|| "prepare to wait for signals".into())?;
    // Before the start, which takes seconds: a signal must not leave a half-started worker.
    let stopped = runtime.block_on(async {
        let terminate = signal(SignalKind::terminate())?;
        signal(SignalKind::interrupt()).map(|interrupt| [terminate, interrupt])
    });
    let [mut terminate, mut interrupt] = stopped.during(|| "watch for signals".into())?;
    let connector = connector(name, url, properties)?;
    let mut worker = connect(brokers).connector(connector).start()?;
    notice(&format!("Debezium runs; its log is {}/log", worker.directory().display()));
    loop {
        let look = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
                () = tokio::time::sleep(LOOK_EVERY) => true,
            }
        });
        if !look {
            return worker.stop();
        }
        if let Some(failure) = worker.failure() {
            return Err(Error::Request(format!("the connector has failed: {failure}")));
        }
    }
}

fn connector(name: &str, url: &str, properties: &[String]) -> Result<Connector> {
    let connector = if url.starts_with("postgres") {
        Connector::postgres(name, url)?
    } else {
        // A server id that no other connector of this port has; servers have small ones.
        let port = Address::parse(url)?.port;
        Connector::mariadb(name, url, 100_000 + port.parse::<u32>().unwrap_or(0))?
    };
    let connector = connector
        .set("snapshot.mode", "no_data")
        // Debezium's default: here a person sees its lag. The tests' connectors look more often.
        .set("poll.interval.ms", "500")
        .set("topic.creation.default.partitions", PARTITIONS);
    properties.iter().try_fold(connector, |connector, property| {
        let (name, value) = property.split_once('=').ok_or_else(|| {
            Error::Request(format!("{property:?} is no property: write NAME=VALUE"))
        })?;
        Ok(connector.set(name, value))
    })
}
