//! What only an outbox in SQLite can get wrong.

use migration::clock::Timestamp;
use migration::error::ErrorKind;
use migration::position::Position;
use migration::queue::{Delivery, Message, OutboxQueue, Queue, check_outbox, outbox_ddl};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use std::path::PathBuf;
use std::time::Duration;

const NOW: Duration = Duration::from_millis(1);

struct SourceFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
    writer: SqliteConnection,
}

impl SourceFile {
    async fn new(statements: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let writer = options.connect().await.unwrap();
        let mut file = Self { _folder: folder, path, writer };
        for statement in statements {
            file.run(statement).await;
        }
        file
    }

    async fn with_outbox() -> Self {
        Self::new(&[&outbox_ddl("outbox")]).await
    }

    async fn run(&mut self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query(statement).execute(&mut self.writer).await.unwrap();
    }

    async fn append(&mut self, payload: &str) {
        self.run(&format!(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('t', 'upsert', '{payload}', 5)"
        ))
        .await;
    }

    async fn open(&self, migration: &str) -> OutboxQueue {
        OutboxQueue::sqlite(&self.path, "outbox", migration, 1).await.unwrap()
    }
}

async fn read_from(queue: &OutboxQueue, position: &Position) -> Vec<Message> {
    let mut consumer = queue.consumer().await.unwrap();
    consumer.poll(100, NOW).await.unwrap();
    consumer.seek("outbox", position).await.unwrap();
    match consumer.poll(100, NOW).await.unwrap() {
        Delivery::Messages { messages, .. } => messages,
        Delivery::Idle => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_table_that_is_no_outbox_is_refused_with_the_statement_that_makes_one() {
    let columns = "table_name TEXT, op TEXT, payload TEXT, made_at INTEGER";
    let cases = [
        ("CREATE TABLE other (id INTEGER)".to_owned(), "no such table"),
        (format!("CREATE TABLE outbox (id INTEGER PRIMARY KEY, {columns})"), "not AUTOINCREMENT"),
        (format!("CREATE TABLE outbox (id INT PRIMARY KEY, {columns})"), "not the INTEGER PRIMARY"),
        (format!("CREATE TABLE outbox (id INTEGER, {columns})"), "not the INTEGER PRIMARY"),
        (
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT, payload TEXT, \
             made_at INTEGER)"
                .to_owned(),
            "column table_name",
        ),
        (format!("CREATE VIEW outbox AS SELECT 1 AS id, {}", "2 AS table_name"), "no such table"),
    ];
    for (statement, words) in cases {
        let source = SourceFile::new(&[&statement]).await;
        for error in [
            check_outbox(&source.path, "outbox").await.unwrap_err(),
            OutboxQueue::sqlite(&source.path, "outbox", "m1", 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Refused, "{statement}: {error:?}");
            assert!(error.to_string().contains(words), "{statement}: {error:?}");
            assert!(error.next_step().unwrap().contains("AUTOINCREMENT"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_row_whose_id_was_chosen_by_hand_is_refused() {
    let mut source = SourceFile::with_outbox().await;
    check_outbox(&source.path, "outbox").await.unwrap();
    source.run("INSERT INTO outbox VALUES (0, 't', 'upsert', '{}', 1)").await;
    let error = check_outbox(&source.path, "outbox").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
}

#[tokio::test]
async fn a_source_whose_text_is_not_utf8_is_refused() {
    let source = SourceFile::new(&["PRAGMA encoding = 'UTF-16le'", &outbox_ddl("outbox")]).await;
    let error = check_outbox(&source.path, "outbox").await.unwrap_err();
    assert!(error.to_string().contains("UTF-16le"), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_unavailable_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let error = OutboxQueue::sqlite(&path, "outbox", "m1", 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn whatever_a_row_holds_is_delivered() {
    let mut source =
        SourceFile::new(&["CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, \
         table_name, op, payload, made_at)"])
        .await;
    let queue = source.open("m1").await;
    let start = queue.end("outbox").await.unwrap();
    source
        .run(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES \
             ('t', 'upsert', NULL, NULL), (NULL, NULL, x'ff00fe', 'yesterday'), \
             (x'74', 7, 42, 1.5), ('t', 'delete', 0.5, x''), ('', '', '', 0), \
             (3, x'', CAST(x'fffe' AS TEXT), 77)",
        )
        .await;
    let before = Timestamp::now();
    let messages = read_from(&queue, &start).await;
    let payloads: Vec<_> = messages.iter().map(|message| message.payload.as_deref()).collect();
    assert_eq!(
        payloads,
        [
            None,
            Some(b"\xff\x00\xfe".as_slice()),
            Some(b"42".as_slice()),
            Some(b"0.5".as_slice()),
            Some(b"".as_slice()),
            Some(b"\xff\xfe".as_slice()),
        ]
    );
    let topics: Vec<_> = messages.iter().map(|message| &*message.topic).collect();
    assert_eq!(topics, ["t", "", "", "t", "", ""]);
    let op = |message: &Message| message.headers.first().map(|(_, op)| op.clone());
    assert_eq!(op(&messages[0]).unwrap(), b"upsert");
    assert_eq!(op(&messages[1]), None);
    assert_eq!(op(&messages[2]).unwrap(), b"7");
    assert!(messages[0].made_at >= before, "an unreadable time reads as now");
    assert_eq!(messages[5].made_at, Timestamp(77));
}

#[tokio::test]
async fn a_row_from_the_future_does_not_hide_the_lag() {
    let mut source = SourceFile::with_outbox().await;
    let queue = source.open("m1").await;
    let start = queue.end("outbox").await.unwrap();
    // Nanoseconds, where microseconds are meant.
    let now = Timestamp::now().0 * 1_000;
    source
        .run(&format!(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('t', 'delete', '{{}}', {now})"
        ))
        .await;
    let error = queue.lag("outbox", &start).await.unwrap_err();
    assert!(error.next_step().unwrap().contains("microseconds"), "{error:?}");
}

#[tokio::test]
async fn large_payloads_come_in_small_deliveries() {
    let mut source = SourceFile::with_outbox().await;
    let queue = source.open("m1").await;
    let start = queue.end("outbox").await.unwrap();
    source
        .run(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 7) \
             INSERT INTO outbox (table_name, op, payload, made_at) \
             SELECT 't', 'upsert', hex(zeroblob(2500000)), value FROM n",
        )
        .await;
    let mut consumer = queue.consumer().await.unwrap();
    consumer.poll(100, NOW).await.unwrap();
    consumer.seek("outbox", &start).await.unwrap();
    let (mut seen, mut deliveries) = (0, 0);
    while let Delivery::Messages { messages, .. } = consumer.poll(100, NOW).await.unwrap() {
        assert!(messages.len() <= 2, "{} messages of 5 MB in one delivery", messages.len());
        seen += messages.len();
        deliveries += 1;
    }
    assert_eq!(seen, 7);
    assert!(deliveries >= 4);
}

#[tokio::test]
async fn an_outbox_that_was_emptied_before_the_start_begins_where_it_ended() {
    let mut source = SourceFile::with_outbox().await;
    source.append("a").await;
    source.append("b").await;
    source.run("DELETE FROM outbox").await;
    let queue = source.open("m1").await;
    let start = queue.end("outbox").await.unwrap();
    assert_eq!(queue.describe(&start), "3");
    assert!(queue.source_shows("outbox", &start).await.unwrap());
    assert_eq!(queue.lag("outbox", &start).await.unwrap().messages, 0);
    source.append("c").await;
    let messages = read_from(&queue, &start).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].offset, 3);
    assert_eq!(queue.lag("outbox", &start).await.unwrap().messages, 1);
}

#[tokio::test]
async fn an_outbox_that_is_made_anew_is_noticed() {
    let mut source = SourceFile::with_outbox().await;
    let queue = source.open("m1").await;
    for payload in ["a", "b", "c"] {
        source.append(payload).await;
    }
    let position = queue.end("outbox").await.unwrap();
    source.run("DROP TABLE outbox").await;
    source.run(&outbox_ddl("outbox")).await;
    for payload in ["x", "y", "z", "q"] {
        source.append(payload).await;
    }
    let mut consumer = queue.consumer().await.unwrap();
    let error = consumer.seek("outbox", &position).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
}

#[tokio::test]
async fn a_change_to_any_column_of_the_witness_is_noticed() {
    for change in
        ["table_name = 'u'", "op = 'delete'", "payload = CAST(payload AS BLOB)", "made_at = 6"]
    {
        let mut source = SourceFile::with_outbox().await;
        let queue = source.open("m1").await;
        source.append("a").await;
        let position = queue.end("outbox").await.unwrap();
        let mut consumer = queue.consumer().await.unwrap();
        consumer.seek("outbox", &position).await.unwrap();
        source.run(&format!("UPDATE outbox SET {change}")).await;
        let error = consumer.seek("outbox", &position).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost, "{change}: {error:?}");
    }
}

#[tokio::test]
async fn trimming_goes_past_many_rows_and_keeps_ids_from_being_used_again() {
    let mut source = SourceFile::with_outbox().await;
    source
        .run(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 12001) \
             INSERT INTO outbox (table_name, op, payload, made_at) \
             SELECT 't', 'upsert', '{}', value FROM n",
        )
        .await;
    let queue = source.open("m1").await;
    let all = queue.end("outbox").await.unwrap();
    assert_eq!(queue.trim("outbox", &all).await.unwrap(), 12_000);
    source.append("next").await;
    assert_eq!(read_from(&queue, &all).await[0].offset, 12_002);
}

#[tokio::test]
async fn a_migration_trims_only_what_no_other_one_needs() {
    let mut source = SourceFile::with_outbox().await;
    let (one, two) = (source.open("m1").await, source.open("m2").await);
    source.append("a").await;
    let early = one.end("outbox").await.unwrap();
    two.register("outbox", &early).await.unwrap();
    for payload in ["b", "c"] {
        source.append(payload).await;
    }
    let late = one.end("outbox").await.unwrap();
    two.register("outbox", &late).await.unwrap();

    let error = one.trim("outbox", &late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("m2"), "{error:?}");
    assert_eq!(read_from(&two, &early).await.len(), 2, "nothing was removed");

    two.trim("outbox", &late).await.unwrap();
    one.trim("outbox", &late).await.unwrap();
    // Or the other one has ended.
    source.append("d").await;
    let later = one.end("outbox").await.unwrap();
    one.trim("outbox", &later).await.unwrap_err();
    two.remove_side_tables().await.unwrap();
    assert_eq!(one.trim("outbox", &later).await.unwrap(), 1);
}

#[tokio::test]
async fn the_clean_up_removes_this_migrations_mark_and_the_table_with_the_last() {
    let mut source = SourceFile::with_outbox().await;
    let (one, two) = (source.open("m1").await, source.open("m2").await);
    source.append("a").await;
    let position = one.end("outbox").await.unwrap();
    assert!(one.side_tables().await.unwrap().is_empty());
    one.remove_side_tables().await.unwrap();
    one.register("outbox", &position).await.unwrap();
    two.register("outbox", &position).await.unwrap();
    assert_eq!(one.side_tables().await.unwrap()[0].rows, 1);
    one.remove_side_tables().await.unwrap();
    assert!(one.side_tables().await.unwrap().is_empty());
    assert_eq!(two.side_tables().await.unwrap()[0].rows, 1);
    two.remove_side_tables().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name LIKE 'mid%'")
        .fetch_one(&mut source.writer)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_marks_of_an_older_epoch_do_not_bind_a_newer_one() {
    let mut source = SourceFile::with_outbox().await;
    for payload in ["a", "b", "c"] {
        source.append(payload).await;
    }
    let queue = source.open("m1").await;
    let position = queue.end("outbox").await.unwrap();
    queue.trim("outbox", &position).await.unwrap();
    // The outbox is made anew, the mark stays.
    source.run("DROP TABLE outbox").await;
    source.run(&outbox_ddl("outbox")).await;
    let queue = OutboxQueue::sqlite(&source.path, "outbox", "m1", 2).await.unwrap();
    let start = queue.end("outbox").await.unwrap();
    queue.register("outbox", &start).await.unwrap();
    source.append("new").await;
    assert_eq!(read_from(&queue, &start).await.len(), 1);
    let error = source.open("m1").await.trim("outbox", &position).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
}

#[tokio::test]
async fn a_writer_at_work_does_not_hold_up_the_reader_of_a_wal_source() {
    let mut source = SourceFile::with_outbox().await;
    let options = SqliteConnectOptions::new().filename(&source.path);
    source.writer = options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    let queue = source.open("m1").await;
    let start = queue.end("outbox").await.unwrap();
    source.append("committed").await;
    source.run("BEGIN IMMEDIATE").await;
    source.append("not yet").await;
    assert_eq!(read_from(&queue, &start).await.len(), 1);
    source.run("COMMIT").await;
    assert_eq!(read_from(&queue, &start).await.len(), 2);
}

#[tokio::test]
async fn a_table_with_quotes_and_capitals_in_its_name_is_read() {
    let name = "Out \"box\"";
    let mut source = SourceFile::new(&[&outbox_ddl(name)]).await;
    let queue = OutboxQueue::sqlite(&source.path, "out \"box\"", "m1", 1).await.unwrap();
    let partitions = queue.partitions().await.unwrap();
    assert_eq!(&*partitions[0], name);
    let start = queue.end(name).await.unwrap();
    source.run("INSERT INTO \"Out \"\"box\"\"\" VALUES (NULL, 't', 'upsert', '{}', 5)").await;
    assert!(queue.end(name).await.unwrap() > start);
    let error = queue.source_shows("out \"box\"", &start).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
