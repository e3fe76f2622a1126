//! Real Kafka brokers, reached by the client library that Midflight uses.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use servers::shared::unique_name;
use servers::{Error, Kafka, KafkaSettings, Listener, kafka};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn acknowledged_messages_are_there_after_a_kill() {
    let mut kafka = kafka().start().unwrap();
    let plain = client(kafka.bootstrap(Listener::Plain));
    create_topic(&plain, "t", 1).await;
    let sent = produce(&plain, "t", 0..100).await;
    kafka.kill().unwrap();
    kafka.start().unwrap();
    assert_eq!(read(&plain, "t", sent.len()), sent);
}

#[tokio::test]
async fn every_listener_lets_the_right_client_in_and_no_other() {
    let listeners = [Listener::Tls, Listener::MutualTls, Listener::Sasl, Listener::SaslTls];
    let kafka = listeners.into_iter().fold(kafka(), KafkaSettings::listener);
    let kafka = kafka.start().unwrap();
    for (name, config) in right_clients(&kafka) {
        assert!(answers(&config).is_ok(), "{name}: {:?}", answers(&config));
    }
    // At once: each is only known to be refused when its time is up.
    std::thread::scope(|scope| {
        for (name, config) in wrong_clients(&kafka) {
            scope.spawn(move || assert!(answers(&config).is_err(), "{name}"));
        }
    });
}

#[tokio::test]
async fn three_brokers_keep_what_they_acknowledged_when_one_after_the_other_is_killed() {
    let mut kafka = kafka().brokers(3).start().unwrap();
    let plain = client(kafka.bootstrap(Listener::Plain));
    create_topic(&plain, "t", 3).await;
    let mut sent = BTreeSet::new();
    for broker in 0..3 {
        kafka.brokers()[broker].kill().unwrap();
        let first = u32::try_from(broker).unwrap() * 100;
        sent.extend(produce(&plain, "t", first..first + 100).await);
        kafka.brokers()[broker].start().unwrap();
        // The next one may only go when this one holds the data again.
        in_sync(&plain, "t", 3);
    }
    assert_eq!(read(&plain, "t", sent.len()), sent);
}

#[tokio::test]
async fn a_consumer_may_ask_for_a_short_session() {
    let kafka = kafka().start().unwrap();
    let mut config = client(kafka.bootstrap(Listener::Plain));
    create_topic(&config, "t", 1).await;
    config.set("group.id", "g").set("session.timeout.ms", "500");
    config.set("heartbeat.interval.ms", "100");
    let consumer: BaseConsumer = config.create().unwrap();
    let started = Instant::now();
    // Brokers hear of a topic a moment after it was made.
    while consumer.fetch_metadata(Some("t"), LIMIT).unwrap().topics()[0].partitions().is_empty() {
        assert!(started.elapsed() < LIMIT, "the broker does not hear of the topic");
        std::thread::sleep(Duration::from_millis(10));
    }
    consumer.subscribe(&["t"]).unwrap();
    while consumer.assignment().unwrap().count() == 0 {
        // An answer that the session is too short would arrive here.
        consumer.poll(Duration::from_millis(10)).transpose().unwrap();
        assert!(started.elapsed() < LIMIT, "no partition was assigned");
    }
}

#[tokio::test]
async fn a_topic_that_nobody_made_is_not_there() {
    let plain = client(&servers::shared::kafka_brokers().unwrap());
    let consumer: BaseConsumer = plain.create().unwrap();
    let topic = unique_name("missing");
    let metadata = consumer.fetch_metadata(Some(&topic), LIMIT).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 0);
    assert!(metadata.topics()[0].error().is_some());
}

#[test]
fn kafkas_own_programs_run_beside_it() {
    let kafka = kafka().start().unwrap();
    let class = "org.apache.kafka.tools.TopicCommand";
    kafka.run(class, &["--create", "--topic", "t", "--partitions", "2"], "").unwrap();
    assert_eq!(kafka.run(class, &["--list"], "").unwrap(), "t\n");
    let Err(error) = kafka.run(class, &["--describe", "--topic", "u"], "") else {
        unreachable!("it described a topic that does not exist")
    };
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[test]
fn a_neighbour_that_takes_the_port_of_a_killed_broker_is_reported() {
    let mut kafka = kafka().start().unwrap();
    kafka.kill().unwrap();
    let neighbour = TcpListener::bind(kafka.bootstrap(Listener::Plain)).unwrap();
    assert!(matches!(kafka.start(), Err(Error::PortTaken { .. })));
    drop(neighbour);
    kafka.start().unwrap();
}

#[test]
fn a_broker_that_cannot_start_says_why_with_its_own_words() {
    let Err(error) = kafka().set("log.retention.ms", "soon").start() else {
        unreachable!("it started")
    };
    assert!(error.to_string().contains("soon"), "{error}");
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    // Of a refused connection the answer is an error at the limit, not before.
    config.set("socket.timeout.ms", "10000");
    config
}

fn right_clients(kafka: &Kafka) -> Vec<(&'static str, ClientConfig)> {
    let mut clients = vec![("tls", tls(kafka, Listener::Tls)), ("mutual", mutual(kafka))];
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] {
        clients.push((mechanism, sasl(kafka, mechanism, servers::PASSWORD)));
        let mut both = sasl(kafka, mechanism, servers::PASSWORD);
        both.set("bootstrap.servers", kafka.bootstrap(Listener::SaslTls));
        both.set("security.protocol", "sasl_ssl");
        both.set("ssl.ca.location", path(&kafka.authority()));
        clients.push((mechanism, both));
    }
    clients
}

fn wrong_clients(kafka: &Kafka) -> Vec<(&'static str, ClientConfig)> {
    let mut foreign = tls(kafka, Listener::Tls);
    foreign.set("ssl.ca.location", path(&kafka.foreign_authority()));
    vec![
        ("plain at the TLS listener", client(kafka.bootstrap(Listener::Tls))),
        ("an unknown authority", foreign),
        ("no client certificate", tls(kafka, Listener::MutualTls)),
        ("a wrong password, SCRAM", sasl(kafka, "SCRAM-SHA-256", "wrong")),
        ("a wrong password, PLAIN", sasl(kafka, "PLAIN", "wrong")),
        ("no password", client(kafka.bootstrap(Listener::Sasl))),
    ]
}

fn tls(kafka: &Kafka, listener: Listener) -> ClientConfig {
    let mut config = client(kafka.bootstrap(listener));
    config.set("security.protocol", "ssl").set("ssl.ca.location", path(&kafka.authority()));
    config
}

fn mutual(kafka: &Kafka) -> ClientConfig {
    let (certificate, key) = kafka.client_certificate();
    let mut config = tls(kafka, Listener::MutualTls);
    config.set("ssl.certificate.location", path(&certificate));
    config.set("ssl.key.location", path(&key));
    config
}

fn sasl(kafka: &Kafka, mechanism: &str, password: &str) -> ClientConfig {
    let mut config = client(kafka.bootstrap(Listener::Sasl));
    config
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", mechanism)
        .set("sasl.username", servers::USER)
        .set("sasl.password", password);
    config
}

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// Whether a client of this configuration is told about the cluster within seconds.
fn answers(config: &ClientConfig) -> Result<usize, rdkafka::error::KafkaError> {
    let consumer: BaseConsumer = config.create()?;
    Ok(consumer.fetch_metadata(None, Duration::from_secs(8))?.brokers().len())
}

pub(crate) async fn create_topic(config: &ClientConfig, name: &str, replicas: i32) {
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let topic = NewTopic::new(name, 2, TopicReplication::Fixed(replicas));
    let options = AdminOptions::new().operation_timeout(Some(LIMIT));
    for result in admin.create_topics([&topic], &options).await.unwrap() {
        result.unwrap();
    }
}

/// Sends the numbers, and returns those that were acknowledged by all replicas in step: all.
async fn produce(
    config: &ClientConfig,
    topic: &str,
    numbers: std::ops::Range<u32>,
) -> BTreeSet<u32> {
    let mut config = config.clone();
    let producer: FutureProducer =
        config.set("acks", "all").set("enable.idempotence", "true").create().unwrap();
    for number in numbers.clone() {
        let payload = number.to_string();
        let record = FutureRecord::<(), _>::to(topic).payload(&payload);
        producer.send(record, LIMIT).await.unwrap();
    }
    numbers.collect()
}

/// Reads from the beginning until `count` messages have come.
fn read(config: &ClientConfig, topic: &str, count: usize) -> BTreeSet<u32> {
    let mut config = config.clone();
    let consumer: BaseConsumer = config.set("group.id", "reader").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..2 {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let started = Instant::now();
    let mut seen = BTreeSet::new();
    while seen.len() < count {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
            seen.insert(text.parse().unwrap());
        }
        assert!(started.elapsed() < LIMIT, "only {} of {count} messages", seen.len());
    }
    seen
}

/// Waits until all replicas of all partitions are in step.
fn in_sync(config: &ClientConfig, topic: &str, replicas: usize) {
    let consumer: BaseConsumer = config.create().unwrap();
    let started = Instant::now();
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
        let partitions = metadata.topics()[0].partitions();
        if partitions.iter().all(|partition| partition.isr().len() == replicas) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "the replicas do not get into step");
    }
}
