//! The data every benchmark runs on: one narrow table of a skewed graph, made anew each time.

use crate::plan::FULL_SPEED;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::path::Path;

/// Seed of everything that is drawn, so that two runs work on the same rows.
const SEED: u64 = 20_261_121;

/// Records in one batch of the copy, ours and the peer's: within 1,000-4,000 the figure hardly
/// moves, and six columns of this stay under the bind limit.
pub(crate) const COPY_BATCH_ROWS: usize = 2_000;

/// Changes in one batch of the live path, ours and the peer's: the most that ours takes by default,
/// since a batch of it may hold up a lock.
pub(crate) const APPLY_BATCH_ROWS: usize = 1_000;

/// Rows that one statement of the fill inserts.
const FILL_ROWS: u64 = 10_000;

/// The source table.
pub(crate) const SOURCE_TABLE: &str = r#"CREATE TABLE followers (
    package TEXT NOT NULL, dependent TEXT NOT NULL, "constraint" TEXT, section TEXT NOT NULL,
    installed_kib INTEGER NOT NULL, changed_at INTEGER NOT NULL, PRIMARY KEY (package, dependent))"#;

/// The outbox.
pub(crate) const OUTBOX_TABLE: &str = "CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, op TEXT NOT NULL,
    payload TEXT, made_at INTEGER NOT NULL)";

/// The target table.
pub(crate) const TARGET_TABLE: &str = "CREATE TABLE follower_of (
    followed TEXT NOT NULL, follower TEXT NOT NULL, requirement TEXT, category TEXT NOT NULL,
    size_kib INTEGER NOT NULL, changed_at INTEGER NOT NULL, PRIMARY KEY (followed, follower))";

/// Opens a file as every benchmark does, peers included.
pub(crate) async fn open(path: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    SqliteConnection::connect_with(&options).await
}

/// Fills a source of `rows` records.
pub(crate) async fn fill_source(path: &Path, rows: u64) -> sqlx::Result<()> {
    let mut source = open(path).await?;
    source.execute(SOURCE_TABLE).await?;
    source.execute(OUTBOX_TABLE).await?;
    // A tenth of the packages has most of the followers, as in the graph of a distribution.
    let fill = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
        INSERT INTO followers SELECT
            printf('lib%06d-dev', CASE WHEN i % 10 < 7 THEN (i / 10) % 997 ELSE i / 4 END),
            printf('package-%07d', i), iif(i % 3 = 0, NULL, printf('>= %d.%d', i % 17, i % 10)),
            iif(i % 2 = 0, 'libs', 'admin'), i % 100000, 1760000000000000 + i FROM n";
    let mut first = 0;
    while first < rows {
        let last = rows.min(first + FILL_ROWS);
        sqlx::query(fill)
            .bind(first.cast_signed())
            .bind(last.cast_signed())
            .execute(&mut source)
            .await?;
        first = last;
    }
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    source.close().await
}

/// One live change of the benchmark's stream.
#[derive(Debug, Clone)]
pub(crate) struct LiveChange {
    pub(crate) package: String,
    pub(crate) dependent: String,
    pub(crate) is_delete: bool,
    pub(crate) size_kib: i64,
}

/// A stream of changes: 60 % updates, 35 % inserts, 5 % deletes, keys drawn with a skew.
pub(crate) fn changes(count: u64, rows: u64) -> Vec<LiveChange> {
    let mut random = StdRng::seed_from_u64(SEED);
    (0..count)
        .map(|n| {
            let skewed = random.random::<f64>().powi(3);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a row count"
            )]
            let i = (skewed * rows as f64) as u64;
            let kind = random.random_range(0..100);
            let package = if i % 10 < 7 { (i / 10) % 997 } else { i / 4 };
            let dependent = if (60..95).contains(&kind) { rows + n } else { i };
            LiveChange {
                package: format!("lib{package:06}-dev"),
                dependent: format!("package-{dependent:07}"),
                is_delete: kind >= 95,
                size_kib: random.random_range(0..100_000),
            }
        })
        .collect()
}

/// Writes a stream of changes into the source's outbox.
pub(crate) async fn fill_outbox(path: &Path, changes: &[LiveChange]) -> sqlx::Result<()> {
    let mut source = open(path).await?;
    source.execute("BEGIN").await?;
    for change in changes {
        let op = if change.is_delete { "delete" } else { "upsert" };
        sqlx::query(AssertSqlSafe(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('followers', ?, ?, ?)",
        ))
        .bind(op)
        .bind(payload(change))
        .bind(1_760_000_000_000_000_i64)
        .execute(&mut source)
        .await?;
    }
    source.execute("COMMIT").await?;
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    source.close().await
}

/// The change as a service writes it.
pub(crate) fn payload(change: &LiveChange) -> String {
    format!(
        r#"{{"package":"{}","dependent":"{}","constraint":null,"section":"libs","installed_kib":{},"changed_at":1760000000000000}}"#,
        change.package, change.dependent, change.size_kib
    )
}

/// Empties the outbox, as if the migration had not begun.
pub(crate) async fn clear_outbox(path: &Path) -> sqlx::Result<()> {
    let mut source = open(path).await?;
    source.execute("DELETE FROM outbox").await?;
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    source.close().await
}

/// Creates an empty target.
pub(crate) async fn create_target(path: &Path) -> sqlx::Result<()> {
    let mut target = open(path).await?;
    target.execute(TARGET_TABLE).await?;
    target.close().await
}

/// The plan of every case: one table into one file, in the batches of the peers.
pub(crate) fn plan() -> String {
    format!(
        "{PLAN}\n{FULL_SPEED}batch_rows_max = {COPY_BATCH_ROWS}\n
[dual-write]\nbatch_rows_max = {APPLY_BATCH_ROWS}\n"
    )
}

const PLAN: &str = r#"format = 1
id = "bench"

[source]
engine = "sqlite"
path = "source.db"

[queue]
kind = "outbox"
table = "outbox"

[[target]]
name = "target"
engine = "sqlite"
path = "target.db"

[lock]
engine = "sqlite"
path = "locks.db"

[checkpoint]
engine = "sqlite"
path = "checkpoint.db"

[[table]]
name = "followers"
key = ["package", "dependent"]
entity = ["package"]

[[table.into]]
name = "follower_of"
key = ["followed", "follower"]

[table.into.columns]
followed = "package"
follower = "dependent"
requirement = "constraint"
category = "section"
size_kib = "installed_kib"
changed_at = "changed_at"

[cutover]
flag = "followers.read"
rollback_file = "rollback"
"#;

/// Fails if the target does not hold `rows` records: a fast copy of nothing is no result.
pub(crate) async fn expect_rows(path: &Path, rows: u64) -> Result<(), crate::child::Failure> {
    let mut target = open(path).await?;
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM follower_of").fetch_one(&mut target).await?;
    target.close().await?;
    if found.cast_unsigned() == rows {
        return Ok(());
    }
    Err(format!("{} holds {found} records of {rows}", path.display()).into())
}

/// Fails if two targets do not hold the same records.
pub(crate) async fn expect_equal(ours: &Path, peer: &Path) -> Result<(), crate::child::Failure> {
    let mut ours = open(ours).await?;
    let peer = peer.display().to_string();
    sqlx::query("ATTACH DATABASE ? AS peer").bind(peer).execute(&mut ours).await?;
    let differing: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
            SELECT * FROM (SELECT * FROM main.follower_of EXCEPT SELECT * FROM peer.follower_of)
            UNION ALL
            SELECT * FROM (SELECT * FROM peer.follower_of EXCEPT SELECT * FROM main.follower_of))",
    )
    .fetch_one(&mut ours)
    .await?;
    ours.close().await?;
    if differing == 0 {
        return Ok(());
    }
    Err(format!("{differing} records differ between the dual-write and its peer").into())
}
