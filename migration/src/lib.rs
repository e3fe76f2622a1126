//! What the four phases share.
//!
//! A *migration* moves live data from a *source* to a *target*. The phases are separate programs
//! that meet only in durable state; this crate is everything that two of them need: typed
//! [`batch`]es of records, [`layout`]s, the [`plan`], the traits [`store`], [`queue`], [`lock`]
//! and [`checkpoint`] with their engines behind them, and the [`protocol`] whose pure decisions
//! keep live writes and the copy of the history correct together.

pub mod barrier;
pub mod batch;
pub mod check;
pub mod checkpoint;
pub mod claim;
pub mod cleanup;
pub mod cli;
pub mod clock;
pub mod dead_letter;
pub mod decode;
mod driver;
pub mod error;
pub mod fault;
pub mod gauge;
pub mod health;
pub mod key;
pub mod layout;
pub mod lock;
pub mod metrics;
pub mod phase;
pub mod plan;
pub mod position;
pub mod process;
pub mod progress;
pub mod protocol;
pub mod queue;
pub mod repair;
pub mod retry;
pub mod route;
pub mod running;
pub mod sample;
pub mod servers;
pub mod shutdown;
mod source_epoch;
pub mod station;
pub mod status;
pub mod store;
mod terminal;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throttle;
pub mod value;
