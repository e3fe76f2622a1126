//! What is particular to MySQL and MariaDB: locks, types, and failures of a server.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod failures;
mod interleaving;
mod keys;
#[path = "../databases/mysql.rs"]
mod mysql_database;
mod refusals;
mod table;
mod types;
