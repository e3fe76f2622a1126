//! An outbox in MariaDB or PostgreSQL.

use super::Rig;
use async_trait::async_trait;
use migration::clock::Timestamp;
use migration::plan::ServerUrl;
use migration::queue::{OutboxQueue, Queue, mysql_outbox_ddl, postgres_outbox_ddl};
use servers::shared::{Database, mariadb_database, postgres_database};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::sync::Arc;

/// An application's session.
enum Writer {
    Mysql(MySqlConnection),
    Postgres(PgConnection),
}

pub(crate) struct ServerRig {
    writer: Writer,
    queue: Arc<OutboxQueue>,
    url: ServerUrl,
    made_at: i64,
    /// What puts the count of ids back to where it was at the backup.
    put_back: String,
    _folder: tempfile::TempDir,
    /// Removed last.
    _database: Database,
}

/// A URL as a plan names it.
fn in_file(database: &Database) -> (tempfile::TempDir, ServerUrl) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), database.url()).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    (folder, url)
}

impl ServerRig {
    pub(crate) async fn mysql() -> Self {
        let database = mariadb_database("queue").unwrap();
        let mut writer = MySqlConnection::connect(&database.url()).await.unwrap();
        writer.execute(AssertSqlSafe(mysql_outbox_ddl("outbox"))).await.unwrap();
        Self::over(database, Writer::Mysql(writer)).await
    }

    pub(crate) async fn postgres() -> Self {
        let database = postgres_database("queue").unwrap();
        let mut writer = PgConnection::connect(&database.url()).await.unwrap();
        writer.execute(AssertSqlSafe(postgres_outbox_ddl("outbox"))).await.unwrap();
        Self::over(database, Writer::Postgres(writer)).await
    }

    async fn over(database: Database, writer: Writer) -> Self {
        let (folder, url) = in_file(&database);
        let queue = Arc::new(open(&writer, &url, 1).await);
        Self {
            writer,
            queue,
            url,
            made_at: Timestamp::now().0,
            put_back: String::new(),
            _folder: folder,
            _database: database,
        }
    }

    async fn run(&mut self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &mut self.writer {
            Writer::Mysql(writer) => {
                writer.execute(sqlx::raw_sql(sql)).await.unwrap().rows_affected()
            }
            Writer::Postgres(writer) => {
                writer.execute(sqlx::raw_sql(sql)).await.unwrap().rows_affected()
            }
        }
    }

    async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &mut self.writer {
            Writer::Mysql(writer) => writer.fetch_one(sqlx::query(sql)).await.unwrap().get(0),
            Writer::Postgres(writer) => writer.fetch_one(sqlx::query(sql)).await.unwrap().get(0),
        }
    }
}

async fn open(writer: &Writer, url: &ServerUrl, epoch: u32) -> OutboxQueue {
    match writer {
        Writer::Mysql(_) => OutboxQueue::mysql(url, "outbox", "m1", epoch).await.unwrap(),
        Writer::Postgres(_) => OutboxQueue::postgres(url, "outbox", "m1", epoch).await.unwrap(),
    }
}

#[async_trait]
impl Rig for ServerRig {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.queue) as _
    }

    fn partition(&self) -> &str {
        "outbox"
    }

    async fn append(&mut self, payload: &str) -> u64 {
        self.made_at += 1;
        let insert = format!(
            "INSERT INTO outbox (table_name, op, payload, made_at) \
             VALUES ('edges', 'upsert', '{payload}', {}) RETURNING id",
            self.made_at
        );
        // MariaDB prints an unsigned id as such.
        match &mut self.writer {
            Writer::Mysql(writer) => {
                let row = writer.fetch_one(sqlx::query(AssertSqlSafe(insert))).await.unwrap();
                row.get::<u64, _>(0)
            }
            Writer::Postgres(writer) => {
                let row = writer.fetch_one(sqlx::query(AssertSqlSafe(insert))).await.unwrap();
                row.get::<i64, _>(0).try_into().unwrap()
            }
        }
    }

    async fn skip(&mut self) {
        // As usual: a transaction that is rolled back keeps the id that it was given.
        self.run("BEGIN").await;
        self.append("skipped").await;
        self.run("ROLLBACK").await;
    }

    async fn remove(&mut self, offset: u64) {
        assert_eq!(self.run(&format!("DELETE FROM outbox WHERE id = {offset}")).await, 1);
    }

    async fn backup(&mut self) {
        self.run("DROP TABLE IF EXISTS backup").await;
        self.run("CREATE TABLE backup AS SELECT * FROM outbox").await;
        self.put_back = match self.writer {
            Writer::Mysql(_) => {
                let next = "SELECT CAST(AUTO_INCREMENT AS SIGNED) FROM information_schema.TABLES \
                     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'outbox'";
                format!("ALTER TABLE outbox AUTO_INCREMENT = {}", self.number(next).await)
            }
            Writer::Postgres(_) => {
                let next = "SELECT last_value + is_called::int FROM outbox_id_seq";
                format!("SELECT setval('outbox_id_seq', {}, false)", self.number(next).await)
            }
        };
    }

    async fn restore(&mut self) {
        self.run("DELETE FROM outbox").await;
        let overriding = match self.writer {
            Writer::Mysql(_) => "",
            Writer::Postgres(_) => "OVERRIDING SYSTEM VALUE",
        };
        self.run(&format!("INSERT INTO outbox {overriding} SELECT * FROM backup")).await;
        let put_back = self.put_back.clone();
        self.run(&put_back).await;
    }

    async fn raise_epoch(&mut self) {
        self.queue = Arc::new(open(&self.writer, &self.url, 2).await);
    }
}
