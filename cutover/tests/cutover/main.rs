//! The parts of cutover together: reader, stage machine, rollback file, on real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod cli;
mod environment;
#[cfg(feature = "faults")]
mod faults;
mod fixture;
mod machine;
mod percentage;
mod program;
mod reader;
mod readme;
mod serve;
mod stopped;
mod tricky_store;
