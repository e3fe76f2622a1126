//! `cleanup`: what this phase keeps beside the data.

use crate::command::PHASE;
use crate::pool::LEASES;
use migration::checkpoint::{audit, lease, list_all, remove_all};
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::error::{Error, ErrorKind, Result};
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;

/// What the copy keeps in the checkpoint store.
const KEYS: [&str; 5] =
    ["desired/backfill", "lease/backfill/", "progress/backfill/", "sample", "split/"];

#[derive(Debug, Serialize)]
struct Kept {
    checkpoint_keys: Vec<String>,
    key_locks: u64,
}

impl Report for Kept {
    fn text(&self) -> String {
        let mut rows: Vec<[String; 2]> =
            self.checkpoint_keys.iter().map(|key| ["checkpoint".into(), key.clone()]).collect();
        rows.push(["key lock".into(), format!("{} locks", self.key_locks)]);
        let note = "The side tables in the target belong to the live path too: \
                    `dual-write cleanup` removes them.";
        format!("{}\n{note}", table(["where", "what"], &rows))
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    let mut kept = Kept { checkpoint_keys: Vec::new(), key_locks: servers.lock.count().await? };
    for prefix in KEYS {
        kept.checkpoint_keys.extend(list_all(store, prefix).await?);
    }
    print(args, &kept)?;
    if let Some((range, holder)) = lease::held_leases(store, LEASES, 1).await?.into_iter().next() {
        return Err(Error::new(ErrorKind::Refused, "clean up: a worker is running")
            .with("range", range)
            .with("held by", holder.process)
            .hint("stop it, or run `backfill abort`, and clean up then"));
    }
    confirm(args, shutdown, "remove all of this").await?;
    audit::record(store, &operator(), format!("{PHASE}: cleanup"), None).await?;
    for prefix in KEYS {
        remove_all(store, prefix).await?;
    }
    servers.lock.clear().await?;
    Ok(Exit::Done)
}
