//! A PostgreSQL database for one test, removed when the test ends.

use migration::plan::ServerUrl;
use servers::shared::{Database, postgres_database};

pub(crate) struct PostgresDatabase {
    database: Database,
    /// Holds the URL, so that the password is in no plan.
    folder: tempfile::TempDir,
}

impl PostgresDatabase {
    /// Makes a database on the server that tests share.
    pub(crate) fn create() -> Self {
        let database = postgres_database("migration").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let database = Self { database, folder };
        std::fs::write(database.folder.path().join("url"), database.text()).unwrap();
        database
    }

    /// As a plan names it.
    pub(crate) fn url(&self) -> ServerUrl {
        ServerUrl::parse("file:url", self.folder.path()).unwrap()
    }

    /// The URL itself.
    pub(crate) fn text(&self) -> String {
        self.database.url()
    }

    /// Runs statements past everything of ours, and gives what they print.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.database.run(sql).unwrap()
    }
}
