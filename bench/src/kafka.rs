//! From a topic of Kafka into a MariaDB: changes as Debezium sends them.

mod bare;
mod change;
mod form;
mod live;
mod perf;
mod sink;
mod topic;

pub(crate) use bare::bare_apply;

use crate::case::Settings;
use crate::child::Failure;
use crate::mariadb;
use crate::report::{self, Report};
use crate::side::{Contest, Peer, Subject};
use bare::Bare;
use live::{Live, Place};
use perf::ConsumerPerformance;
use servers::Listener;
use sink::Sink;

/// As many as a busy topic has.
const PARTITIONS: u64 = 12;

/// The peers of the live path.
pub(crate) const PEERS: &[&str] = &[Bare::NAME, ConsumerPerformance::NAME, Sink::NAME];

/// The live path beside the barest loop that does not lose a change, beside reading alone, and
/// beside the usual tool.
pub(crate) fn dual_write(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let Some(table) =
        settings.tables_or(&[live::TABLE])?.into_iter().find(|one| one.name == live::TABLE)
    else {
        report::note("kafka is left out: its messages are about the narrow table");
        return Ok(());
    };
    // The whole compiler: a broker that starts quickly is slow later.
    let kafka = servers::kafka().jvm(&["-Xmx1g", "-XX:+UseSerialGC"]).start()?;
    let place = Place::new(settings, &kafka, mariadb::start(1)?, mariadb::start(2)?)?;
    let mut peers = Vec::new();
    if settings.wants_peer(Bare::NAME) {
        peers.push(Peer::new(Bare { place: &place }, Some(0.8)));
    }
    if settings.wants_peer(ConsumerPerformance::NAME) {
        peers.push(Peer::new(ConsumerPerformance { place: &place }, None));
    }
    if settings.wants_peer(Sink::NAME) {
        peers.push(Peer::new(Sink::new(&place)?, Some(8.0)));
    }
    let ours = Live::new(settings, &place)?;
    for &durability in &settings.durabilities {
        place.set_durability(durability)?;
        let case = "dual-write Kafka to MariaDB";
        Contest {
            subject: Subject { case, table: table.name, durability: Some(durability) },
            rows: place.sent.messages,
            ours: &ours,
            peers: &peers,
            servers: place.processes(),
        }
        .hold(settings.runs, report)?;
    }
    Ok(())
}

/// Where clients find the brokers.
fn brokers(kafka: &servers::Kafka) -> String {
    kafka.bootstrap(Listener::Plain).to_owned()
}
