//! Payloads and names of every kind.

use super::{A_WHILE, KINDS, Kind, Source, emit};
use migration::plan::ServerUrl;
use migration::queue::{Delivery, OutboxQueue, Queue as _, mysql_outbox_ddl, postgres_outbox_ddl};
use std::time::Duration;

#[tokio::test]
async fn payloads_of_every_kind_are_delivered_as_they_are() {
    for (kind, types) in [
        (Kind::Mysql, ["longtext", "json", "longblob", "varchar(99) CHARACTER SET latin1"]),
        (Kind::Postgres, ["text", "json", "jsonb", "bytea"]),
    ] {
        for payload in types {
            let source = Source::empty(kind);
            let mut session = source.session().await;
            let create = match kind {
                Kind::Mysql => mysql_outbox_ddl("outbox").replace("LONGTEXT NOT NULL", payload),
                Kind::Postgres => postgres_outbox_ddl("outbox")
                    .replace("payload text NOT NULL", &format!("payload {payload}")),
            };
            session.run(&create).await;
            session.run("CREATE TABLE data (v varchar(99))").await;
            let mut reader = source.reader().await;
            session.commit(r#"{"name": "é"}"#).await;
            session.run(&emit("x").replace("'x'", "NULL")).await;
            let Delivery::Messages { messages, next, .. } =
                reader.0.poll(9, Duration::from_secs(20)).await.unwrap()
            else {
                panic!("nothing");
            };
            let text = messages[0].payload.as_deref().map(String::from_utf8_lossy);
            assert_eq!(text.unwrap(), r#"{"name": "é"}"#, "{payload}");
            assert_eq!(messages[1].payload, None, "{payload}");
            assert_eq!(&*messages[0].topic, "t");
            // The witness is the same however it is read.
            reader.0.seek("outbox", &next).await.unwrap();
            assert_eq!(
                source.open().await.unwrap().end("outbox").await.unwrap(),
                next,
                "{payload}"
            );
        }
    }
}

#[tokio::test]
async fn large_payloads_come_in_small_deliveries() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut reader = source.reader().await;
        let mut session = source.session().await;
        for n in 0..7 {
            session.run(&emit("x").replace("'x'", &format!("repeat('{n}', 5000000)"))).await;
        }
        let (mut seen, mut deliveries) = (0, 0);
        while let Delivery::Messages { messages, .. } = reader.0.poll(100, A_WHILE).await.unwrap() {
            assert!(messages.len() <= 2, "{} messages of 5 MB in one delivery", messages.len());
            seen += messages.len();
            deliveries += 1;
        }
        assert_eq!((seen, deliveries >= 4), (7, true), "{kind:?}");
    }
}

#[tokio::test]
async fn a_schema_and_quotes_in_the_name_are_taken_as_they_are() {
    let source = Source::empty(Kind::Postgres);
    let mut session = source.session().await;
    session.run("CREATE SCHEMA \"Events\"").await;
    session.run(&postgres_outbox_ddl("Events.out \"box\"")).await;
    std::fs::write(source.folder.path().join("url"), source.database.url()).unwrap();
    let url = ServerUrl::parse("file:url", source.folder.path()).unwrap();
    let queue = OutboxQueue::postgres(&url, "Events.out \"box\"", "m1", 1).await.unwrap();
    let partition = queue.partitions().await.unwrap().remove(0);
    assert_eq!(&*partition, "Events.out \"box\"");
    queue.end(&partition).await.unwrap();
    queue.lag(&partition, &queue.end(&partition).await.unwrap()).await.unwrap();

    let source = Source::empty(Kind::Mysql);
    let mut session = source.session().await;
    session.run(&mysql_outbox_ddl("out `box`")).await;
    std::fs::write(source.folder.path().join("url"), source.database.url()).unwrap();
    let url = ServerUrl::parse("file:url", source.folder.path()).unwrap();
    let queue = OutboxQueue::mysql(&url, "out `box`", "m1", 1).await.unwrap();
    let partition = queue.partitions().await.unwrap().remove(0);
    queue.lag(&partition, &queue.end(&partition).await.unwrap()).await.unwrap();
}
