//! The live path in memory, off a real broker, and behind a real producer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

#[cfg(feature = "kafka")]
mod debezium;
mod flights;
#[cfg(feature = "kafka")]
mod kafka;
mod live;
#[cfg(feature = "kafka")]
mod plan;
