//! b
pub mod bound;
