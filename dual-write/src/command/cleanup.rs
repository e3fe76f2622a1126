//! `cleanup`: what this phase keeps beside the data.

use crate::command::PHASE;
use migration::checkpoint::{audit, lease, list_all, remove_all};
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::dead_letter;
use migration::error::{Error, ErrorKind, Result};
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use migration::store::SideTable;
use serde::Serialize;

/// What the live path keeps in the checkpoint store.
const KEYS: [&str; 4] =
    [dead_letter::KEYS, "desired/dual-write", "lease/dual-write/", "progress/dual-write/"];

#[derive(Debug, Serialize)]
struct Kept {
    side_tables: Vec<Side>,
    checkpoint_keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Side {
    store: String,
    #[serde(flatten)]
    table: SideTable,
}

impl Report for Kept {
    fn text(&self) -> String {
        let sides = self.side_tables.iter().map(|side| {
            let what = format!("{}: {} rows of this migration", side.table.name, side.table.rows);
            [side.store.clone(), what]
        });
        let keys = self.checkpoint_keys.iter().map(|key| ["checkpoint".to_owned(), key.clone()]);
        let rows: Vec<[String; 2]> = sides.chain(keys).collect();
        let note = "Without the side tables in the target the live path and the copy cannot go \
                    on: they come last, after the cut-over or when the migration is given up.";
        format!("{}\n{note}", table(["where", "what"], &rows))
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    print(args, &look(&servers).await?)?;
    for phase in ["dual-write/", "backfill/", "verify"] {
        if let Some((name, holder)) = lease::held_leases(store, phase, 1).await?.into_iter().next()
        {
            return Err(Error::new(ErrorKind::Refused, "clean up: somebody is at work")
                .with("lease", name)
                .with("held by", holder.process)
                .hint("stop it first: SIGTERM drains it"));
        }
    }
    confirm(args, shutdown, "remove all of this, which ends the migration's live path").await?;
    audit::record(store, &operator(), format!("{PHASE}: cleanup"), None).await?;
    for target in &servers.targets {
        target.remove_side_tables().await?;
    }
    servers.queue.remove_side_tables().await?;
    for prefix in KEYS {
        remove_all(store, prefix).await?;
    }
    Ok(Exit::Done)
}

async fn look(servers: &Servers) -> Result<Kept> {
    let mut kept = Kept { side_tables: Vec::new(), checkpoint_keys: Vec::new() };
    let mut add = |store: &str, tables: Vec<SideTable>| {
        let side = |table| Side { store: store.to_owned(), table };
        kept.side_tables.extend(tables.into_iter().map(side));
    };
    for target in &servers.targets {
        add(target.name(), target.side_tables().await?);
    }
    add("queue", servers.queue.side_tables().await?);
    for prefix in KEYS {
        kept.checkpoint_keys.extend(list_all(&*servers.checkpoint, prefix).await?);
    }
    Ok(kept)
}
