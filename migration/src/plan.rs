//! The plan: the one file that describes a migration, read by all four binaries.
//!
//! Two steps: what was written is parsed strictly into `raw`, then resolved into [`Plan`], which
//! cannot be invalid in itself. Whether the live servers agree with it is for `check` to find out.

mod fixed;
mod kafka;
mod raw;
mod read;
mod resolve;
mod rules;
mod secret_place;
mod server_url;

pub use fixed::Change;
pub use kafka::{KafkaPlan, SaslMechanism, SaslPlan, TlsPlan};
pub(crate) use read::nearest;
pub use secret_place::SecretPlace;
pub use server_url::ServerUrl;

use crate::checkpoint::desired::{Rate, rate_as_planned};
use crate::decode::TopicFormat;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{ShardBound, ShardFunction};
use crate::value::ColumnType;
use serde::Serialize as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes of a plan file: a thousand tables fit, and a wrong file named by mistake does not
/// fill the memory.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Plan {
    /// Reads a plan file. Relative paths in it start at its directory.
    ///
    /// # Errors
    /// `Plan`, with file, line and column or with the field, and a hint.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_with(path, &[])
    }

    /// Reads a plan file and lays `key=value` overrides over it, as `--set` gives them. The key is
    /// dotted, a number names a place in a list (`target.0.path`); what is no TOML value is text.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(path: &Path, overrides: &[String]) -> Result<Self> {
        let unreadable = |cause: std::io::Error| {
            Error::new(ErrorKind::Plan, "read plan")
                .with("file", path.display())
                .because(cause)
                .hint("name the plan with --config FILE")
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > FILE_BYTES_MAX {
            return Err(Error::new(ErrorKind::Plan, "read plan")
                .with("file", path.display())
                .with("bytes", size)
                .with("most", FILE_BYTES_MAX)
                .hint("is this a plan file?"));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        // One directory has one name, whatever way led here: paths are part of the digest.
        let file = std::fs::canonicalize(path).map_err(unreadable)?;
        let raw = read::read(&text, Some(path), overrides)?;
        resolve::resolve(raw, file.parent().unwrap_or(Path::new("/")))
            .map_err(|error| error.with("file", path.display()))
    }

    /// What a verdict holds for: the plan, and the source's history.
    #[must_use]
    pub fn edition(&self) -> String {
        format!("{}@{}", self.digest, self.source.epoch)
    }

    /// Reads the text of a plan whose relative paths start at `dir`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, dir: &Path) -> Result<Self> {
        resolve::resolve(read::read(text, None, &[])?, dir)
    }
}

fn milliseconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    duration.as_millis().serialize(serializer)
}

fn seconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    duration.as_secs().serialize(serializer)
}

/// The JSON Schema of a plan file, for editors.
#[must_use]
pub fn json_schema() -> String {
    format!("{:#}", schemars::schema_for!(raw::RawPlan).as_value())
}

/// A migration, resolved: names are unique, references hold, figures are in range, paths are
/// absolute.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Plan {
    /// Names the migration; begins the keys of everything it keeps anywhere.
    pub id: String,
    /// Which of the first two phases comes first.
    pub order: Order,
    /// Where the data is.
    pub source: SourcePlan,
    /// Where live writes come from.
    pub queue: QueuePlan,
    /// The target's instances, in shard order; never empty.
    #[serde(rename = "target")]
    pub targets: Vec<InstancePlan>,
    /// Target tables that may hold records before the migration begins.
    pub target_may_hold_rows: Vec<String>,
    /// The key lock.
    pub lock: LockPlan,
    /// The checkpoint store.
    pub checkpoint: Engine,
    /// The tables to move, in plan order; never empty.
    #[serde(rename = "table")]
    pub tables: Vec<TablePlan>,
    /// What is watched on other servers while phases 2 and 3 run.
    #[serde(rename = "gauge")]
    pub gauges: Vec<GaugePlan>,
    /// Settings of phase 1.
    #[serde(rename = "dual-write")]
    pub dual_write: DualWritePlan,
    /// Settings of phase 2.
    pub backfill: BackfillPlan,
    /// Settings of phase 3.
    pub verify: VerifyPlan,
    /// Settings of phase 4.
    pub cutover: CutoverPlan,
    /// Digest of what may not change while the migration is under way.
    pub digest: String,
}

/// A server that has figures: a file has none.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "engine", rename_all = "kebab-case")]
pub enum GaugeServer {
    /// A PostgreSQL server.
    Postgres {
        /// Where its URL stands.
        url: ServerUrl,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// Where its URL stands.
        url: ServerUrl,
    },
}

/// Something to watch on a server.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GaugePlan {
    /// Its name, for people; unique in the plan.
    pub name: String,
    /// The server.
    #[serde(flatten)]
    pub server: GaugeServer,
    /// What to ask it for; `None`: how many seconds it lags as a replica.
    pub query: Option<String>,
    /// The highest figure at which work goes on.
    pub max: f64,
}

/// Which of the first two phases comes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Live writes are applied while the history is copied.
    DoubleWriteFirst,
    /// The history is copied while the queue keeps the live writes; then they are replayed.
    CatchUp,
}

/// How to reach a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "engine", rename_all = "kebab-case")]
pub enum Engine {
    /// A SQLite file.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// Where its URL stands.
        url: ServerUrl,
    },
    /// A MySQL or MariaDB database.
    Mysql {
        /// Where its URL stands.
        url: ServerUrl,
    },
}

impl Engine {
    /// Its name in a plan.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Mysql { .. } => "mysql",
        }
    }
}

/// Where the key lock is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "engine", rename_all = "kebab-case")]
pub enum LockEngine {
    /// A SQLite file.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A Redis database.
    Redis {
        /// Where its URL stands.
        url: ServerUrl,
    },
}

/// The source.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourcePlan {
    /// How to reach it.
    #[serde(flatten)]
    pub engine: Engine,
    /// Leads every version: raised by the operator after the source was restored or failed over,
    /// so that what it writes now counts as newer.
    pub epoch: u32,
}

/// The queue.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum QueuePlan {
    /// A table in the source, written in the same transaction as the data.
    Outbox {
        /// The table's name.
        table: String,
    },
    /// Topics of a Kafka cluster.
    Kafka(Box<KafkaPlan>),
}

impl QueuePlan {
    /// The outbox table, if the queue is one.
    #[must_use]
    pub fn outbox(&self) -> Option<&str> {
        match self {
            Self::Outbox { table } => Some(table),
            Self::Kafka(_) => None,
        }
    }

    /// The topics, if the queue has any.
    #[must_use]
    pub fn topics(&self) -> &[TopicFormat] {
        match self {
            Self::Outbox { .. } => &[],
            Self::Kafka(kafka) => &kafka.topics,
        }
    }
}

/// One instance of the target.
#[derive(Debug, Clone, serde::Serialize)]
pub struct InstancePlan {
    /// Its name, for people.
    pub name: String,
    /// How to reach it.
    #[serde(flatten)]
    pub engine: Engine,
}

/// The key lock.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LockPlan {
    /// Where it is kept. Disposable.
    #[serde(flatten)]
    pub engine: LockEngine,
    /// How long the live path waits for a copy to give a lock back before it revokes it.
    #[serde(rename = "wait_ms", serialize_with = "milliseconds")]
    pub wait: Duration,
    /// How long a copy may hold a lock.
    #[serde(rename = "lease_ms", serialize_with = "milliseconds")]
    pub lease: Duration,
}

/// One source table.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TablePlan {
    /// Its name in the source.
    pub name: String,
    /// Its key columns, in key order.
    pub key: Vec<String>,
    /// The entity's columns: the leading ones of the key. All of them where a row is an entity.
    pub entity: Vec<String>,
    /// Types that the plan states because the database cannot: (column, type).
    pub types: Vec<(String, ColumnType)>,
    /// The target tables that it becomes; never empty.
    pub into: Vec<IntoPlan>,
}

/// One target table.
#[derive(Debug, Clone, serde::Serialize)]
pub struct IntoPlan {
    /// Its name in the target.
    pub name: String,
    /// Its key columns, in key order.
    pub key: Vec<String>,
    /// How its records are spread over the instances; `None` with one instance.
    pub shard: Option<ShardPlan>,
    /// Its columns, in plan order.
    pub columns: Vec<ColumnPlan>,
}

/// The shard key of a target table.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ShardPlan {
    /// A column of the target table's key.
    pub by: String,
    /// The function.
    pub function: ShardFunction,
    /// The bounds between the instances, ascending; empty for every function but ranges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<ShardBound>,
}

/// One target column.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ColumnPlan {
    /// Its name in the target.
    pub name: String,
    /// The source column it comes from.
    pub from: String,
    /// The type, where the plan states it because the database cannot.
    pub column_type: Option<ColumnType>,
    /// What its values may lose on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loses: Option<Loss>,
}

/// A loss that the plan accepts in a column. Without its name there, a value that would suffer it
/// is refused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Zero bytes in a text are left out: PostgreSQL holds none.
    Nul,
    /// Days that are none, such as 0000-00-00 and 2024-00-00, become null. `types` takes the source
    /// column for text.
    ZeroDate,
}

/// Settings of `dual-write`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DualWritePlan {
    /// Most messages in one batch.
    pub batch_rows_max: usize,
    /// How long to wait for messages before looking around.
    #[serde(rename = "poll_ms", serialize_with = "milliseconds")]
    pub poll: Duration,
}

/// Settings of `backfill`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BackfillPlan {
    /// Most encoded bytes in one batch.
    pub batch_bytes_max: usize,
    /// Most records in one batch.
    pub batch_rows_max: usize,
    /// Workers in one process.
    pub workers: usize,
    /// Ranges that a table is split into.
    pub ranges: usize,
    /// Most records a second over the process. May be changed while running.
    #[serde(serialize_with = "rate_as_planned")]
    pub rate: Rate,
    /// Whether nobody wrote a rate.
    #[serde(skip)]
    pub is_rate_default: bool,
}

impl BackfillPlan {
    /// Most workers of a process, wherever their number is said: each has connections of its own to
    /// every server.
    pub const WORKERS_MAX: u16 = 64;

    /// The rate where the plan has none: meant not to be felt by the source's own users, which the
    /// benchmark `harm` measures.
    pub const RATE_BY_DEFAULT: Rate = match NonZeroU32::new(10_000) {
        Some(rate) => Rate::PerSecond(rate),
        None => Rate::Unlimited,
    };
}

/// Settings of `verify`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyPlan {
    /// Most records in one read.
    pub batch_rows_max: usize,
    /// How often a mismatch is read again before it counts as unsettled.
    pub recheck_max: usize,
    /// How long one re-read may wait for the live path to catch up.
    #[serde(rename = "settle_ms", serialize_with = "milliseconds")]
    pub settle: Duration,
    /// The pass mark: most differences per record compared.
    pub mismatch_rate_max: f64,
}

/// Settings of `cutover`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CutoverPlan {
    /// The flag that reads are decided by: part of the hash, so it never changes under way.
    pub flag: String,
    /// How a user becomes a bucket: never changes under way either.
    pub bucketing: Bucketing,
    /// The stages after `off`, in order.
    pub stages: Vec<StagePlan>,
    /// The big red switch: while this file exists, every reader that watches it answers old.
    pub rollback_file: PathBuf,
    /// A reader whose snapshot is older than this answers old.
    #[serde(rename = "staleness_max_ms", serialize_with = "milliseconds")]
    pub staleness_max: Duration,
    /// What the gates ask for.
    pub gate: GatePlan,
}

/// How a user becomes one of 10,000 buckets.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Bucketing {
    /// Murmur3 (x86, 32 bits, seed 0) of the flag and the user, scaled: what flagd's second
    /// generation does.
    #[default]
    FlagdV2,
}

/// One step of the read switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StagePlan {
    /// Reads are answered by the source and repeated on the target.
    Mirror,
    /// The whitelist is answered by the target.
    Whitelist,
    /// The whitelist and this many of 10,000 buckets are answered by the target.
    Share {
        /// Hundredths of a percent, from 1 to 10,000.
        basis_points: u32,
    },
}

/// What the gates ask for.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GatePlan {
    /// Most lag of the live path.
    #[serde(rename = "lag_max_ms", serialize_with = "milliseconds")]
    pub lag_max: Duration,
    /// Oldest verdict that counts, by when its run began. A run that was interrupted longer ago
    /// begins anew.
    #[serde(rename = "verdict_age_max_s", serialize_with = "seconds")]
    pub verdict_age_max: Duration,
    /// Fewest mirrored reads at a stage before the next.
    pub mirrored_min: u64,
    /// Most mirrored reads that differ beyond what lag explains, per read.
    pub mirror_mismatch_rate_max: f64,
    /// Least time at a stage before the next.
    #[serde(rename = "soak_s", serialize_with = "seconds")]
    pub soak: Duration,
}
