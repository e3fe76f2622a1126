//! Installs, starts and stops the real servers that tests, benchmarks and playbooks use.
//!
//! ```no_run
//! # fn main() -> servers::Result<()> {
//! let mut target = servers::mariadb().set("max_connections", "50").start()?;
//! println!("{}", target.url());
//! target.kill()?; // SIGKILL, as a crash would
//! target.start()?; // the same port, the same data
//! # Ok(())
//! # }
//! ```
//!
//! Every server listens on 127.0.0.1 only, on a port of its own, with its data in a temporary
//! directory. It is ready when its own log or pid file says so, never because something answers on
//! the port. Dropping it kills it and removes the directory; a watchdog does the same if the
//! process that started it is killed. A server that cannot start is an error that carries the end
//! of its log.
//!
//! Tests that do not harm a server share one: see [`shared`].

mod account;
mod capture;
mod connect;
mod error;
mod home;
mod jars;
mod jvm;
mod kafka;
mod lock;
mod mariadb;
mod notice;
mod packages;
mod port;
mod postgres;
mod process_family;
mod program;
mod redis;
mod server;
pub mod shared;
mod small_disk;
mod tool;
pub mod up;
mod url;
mod watchdog;
pub mod with;

pub use capture::capture;
pub use connect::{Connect, ConnectSettings, Connector, connect};
pub use error::{Error, Result};
pub use kafka::{Kafka, KafkaSettings, Listener, kafka};
pub use mariadb::{MariaDb, MariaDbSettings, mariadb};
pub use packages::{Kind, install};
pub use postgres::{Postgres, PostgresSettings, SMALL_DISK, postgres};
pub use redis::{Redis, RedisSettings, redis};
pub use server::{Durability, Server};

/// The account that every database server here knows, with all rights.
pub const USER: &str = "midflight";

/// The password of [`USER`]. It guards nothing: the servers listen on the loopback interface only.
pub const PASSWORD: &str = "in-flight";
