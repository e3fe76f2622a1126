//! A real producer: what MariaDB and PostgreSQL commit comes through Debezium into the target.

use crate::plan::Flown;
use migration::barrier::start_barrier;
use migration::plan::Plan;
use migration::servers::Servers;
use servers::shared::{Database, kafka_brokers, mariadb_database, postgres_database, unique_name};
use servers::{Connect, Connector, connect};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, Row as _, SqliteConnection};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);

/// A source, the topic of its one table, and a folder with the target and the plan.
struct Flight {
    source: Database,
    folder: tempfile::TempDir,
    target: SqliteConnection,
}

impl Flight {
    async fn new(engine: &str, source: Database, topic: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("url"), source.url()).unwrap();
        std::fs::write(path.join("plan.toml"), plan(engine, topic)).unwrap();
        let options =
            SqliteConnectOptions::new().filename(path.join("new.db")).create_if_missing(true);
        let mut target = options.connect().await.unwrap();
        let table = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price TEXT)";
        target.execute(table).await.unwrap();
        Self { source, folder, target }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dual-write"));
        command.args(["--config", "plan.toml", "--progress", "none"]).args(arguments);
        let output = command.current_dir(self.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}\n{printed}\n{said}");
        printed
    }

    /// Runs the live path until the target holds these rows.
    async fn comes_to_hold(&mut self, worker: &Connect, rows: &[(i64, &str, &str)]) {
        let started = Instant::now();
        loop {
            self.run(&["run", "--until-drained"]);
            let found = self.target.fetch_all("SELECT id, name, price FROM items ORDER BY id");
            let found = found.await.unwrap();
            let found: Vec<(i64, &str, &str)> =
                found.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
            if found == rows {
                return;
            }
            assert_eq!(worker.failure(), None);
            assert!(started.elapsed() < LIMIT, "{found:?} instead of {rows:?}");
        }
    }

    /// What a copy waits for before its first read.
    async fn shows_its_start(&self) {
        let plan = Plan::load(&self.path().join("plan.toml")).unwrap();
        let servers = Servers::open(&plan).await.unwrap();
        start_barrier(&*servers.queue, &servers.targets, LIMIT).await.unwrap();
    }
}

fn plan(engine: &str, topic: &str) -> String {
    let flown = Flown {
        source: &format!("engine = \"{engine}\"\nurl = \"file:url\""),
        brokers: &kafka_brokers().unwrap(),
        topic,
        format: "format = \"debezium\"",
        key: "key = [\"id\"]",
        columns: "id = \"id\", name = \"name\", \
                  price = { from = \"price\", type = \"decimal\" }",
    };
    flown.plan()
}

#[tokio::test]
async fn what_mariadb_and_postgres_commit_comes_through_debezium_into_the_target() {
    let create = "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(50), price DECIMAL(10,3))";
    let (mariadb, postgres) =
        (mariadb_database("shop").unwrap(), postgres_database("shop").unwrap());
    let names = [unique_name("shop_mariadb"), unique_name("shop_postgres")];
    let topics =
        [format!("{}.{}.items", names[0], mariadb.name()), format!("{}.public.items", names[1])];
    for database in [&mariadb, &postgres] {
        database.run(&format!("{create}; INSERT INTO items VALUES (1, 'before', 1.5)")).unwrap();
    }
    let worker = connect(&kafka_brokers().unwrap())
        .connector(Connector::mariadb(&names[0], &mariadb.url(), 5101).unwrap())
        .connector(Connector::postgres(&names[1], &postgres.url()).unwrap())
        .start()
        .unwrap();
    let mut flights = [
        Flight::new("mariadb", mariadb, &topics[0]).await,
        Flight::new("postgres", postgres, &topics[1]).await,
    ];
    for flight in &mut flights {
        // The topic comes with the first message, of the snapshot.
        let started = Instant::now();
        while !Command::new(env!("CARGO_BIN_EXE_dual-write"))
            .args(["--config", "plan.toml", "check"])
            .current_dir(flight.path())
            .output()
            .unwrap()
            .status
            .success()
        {
            assert_eq!(worker.failure(), None);
            assert!(started.elapsed() < LIMIT, "{}", flight.run(&["check"]));
        }
        flight.run(&["set-up"]);
        flight.shows_its_start().await;
        for statement in [
            "INSERT INTO items VALUES (2, 'two', 2.125)",
            "INSERT INTO items VALUES (3, 'three', 3)",
            "UPDATE items SET price = 20.500 WHERE id = 2",
            "DELETE FROM items WHERE id = 3",
            "UPDATE items SET id = 40 WHERE id = 1",
        ] {
            flight.source.run(statement).unwrap();
        }
        flight.comes_to_hold(&worker, &[(2, "two", "20.500"), (40, "before", "1.500")]).await;
        flight.shows_its_start().await;
        assert!(flight.run(&["dlq", "list"]).lines().count() <= 2, "dead letters");
    }
}
