//! A MariaDB database for one test, removed when the test ends.

use migration::plan::ServerUrl;
use servers::shared::{Database, mariadb_database};

pub(crate) struct MysqlDatabase {
    pub(crate) database: Database,
    /// Holds the URL, so that the password is in no plan.
    folder: tempfile::TempDir,
}

impl MysqlDatabase {
    /// Makes a database on the server that tests share.
    pub(crate) fn create() -> Self {
        let database = mariadb_database("migration").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), database.url()).unwrap();
        Self { database, folder }
    }

    /// As a plan names it.
    pub(crate) fn url(&self) -> ServerUrl {
        ServerUrl::parse("file:url", self.folder.path()).unwrap()
    }

    /// Runs statements past everything of ours, and gives what they print.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.database.run(sql).unwrap()
    }
}
