//! Debezium as a real producer, what a database commits arrives in Kafka, and as a sink.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::kafka::create_topic;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use servers::shared::{kafka_brokers, mariadb_database, postgres_database, unique_name};
use servers::{Connect, Connector, connect};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn rows_of_mariadb_and_postgres_arrive_also_those_of_the_time_without_a_worker() {
    let mariadb = mariadb_database("captured").unwrap();
    let postgres = postgres_database("captured").unwrap();
    for database in [&mariadb, &postgres] {
        database.run("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").unwrap();
    }
    let brokers = kafka_brokers().unwrap();
    let names = [unique_name("from_mariadb"), unique_name("from_postgres")];
    let topics = [format!("{}.{}.t", names[0], mariadb.name()), format!("{}.public.t", names[1])];
    let mut worker = connect(&brokers)
        .connector(Connector::mariadb(&names[0], &mariadb.url(), 5001).unwrap())
        .connector(Connector::postgres(&names[1], &postgres.url()).unwrap())
        .start()
        .unwrap();
    for topic in &topics {
        read(&worker, &brokers, topic, &[1]);
    }

    worker.kill().unwrap();
    for database in [&mariadb, &postgres] {
        database.run("INSERT INTO t VALUES (2)").unwrap();
    }
    worker.start().unwrap();
    for database in [&mariadb, &postgres] {
        database.run("INSERT INTO t VALUES (3)").unwrap();
    }
    for topic in &topics {
        read(&worker, &brokers, topic, &[1, 2, 3]);
    }
}

#[test]
fn a_connector_that_cannot_work_fails_the_start_with_its_own_words() {
    let mariadb = mariadb_database("refused").unwrap();
    let name = unique_name("refused");
    let connector = Connector::mariadb(&name, &mariadb.url(), 5002).unwrap();
    let attempt = connect(&kafka_brokers().unwrap())
        .connector(connector.set("database.password", "wrong"))
        .start();
    let Err(error) = attempt else { unreachable!("it started") };
    assert!(error.to_string().contains("Access denied"), "{error}");
}

#[test]
fn a_connector_that_fails_at_its_work_ends_the_wait_for_it() {
    let postgres = postgres_database("failing").unwrap();
    let name = unique_name("failing");
    let connector = Connector::postgres(&name, &postgres.url()).unwrap();
    let worker = connect(&kafka_brokers().unwrap())
        .connector(connector.set("publication.autocreate.mode", "disabled"))
        .start()
        .unwrap();
    let Err(error) = worker.wait_for("Starting streaming", LIMIT) else {
        unreachable!("it reads without a publication")
    };
    assert!(error.to_string().contains("Publication autocreation is disabled"), "{error}");
}

#[tokio::test]
async fn the_sink_writes_the_last_value_of_each_record_and_deletes_those_without_one() {
    let mariadb = mariadb_database("sink").unwrap();
    mariadb.run("CREATE TABLE t (id BIGINT PRIMARY KEY, label VARCHAR(20))").unwrap();
    let (brokers, topic) = (kafka_brokers().unwrap(), unique_name("flat"));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &brokers);
    create_topic(&config, &topic, 1).await;
    let producer: BaseProducer = config.create().unwrap();
    for (id, label) in [(1, Some("a")), (2, Some("b")), (1, Some("c")), (2, None), (3, Some("d"))] {
        let key = format!(r#"{{"id":{id}}}"#);
        let value = label.map(|label| format!(r#"{{"id":{id},"label":"{label}"}}"#));
        let record = BaseRecord::to(&topic).partition(0).key(&key);
        let record = value.iter().fold(record, BaseRecord::payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();

    let id = r#"{"field":"id","type":"int64","optional":false}"#;
    let label = r#"{"field":"label","type":"string","optional":true}"#;
    let schema = |fields| format!(r#"{{"type":"struct","optional":false,"fields":[{fields}]}}"#);
    let (key, value) = (schema(id.to_owned()), schema(format!("{id},{label}")));
    let sink = Connector::jdbc_sink(&topic, &mariadb.url(), (&topic, "t"), (&key, &value)).unwrap();
    let worker = connect(&brokers).connector(sink).start().unwrap();
    let started = Instant::now();
    while mariadb.run("SELECT count(*) FROM t WHERE id = 3").unwrap().trim() != "1" {
        assert_eq!(worker.failure(), None);
        assert!(started.elapsed() < LIMIT, "nothing was written: {}", worker.log_tail());
    }
    assert_eq!(mariadb.run("SELECT id, label FROM t ORDER BY id").unwrap(), "1\tc\n3\td\n");
}

/// Waits until the topic has a message for each of these rows, and no other.
fn read(worker: &Connect, brokers: &str, topic: &str, rows: &[u32]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", unique_name("reader"));
    config.set("auto.offset.reset", "earliest").set("topic.metadata.refresh.interval.ms", "200");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let started = Instant::now();
    let mut missing: BTreeSet<_> = rows.iter().map(u32::to_string).collect();
    while !missing.is_empty() {
        assert_eq!(worker.failure(), None);
        assert!(started.elapsed() < LIMIT, "no {missing:?} in {topic}: {}", worker.log_tail());
        // Errors are those of a topic that is not there yet.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = std::str::from_utf8(message.payload().unwrap()).unwrap().to_owned();
        assert!(text.contains(r#""connector":""#), "{text}");
        let (_, after) = text.split_once(r#""after":{"id":"#).unwrap();
        let row = after.split('}').next().unwrap();
        assert!(rows.iter().any(|known| known.to_string() == row), "{text}");
        missing.remove(row);
    }
}
