//! From what was written to a plan that is valid in itself.

mod engine;
mod gauge;
mod queue;
mod stage;
mod table;

use super::raw::{RawGate, RawLock, RawPlan, RawRate};
use super::{
    BackfillPlan, CutoverPlan, DualWritePlan, GatePlan, InstancePlan, LockPlan, Plan, SourcePlan,
    VerifyPlan,
};
use crate::checkpoint::desired::Rate;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Engine;
use engine::Engines;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// Most target instances: each has its own connections in every process.
const TARGETS_MAX: usize = 1_024;

/// Makes a plan of what was written; `dir` is where relative paths start.
pub(super) fn resolve(raw: RawPlan, dir: &Path) -> Result<Plan> {
    name("id", &raw.id, 40, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
    })?;
    let mut engines = Engines::new(dir);
    let source =
        SourcePlan { engine: engines.source(raw.source.place())?, epoch: raw.source.epoch };
    let mut targets: Vec<InstancePlan> = Vec::new();
    if raw.target.is_empty() || raw.target.len() > TARGETS_MAX {
        return Err(invalid("target", format!("hold 1 to {TARGETS_MAX} tables"), raw.target.len())
            .hint("write one [[target]] per instance, in shard order"));
    }
    for (i, target) in raw.target.into_iter().enumerate() {
        let field = format!("target[{i}]");
        name(&format!("{field}.name"), &target.name, 64, |byte| {
            byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
        })?;
        if let Some(twin) = targets.iter().position(|other| other.name == target.name) {
            return Err(invalid(
                format!("{field}.name"),
                "be unique",
                format!("{:?}, which names target[{twin}] too", target.name),
            ));
        }
        let engine = engines.target(&field, target.place())?;
        targets.push(InstancePlan { name: target.name, engine });
    }
    let around = queue::Around { id: &raw.id, dir, tables: &raw.table };
    let queue = queue::resolve(raw.queue, &around)?;
    let tables = table::resolve(raw.table, &queue, targets.len())?;
    table::check_same_database(&source.engine, &targets, &tables, &queue)?;
    table::check_may_hold_rows(&raw.target_may_hold_rows, &tables)?;
    let checkpoint = engines.checkpoint(raw.checkpoint.place())?;
    let lock = lock(&raw.lock, &mut engines)?;
    let gauges = gauge::resolve(raw.gauge, &engines)?;
    let cutover = cutover(raw.cutover, dir)?;
    let has_file = targets.iter().any(|target| matches!(target.engine, Engine::Sqlite { .. }));
    let mut plan = Plan {
        id: raw.id,
        order: raw.order,
        source,
        queue,
        targets,
        target_may_hold_rows: raw.target_may_hold_rows,
        lock,
        checkpoint,
        tables,
        gauges,
        dual_write: DualWritePlan {
            batch_rows_max: size(
                "dual-write.batch_rows_max",
                raw.dual_write.batch_rows_max,
                1..=100_000,
            )?,
            poll: millis("dual-write.poll_ms", raw.dual_write.poll_ms, 1..=10_000)?,
        },
        backfill: backfill(&raw.backfill, has_file)?,
        verify: verify(&raw.verify)?,
        cutover,
        digest: String::new(),
    };
    plan.digest = plan.fixed_digest();
    Ok(plan)
}

fn lock(raw: &RawLock, engines: &mut Engines) -> Result<LockPlan> {
    let wait = millis("lock.wait_ms", raw.wait_ms, 0..=60_000)?;
    let lease = millis("lock.lease_ms", raw.lease_ms, 100..=600_000)?;
    Ok(LockPlan { engine: engines.lock(raw)?, wait, lease })
}

/// A worker waits for the source, the target and its commit in turn, so on servers it takes several
/// to keep them busy; on one file more than two only queue.
fn backfill(raw: &super::raw::RawBackfill, has_file: bool) -> Result<BackfillPlan> {
    let workers = raw.workers.unwrap_or(if has_file { 2 } else { 4 });
    Ok(BackfillPlan {
        batch_bytes_max: size("backfill.batch_bytes_max", raw.batch_bytes_max, 1_024..=16 << 20)?,
        batch_rows_max: size("backfill.batch_rows_max", raw.batch_rows_max, 1..=100_000)?,
        workers: size("backfill.workers", workers, 1..=BackfillPlan::WORKERS_MAX.into())?,
        ranges: size("backfill.ranges", raw.ranges, 1..=65_536)?,
        rate: match raw.rate {
            None => BackfillPlan::RATE_BY_DEFAULT,
            Some(rate) => copy_rate(rate)?,
        },
        is_rate_default: raw.rate.is_none(),
    })
}

fn copy_rate(raw: RawRate) -> Result<Rate> {
    let RawRate::PerSecond(rate) = raw else { return Ok(Rate::Unlimited) };
    NonZeroU32::new(rate).map(Rate::PerSecond).ok_or_else(|| {
        invalid("backfill.rate", "be at least 1", rate).hint(
            "write `rate = \"unlimited\"` for no limit; `backfill pause` stops a running copy",
        )
    })
}

fn verify(raw: &super::raw::RawVerify) -> Result<VerifyPlan> {
    Ok(VerifyPlan {
        batch_rows_max: size("verify.batch_rows_max", raw.batch_rows_max, 1..=100_000)?,
        recheck_max: size("verify.recheck_max", raw.recheck_max, 1..=1_000)?,
        settle: millis("verify.settle_ms", raw.settle_ms, 1..=600_000)?,
        mismatch_rate_max: rate("verify.mismatch_rate_max", raw.mismatch_rate_max)?,
    })
}

fn cutover(raw: super::raw::RawCutover, dir: &Path) -> Result<CutoverPlan> {
    if raw.flag.is_empty() {
        return Err(invalid("cutover.flag", "name the flag that reads are decided by", "\"\""));
    }
    Ok(CutoverPlan {
        flag: raw.flag,
        bucketing: raw.bucketing,
        stages: stage::resolve(&raw.stages)?,
        rollback_file: engine::absolute(dir, "cutover.rollback_file", &raw.rollback_file)?,
        staleness_max: millis("cutover.staleness_max_ms", raw.staleness_max_ms, 100..=3_600_000)?,
        gate: gate(&raw.gate)?,
    })
}

fn gate(raw: &RawGate) -> Result<GatePlan> {
    // A year: beyond it a figure is a slip of the unit.
    let seconds = 0..=366 * 86_400;
    Ok(GatePlan {
        lag_max: millis("cutover.gate.lag_max_ms", raw.lag_max_ms, 1..=86_400_000)?,
        verdict_age_max: Duration::from_secs(in_range(
            "cutover.gate.verdict_age_max_s",
            raw.verdict_age_max_s,
            1..=*seconds.end(),
        )?),
        mirrored_min: raw.mirrored_min,
        mirror_mismatch_rate_max: rate(
            "cutover.gate.mirror_mismatch_rate_max",
            raw.mirror_mismatch_rate_max,
        )?,
        soak: Duration::from_secs(in_range("cutover.gate.soak_s", raw.soak_s, seconds)?),
    })
}

/// A plan that breaks a rule: the field, what it must do, what was written.
fn invalid(field: impl Display, must: impl Display, found: impl Display) -> Error {
    Error::new(ErrorKind::Plan, "read plan")
        .with("field", field)
        .with("must", must)
        .with("found", found)
}

fn name(field: &str, value: &str, length_max: usize, allowed: impl Fn(u8) -> bool) -> Result<()> {
    if value.is_empty() || value.len() > length_max || !value.bytes().all(allowed) {
        let letters = if length_max == 40 { "a-z 0-9 -" } else { "a-z A-Z 0-9 . _ -" };
        return Err(invalid(
            field,
            format!("be 1 to {length_max} of {letters}"),
            format!("{value:?}"),
        ));
    }
    Ok(())
}

fn in_range(field: &str, value: u64, range: RangeInclusive<u64>) -> Result<u64> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(invalid(field, format!("be {} to {}", range.start(), range.end()), value))
}

fn size(field: &str, value: u64, range: RangeInclusive<u64>) -> Result<usize> {
    let value = in_range(field, value, range)?;
    usize::try_from(value).map_err(|_| invalid(field, "fit this machine's addresses", value))
}

fn millis(field: &str, value: u64, range: RangeInclusive<u64>) -> Result<Duration> {
    in_range(field, value, range).map(Duration::from_millis)
}

fn rate(field: &str, value: f64) -> Result<f64> {
    // Not a number is in no range.
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(invalid(field, "be a rate from 0 to 1", value))
}
