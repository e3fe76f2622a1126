//! What a plan says of a queue in Kafka, and what is said about one that is wrong.

use migration::decode::{Format, Truncates, Versions};
use migration::error::{Chain, Error, ErrorKind};
use migration::plan::{KafkaPlan, Plan, QueuePlan, SaslMechanism};
use std::path::Path;
use std::time::Duration;

const GOOD: &str = include_str!("../plan/kafka.toml");

fn parse(text: &str) -> Result<Plan, Error> {
    Plan::parse(text, Path::new("/srv/flight"))
}

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good plan does not hold {from:?}");
    GOOD.replacen(from, to, 1)
}

fn kafka(text: &str) -> KafkaPlan {
    match parse(text).unwrap().queue {
        QueuePlan::Kafka(kafka) => *kafka,
        QueuePlan::Outbox { .. } => panic!("not Kafka"),
    }
}

#[test]
fn a_kafka_queue_is_what_was_written_and_a_default_for_everything_else() {
    let plan = kafka(GOOD);
    assert_eq!(plan.brokers, ["k1.example:9093", "k2.example:9093"]);
    assert_eq!(plan.group, "midflight-shop");
    assert_eq!(plan.session, Duration::from_secs(10));
    assert_eq!(plan.instance.as_ref().unwrap().to_string(), "env:HOSTNAME");
    assert_eq!(plan.dead_letter_topic.as_deref(), Some("shop.dead"));
    let sasl = plan.sasl.as_ref().unwrap();
    assert_eq!(sasl.mechanism, SaslMechanism::ScramSha512);
    assert_eq!(sasl.password.to_string(), "file:/srv/flight/secrets/kafka");
    let authority = plan.tls.as_ref().unwrap().authority.as_deref();
    assert_eq!(authority, Some(Path::new("/srv/flight/ca.pem")));
    let [items, orders] = plan.topics.as_slice() else { panic!("{:?}", plan.topics) };
    assert!(matches!(&items.format, Format::Debezium(format) if format.schema));
    assert_eq!((items.versions, items.database.as_deref()), (Versions::Source, Some("public")));
    assert_eq!((orders.versions, orders.truncates), (Versions::Queue, Truncates::Stop));
    assert_eq!(orders.table.as_deref(), Some("orders"));
}

#[test]
fn what_cannot_work_is_refused_with_its_place_and_the_way_out() {
    let cases = [
        ("brokers = [", "broker = [", "line 10, column 1: unknown field `broker`", "`brokers`"),
        ("format = \"plain\"", "format = \"avro\"", "unknown variant `avro`", "config-schema"),
        (
            "decimals = \"string\"",
            "decimal = \"string\"",
            "unknown field `decimal`",
            "did you mean `decimals`?",
        ),
        (
            "kind = \"kafka\"",
            "kind = \"kafka\"\ntable = \"outbox\"",
            "line 9, column 8: a queue of kind kafka has no `table`",
            "config-schema",
        ),
        (
            "brokers = [\"k1.example:9093\", \"k2.example:9093\"]",
            "brokers = []",
            "queue.brokers, must name at least one broker",
            "host:9092",
        ),
        ("k2.example:9093", "k2.example", "queue.brokers[1], must be host:port", ""),
        (
            "versions = \"queue\"\n",
            "",
            "queue.topic[1]",
            "versions = \"queue\" if the producer sends",
        ),
        (
            "key = \"json\"",
            "time_precision = \"connect\"",
            "the format plain has no such option",
            "leave it out",
        ),
        ("database = \"public\"", "table = \"orders\"", "queue.topic[1].versions", ""),
        ("table = \"orders\"", "table = \"order\"", "queue.topic[1].table", "\"orders\"?"),
        ("name = \"orders\"", "name = \"shop.public.items\"", "be unique", ""),
        ("name = \"orders\"", "name = \"the orders\"", "a-z A-Z 0-9 . _ -", ""),
        (
            "format = \"debezium-schema\"\noptions = { decimals = \"string\" }",
            "format = \"debezium-flattened\"\noptions = { deletes = \"drop\" }",
            "deletes never reach the topic",
            "delete.tombstone.handling.mode",
        ),
        ("authority = \"ca.pem\"", "key = \"k.pem\"", "have `certificate` and `key`", ""),
        ("dead_letter_topic = ", "session_ms = 5\ndead_letter_topic = ", "session_ms", ""),
    ];
    for (from, to, message, hint) in cases {
        let Err(error) = parse(&with(from, to)) else { panic!("{to:?} is accepted") };
        assert_eq!(error.kind(), ErrorKind::Plan, "{error:?}");
        let said = Chain(&error).to_string();
        assert!(said.contains(message), "{to:?}: {said}");
        assert!(error.next_step().unwrap_or("").contains(hint), "{to:?}: {error:?}");
    }
    let outbox = with("kind = \"kafka\"", "kind = \"outbox\"\ntable = \"outbox\"");
    let said = Chain(&parse(&outbox).unwrap_err()).to_string();
    assert!(said.contains("a queue of kind outbox has no `brokers`"), "{said}");
}

#[test]
fn a_password_in_the_plan_is_refused_and_not_repeated() {
    let text = with("password = \"file:secrets/kafka\"", "password = \"hunter2\"");
    let error = parse(&text).unwrap_err();
    assert!(error.to_string().contains("queue.sasl.password"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn how_brokers_are_reached_may_change_under_way_and_how_messages_are_read_may_not() {
    let recorded = parse(GOOD).unwrap();
    for (from, to) in [
        ("k1.example", "k3.example"),
        ("user = \"midflight\"", "user = \"other\""),
        ("env:HOSTNAME", "env:POD"),
        ("shop.dead", "shop.dead2"),
        ("table = \"orders\"", "table = \"orders\"\ntruncates = \"ignore\""),
    ] {
        assert_eq!(parse(&with(from, to)).unwrap().digest, recorded.digest, "{to:?}");
    }
    for (from, to, field) in [
        ("name = \"orders\"\nformat", "name = \"orders2\"\nformat", "queue.topic[1].topic"),
        ("decimals = \"string\"", "decimals = \"double\"", "queue.topic[0].format"),
        ("database = \"public\"\n", "", "queue.topic[0].database"),
        ("kind = \"kafka\"", "kind = \"kafka\"\ngroup = \"g\"", "queue.group"),
    ] {
        let changed = parse(&with(from, to)).unwrap();
        assert_ne!(changed.digest, recorded.digest, "{to:?}");
        let changes = changed.changed_since(&recorded.fixed_json()).unwrap();
        assert!(changes.iter().all(|change| change.field.starts_with(field)), "{changes:?}");
    }
}
