//! What an outbox on a server can get wrong: transactions run side by side there, and a lower id may
//! be committed after a higher one.

use migration::error::ErrorKind;
use migration::plan::ServerUrl;
use migration::position::Position;
use migration::queue::{
    Consumer, Delivery, OutboxQueue, Queue, mysql_outbox_ddl, postgres_outbox_ddl,
};
use servers::shared::{Database, mariadb_database, postgres_database, unique_name};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::time::Duration;

/// Long enough for every step of what a consumer does about a gap.
const A_WHILE: Duration = Duration::from_millis(600);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Mysql,
    Postgres,
}

const KINDS: [Kind; 2] = [Kind::Mysql, Kind::Postgres];

/// An application's session.
enum Session {
    Mysql(MySqlConnection),
    Postgres(PgConnection),
}

impl Session {
    async fn run(&mut self, sql: &str) {
        self.try_run(sql).await.unwrap();
    }

    async fn try_run(&mut self, sql: &str) -> sqlx::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Mysql(session) => session.execute(sql).await.map(drop),
            Self::Postgres(session) => session.execute(sql).await.map(drop),
        }
    }

    /// Begins a transaction as a service does: the data row, then the outbox row.
    async fn begin(&mut self, payload: &str) {
        self.run("BEGIN").await;
        self.run(&format!("INSERT INTO data VALUES ('{payload}')")).await;
        self.emit(payload).await;
    }

    async fn emit(&mut self, payload: &str) {
        self.run(&emit(payload)).await;
    }

    async fn commit(&mut self, payload: &str) {
        self.begin(payload).await;
        self.run("COMMIT").await;
    }
}

fn emit(payload: &str) -> String {
    format!(
        "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('t', 'upsert', '{payload}', 5)"
    )
}

struct Source {
    kind: Kind,
    folder: tempfile::TempDir,
    database: Database,
}

impl Source {
    async fn new(kind: Kind) -> Self {
        let source = Self::empty(kind);
        let mut session = source.session().await;
        session.run("CREATE TABLE data (v varchar(99))").await;
        session
            .run(&match kind {
                Kind::Mysql => mysql_outbox_ddl("outbox"),
                Kind::Postgres => postgres_outbox_ddl("outbox"),
            })
            .await;
        source
    }

    fn empty(kind: Kind) -> Self {
        let database = match kind {
            Kind::Mysql => mariadb_database("outbox"),
            Kind::Postgres => postgres_database("outbox"),
        };
        let folder = tempfile::tempdir().unwrap();
        Self { kind, folder, database: database.unwrap() }
    }

    async fn session(&self) -> Session {
        match self.kind {
            Kind::Mysql => {
                Session::Mysql(MySqlConnection::connect(&self.database.url()).await.unwrap())
            }
            Kind::Postgres => {
                Session::Postgres(PgConnection::connect(&self.database.url()).await.unwrap())
            }
        }
    }

    async fn open(&self) -> migration::error::Result<OutboxQueue> {
        self.open_at(&self.database.url(), "m1").await
    }

    async fn open_at(&self, url: &str, migration: &str) -> migration::error::Result<OutboxQueue> {
        std::fs::write(self.folder.path().join("url"), url).unwrap();
        let url = ServerUrl::parse("file:url", self.folder.path()).unwrap();
        match self.kind {
            Kind::Mysql => OutboxQueue::mysql(&url, "outbox", migration, 1).await,
            Kind::Postgres => OutboxQueue::postgres(&url, "outbox", migration, 1).await,
        }
    }

    async fn reader(&self) -> Reader {
        let queue = self.open().await.unwrap();
        let start = queue.end("outbox").await.unwrap();
        Reader::at(&queue, &start).await
    }

    /// Ids that a reader finds which asks for what is above the last it saw: what is lost by it.
    fn naive(&self, above: u64) -> String {
        let sql = format!("SELECT id FROM outbox WHERE id > {above} ORDER BY id");
        self.database.run(&sql).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

struct Reader(Box<dyn Consumer>);

impl Reader {
    async fn at(queue: &OutboxQueue, position: &Position) -> Self {
        let mut consumer = queue.consumer().await.unwrap();
        consumer.poll(100, Duration::ZERO).await.unwrap();
        consumer.seek("outbox", position).await.unwrap();
        Self(consumer)
    }

    /// What comes within this time, at most one delivery.
    async fn next(&mut self, wait: Duration) -> Vec<String> {
        match self.0.poll(100, wait).await.unwrap() {
            Delivery::Messages { messages, .. } => messages
                .into_iter()
                .map(|message| String::from_utf8(message.payload.unwrap()).unwrap())
                .collect(),
            Delivery::Idle => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    async fn nothing(&mut self) {
        assert_eq!(self.next(A_WHILE).await, Vec::<String>::new());
    }

    /// Reads until it has as many.
    async fn read(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let came = self.next(Duration::from_secs(20)).await;
            assert!(!came.is_empty(), "nothing after {seen:?}");
            seen.extend(came);
        }
        seen
    }
}

#[tokio::test]
async fn an_id_that_is_committed_late_is_lost_by_a_naive_reader_and_not_by_ours() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        late.begin("one").await;
        early.commit("two").await;
        assert_eq!(source.naive(0), "2", "{kind:?}");
        reader.nothing().await;
        late.run("COMMIT").await;
        assert_eq!(source.naive(2), "", "a naive reader would never see it: {kind:?}");
        assert_eq!(reader.read(2).await, ["one", "two"], "{kind:?}");
    }
}

#[tokio::test]
async fn what_was_rolled_back_is_passed_once_nobody_can_fill_the_gap() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        early.commit("one").await;
        late.begin("two").await;
        early.commit("three").await;
        assert_eq!(reader.read(1).await, ["one"], "{kind:?}");
        reader.nothing().await;
        late.run("ROLLBACK").await;
        assert_eq!(reader.read(1).await, ["three"], "{kind:?}");
    }
}

#[tokio::test]
async fn transactions_that_begin_later_hold_nothing_up() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(source.session().await);
        }
        let [early, late, later, last] = sessions.as_mut_slice() else { unreachable!() };
        let mut reader = source.reader().await;
        late.begin("one").await;
        early.commit("two").await;
        reader.nothing().await;
        later.begin("three").await;
        late.run("ROLLBACK").await;
        last.begin("four").await;
        assert_eq!(reader.read(1).await, ["two"], "{kind:?}");
        reader.nothing().await;
        last.run("COMMIT").await;
        reader.nothing().await;
        later.run("COMMIT").await;
        assert_eq!(reader.read(2).await, ["three", "four"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_only_reads_holds_nothing_up() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut report) = (source.session().await, source.session().await);
        let mut reader = source.reader().await;
        report.run("BEGIN").await;
        report.run("SELECT count(*) FROM outbox").await;
        early.begin("one").await;
        early.run("ROLLBACK").await;
        early.commit("two").await;
        assert_eq!(reader.read(1).await, ["two"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_start_above_an_open_transaction_is_shown_only_when_that_has_ended() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let (mut early, mut late) = (source.session().await, source.session().await);
        let queue = source.open().await.unwrap();
        late.begin("one").await;
        early.commit("two").await;
        let start = queue.end("outbox").await.unwrap();
        // A copy that began now would not see `one`, and no message after the start brings it.
        assert!(!queue.source_shows("outbox", &start).await.unwrap(), "{kind:?}");
        late.run("COMMIT").await;
        assert!(queue.source_shows("outbox", &start).await.unwrap(), "{kind:?}");
        early.commit("three").await;
        assert_eq!(Reader::at(&queue, &start).await.read(1).await, ["three"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_start_at_an_empty_outbox_with_a_row_under_way_gets_that_row() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut late = source.session().await;
        let queue = source.open().await.unwrap();
        late.begin("one").await;
        let start = queue.end("outbox").await.unwrap();
        let mut reader = Reader::at(&queue, &start).await;
        late.run("COMMIT").await;
        assert_eq!(reader.read(1).await, ["one"], "{kind:?}");
    }
}

#[tokio::test]
async fn many_writers_that_commit_and_roll_back_lose_no_message() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut reader = source.reader().await;
        let mut writers = Vec::new();
        for writer in 0..6 {
            let mut session = source.session().await;
            writers.push(async move {
                for round in 0..40 {
                    session.begin(&format!("{writer}-{round}")).await;
                    let pause = Duration::from_millis((writer * 7 + round * 3) % 11);
                    tokio::time::sleep(pause).await;
                    session.run(if round % 5 == 4 { "ROLLBACK" } else { "COMMIT" }).await;
                }
            });
        }
        let (seen, _) = tokio::join!(reader.read(6 * 32), futures::future::join_all(writers));
        let expected: String =
            source.database.run("SELECT payload FROM outbox ORDER BY id").unwrap();
        assert_eq!(seen, expected.split_whitespace().collect::<Vec<_>>(), "{kind:?}");
    }
}

/// Not even the server's list of running transaction ids knows of this one: it has none yet.
#[tokio::test]
async fn an_id_that_was_given_out_by_a_statement_that_has_not_written_yet_is_waited_for() {
    let source = Source::new(Kind::Postgres).await;
    let (mut early, mut late) = (source.session().await, source.session().await);
    let mut gate = source.session().await;
    gate.run(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END'; \
         CREATE TRIGGER hold BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.op = 'slow') \
         EXECUTE FUNCTION hold(); SELECT pg_advisory_lock(42)",
    )
    .await;
    let mut reader = source.reader().await;
    let slow = emit("one").replace("upsert", "slow");
    let held = tokio::spawn(async move { late.run(&slow).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while source.database.run(waits).unwrap().trim() != "1" {
        tokio::task::yield_now().await;
    }
    early.commit("two").await;
    assert_eq!(source.naive(0), "2");
    reader.nothing().await;
    gate.run("SELECT pg_advisory_unlock(42)").await;
    held.await.unwrap();
    assert_eq!(reader.read(2).await, ["one", "two"]);
}

#[tokio::test]
async fn a_user_who_may_not_see_transactions_is_refused_with_the_grant() {
    let source = Source::new(Kind::Mysql).await;
    let mut root = source.session().await;
    let (user, database) = (unique_name("u"), source.database.name());
    root.run(&format!("CREATE USER {user}@'%' IDENTIFIED BY 'p'")).await;
    root.run(&format!("GRANT ALL ON {database}.* TO {user}@'%'")).await;
    let url = source.database.url();
    let place = url.rsplit_once('@').unwrap().1;
    let url = format!("mysql://{user}:p@{place}");
    let error = source.open_at(&url, "m1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().unwrap().contains("GRANT PROCESS"), "{error:?}");
    root.run(&format!("GRANT PROCESS ON *.* TO {user}@'%'")).await;
    drop(source.open_at(&url, "m1").await.unwrap());
    root.run(&format!("DROP USER {user}@'%'")).await;
}

const MYSQL_COLUMNS: &str = "table_name varchar(99), op varchar(9), payload text, made_at bigint";
const POSTGRES_COLUMNS: &str = "table_name text, op text, payload text, made_at bigint";

/// What makes a table that is no outbox, and what is said of it.
type Case = (String, &'static str);

fn no_mysql_outboxes() -> Vec<Case> {
    let columns = MYSQL_COLUMNS;
    let id = "id BIGINT AUTO_INCREMENT";
    let table = |columns: String, words| (format!("CREATE TABLE outbox ({columns})"), words);
    vec![
        ("CREATE TABLE other (id INT)".to_owned(), "no such table"),
        table(format!("id BIGINT PRIMARY KEY, {columns}"), "not AUTO_INCREMENT"),
        (
            format!("CREATE TABLE outbox ({id} PRIMARY KEY, {columns}) ENGINE = Aria"),
            "no InnoDB table",
        ),
        table(format!("{id}, {columns}, PRIMARY KEY (id, op)"), "not the primary key"),
        table(format!("{id} PRIMARY KEY, {}", columns.replace("op ", "kind ")), "column op"),
        table(
            format!("{id} PRIMARY KEY, {}", columns.replace("bigint", "datetime")),
            "another type",
        ),
    ]
}

fn no_postgres_outboxes() -> Vec<Case> {
    let columns = POSTGRES_COLUMNS;
    let id = "id bigint GENERATED ALWAYS AS IDENTITY";
    let table = |columns: String, words| (format!("CREATE TABLE outbox ({columns})"), words);
    vec![
        ("CREATE TABLE other (id int)".to_owned(), "no such table"),
        table(format!("id bigint PRIMARY KEY, {columns}"), "no sequence"),
        table(format!("{id}, {columns}"), "not its primary key"),
        table(format!("{id} (CACHE 50) PRIMARY KEY, {columns}"), "in advance"),
        table(format!("{id} (INCREMENT 2) PRIMARY KEY, {columns}"), "one by one"),
        (format!("CREATE UNLOGGED TABLE outbox ({id} PRIMARY KEY, {columns})"), "unlogged"),
        (
            format!("CREATE TABLE outbox ({id} PRIMARY KEY, {columns}) PARTITION BY RANGE (id)"),
            "no plain table",
        ),
        table(
            format!("{id} PRIMARY KEY, {}", columns.replace("made_at bigint", "made_at date")),
            "another type",
        ),
    ]
}

#[tokio::test]
async fn a_table_that_is_no_outbox_is_refused_with_the_statement_that_makes_one() {
    for (kind, cases) in
        [(Kind::Mysql, no_mysql_outboxes()), (Kind::Postgres, no_postgres_outboxes())]
    {
        for (statement, words) in cases {
            let source = Source::empty(kind);
            source.session().await.run(&statement).await;
            let error = source.open().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{statement}: {error:?}");
            assert!(error.to_string().contains(words), "{statement}: {error:?}");
            assert!(error.next_step().unwrap().contains("CREATE TABLE"), "{error:?}");
        }
    }
}

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
async fn a_migration_trims_only_what_no_other_one_needs() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let url = source.database.url();
        let one = source.open_at(&url, "m1").await.unwrap();
        let two = source.open_at(&url, "m2").await.unwrap();
        let mut session = source.session().await;
        session.commit("a").await;
        let early = one.end("outbox").await.unwrap();
        two.register("outbox", &early).await.unwrap();
        session.commit("b").await;
        session.commit("c").await;
        let late = one.end("outbox").await.unwrap();
        two.register("outbox", &late).await.unwrap();
        let error = one.trim("outbox", &late).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.to_string().contains("m2"), "{error:?}");
        assert_eq!(Reader::at(&two, &early).await.read(2).await, ["b", "c"], "nothing was removed");

        two.trim("outbox", &late).await.unwrap();
        one.trim("outbox", &late).await.unwrap();
        session.commit("d").await;
        let later = one.end("outbox").await.unwrap();
        one.trim("outbox", &later).await.unwrap_err();
        two.remove_side_tables().await.unwrap();
        assert_eq!(one.trim("outbox", &later).await.unwrap(), 1);
        // The last one takes the table with it.
        assert_eq!(one.side_tables().await.unwrap()[0].rows, 1);
        one.remove_side_tables().await.unwrap();
        one.remove_side_tables().await.unwrap();
        assert!(one.side_tables().await.unwrap().is_empty());
        let error = session.try_run("SELECT 1 FROM midflight_outbox_mark").await.unwrap_err();
        assert!(error.to_string().contains("midflight_outbox_mark"), "{error}");
    }
}

#[tokio::test]
async fn many_that_register_at_once_all_leave_their_mark() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut queues = Vec::new();
        for n in 0..6 {
            queues.push(source.open_at(&source.database.url(), &format!("m{n}")).await.unwrap());
        }
        let start = queues[0].end("outbox").await.unwrap();
        let registering = queues.iter().map(|queue| queue.register("outbox", &start));
        for registered in futures::future::join_all(registering).await {
            registered.unwrap();
        }
        for queue in &queues {
            assert_eq!(queue.side_tables().await.unwrap()[0].rows, 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn the_marks_of_an_older_epoch_do_not_bind_a_newer_one() {
    for kind in KINDS {
        let source = Source::new(kind).await;
        let mut session = source.session().await;
        for payload in ["a", "b", "c"] {
            session.commit(payload).await;
        }
        let queue = source.open().await.unwrap();
        let position = queue.end("outbox").await.unwrap();
        queue.trim("outbox", &position).await.unwrap();
        session.run("DROP TABLE outbox").await;
        session
            .run(&match kind {
                Kind::Mysql => mysql_outbox_ddl("outbox"),
                Kind::Postgres => postgres_outbox_ddl("outbox"),
            })
            .await;
        let url = ServerUrl::parse("file:url", source.folder.path()).unwrap();
        let queue = match kind {
            Kind::Mysql => OutboxQueue::mysql(&url, "outbox", "m1", 2).await.unwrap(),
            Kind::Postgres => OutboxQueue::postgres(&url, "outbox", "m1", 2).await.unwrap(),
        };
        let start = queue.end("outbox").await.unwrap();
        queue.register("outbox", &start).await.unwrap();
        session.commit("new").await;
        assert_eq!(Reader::at(&queue, &start).await.read(1).await, ["new"], "{kind:?}");
        let error = source.open().await.unwrap().trim("outbox", &position).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost, "{error:?}");
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
