//! A queue in Kafka, resolved.

use super::SecretPlace;
use crate::decode::TopicFormat;
use crate::error::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Topics of a Kafka cluster, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KafkaPlan {
    /// Addresses to begin with, `host:port`, or where they stand, `env:NAME`; never empty.
    pub brokers: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Where the name of this process in the group stands: with one, a restart within a session
    /// moves no partitions.
    pub instance: Option<SecretPlace>,
    /// How long the group waits for a member that says nothing.
    #[serde(rename = "session_ms", serialize_with = "super::milliseconds")]
    pub session: Duration,
    /// How long a change that the source shows may take to its topic.
    #[serde(rename = "producer_lag_max_ms", serialize_with = "super::milliseconds")]
    pub producer_lag_max: Duration,
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

/// What a broker begins with that stands in an environment variable.
const ENV: &str = "env:";

impl KafkaPlan {
    /// The addresses to begin with, separated by commas. A variable is looked up only here, when
    /// they are needed, and may hold several.
    ///
    /// # Errors
    /// `Plan` if a variable is not set, or holds no address.
    pub fn bootstrap(&self) -> Result<String> {
        let addresses: Result<Vec<_>> = self.brokers.iter().map(|text| addresses(text)).collect();
        Ok(addresses?.join(","))
    }
}

fn addresses(text: &str) -> Result<String> {
    if !text.starts_with(ENV) {
        return Ok(text.to_owned());
    }
    let named = SecretPlace::parse(text, Path::new(""))
        .map_err(|must| Error::new(ErrorKind::Plan, "find the brokers").with("must", must))?;
    let found = named.read()?;
    match found.split(',').all(|address| is_address(address.trim())) {
        true => Ok(found),
        false => Err(Error::new(ErrorKind::Plan, "find the brokers: no addresses stand there")
            .with("place", named)
            .hint("put host:port there, several separated by commas")),
    }
}

/// Whether a broker is named by its address, or by the variable that holds it.
pub(super) fn names_broker(text: &str) -> bool {
    match text.starts_with(ENV) {
        true => SecretPlace::parse(text, Path::new("")).is_ok(),
        false => is_address(text),
    }
}

fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    matches!(port, Some((host, Ok(_))) if !host.is_empty() && !host.contains([',', '/']))
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

#[cfg(test)]
mod tests {
    use super::{addresses, names_broker};

    #[test]
    fn a_broker_is_an_address_or_the_variable_that_holds_some() {
        for text in ["kafka-1:9092", "[::1]:9092", "env:KAFKA"] {
            assert!(names_broker(text), "{text}");
        }
        for text in ["kafka-1", ":9092", "a:1,b:2", "kafka:port", "env:", "env:A B"] {
            assert!(!names_broker(text), "{text}");
        }
    }

    #[test]
    fn a_variable_is_looked_up_when_it_is_needed_and_has_to_hold_addresses() {
        assert_eq!(addresses("kafka-1:9092").unwrap(), "kafka-1:9092");
        let error = addresses("env:MIDFLIGHT_TEST_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.to_string().contains("MIDFLIGHT_TEST_NO_SUCH_VARIABLE"), "{error}");
        let error = addresses("env:PATH").unwrap_err();
        assert!(error.to_string().contains("env:PATH"), "{error}");
    }
}
