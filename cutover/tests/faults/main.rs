//! `cutover` killed at every crash point of every command that changes something.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod fault_points;
#[path = "../cutover/fixture.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod fixture;
mod retry;
