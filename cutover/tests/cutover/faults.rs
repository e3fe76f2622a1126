//! `cutover` killed at every crash point of every command that changes something.

mod fault_points;
mod retry;
