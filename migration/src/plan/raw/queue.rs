//! The queue, as written.

use crate::decode::{FormatName, FormatOptions, Truncates, Versions};
use crate::plan::SaslMechanism;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

use super::Misplaced;

/// The queue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Queue")]
pub(crate) struct RawQueue {
    /// The kind of queue.
    #[schemars(with = "RawQueueKind")]
    pub(crate) kind: Spanned<RawQueueKind>,
    /// Outbox: the table in the source.
    pub(crate) table: Option<String>,
    /// Kafka: addresses of some brokers, `host:port`, or the variable that holds them, `env:NAME`.
    pub(crate) brokers: Option<Vec<String>>,
    /// Kafka: the consumer group. Left out: `midflight-` and the plan's id.
    pub(crate) group: Option<String>,
    /// Kafka: `env:NAME` or `file:PATH`, which hold a name for this process that no other one has:
    /// its restart within `session_ms` then moves no partitions.
    pub(crate) instance: Option<String>,
    /// Kafka: how long the group waits for a process that says nothing, in milliseconds. Brokers
    /// take 6,000 to 1,800,000 by default; left out: 10,000.
    #[schemars(range(min = 1_000, max = 1_800_000))]
    pub(crate) session_ms: Option<u64>,
    /// Kafka: how long a change that the source shows may take to its topic, in milliseconds: what
    /// Debezium, or whoever reads the source's log, may lag. `verify` calls no record different
    /// that has not stood still for as long. Left out: 10,000.
    #[schemars(range(min = 0, max = 600_000))]
    pub(crate) producer_lag_max_ms: Option<u64>,
    /// Kafka: TLS, where the brokers speak it; may be empty (`[queue.tls]`).
    #[schemars(with = "Option<RawTls>")]
    pub(crate) tls: Option<RawTls>,
    /// Kafka: the login, where the brokers ask for one.
    pub(crate) sasl: Option<RawSasl>,
    /// Kafka: a topic to which dead letters are written as well, with Kafka Connect's headers. It
    /// has to be there.
    pub(crate) dead_letter_topic: Option<String>,
    /// Kafka: the topics, each as `[[queue.topic]]`.
    #[serde(default)]
    pub(crate) topic: Vec<RawTopic>,
}

impl RawQueue {
    /// What does not go with the kind.
    pub(super) fn misplaced(&self) -> Option<Misplaced> {
        let kafka = [
            ("brokers", self.brokers.is_some()),
            ("group", self.group.is_some()),
            ("instance", self.instance.is_some()),
            ("session_ms", self.session_ms.is_some()),
            ("producer_lag_max_ms", self.producer_lag_max_ms.is_some()),
            ("tls", self.tls.is_some()),
            ("sasl", self.sasl.is_some()),
            ("dead_letter_topic", self.dead_letter_topic.is_some()),
            ("topic", !self.topic.is_empty()),
        ];
        let outbox = [("table", self.table.is_some())];
        let (name, foreign): (&str, &[(&str, bool)]) = match self.kind.get_ref() {
            RawQueueKind::Outbox => ("outbox", &kafka),
            RawQueueKind::Kafka => ("kafka", &outbox),
        };
        let &(field, _) = foreign.iter().find(|(_, is_set)| *is_set)?;
        let span: Range<usize> = self.kind.span();
        Some(Misplaced { span, problem: format!("a queue of kind {name} has no `{field}`") })
    }
}

/// A kind of queue.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "QueueKind")]
pub(crate) enum RawQueueKind {
    /// A table in the source, written in the same transaction as the data.
    Outbox,
    /// Topics of a Kafka cluster.
    Kafka,
}

/// TLS between client and broker.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub(crate) struct RawTls {
    /// The certificates of the authorities (PEM), relative to the plan. Left out: the system's.
    pub(crate) authority: Option<PathBuf>,
    /// This client's certificate (PEM), relative to the plan, where the broker asks for one.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key (PEM), relative to the plan.
    pub(crate) key: Option<PathBuf>,
    /// `env:NAME` or `file:PATH`, which hold the password of the key.
    pub(crate) key_password: Option<String>,
}

/// A login.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sasl")]
pub(crate) struct RawSasl {
    /// How the password is proved.
    pub(crate) mechanism: SaslMechanism,
    /// The user.
    pub(crate) user: String,
    /// `env:NAME` or `file:PATH`, which hold the password.
    pub(crate) password: String,
}

/// A topic and what its messages are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Topic")]
pub(crate) struct RawTopic {
    /// Its name.
    pub(crate) name: String,
    /// The format of its messages. `dual-write explain` prints what they look like.
    pub(crate) format: FormatName,
    /// What the format leaves open.
    #[serde(default)]
    pub(crate) options: FormatOptions,
    /// What tells the commit order: the messages, or, only if this says so, their place in the
    /// queue. That is right where the producer sends the changes of a record in commit order,
    /// always to the same partition.
    #[serde(default)]
    pub(crate) versions: Versions,
    /// The source table of all its messages. Left out: they name it.
    pub(crate) table: Option<String>,
    /// The only database (PostgreSQL: schema) whose tables are meant. Left out: any.
    pub(crate) database: Option<String>,
    /// What to do where a table was emptied at once. May be changed while the migration is under
    /// way.
    #[serde(default)]
    pub(crate) truncates: Truncates,
}
