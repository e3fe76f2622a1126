//! One database of a pair, as its own server sees it.

use crate::databases::MysqlDatabase;
use crate::databases::PostgresDatabase;
use migration::store::{MysqlStore, OpenMode, PostgresStore, Transactional};

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mysql,
    Postgres,
}

impl Kind {
    /// A column for bytes.
    pub(crate) fn bytes(self) -> &'static str {
        match self {
            Self::Mysql => "LONGBLOB",
            Self::Postgres => "bytea",
        }
    }

    /// A literal of fifteen MiB.
    pub(crate) fn large(self) -> &'static str {
        match self {
            Self::Mysql => "repeat(X'00FF27', 5242880)",
            Self::Postgres => "decode(repeat('00ff27', 5242880), 'hex')",
        }
    }
}

pub(crate) enum Server {
    Mysql(MysqlDatabase),
    Postgres(PostgresDatabase),
}

impl Server {
    /// Runs statements past everything of ours, and gives what they print.
    pub(crate) fn run(&self, sql: &str) -> String {
        match self {
            Self::Mysql(database) => database.run(sql),
            Self::Postgres(database) => database.run(sql),
        }
    }
}

pub(crate) struct Side {
    pub(crate) store: Box<dyn Transactional>,
    pub(crate) database: Server,
}

impl Side {
    pub(crate) async fn open(kind: Kind) -> Self {
        let mode = OpenMode::ReadWrite;
        match kind {
            Kind::Mysql => {
                let database = MysqlDatabase::create();
                let store = MysqlStore::open("t", &database.url(), "m", mode).await.unwrap();
                Self { store: Box::new(store), database: Server::Mysql(database) }
            }
            Kind::Postgres => {
                let database = PostgresDatabase::create();
                database.run("CREATE TYPE mood AS ENUM ('sad', 'ok')");
                let store = PostgresStore::open("t", &database.url(), "m", mode).await.unwrap();
                Self { store: Box::new(store), database: Server::Postgres(database) }
            }
        }
    }

    pub(crate) fn create(&self, table: &str, declared: &str) {
        let permissive = match self.database {
            Server::Mysql(_) => "SET sql_mode = ''; ",
            Server::Postgres(_) => "",
        };
        let id = "id BIGINT NOT NULL PRIMARY KEY";
        self.database.run(&format!("{permissive}CREATE TABLE {table} ({id}, v {declared})"));
    }

    /// Stores literals past everything of ours, in a session that lets everything pass.
    pub(crate) fn insert(&self, table: &str, literals: &[&str]) {
        let mut sql = match self.database {
            Server::Mysql(_) => {
                "SET NAMES utf8mb4; SET time_zone = '+00:00'; \
                 SET sql_mode = 'ALLOW_INVALID_DATES';\n"
            }
            Server::Postgres(_) => "SET TimeZone = 'UTC';\n",
        }
        .to_owned();
        for (id, literal) in literals.iter().enumerate() {
            sql += &format!("INSERT INTO {table} VALUES ({id}, {literal});\n");
        }
        self.database.run(&sql);
    }

    /// The records as the server prints them; bytes in hexadecimal.
    pub(crate) fn print(&self, table: &str, declared: &str) -> Vec<(usize, String)> {
        let is_bytes = ["BLOB", "BINARY", "BIT"].iter().any(|kind| declared.contains(kind));
        let printed = match self.database {
            Server::Mysql(_) if is_bytes => {
                format!("SELECT id, hex(hex(v)) FROM {table} ORDER BY id")
            }
            Server::Mysql(_) => format!(
                "SET time_zone = '+00:00'; \
                 SELECT id, hex(convert(v USING utf8mb4)) FROM {table} ORDER BY id"
            ),
            Server::Postgres(_) => format!(
                "SET TimeZone = 'UTC'; SELECT id || E'\\t' || \
                 coalesce(encode(convert_to(v::text, 'UTF8'), 'hex'), 'NULL') FROM {table} ORDER BY id"
            ),
        };
        let lines = self.database.run(&printed);
        lines.lines().filter_map(|line| line.split_once('\t')).map(record).collect()
    }
}

fn record((id, hex): (&str, &str)) -> (usize, String) {
    if hex == "NULL" {
        return (id.parse().unwrap(), "NULL".to_owned());
    }
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    (id.parse().unwrap(), String::from_utf8(bytes).unwrap())
}
