//! What needs no server: plans, layouts, codecs, formats of change messages, and what a process
//! does when it is signalled or dies.
//!
//! One program, because each program costs half a minute of a build.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod checkpoint_processes;
#[cfg(feature = "faults")]
mod fault_points;
mod formats;
mod layout_resolve;
mod plan_file;
mod plan_kafka;
mod properties;
mod readme;
mod signals;
