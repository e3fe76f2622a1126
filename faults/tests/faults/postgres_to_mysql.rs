//! From PostgreSQL to two MariaDB databases: the real programs, an application of several sessions
//! whose transactions overlap, kills, and the clean-up.

use faults::Bed;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use servers::shared::{Database, mariadb_database, postgres_database};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::collections::BTreeSet;

const SOURCE: &str = "
    CREATE TABLE followers (
        package varchar(60) COLLATE \"C\", dependent varchar(60) COLLATE \"C\",
        \"constraint\" varchar(99), section varchar(9) NOT NULL,
        installed_kib numeric(20,0) NOT NULL, price numeric(65,30) NOT NULL,
        changed_at timestamptz NOT NULL, PRIMARY KEY (package, dependent));
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_name text NOT NULL,
        op text NOT NULL, payload json NOT NULL, made_at bigint NOT NULL);
    INSERT INTO followers
        SELECT CASE n % 2 WHEN 0 THEN 'Lib' ELSE 'lib' END || n % 61, 'package-' || n,
            CASE WHEN n % 4 > 0 THEN '>= ' || n || ' \u{1f600} ' END, 'libs',
            18446744073709551615 - n, n / 7::numeric, timestamptz '2024-02-29 12:00:00.000001+00'
            + n * interval '1 s' FROM generate_series(1, 2500) n";

const SHARD: &str = "
    CREATE TABLE follower_of (
        followed VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        follower VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        requirement VARCHAR(99) CHARACTER SET utf8mb4, category VARCHAR(9) NOT NULL,
        size_kib BIGINT UNSIGNED NOT NULL, price DECIMAL(65,30) NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        PRIMARY KEY (followed, follower)) ENGINE = InnoDB;
    CREATE TABLE follows (
        follower VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        followed VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        requirement VARCHAR(99) CHARACTER SET utf8mb4, category VARCHAR(9) NOT NULL,
        size_kib BIGINT UNSIGNED NOT NULL, price DECIMAL(65,30) NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        PRIMARY KEY (follower, followed)) ENGINE = InnoDB";

const SOURCE_EDGES: &str = "SELECT concat_ws('|', package, dependent, \
     coalesce(\"constraint\", 'null'), section, installed_kib, price, \
     to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')) FROM followers";

const PUT: &str = "INSERT INTO followers \
     VALUES ($1, $2, $3, 'web', $4::text::numeric, random() * 1e9, clock_timestamp()) \
     ON CONFLICT (package, dependent) DO UPDATE SET \"constraint\" = excluded.\"constraint\", \
     section = excluded.section, installed_kib = excluded.installed_kib, \
     price = excluded.price, changed_at = excluded.changed_at";

const EMIT: &str = "INSERT INTO outbox (table_name, op, payload, made_at) \
     SELECT 'followers', 'upsert', row_to_json(f), extract(epoch FROM clock_timestamp()) * 1000000 \
     FROM followers f WHERE package = $1 AND dependent = $2";

const EMIT_DELETE: &str = "INSERT INTO outbox (table_name, op, payload, made_at) \
     VALUES ('followers', 'delete', json_build_object('package', $1::text, 'dependent', $2::text), \
     extract(epoch FROM clock_timestamp()) * 1000000)";

/// One session of the application: transactions of a few changes each, some rolled back.
async fn write(url: String, seed: u64, transactions: u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut session = PgConnection::connect(&url).await.unwrap();
    for _ in 0..transactions {
        session.execute("BEGIN").await.unwrap();
        // One after the other by key, so that two sessions do not block each other for good.
        let mut edges: Vec<u32> = (0..random.random_range(1..4)).map(|_| random.random()).collect();
        edges.iter_mut().for_each(|edge| *edge %= 3_000);
        edges.sort_unstable();
        for edge in edges {
            change(&mut session, &mut random, edge).await;
        }
        let pause = format!("SELECT pg_sleep(0.00{})", random.random_range(0..9));
        session.execute(AssertSqlSafe(pause)).await.unwrap();
        let end = if random.random_range(0..5) == 0 { "ROLLBACK" } else { "COMMIT" };
        session.execute(end).await.unwrap();
    }
}

async fn change(session: &mut PgConnection, random: &mut StdRng, edge: u32) {
    let package = format!("{}{}", if edge % 2 == 1 { "lib" } else { "Lib" }, edge % 61);
    let dependent = format!("package-{edge}");
    let is_gone = random.random_range(0..3) == 0 && {
        let delete = sqlx::query("DELETE FROM followers WHERE package = $1 AND dependent = $2");
        let done = delete.bind(&package).bind(&dependent).execute(&mut *session).await.unwrap();
        done.rows_affected() > 0
    };
    if !is_gone {
        sqlx::query(PUT)
            .bind(&package)
            .bind(&dependent)
            .bind((random.random_range(0..4) > 0).then(|| format!("< {edge} Ä \u{1f680}")))
            .bind(random.random::<u64>().to_string())
            .execute(&mut *session)
            .await
            .unwrap();
    }
    let emit = sqlx::query(if is_gone { EMIT_DELETE } else { EMIT });
    emit.bind(&package).bind(&dependent).execute(session).await.unwrap();
}

struct Flight {
    bed: Bed,
    source: Database,
    shards: [Database; 2],
    seed: u64,
}

impl Flight {
    async fn new(checkpoint: &Database, seed: u64) -> Self {
        let bed = Bed::new(0, seed).await;
        let source = postgres_database("source").unwrap();
        source.run(SOURCE).unwrap();
        let shards = [0, 1].map(|_| mariadb_database("shard").unwrap());
        shards.iter().for_each(|shard| drop(shard.run(SHARD).unwrap()));
        let mut plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
        for (name, engine, url) in [
            ("source", "postgres", source.url()),
            ("checkpoint", "postgres", checkpoint.url()),
            ("shard-0", "mysql", shards[0].url()),
            ("shard-1", "mysql", shards[1].url()),
        ] {
            std::fs::write(bed.path(&format!("{name}.url")), url).unwrap();
            let file = format!("engine = \"sqlite\"\npath = \"{name}.db\"");
            assert!(plan.contains(&file), "{name}");
            let server = format!("engine = \"{engine}\"\nurl = \"file:{name}.url\"");
            plan = plan.replace(&file, &server);
        }
        plan = plan
            .replace("size_kib = ", "price = \"price\"\nsize_kib = ")
            .replace("entity = [", "types = { installed_kib = \"unsigned\" }\nentity = [");
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
            sessions.spawn(write(self.source.url(), self.seed, transactions));
        }
        sessions.join_all().await;
    }

    /// Source and both copies hold the same, and no edge lies on two shards.
    async fn is_the_same(&self) {
        let mut source = PgConnection::connect(&self.source.url()).await.unwrap();
        let rows = source.fetch_all(SOURCE_EDGES).await.unwrap();
        let expected: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(expected.len() > 1_000);
        for table in ["follower_of", "follows"] {
            let sql = format!(
                "SELECT CAST(concat_ws('|', followed, follower, coalesce(requirement, 'null'), \
                 category, size_kib, price, date_format(changed_at, '%Y-%m-%d %H:%i:%s.%f')) \
                 AS BINARY) FROM {table}"
            );
            let mut found = BTreeSet::new();
            for shard in &self.shards {
                let mut target = MySqlConnection::connect(&shard.url()).await.unwrap();
                target.execute("SET time_zone = '+00:00', NAMES utf8mb4").await.unwrap();
                let text = |row: &MySqlRow| String::from_utf8(row.get(0)).unwrap();
                for edge in target.fetch_all(AssertSqlSafe(sql.clone())).await.unwrap() {
                    let edge = text(&edge);
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
async fn a_service_is_carried_from_postgresql_to_mariadb_and_nothing_is_left_behind() {
    let checkpoint = postgres_database("checkpoint").unwrap();
    let mut flight = Flight::new(&checkpoint, 91).await;
    for program in ["dual-write", "backfill", "verify", "cutover"] {
        drop(flight.ok(program, &["check"]));
    }
    drop(flight.ok("dual-write", &["set-up"]));
    let mut live = flight.bed.start("dual-write", &["run"]);
    flight.change(20).await;
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
    assert_eq!(flight.source.run("SELECT count(*) FROM outbox").unwrap(), "1\n");
    flight.change(5).await;
    flight.bed.wait_until_applied();
    flight.is_the_same().await;

    drop(live.drain().ok());
    drop(flight.ok("cutover", &["abort", "--yes"]));
    drop(flight.ok("cutover", &["cleanup", "--confirm", "bed"]));
    for shard in &flight.shards {
        assert_eq!(shard.run("SHOW TABLES").unwrap(), "follower_of\nfollows\n");
    }
    let tables = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
         WHERE schemaname = 'public'";
    assert_eq!(flight.source.run(tables).unwrap(), "followers outbox\n");
}
