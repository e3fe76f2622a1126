//! The real programs, broken in every way we know of, and run again: one module a promise.
//!
//! They are one program because each costs half a minute of code generation; what a test breaks is
//! its own. `cargo test -p faults --test faults MODULE` runs one of them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod advice;
mod backfill_operated;
mod bad_input;
mod cleanup;
mod commands;
mod dead_letters;
mod full_disk;
mod kill_at_every_point;
mod long_running;
mod many_machines;
mod mysql_to_postgres;
mod planted_differences;
mod postgres_targets;
mod postgres_to_mysql;
mod real_servers;
mod record_sizes;
mod redis_lock;
mod status;
mod verify_interrupted;
