//! From a topic of Kafka into a MariaDB: changes as Debezium sends them.

mod bare;
mod change;
mod live;
mod perf;
mod topic;

pub(crate) use bare::bare_apply;

use crate::case::Settings;
use crate::child::Failure;
use crate::mariadb;
use crate::report;
use crate::side::{Contest, Peer, Side};
use bare::Bare;
use live::{Live, Place};
use perf::ConsumerPerformance;
use servers::Listener;

/// As many as a busy topic has.
const PARTITIONS: u64 = 12;

/// The live path beside the barest loop that does not lose a change, and beside reading alone.
pub(crate) fn dual_write(settings: &Settings) -> Result<(), Failure> {
    // The whole compiler: a broker that starts quickly is slow later.
    let kafka = servers::kafka().jvm(&["-Xmx1g", "-XX:+UseSerialGC"]).start()?;
    let place = Place::new(settings, &kafka, mariadb::start(1)?, mariadb::start(2)?)?;
    for &durability in &settings.durabilities {
        place.set_durability(durability)?;
        let ours = Live::new(settings, &place)?;
        let bare = Bare { place: &place };
        let reading = ConsumerPerformance { place: &place };
        let peers: [(&dyn Side, Option<f64>); 2] = [(&bare, Some(0.8)), (&reading, None)];
        let peers = peers
            .into_iter()
            .filter(|(side, _)| settings.wants_peer(side.name()))
            .map(|(side, aim)| Peer { side, aim })
            .collect();
        let promise = report::promise(durability);
        Contest {
            name: format!("dual-write Kafka to MariaDB, Debezium messages, {promise} commits"),
            rows: place.sent.messages,
            ours: &ours,
            peers,
            servers: place.processes(),
        }
        .hold(settings.runs)?;
    }
    Ok(())
}

/// Where clients find the brokers.
fn brokers(kafka: &servers::Kafka) -> String {
    kafka.bootstrap(Listener::Plain).to_owned()
}
