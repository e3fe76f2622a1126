//! Real servers, started, killed and started again, by the library and by its program.
#![expect(clippy::unwrap_used, reason = "a server that does not start fails the test")]

mod debezium;
mod kafka;
mod life;
mod program;
mod shared;
