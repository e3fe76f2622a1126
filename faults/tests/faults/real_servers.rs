//! The faults of the protocol's list on real servers: MariaDB and PostgreSQL, each as the source
//! and as the target, with a real Kafka between them and the key lock on a real Redis.
//!
//! Every test ends with the oracle: what the service was told is done is what the source holds, and
//! what either copy in the target holds. Each is flown in both directions by `make faults`, and in
//! one, drawn by a seed that is printed, by `make test`. The table in `faults/README.md` says which
//! fault is tested where.

mod checkpoint_store;
mod deadlocks;
mod debezium;
mod flying;
mod full_disk;
mod harmed_servers;
mod killed;
mod late;
mod letters;
mod messages;
mod refused;
mod routes;
mod schema;
mod stopped;
mod topic;
