//! Dead letters in a topic.

use super::broker::{LIMIT, config, create_topic, plan};
use migration::clock::Timestamp;
use migration::dead_letter::{DeadLetter, FailedChange, FailedIn, Mailbox as _};
use migration::error::{Error, ErrorKind};
use migration::plan::KafkaPlan;
use migration::position::Position;
use migration::queue::{KafkaMailbox, Message};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use servers::shared::{kafka_brokers, unique_name};

fn letter() -> DeadLetter {
    let place = Position::new(&[7]).unwrap();
    let message = Message {
        position: place,
        next: place,
        version: None,
        made_at: Timestamp(5),
        key: Some(b"the key".to_vec()),
        headers: vec![("trace".into(), vec![0xff])],
        topic: "shop.items".into(),
        payload: None,
        offset: 42,
    };
    let error = Error::new(ErrorKind::Unreadable, "decode change");
    let (failed_in, error) = (FailedIn::Target, &error);
    let change =
        FailedChange { index: 0, version: None, failed_in, error, table: None, record: None };
    DeadLetter::new("shop.items-3", &message, &change)
}

#[tokio::test]
async fn a_dead_letter_lies_in_the_topic_byte_for_byte_with_the_headers_that_people_know() {
    let brokers = kafka_brokers().unwrap();
    let topic = unique_name("dead");
    create_topic(&brokers, &topic, 1).await;
    let plan = KafkaPlan { dead_letter_topic: Some(topic.clone()), ..plan(&brokers, "t") };
    KafkaMailbox::open(&plan, "m1").unwrap().unwrap().put(&[letter()]).await.unwrap();

    let consumer: BaseConsumer = config(&brokers).set("group.id", "reader").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let found = consumer.poll(LIMIT).unwrap().unwrap();
    assert_eq!((found.key(), found.payload()), (Some(&b"the key"[..]), None));
    let headers: Vec<(String, Vec<u8>)> = found
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key.to_owned(), header.value.unwrap().to_vec()))
        .collect();
    for (name, value) in [
        ("trace", &[0xff][..]),
        ("__connect.errors.topic", b"shop.items"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"42"),
        ("__connect.errors.stage", b"TASK_PUT"),
        ("__connect.errors.exception.class.name", b"midflight.Unreadable"),
        ("__connect.errors.exception.message", b"decode change"),
    ] {
        let found = headers.iter().find(|(header, _)| header == name);
        assert_eq!(found.unwrap().1, value, "{name}");
    }
}

#[tokio::test]
async fn a_topic_that_does_not_take_letters_holds_the_batch_up() {
    let brokers = kafka_brokers().unwrap();
    let dead_letter_topic = Some(unique_name("missing"));
    let plan = KafkaPlan { dead_letter_topic, ..plan(&brokers, "t") };
    let mailbox = KafkaMailbox::open(&plan, "m1").unwrap().unwrap();
    let error = mailbox.put(&[letter()]).await.unwrap_err();
    assert!(error.to_string().contains("shop.items-3/42/0"), "{error}");
}
