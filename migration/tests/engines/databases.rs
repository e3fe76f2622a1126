//! A database of its own for one test, on a server that tests share.

mod mysql;
mod postgres;

pub(crate) use mysql::MysqlDatabase;
pub(crate) use postgres::PostgresDatabase;
