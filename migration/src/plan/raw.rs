//! What was written in the plan file, key by key.
//!
//! The comments on the fields are what an editor shows: they become the JSON Schema. Nothing here
//! is checked beyond its shape; `resolve` makes a plan of it.

mod column;
mod gauge;
mod place;
mod queue;
mod rate;

pub(super) use column::RawColumns;
pub(super) use gauge::RawGauge;
use place::RawEngine;
pub(super) use place::{Misplaced, RawPlace};
pub(super) use queue::{RawQueue, RawQueueKind, RawSasl, RawTls, RawTopic};
pub(super) use rate::RawRate;

use super::{Bucketing, Order};
use crate::layout::{ShardBound, ShardFunction};
use crate::value::ColumnType;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

/// A migration: one file, read by all four programs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Midflight plan")]
pub(super) struct RawPlan {
    /// Format of this file: 1.
    #[expect(dead_code, reason = "`read` looks at it before anything else of the file")]
    pub(super) format: u32,
    /// Names the migration and begins the keys of everything it keeps anywhere: 1 to 40 of
    /// `a-z 0-9 -`.
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,40}$"))]
    pub(super) id: String,
    /// Which of the first two phases comes first.
    #[serde(default = "double_write_first")]
    pub(super) order: Order,
    /// Target tables that may hold records before the migration begins. Any other must be empty.
    #[serde(default)]
    pub(super) target_may_hold_rows: Vec<String>,
    /// Where the data is.
    pub(super) source: RawSource,
    /// Where live writes come from.
    pub(super) queue: RawQueue,
    /// The target's instances, in shard order.
    #[serde(default)]
    pub(super) target: Vec<RawTarget>,
    /// The key lock, which keeps the copy and the live path apart. May be lost at any time.
    pub(super) lock: RawLock,
    /// The state that all phases share: progress, verdicts, stages, audit.
    pub(super) checkpoint: RawCheckpoint,
    /// The tables to move.
    #[serde(default)]
    pub(super) table: Vec<RawTable>,
    /// What to watch on other servers, so that no phase harms them.
    #[serde(default)]
    pub(super) gauge: Vec<RawGauge>,
    /// Settings of `dual-write`.
    #[serde(default, rename = "dual-write")]
    pub(super) dual_write: RawDualWrite,
    /// Settings of `backfill`.
    #[serde(default)]
    pub(super) backfill: RawBackfill,
    /// Settings of `verify`.
    #[serde(default)]
    pub(super) verify: RawVerify,
    /// Settings of `cutover`.
    pub(super) cutover: RawCutover,
}

impl RawPlan {
    /// The first store whose fields do not go with its engine.
    pub(super) fn misplaced(&self) -> Option<Misplaced> {
        let mut places = self.target.iter().map(RawTarget::place);
        let targets = places.find_map(Result::err);
        let mut gauges = self.gauge.iter().map(RawGauge::place);
        let watched = gauges.find_map(Result::err);
        let stores = self.source.place().err().or(targets).or(watched);
        stores.or_else(|| self.checkpoint.place().err()).or_else(|| self.queue.misplaced())
    }
}

/// The source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Source")]
pub(super) struct RawSource {
    /// The kind of database.
    #[schemars(with = "RawEngine")]
    engine: Spanned<RawEngine>,
    /// SQLite: the file, relative to the plan.
    path: Option<PathBuf>,
    /// A server: `env:NAME` or `file:PATH`, which hold its URL, or a URL without a password.
    url: Option<String>,
    /// Leads every version. Raise it by one after the source was restored or failed over, so that
    /// what it writes from then on counts as newer.
    #[serde(default)]
    pub(super) epoch: u32,
}

impl RawSource {
    pub(super) fn place(&self) -> Result<RawPlace, Misplaced> {
        RawPlace::of(&self.engine, self.path.as_deref(), self.url.as_deref())
    }
}

/// One instance of the target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Target")]
pub(super) struct RawTarget {
    /// Its name, for people: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]{1,64}$"))]
    pub(super) name: String,
    /// The kind of database.
    #[schemars(with = "RawEngine")]
    engine: Spanned<RawEngine>,
    /// SQLite: the file, relative to the plan.
    path: Option<PathBuf>,
    /// A server: `env:NAME` or `file:PATH`, which hold its URL, or a URL without a password.
    url: Option<String>,
}

impl RawTarget {
    pub(super) fn place(&self) -> Result<RawPlace, Misplaced> {
        RawPlace::of(&self.engine, self.path.as_deref(), self.url.as_deref())
    }
}

/// The key lock.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Lock")]
pub(super) struct RawLock {
    /// The kind of store.
    pub(super) engine: RawLockEngine,
    /// SQLite: the file, relative to the plan. A file of its own.
    pub(super) path: Option<PathBuf>,
    /// Redis: `env:NAME` or `file:PATH`, which hold its URL, or a URL without a password.
    pub(super) url: Option<String>,
    /// How long the live path waits for the copy to give a lock back before it takes it away, in
    /// milliseconds.
    #[serde(default = "lock_wait_ms")]
    #[schemars(range(max = 60_000))]
    pub(super) wait_ms: u64,
    /// How long the copy may hold a lock, in milliseconds.
    #[serde(default = "lock_lease_ms")]
    #[schemars(range(min = 100, max = 600_000))]
    pub(super) lease_ms: u64,
}

/// A kind of lock store.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LockEngine")]
pub(super) enum RawLockEngine {
    /// A SQLite file, named by `path`: for one machine.
    Sqlite,
    /// A Redis database, named by `url`: for many.
    Redis,
}

/// The checkpoint store.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Checkpoint")]
pub(super) struct RawCheckpoint {
    /// The kind of database: SQLite for one machine, a server for many.
    #[schemars(with = "RawEngine")]
    engine: Spanned<RawEngine>,
    /// SQLite: the file, relative to the plan.
    path: Option<PathBuf>,
    /// A server: `env:NAME` or `file:PATH`, which hold its URL, or a URL without a password.
    url: Option<String>,
}

impl RawCheckpoint {
    pub(super) fn place(&self) -> Result<RawPlace, Misplaced> {
        RawPlace::of(&self.engine, self.path.as_deref(), self.url.as_deref())
    }
}

/// One source table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Table")]
pub(super) struct RawTable {
    /// Its name in the source.
    pub(super) name: String,
    /// Its key columns, in key order: the primary key or a unique key.
    pub(super) key: Vec<String>,
    /// The columns that name what is locked and compared as one, such as the user whose list this
    /// is: the leading ones of `key`. Left out: every record is an entity of its own.
    pub(super) entity: Option<Vec<String>>,
    /// Types of source columns, where the database does not tell them.
    #[serde(default)]
    pub(super) types: BTreeMap<String, ColumnType>,
    /// The target tables that it becomes.
    #[serde(default)]
    pub(super) into: Vec<RawInto>,
}

/// One target table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Into")]
pub(super) struct RawInto {
    /// Its name in the target.
    pub(super) name: String,
    /// Its key columns, in key order: the source's key columns under their new names.
    pub(super) key: Vec<String>,
    /// How its records are spread over the instances; needed when there is more than one.
    pub(super) shard: Option<RawShard>,
    /// Its columns, each with the source column that it comes from.
    pub(super) columns: RawColumns,
}

/// The shard key of a target table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Shard")]
pub(super) struct RawShard {
    /// A column of the target table's key.
    pub(super) by: String,
    /// The function that makes an instance of it.
    pub(super) function: ShardFunction,
    /// For `ranges`: the lowest key of every instance but the first, ascending; numbers for an
    /// integer column, else texts, which are compared byte by byte.
    #[serde(default)]
    pub(super) bounds: Vec<ShardBound>,
}

/// Settings of `dual-write`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "DualWrite")]
pub(super) struct RawDualWrite {
    /// Most messages in one batch.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) batch_rows_max: u64,
    /// How long to wait for messages before looking around, in milliseconds.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) poll_ms: u64,
}

/// Settings of `backfill`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Backfill")]
pub(super) struct RawBackfill {
    /// Most bytes in one batch, as encoded records.
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub(super) batch_bytes_max: u64,
    /// Most records in one batch.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) batch_rows_max: u64,
    /// Workers in one process. Left out: 4, and 2 where a target is a SQLite file.
    #[schemars(range(min = 1, max = super::BackfillPlan::WORKERS_MAX), extend("default" = 4))]
    pub(super) workers: Option<u64>,
    /// Ranges that a table is split into.
    #[schemars(range(min = 1, max = 65_536))]
    pub(super) ranges: u64,
    /// Most records a second over the process, or `"unlimited"`. May be changed while running.
    #[schemars(extend("default" = 10_000))]
    pub(super) rate: Option<RawRate>,
}

/// Settings of `verify`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Verify")]
pub(super) struct RawVerify {
    /// Most records in one read.
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) batch_rows_max: u64,
    /// How often a mismatch is read again before it counts as unsettled.
    #[schemars(range(min = 1, max = 1_000))]
    pub(super) recheck_max: u64,
    /// How long one re-read may wait for the live path to catch up, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub(super) settle_ms: u64,
    /// The pass mark: most differences per record compared.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) mismatch_rate_max: f64,
}

/// Settings of `cutover`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cutover")]
pub(super) struct RawCutover {
    /// The flag that reads are decided by. Part of the hash, so it never changes under way.
    pub(super) flag: String,
    /// How a user becomes one of 10,000 buckets. Never changes under way.
    #[serde(default)]
    pub(super) bucketing: Bucketing,
    /// The stages, in order: `mirror`, `whitelist`, then growing shares such as `0.01%` up to
    /// `100%`.
    #[serde(default = "stages")]
    pub(super) stages: Vec<String>,
    /// The big red switch, relative to the plan: while this file exists, every reader that watches
    /// it answers from the source.
    #[serde(default = "rollback_file")]
    pub(super) rollback_file: PathBuf,
    /// A reader whose state is older than this answers from the source, in milliseconds.
    #[serde(default = "staleness_max_ms")]
    #[schemars(range(min = 100, max = 3_600_000))]
    pub(super) staleness_max_ms: u64,
    /// What each stage asks for before the next.
    #[serde(default)]
    pub(super) gate: RawGate,
}

/// What the gates ask for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Gate")]
pub(super) struct RawGate {
    /// Most lag of the live path, in milliseconds.
    pub(super) lag_max_ms: u64,
    /// Oldest verdict that counts, in seconds since its run began. More than a run takes; a run
    /// that was interrupted longer ago begins anew.
    pub(super) verdict_age_max_s: u64,
    /// Fewest mirrored reads at a stage.
    pub(super) mirrored_min: u64,
    /// Most mirrored reads that differ beyond what lag explains, per read.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) mirror_mismatch_rate_max: f64,
    /// Least time at a stage, in seconds.
    pub(super) soak_s: u64,
}

// So many are applied only while the live path catches up, in some 50 ms on a server; that is also
// how long they may hold up a lock. Otherwise a batch is what has come meanwhile.
impl Default for RawDualWrite {
    fn default() -> Self {
        Self { batch_rows_max: 4_000, poll_ms: 50 }
    }
}

impl Default for RawBackfill {
    fn default() -> Self {
        Self {
            batch_bytes_max: 1 << 20,
            batch_rows_max: 5_000,
            workers: None,
            ranges: 16,
            rate: None,
        }
    }
}

// Six nines is the project's pass mark.
impl Default for RawVerify {
    fn default() -> Self {
        Self { batch_rows_max: 2_000, recheck_max: 5, settle_ms: 10_000, mismatch_rate_max: 1e-6 }
    }
}

// An hour a stage is the least that shows an hourly job; most teams take days.
impl Default for RawGate {
    fn default() -> Self {
        Self {
            lag_max_ms: 2_000,
            verdict_age_max_s: 86_400,
            mirrored_min: 1_000,
            mirror_mismatch_rate_max: 1e-4,
            soak_s: 3_600,
        }
    }
}

fn double_write_first() -> Order {
    Order::DoubleWriteFirst
}

fn lock_wait_ms() -> u64 {
    50
}

// Two hundred times what a batch takes: it runs out only for a worker that hangs.
fn lock_lease_ms() -> u64 {
    10_000
}

fn stages() -> Vec<String> {
    ["mirror", "whitelist", "0.01%", "1%", "10%", "100%"].map(String::from).into()
}

fn rollback_file() -> PathBuf {
    PathBuf::from("rollback")
}

fn staleness_max_ms() -> u64 {
    5_000
}
