//! `locks list` and `locks break`.

use crate::pool::LEASES;
use migration::checkpoint::lease;
use migration::claim::{claim_range, survey_ranges};
use migration::cli::{Exit, Report, SharedArgs, confirm, json, print, table};
use migration::clock::Timestamp;
use migration::error::Result;
use migration::position::Owner;
use migration::process::{Process, operator};
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;

/// Most claims shown or broken at once: a table has a few dozen ranges.
const CLAIMS_MAX: usize = 10_000;

/// Who works on what.
#[derive(Debug, Serialize)]
struct Locks {
    ranges: Vec<Claimed>,
    /// Locks on entities or intervals of them, those that ran out included.
    key_locks: u64,
}

#[derive(Debug, Serialize)]
struct Claimed {
    range: String,
    #[serde(serialize_with = "json::process")]
    process: Process,
    #[serde(serialize_with = "json::time")]
    since: Timestamp,
    #[serde(serialize_with = "json::time")]
    until: Timestamp,
}

impl Report for Locks {
    fn text(&self) -> String {
        let rows: Vec<[String; 4]> = self
            .ranges
            .iter()
            .map(|claimed| {
                [
                    claimed.range.clone(),
                    claimed.process.to_string(),
                    claimed.since.to_rfc3339(),
                    claimed.until.to_rfc3339(),
                ]
            })
            .collect();
        let claims = table(["range", "held by", "since", "until"], &rows);
        format!("{claims}\n{} ranges claimed, {} key locks", self.ranges.len(), self.key_locks)
    }
}

/// The range that a lease is on. Its table may be called as the phase is.
fn range_of(lease: &str) -> &str {
    lease.strip_prefix(LEASES).unwrap_or(lease)
}

async fn look(servers: &Servers) -> Result<Locks> {
    let held = lease::held_leases(&*servers.checkpoint, LEASES, CLAIMS_MAX).await?;
    let claimed = |(name, holder): (String, lease::Holder)| Claimed {
        range: range_of(&name).to_owned(),
        process: holder.process,
        since: holder.since,
        until: holder.expires,
    };
    Ok(Locks {
        ranges: held.into_iter().map(claimed).collect(),
        key_locks: servers.lock.count().await?,
    })
}

pub(super) async fn list(args: &SharedArgs) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    print(args, &look(&servers).await?)?;
    Ok(Exit::Done)
}

/// Takes every claim and lock away, and fences whoever had them.
pub(super) async fn take(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let locks = look(&servers).await?;
    print(args, &locks)?;
    confirm(args, shutdown, "break these claims and locks").await?;
    let store = &*servers.checkpoint;
    let what = format!("backfill: break {} claims on ranges", locks.ranges.len());
    migration::checkpoint::audit::record(store, &operator(), what, None).await?;
    for claimed in &locks.ranges {
        lease::break_lease(store, &format!("{LEASES}{}", claimed.range)).await?;
    }
    let nobody = Owner::new();
    for layout in &servers.layouts {
        let name = &layout.source().table;
        for range in survey_ranges(&servers.targets, name).await? {
            if !range.done {
                claim_range(&servers.targets, name, range.after.as_ref(), nobody).await?;
            }
        }
    }
    servers.lock.clear().await?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::{LEASES, range_of};

    #[test]
    fn a_table_called_as_the_phase_keeps_its_name() {
        for range in ["backfill/first", "backfill/backfill/first", "followers/first"] {
            assert_eq!(range_of(&format!("{LEASES}{range}")), range);
        }
    }
}
