//! From MariaDB to two PostgreSQL databases, progress in another MariaDB: the real programs, an
//! application of several sessions whose transactions overlap, kills, a source that restarts, the
//! switch and the clean-up.

use faults::Bed;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use servers::MariaDb;
use servers::shared::{Database, mariadb_database, postgres_database};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::collections::BTreeSet;

const SOURCE: &str = "
    CREATE TABLE followers (
        package VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        dependent VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        `constraint` VARCHAR(99) CHARACTER SET utf8mb4,
        section ENUM ('libs', 'admin', 'web') NOT NULL,
        installed_kib BIGINT UNSIGNED NOT NULL,
        price DECIMAL(65,30) NOT NULL,
        changed_at DATETIME(6) NOT NULL,
        PRIMARY KEY (package, dependent)) ENGINE = InnoDB;
    CREATE TABLE outbox (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, table_name VARCHAR(64) NOT NULL,
        op VARCHAR(9) NOT NULL, payload JSON NOT NULL, made_at BIGINT NOT NULL) ENGINE = InnoDB;
    INSERT INTO followers
        SELECT concat(if(seq % 2, 'lib', 'Lib'), seq % 61), concat('package-', seq),
            if(seq % 4, concat('>= ', seq, ' \u{1f600} '), NULL), 1 + seq % 3,
            18446744073709551615 - seq, seq / 7, '2024-02-29 12:00:00.000001' + INTERVAL seq SECOND
        FROM seq_1_to_2500";

const SHARD: &str = "
    CREATE TABLE follower_of (
        followed text COLLATE \"C\", follower text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib numeric(20,0) NOT NULL, price numeric(65,30) NOT NULL,
        changed_at timestamp NOT NULL, PRIMARY KEY (followed, follower));
    CREATE TABLE follows (
        follower text COLLATE \"C\", followed text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib numeric NOT NULL, price numeric NOT NULL,
        changed_at timestamp NOT NULL, PRIMARY KEY (follower, followed));";

const SOURCE_EDGES: &str = "SELECT concat_ws('|', package, dependent, \
     coalesce(`constraint`, 'null'), section, installed_kib, price, \
     date_format(changed_at, '%Y-%m-%d %H:%i:%s.%f')) FROM followers";

/// The tables of an application, and nobody else's.
const TABLES: &str = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
     WHERE schemaname = 'public'";

const EMIT: &str = "INSERT INTO outbox (table_name, op, payload, made_at) \
     SELECT 'followers', 'upsert', json_object('package', package, 'dependent', dependent, \
     'constraint', `constraint`, 'section', section, 'installed_kib', installed_kib, \
     'price', price, 'changed_at', changed_at), unix_timestamp(now(6)) * 1000000 \
     FROM followers WHERE package = ? AND dependent = ?";

const EMIT_DELETE: &str = "INSERT INTO outbox (table_name, op, payload, made_at) \
     VALUES ('followers', 'delete', json_object('package', ?, 'dependent', ?), \
     unix_timestamp(now(6)) * 1000000)";

/// One session of the application: transactions of a few changes each, some rolled back.
async fn write(url: String, seed: u64, transactions: u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut session = MySqlConnection::connect(&url).await.unwrap();
    session.execute("SET time_zone = '+00:00', NAMES utf8mb4").await.unwrap();
    for _ in 0..transactions {
        session.execute("BEGIN").await.unwrap();
        // One after the other by key, so that two sessions do not block each other for good.
        let mut edges: Vec<u32> = (0..random.random_range(1..4)).map(|_| random.random()).collect();
        edges.iter_mut().for_each(|edge| *edge %= 3_000);
        edges.sort_unstable();
        for edge in edges {
            change(&mut session, &mut random, edge).await;
        }
        let pause = format!("SELECT sleep({})", random.random_range(0..9) as f64 / 1000.0);
        session.execute(AssertSqlSafe(pause)).await.unwrap();
        let end = if random.random_range(0..5) == 0 { "ROLLBACK" } else { "COMMIT" };
        session.execute(end).await.unwrap();
    }
}

async fn change(session: &mut MySqlConnection, random: &mut StdRng, edge: u32) {
    let package = format!("{}{}", if edge % 2 == 1 { "lib" } else { "Lib" }, edge % 61);
    let dependent = format!("package-{edge}");
    let is_gone = random.random_range(0..3) == 0 && {
        let delete = sqlx::query("DELETE FROM followers WHERE package = ? AND dependent = ?");
        let done = delete.bind(&package).bind(&dependent).execute(&mut *session).await.unwrap();
        done.rows_affected() > 0
    };
    if !is_gone {
        sqlx::query("REPLACE INTO followers VALUES (?, ?, ?, ?, ?, rand() * 1e9, now(6))")
            .bind(&package)
            .bind(&dependent)
            .bind((random.random_range(0..4) > 0).then(|| format!("< {edge} Ä \u{1f680}")))
            .bind("web")
            .bind(random.random::<u64>())
            .execute(&mut *session)
            .await
            .unwrap();
    }
    let emit = sqlx::query(if is_gone { EMIT_DELETE } else { EMIT });
    emit.bind(&package).bind(&dependent).execute(session).await.unwrap();
}

struct Flight {
    bed: Bed,
    source: String,
    shards: [Database; 2],
    seed: u64,
}

impl Flight {
    /// Everything there is before the set-up, the source and the checkpoints behind these URLs.
    async fn new(source: String, checkpoint: String, seed: u64) -> Self {
        let bed = Bed::new(0, seed).await;
        let mut session = MySqlConnection::connect(&source).await.unwrap();
        session.execute(sqlx::raw_sql("SET NAMES utf8mb4")).await.unwrap();
        session.execute(sqlx::raw_sql(SOURCE)).await.unwrap();
        let shards = [0, 1].map(|_| postgres_database("shard").unwrap());
        shards.iter().for_each(|shard| drop(shard.run(SHARD).unwrap()));
        let mut plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
        for (name, engine, url) in [
            ("source", "mariadb", source.clone()),
            ("checkpoint", "mysql", checkpoint),
            ("shard-0", "postgres", shards[0].url()),
            ("shard-1", "postgres", shards[1].url()),
        ] {
            std::fs::write(bed.path(&format!("{name}.url")), url).unwrap();
            let file = format!("engine = \"sqlite\"\npath = \"{name}.db\"");
            assert!(plan.contains(&file), "{name}");
            let server = format!("engine = \"{engine}\"\nurl = \"file:{name}.url\"");
            plan = plan.replace(&file, &server);
        }
        plan = plan.replace("size_kib = ", "price = \"price\"\nsize_kib = ");
        std::fs::write(bed.path("migration.toml"), plan).unwrap();
        Self { bed, source, shards, seed }
    }

    fn ok(&self, program: &str, args: &[&str]) -> String {
        self.bed.run(program, args).ok()
    }

    /// Four sessions write at once.
    async fn change(&mut self, transactions: u32) {
        let mut sessions = tokio::task::JoinSet::new();
        for _ in 0..4 {
            self.seed += 1;
            sessions.spawn(write(self.source.clone(), self.seed, transactions));
        }
        sessions.join_all().await;
    }

    /// Source and both copies hold the same, and no edge lies on two shards.
    async fn is_the_same(&self) {
        let mut source = MySqlConnection::connect(&self.source).await.unwrap();
        let rows = source.fetch_all(SOURCE_EDGES).await.unwrap();
        let text = |row: &sqlx::mysql::MySqlRow| String::from_utf8(row.get(0)).unwrap();
        let expected: BTreeSet<String> = rows.iter().map(text).collect();
        assert!(expected.len() > 1_000);
        for table in ["follower_of", "follows"] {
            let sql = format!(
                "SELECT concat_ws('|', followed, follower, coalesce(requirement, 'null'), category, \
                 size_kib, price, to_char(changed_at, 'YYYY-MM-DD HH24:MI:SS.US')) FROM {table}"
            );
            let mut found = BTreeSet::new();
            for shard in &self.shards {
                let mut target = PgConnection::connect(&shard.url()).await.unwrap();
                for row in target.fetch_all(AssertSqlSafe(sql.clone())).await.unwrap() {
                    let edge: String = row.get(0);
                    assert!(found.insert(edge.clone()), "twice: {edge}");
                }
            }
            let (missing, extra) =
                (expected.difference(&found).next(), found.difference(&expected).next());
            assert_eq!((missing, extra), (None, None), "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_four_phases_carry_a_service_from_mariadb_to_postgresql_and_leave_nothing_behind() {
    let (source, checkpoint) =
        (mariadb_database("source").unwrap(), mariadb_database("checkpoint").unwrap());
    let mut flight = Flight::new(source.url(), checkpoint.url(), 81).await;
    for program in ["dual-write", "backfill", "verify", "cutover"] {
        drop(flight.ok(program, &["check"]));
    }
    drop(flight.ok("dual-write", &["set-up"]));
    let mut live = flight.bed.start("dual-write", &["run"]);
    flight.change(20).await;
    drop(flight.ok("backfill", &["run", "--sample", "20%"]));
    drop(flight.ok("verify", &["run", "--sample-of-backfill"]));
    // Killed wherever they are, under load; what they hold is let go, and others go on.
    for _ in 0..4 {
        let copy = flight.bed.start("backfill", &["run"]);
        flight.change(25).await;
        drop(copy.kill());
        drop(live.kill());
        flight.change(10).await;
        live = flight.bed.start("dual-write", &["run"]);
    }
    drop(flight.ok("backfill", &["run"]));
    flight.change(20).await;
    drop(flight.ok("verify", &["run"]));
    flight.bed.wait_until_applied();
    flight.is_the_same().await;
    drop(flight.ok("dual-write", &["outbox", "trim", "--yes"]));
    assert_eq!(source.run("SELECT count(*) FROM outbox").unwrap(), "1\n");
    flight.change(5).await;
    flight.bed.wait_until_applied();
    flight.is_the_same().await;

    for _ in 0..6 {
        drop(flight.ok("cutover", &["promote", "--override", "a test"]));
    }
    drop(live.drain().ok());
    drop(flight.ok("cutover", &["abort", "--yes"]));
    drop(flight.ok("cutover", &["cleanup", "--confirm", "bed"]));
    for shard in &flight.shards {
        assert_eq!(shard.run(TABLES).unwrap(), "follower_of follows\n");
    }
    assert_eq!(source.run("SHOW TABLES").unwrap(), "followers\noutbox\n");
    let left = checkpoint.run("SELECT count(*) FROM midflight_checkpoint").unwrap();
    assert_eq!(left, "0\n");
}

/// A database on a server of the test's own.
fn create(server: &MariaDb, name: &str) -> String {
    server.sql(&format!("CREATE DATABASE {name}")).unwrap();
    format!("{}{name}", server.url().trim_end_matches(|last| last != '/'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_killed_under_both_phases_costs_a_wait_and_no_record() {
    let mut server = servers::mariadb().start().unwrap();
    let (source, checkpoint) = (create(&server, "source"), create(&server, "checkpoint"));
    let mut flight = Flight::new(source, checkpoint, 82).await;
    drop(flight.ok("dual-write", &["set-up"]));
    let live = flight.bed.start("dual-write", &["run"]);
    let copy = flight.bed.start("backfill", &["run"]);
    for _ in 0..3 {
        flight.change(15).await;
        server.kill().unwrap();
        server.start().unwrap();
    }
    drop(copy.wait());
    drop(live.kill());
    flight.bed.finish();
    drop(flight.ok("verify", &["run"]));
    flight.is_the_same().await;
}
