//! What only Kafka can do to a migration, on real brokers.

pub(crate) mod broker;
mod login;
mod mailbox;
mod turns;

use broker::{LIMIT, admin, config, create_topic, open, plan, send};
use migration::error::{Error, ErrorKind};
use migration::plan::{KafkaPlan, SecretPlace};
use migration::position::Position;
use migration::queue::{Consumer, Delivery, Message, Queue};
use rdkafka::admin::NewPartitions;
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use servers::Listener;
use servers::shared::{kafka_brokers, unique_name};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(500);

/// A topic of the shared broker.
struct Bed {
    brokers: String,
    topic: String,
    producer: FutureProducer,
    queue: Arc<dyn Queue>,
}

impl Bed {
    async fn new(partitions: i32) -> Self {
        let brokers = kafka_brokers().unwrap();
        let topic = unique_name("topic");
        create_topic(&brokers, &topic, partitions).await;
        let producer = config(&brokers).create().unwrap();
        let queue = open(&plan(&brokers, &topic), 1).await.unwrap();
        Self { brokers, topic, producer, queue }
    }

    fn first(&self) -> String {
        format!("{}-0", self.topic)
    }

    async fn send(&self, payload: &str) -> u64 {
        send(&self.producer, &self.topic, payload, 1_000).await
    }

    /// As retention does.
    async fn forget_below(&self, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).unwrap();
        let (admin, options) = admin(&self.brokers);
        admin.delete_records(&list, &options).await.unwrap();
    }
}

async fn joined(queue: &Arc<dyn Queue>) -> (Box<dyn Consumer>, Vec<Arc<str>>) {
    let mut consumer = queue.consumer().await.unwrap();
    let Delivery::Assigned(partitions) = consumer.poll(1, LIMIT).await.unwrap() else {
        panic!("the first delivery assigns");
    };
    (consumer, partitions)
}

async fn failure(consumer: &mut dyn Consumer) -> Error {
    let began = Instant::now();
    loop {
        match consumer.poll(10, MOMENT).await {
            Err(error) => return error,
            Ok(_) => assert!(began.elapsed() < LIMIT, "no error came"),
        }
    }
}

/// The next messages, and where they end. A gap alone is none.
async fn messages(consumer: &mut dyn Consumer) -> (Vec<Message>, Position) {
    let began = Instant::now();
    loop {
        match consumer.poll(100, MOMENT).await.unwrap() {
            Delivery::Messages { messages, next, .. } if !messages.is_empty() => {
                return (messages, next);
            }
            _ => assert!(began.elapsed() < LIMIT, "no message came"),
        }
    }
}

#[tokio::test]
async fn what_retention_took_is_lost_and_says_what_to_compare_again() {
    let bed = Bed::new(1).await;
    let start = bed.queue.end(&bed.first()).await.unwrap();
    for n in 0..10 {
        bed.send(&n.to_string()).await;
    }
    let (mut consumer, _) = joined(&bed.queue).await;
    consumer.seek(&bed.first(), &start).await.unwrap();
    let (_, end) = messages(&mut *consumer).await;
    bed.forget_below(4).await;
    for error in [
        consumer.seek(&bed.first(), &start).await.unwrap_err(),
        bed.queue.lag(&bed.first(), &start).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
        assert!(error.to_string().contains("retention"), "{error}");
        assert!(error.next_step().unwrap().contains("verify repair"), "{error:?}");
    }
    // What was read before may go: the position after it holds.
    bed.forget_below(10).await;
    consumer.seek(&bed.first(), &end).await.unwrap();
    bed.send("next").await;
    assert_eq!(messages(&mut *consumer).await.0.len(), 1);
}

#[tokio::test]
async fn a_consumer_that_retention_overtakes_is_told_and_skips_nothing() {
    let bed = Bed::new(1).await;
    for n in 0..5 {
        bed.send(&n.to_string()).await;
    }
    let (mut consumer, _) = joined(&bed.queue).await;
    let start = bed.queue.peek(&bed.first(), None, 5).await.unwrap()[1].position;
    consumer.seek(&bed.first(), &start).await.unwrap();
    // Between the seek and the first fetch.
    bed.forget_below(5).await;
    bed.send("after").await;
    let error = failure(&mut *consumer).await;
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    assert!(error.to_string().contains("retention"), "{error}");
}

#[tokio::test]
async fn partitions_that_are_added_stop_the_run_with_the_way_out() {
    let bed = Bed::new(2).await;
    let start = bed.queue.end(&bed.first()).await.unwrap();
    let (mut consumer, partitions) = joined(&bed.queue).await;
    assert_eq!(partitions.len(), 2);
    let (admin, options) = admin(&bed.brokers);
    let more = NewPartitions::new(&bed.topic, 3);
    for result in admin.create_partitions([&more], &options).await.unwrap() {
        result.unwrap();
    }
    let error = failure(&mut *consumer).await;
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    assert!(error.to_string().contains("was 2, is 3"), "{error}");
    assert!(error.next_step().unwrap().contains("source.epoch"), "{error:?}");
    // The next start sees it too, in the positions.
    let later = open(&plan(&bed.brokers, &bed.topic), 1).await.unwrap();
    let error = later.lag(&bed.first(), &start).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
    // The way out.
    let raised = open(&plan(&bed.brokers, &bed.topic), 2).await.unwrap();
    assert!(!raised.is_current(&start).unwrap());
    let anew = raised.end(&bed.first()).await.unwrap();
    assert_eq!(raised.lag(&bed.first(), &anew).await.unwrap().messages, 0);
    assert!(anew > start);
}

#[tokio::test]
async fn messages_of_a_transaction_come_with_its_commit_and_never_without() {
    let bed = Bed::new(1).await;
    let start = bed.queue.end(&bed.first()).await.unwrap();
    let (mut consumer, _) = joined(&bed.queue).await;
    consumer.seek(&bed.first(), &start).await.unwrap();
    let producer: BaseProducer =
        config(&bed.brokers).set("transactional.id", unique_name("transactions")).create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    for (payload, commits) in [("given up", false), ("kept", true)] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(&bed.topic).key("k").payload(payload)).unwrap();
        producer.flush(LIMIT).unwrap();
        // Not behind the end: whoever begins there gets it when it is committed.
        let end = bed.queue.end(&bed.first()).await.unwrap();
        match consumer.poll(10, MOMENT).await.unwrap() {
            Delivery::Idle => {}
            Delivery::Messages { messages, .. } => assert!(messages.is_empty(), "{messages:?}"),
            other => panic!("{other:?}"),
        }
        if commits {
            producer.commit_transaction(LIMIT).unwrap();
            // The message and its mark; the broker writes that a moment later.
            let began = Instant::now();
            while bed.queue.lag(&bed.first(), &end).await.unwrap().messages != 2 {
                assert!(began.elapsed() < LIMIT, "the commit does not show");
            }
        } else {
            producer.abort_transaction(LIMIT).unwrap();
            assert_eq!(bed.queue.lag(&bed.first(), &end).await.unwrap().messages, 0);
        }
    }
    let (found, next) = messages(&mut *consumer).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].payload.as_deref(), Some(&b"kept"[..]));
    // The mark of the commit lies behind it; it is passed, so that it may be forgotten.
    let began = Instant::now();
    let passed = loop {
        assert!(began.elapsed() < LIMIT, "the gap was not passed");
        if let Delivery::Messages { from, next: passed, messages, .. } =
            consumer.poll(10, MOMENT).await.unwrap()
        {
            assert!(messages.is_empty());
            assert_eq!(from, next);
            break passed;
        }
    };
    assert!(passed > next);
    assert_eq!(bed.queue.lag(&bed.first(), &passed).await.unwrap().messages, 0);
}

/// A mark that nobody passes holds up whoever waits for the position to reach the end.
#[tokio::test]
async fn the_mark_of_a_transaction_is_passed_while_another_partition_is_busy() {
    let bed = Bed::new(2).await;
    let (mut consumer, partitions) = joined(&bed.queue).await;
    for partition in &partitions {
        let start = bed.queue.end(partition).await.unwrap();
        consumer.seek(partition, &start).await.unwrap();
    }
    let producer: BaseProducer =
        config(&bed.brokers).set("transactional.id", unique_name("marks")).create().unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(&bed.topic).partition(0).key("k").payload("one")).unwrap();
    producer.commit_transaction(LIMIT).unwrap();
    let began = Instant::now();
    let mut busy = 0;
    loop {
        assert!(began.elapsed() < LIMIT, "the mark was not passed; {busy} messages meanwhile");
        // Something comes with every poll.
        let record = FutureRecord::to(&bed.topic).partition(1).key("k").payload("busy");
        bed.producer.send(record, LIMIT).await.unwrap();
        match consumer.poll(10, LIMIT).await.unwrap() {
            Delivery::Messages { partition, messages, .. } if *partition == *bed.first() => {
                if messages.is_empty() {
                    break;
                }
            }
            Delivery::Messages { messages, .. } => busy += messages.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!(busy > 0);
}

#[tokio::test]
async fn a_look_at_messages_takes_no_partition_from_the_consumer() {
    let bed = Bed::new(1).await;
    for n in 0..7 {
        bed.send(&n.to_string()).await;
    }
    let (mut consumer, _) = joined(&bed.queue).await;
    let last = bed.queue.peek(&bed.first(), None, 3).await.unwrap();
    assert_eq!(last.iter().map(|message| message.offset).collect::<Vec<_>>(), [4, 5, 6]);
    let some = bed.queue.peek(&bed.first(), Some(&last[0].next), 1).await.unwrap();
    assert_eq!(some[0].offset, 5);
    // Nothing was revoked.
    assert!(matches!(consumer.poll(1, MOMENT).await.unwrap(), Delivery::Idle));
}

#[tokio::test]
async fn a_member_with_a_name_comes_back_to_its_partitions_and_a_second_of_that_name_is_told() {
    let bed = Bed::new(2).await;
    let folder = tempfile::tempdir().unwrap();
    let mut named = Vec::new();
    for name in ["one", "two"] {
        std::fs::write(folder.path().join(name), name).unwrap();
        let place = SecretPlace::parse(&format!("file:{name}"), folder.path()).unwrap();
        let plan = KafkaPlan { instance: Some(place), ..plan(&bed.brokers, &bed.topic) };
        named.push(open(&plan, 1).await.unwrap());
    }
    let (mut one, both) = joined(&named[0]).await;
    assert_eq!(both.len(), 2);
    let mut two = named[1].consumer().await.unwrap();
    // The second takes one of the two away.
    let (mut of_one, mut of_two) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while of_one.len() != 1 || of_two.len() != 1 {
        for (consumer, own) in [(&mut one, &mut of_one), (&mut two, &mut of_two)] {
            match consumer.poll(1, Duration::from_millis(50)).await.unwrap() {
                Delivery::Assigned(partitions) => *own = partitions,
                Delivery::Revoked(_) => own.clear(),
                _ => {}
            }
        }
        assert!(began.elapsed() < LIMIT, "{of_one:?} {of_two:?}");
    }
    // The first restarts: nobody else is asked to move.
    drop(one);
    let (mut again, partitions) = joined(&named[0]).await;
    assert_eq!(partitions, of_one);
    assert!(matches!(two.poll(1, MOMENT).await.unwrap(), Delivery::Idle));
    // Another process under its name.
    let (_other, _) = joined(&named[0]).await;
    let error = failure(&mut *again).await;
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error:?}");
    assert!(error.next_step().unwrap().contains("queue.instance"), "{error:?}");
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_refused_by_name() {
    let brokers = kafka_brokers().unwrap();
    let topic = unique_name("missing");
    let error = open(&plan(&brokers, &topic), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains(&topic) && error.next_step().is_some(), "{error:?}");
}

#[tokio::test]
async fn no_broker_at_the_start_is_said_within_the_bound() {
    // A port that nobody listens at.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let error = open(&plan(&free.to_string(), "t"), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
    assert!(began.elapsed() < LIMIT);
}

#[tokio::test]
async fn a_broker_that_dies_is_an_error_and_its_restart_loses_nothing() {
    let mut kafka = servers::kafka().start().unwrap();
    let brokers = kafka.bootstrap(Listener::Plain).to_owned();
    create_topic(&brokers, "t", 1).await;
    let producer: FutureProducer = config(&brokers).create().unwrap();
    let queue = open(&plan(&brokers, "t"), 1).await.unwrap();
    let start = queue.end("t-0").await.unwrap();
    send(&producer, "t", "before", 1).await;
    let (mut consumer, _) = joined(&queue).await;
    consumer.seek("t-0", &start).await.unwrap();
    let (found, next) = messages(&mut *consumer).await;
    assert_eq!(found.len(), 1);
    kafka.kill().unwrap();
    let error = failure(&mut *consumer).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let began = Instant::now();
    let error = queue.lag("t-0", &next).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(began.elapsed() < LIMIT);
    drop(consumer);
    kafka.start().unwrap();
    send(&producer, "t", "after", 2).await;
    let (mut consumer, _) = joined(&queue).await;
    consumer.seek("t-0", &next).await.unwrap();
    let (found, _) = messages(&mut *consumer).await;
    assert_eq!(found[0].payload.as_deref(), Some(&b"after"[..]));
}
