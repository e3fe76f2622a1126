//! An exhaustive model of the protocol that keeps live writes and the copy correct together.
//!
//! Every state is visited that two backfill workers, two consumers, a repair and an operator can
//! bring about in a small world, with everything that may go wrong in between: a few keys, a few
//! changes of the application, one or two target instances. What the processes decide is decided
//! by the functions of [`migration::protocol`], the same that production calls; the model is what
//! surrounds them.
//!
//! What is checked in every state: at rest the target equals the source ([`EQUAL_AT_REST`]);
//! nothing comes back, not for a moment ([`NOTHING_COMES_BACK`]); no write under an old claim
//! reaches the target ([`OLD_CLAIMS_ARE_FENCED`]); a range is done only without dirty guards
//! ([`DONE_IS_CLEAN`]); and from every state, ordinary steps lead to rest. A configuration with a
//! part of the protocol taken away must break one of these, so that passing means something.
//!
//! Where to read what:
//! - `source`, `target`, `state`: the world; `action`: everything that can happen in it.
//! - `live`, `backfill`, `repair`, `operation`, `faults`: what each step does, like pseudo-code. A
//!   step that cannot be taken in a state returns `None`.
//! - `rules`: the decisions, or what is left of them without a part.
//! - `properties`, `search`, `symmetry`: what must hold, and how all states are visited.
//! - `table`: the configurations; `run`: one of them, checked.
//!
//! What is not in the model: time, more than two keys, instances or partitions, several source rows
//! in one target record, and how an engine makes a step atomic.

mod action;
mod application;
mod backfill;
mod config;
mod faults;
mod live;
mod operation;
mod properties;
mod repair;
mod rules;
mod run;
mod search;
mod source;
mod state;
mod symmetry;
mod system;
mod table;
mod target;

pub use action::Action;
pub use config::{Changes, Chores, Config, Expect, Faults, Layout, Lock, Order, Part};
pub use properties::{
    DONE_IS_CLEAN, EQUAL_AT_REST, NOTHING_COMES_BACK, OLD_CLAIMS_ARE_FENCED, REST_IS_REACHED,
};
pub use run::{Outcome, run};
pub use search::{Search, search};
pub use source::{CHANGES_MAX, Change, KEYS_MAX};
pub use state::{PROCESSES, State};
pub use system::System;
pub use table::configurations;
pub use target::INSTANCES_MAX;
