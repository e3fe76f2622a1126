//! What an outbox on a server can get wrong: transactions run side by side there, and a lower id
//! may be committed after a higher one.

mod gaps;
mod marks;
mod refused;
mod rows;

use migration::plan::ServerUrl;
use migration::position::Position;
use migration::queue::{
    Consumer, Delivery, OutboxQueue, Queue, mysql_outbox_ddl, postgres_outbox_ddl,
};
use servers::shared::{Database, mariadb_database, postgres_database};
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
