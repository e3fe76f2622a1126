//! What librdkafka is set to, whatever its defaults are.

use super::context::Context;
use super::error::{failed, settings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{KafkaPlan, SaslMechanism};
use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use std::sync::Arc;
use std::time::Duration;

/// How long one request may take.
pub(super) const REQUEST: Duration = Duration::from_secs(10);

/// How long a new client may take until a broker has answered it: twice what a broker takes that
/// was restarted.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Same for every client.
const SETTINGS: [(&str, &str); 16] = [
    // A topic that the plan misspells must not come to life.
    ("allow.auto.create.topics", "false"),
    ("socket.nagle.disable", "true"),
    ("socket.timeout.ms", "10000"),
    ("socket.connection.setup.timeout.ms", "5000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // Partitions that are added are noticed within this time.
    ("topic.metadata.refresh.interval.ms", "5000"),
    // The target holds the positions: what librdkafka would store or reset would only skip.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    // Eager: what is polled next is said anew with every assignment, so nothing is gained by
    // keeping some of it.
    ("partition.assignment.strategy", "range,roundrobin"),
    // With a full queue the next request is made this soon; by default a second passes.
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.error.backoff.ms", "100"),
    ("queued.max.messages.kbytes", "65536"),
];

/// Longest that a consumer may go without a poll before the group gives its partitions to others:
/// one that is paused keeps them for a while, one that hangs not for ever.
const POLL_INTERVAL_MAX_MS: u64 = 300_000;

/// Makes the clients of one queue.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    plan: Arc<KafkaPlan>,
    client_id: String,
}

impl Clients {
    pub(super) fn new(plan: Arc<KafkaPlan>, migration: &str) -> Self {
        Self { plan, client_id: format!("midflight-{migration}") }
    }

    /// What every client has. Secrets are looked up here, when a client is made.
    fn base(&self) -> Result<ClientConfig> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.plan.bootstrap()?);
        config.set("client.id", &self.client_id);
        // What goes wrong is said once, by our own errors.
        config.set_log_level(RDKafkaLogLevel::Warning);
        self.secure(&mut config)?;
        Ok(config)
    }

    fn secure(&self, config: &mut ClientConfig) -> Result<()> {
        let protocol = match (&self.plan.tls, &self.plan.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &self.plan.tls {
            for (key, path) in [
                ("ssl.ca.location", &tls.authority),
                ("ssl.certificate.location", &tls.certificate),
                ("ssl.key.location", &tls.key),
            ] {
                if let Some(path) = path {
                    readable(key, path)?;
                    config.set(key, path.display().to_string());
                }
            }
            if let Some(password) = &tls.key_password {
                config.set("ssl.key.password", password.reveal()?.expose());
            }
        }
        if let Some(sasl) = &self.plan.sasl {
            config.set(
                "sasl.mechanism",
                match sasl.mechanism {
                    SaslMechanism::Plain => "PLAIN",
                    SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                    SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
                },
            );
            config.set("sasl.username", &sasl.user);
            config.set("sasl.password", sasl.password.reveal()?.expose());
        }
        Ok(())
    }

    fn reading(&self) -> Result<ClientConfig> {
        let mut config = self.base()?;
        for (key, value) in SETTINGS {
            config.set(key, value);
        }
        config.set("group.id", &self.plan.group);
        Ok(config)
    }

    /// A member of the group.
    pub(super) fn member<C>(&self, context: Context) -> Result<C>
    where
        C: FromClientConfigAndContext<Context>,
    {
        let mut config = self.reading()?;
        let session = self.plan.session.as_millis();
        config.set("session.timeout.ms", session.to_string());
        // Five may be lost before the session is.
        config.set("heartbeat.interval.ms", (session / 5).to_string());
        config.set("max.poll.interval.ms", POLL_INTERVAL_MAX_MS.to_string());
        if let Some(instance) = &self.plan.instance {
            config.set("group.instance.id", instance.read()?);
        }
        create(&config, context)
    }

    /// A client that reads single places, outside the group but under its name, so that one
    /// permission will do.
    pub(super) fn looker<C>(&self, context: Context) -> Result<C>
    where
        C: FromClientConfigAndContext<Context>,
    {
        let mut config = self.reading()?;
        config.set("enable.partition.eof", "true");
        // One message is asked for at a time.
        config.set("queued.min.messages", "1");
        config.set("fetch.message.max.bytes", "65536");
        // At a partition's end the broker would hold the request, and with it the next look at
        // another partition: half a second for each by default.
        config.set("fetch.wait.max.ms", "5");
        create(&config, context)
    }

    /// A client that writes dead letters.
    pub(super) fn producer<C>(&self, context: Context) -> Result<C>
    where
        C: FromClientConfigAndContext<Context>,
    {
        let mut config = self.base()?;
        for (key, value) in [
            ("allow.auto.create.topics", "false"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            // Java's default, so that a letter lies where its key lies elsewhere.
            ("partitioner", "murmur2_random"),
            ("delivery.timeout.ms", "20000"),
            ("socket.timeout.ms", "10000"),
            ("message.max.bytes", "20000000"),
        ] {
            config.set(key, value);
        }
        create(&config, context)
    }
}

/// librdkafka's own error would name no file.
fn readable(setting: &str, path: &std::path::Path) -> Result<()> {
    std::fs::File::open(path).map(drop).map_err(|cause| {
        Error::new(ErrorKind::Plan, "open Kafka client: a file of [queue.tls] cannot be read")
            .with("setting", setting)
            .with("file", path.display())
            .because(cause)
    })
}

fn create<C>(config: &ClientConfig, context: Context) -> Result<C>
where
    C: FromClientConfigAndContext<Context>,
{
    config.create_with_context(context).map_err(|error| match settings(&error) {
        Some(error) => error,
        None => failed("open Kafka client", &error),
    })
}
