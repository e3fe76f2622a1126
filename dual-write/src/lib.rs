//! dual-write
