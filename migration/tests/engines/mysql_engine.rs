//! What is particular to MySQL and MariaDB: locks, types, and failures of a server.

mod failures;
mod interleaving;
mod keys;
mod refusals;
mod table;
mod types;
