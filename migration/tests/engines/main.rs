//! Every engine behind the traits of this library, most of them real servers: what all of them
//! promise (`*_conformance`), and what each does in its own way.
//!
//! One program, because each program costs half a minute of a build.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod check;
mod checkpoint_conformance;
mod databases;
mod gauges;
mod horizon;
#[cfg(feature = "kafka")]
mod kafka;
mod lock_conformance;
mod mysql_engine;
mod outbox;
mod outbox_servers;
mod postgres_engine;
#[cfg(feature = "kafka")]
mod queue_conformance;
mod redis_lock;
mod servers;
mod store_conformance;
mod type_pairs;
