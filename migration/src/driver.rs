//! Drivers: how the engines are opened, and how their errors read here. Shared by the stores,
//! queues, locks and checkpoints of one engine, so that they cannot disagree.

pub(crate) mod mysql;
pub(crate) mod pool;
pub(crate) mod postgres;
pub(crate) mod sqlite;
