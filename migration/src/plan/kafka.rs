//! A queue in Kafka, resolved.

use super::SecretPlace;
use crate::decode::TopicFormat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Topics of a Kafka cluster, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KafkaPlan {
    /// Addresses to begin with, `host:port`; never empty.
    pub brokers: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Where the name of this process in the group stands: with one, a restart within a session
    /// moves no partitions.
    pub instance: Option<SecretPlace>,
    /// How long the group waits for a member that says nothing.
    #[serde(rename = "session_ms", serialize_with = "super::milliseconds")]
    pub session: Duration,
    /// TLS; `None`: not encrypted.
    pub tls: Option<TlsPlan>,
    /// A login; `None`: nobody asks.
    pub sasl: Option<SaslPlan>,
    /// The topics; never empty.
    #[serde(rename = "topic")]
    pub topics: Vec<TopicFormat>,
    /// A topic that dead letters are written to as well.
    pub dead_letter_topic: Option<String>,
}

/// TLS between client and broker.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TlsPlan {
    /// The certificates of the authorities (PEM); `None`: those of the system.
    pub authority: Option<PathBuf>,
    /// This client's certificate (PEM), where the broker asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub key_password: Option<SecretPlace>,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaslPlan {
    /// How the password is proved.
    pub mechanism: SaslMechanism,
    /// The user.
    pub user: String,
    /// Where the password stands.
    pub password: SecretPlace,
}

/// How a password is proved to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SaslMechanism {
    /// It is sent as it is: only with TLS is it a secret.
    Plain,
    /// SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}
