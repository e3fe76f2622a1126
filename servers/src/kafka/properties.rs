//! A broker's `server.properties`.

use std::fmt::Write;
use std::path::Path;

use super::Listener;
use crate::home::Home;
use crate::{PASSWORD, USER};

/// Who listens where.
pub(super) struct Addresses<'a> {
    pub(super) listeners: &'a [Listener],
    /// Of each broker: one port for each listener, then the controller's.
    pub(super) ports: Vec<Vec<u16>>,
}

impl Addresses<'_> {
    /// The addresses of all brokers at this listener.
    pub(super) fn bootstrap(&self, listener: Listener) -> String {
        let place = self.listeners.iter().position(|known| *known == listener).unwrap_or_default();
        joined(self.ports.iter().map(|own| format!("127.0.0.1:{}", own[place])))
    }

    fn listeners_of(&self, broker: usize) -> String {
        let names = self.listeners.iter().map(|listener| listener.name()).chain(["CONTROLLER"]);
        let ports = self.ports[broker].iter();
        joined(names.zip(ports).map(|(name, port)| format!("{name}://127.0.0.1:{port}")))
    }

    fn voters(&self) -> String {
        let controllers =
            self.ports.iter().enumerate().map(|(index, own)| {
                format!("{}@127.0.0.1:{}", index + 1, own[self.listeners.len()])
            });
        joined(controllers)
    }
}

impl Listener {
    pub(super) fn is_encrypted(self) -> bool {
        matches!(self.protocol(), "SSL" | "SASL_SSL")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Tls => "TLS",
            Self::MutualTls => "MUTUAL",
            Self::Sasl => "SASL",
            Self::SaslTls => "SASLTLS",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Plain => "PLAINTEXT",
            Self::Tls | Self::MutualTls => "SSL",
            Self::Sasl => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
        }
    }
}

/// The whole file of one broker. What was asked for comes last, and so counts.
pub(super) fn text(
    addresses: &Addresses<'_>,
    broker: usize,
    home: &Home,
    certificates: &Path,
    wanted: &[(String, String)],
) -> String {
    let mut lines = identity(addresses, broker, home);
    lines.extend(own(SMALL));
    lines.extend(replication(addresses.ports.len()));
    for listener in addresses.listeners {
        lines.extend(security(*listener, certificates));
    }
    lines.extend(wanted.iter().cloned());
    lines.into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string cannot fail.
        writeln!(text, "{name}={value}").ok();
        text
    })
}

/// Settings for a small cluster that is killed and started often.
const SMALL: &[(&str, &str)] = &[
    // A topic that does not exist is an error, not a new topic.
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "0"),
    // Short, so that a test of a dead consumer need not wait for the default of six seconds.
    ("group.min.session.timeout.ms", "500"),
    ("group.consumer.min.session.timeout.ms", "500"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    // With the default of nine seconds a killed broker is not let in again for twelve.
    ("broker.session.timeout.ms", "2000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    ("num.network.threads", "2"),
    ("num.io.threads", "4"),
    ("num.recovery.threads.per.data.dir", "1"),
    // The default of 128 MB would be half of the heap.
    ("log.cleaner.dedupe.buffer.size", "8388608"),
];

fn identity(addresses: &Addresses<'_>, broker: usize, home: &Home) -> Vec<(String, String)> {
    let protocols = addresses.listeners.iter().map(|one| (one.name(), one.protocol()));
    let protocols = protocols.chain([("CONTROLLER", "PLAINTEXT")]);
    own(&[
        ("process.roles", "broker,controller"),
        ("node.id", &(broker + 1).to_string()),
        ("controller.quorum.voters", &addresses.voters()),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", Listener::Plain.name()),
        ("listeners", &addresses.listeners_of(broker)),
        // Once one is not plain, every listener must be named here, the controller's too.
        (
            "listener.security.protocol.map",
            &joined(protocols.map(|(name, protocol)| format!("{name}:{protocol}"))),
        ),
        ("log.dirs", &home.path.join("data").display().to_string()),
    ])
}

fn replication(brokers: usize) -> Vec<(String, String)> {
    let replicas = brokers.min(3).to_string();
    let in_sync = brokers.min(3).div_ceil(2).to_string();
    own(&[
        ("default.replication.factor", &replicas),
        ("min.insync.replicas", &in_sync),
        ("offsets.topic.replication.factor", &replicas),
        ("transaction.state.log.replication.factor", &replicas),
        ("transaction.state.log.min.isr", &in_sync),
        ("share.coordinator.state.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.min.isr", &in_sync),
    ])
}

fn security(listener: Listener, certificates: &Path) -> Vec<(String, String)> {
    let prefix = format!("listener.name.{}", listener.name().to_lowercase());
    let mut lines = Vec::new();
    if listener.is_encrypted() {
        let client = if listener == Listener::MutualTls { "required" } else { "none" };
        let store = certificates.join("broker.both.pem").display().to_string();
        let authority = certificates.join("authority.pem").display().to_string();
        lines.extend([
            (format!("{prefix}.ssl.keystore.type"), "PEM".into()),
            (format!("{prefix}.ssl.keystore.location"), store),
            (format!("{prefix}.ssl.truststore.type"), "PEM".into()),
            (format!("{prefix}.ssl.truststore.location"), authority),
            (format!("{prefix}.ssl.client.auth"), client.into()),
        ]);
    }
    if matches!(listener, Listener::Sasl | Listener::SaslTls) {
        let mechanisms = "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN".to_owned();
        lines.push((format!("{prefix}.sasl.enabled.mechanisms"), mechanisms));
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            lines.push((format!("{prefix}.{mechanism}.sasl.jaas.config"), scram.into()));
        }
        let plain = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_{USER}=\"{PASSWORD}\";"
        );
        lines.push((format!("{prefix}.plain.sasl.jaas.config"), plain));
    }
    lines
}

fn own(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
