//! `outbox trim`: removes messages that nobody needs any more.

use migration::checkpoint::audit;
use migration::claim::partitions;
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::error::{Error, ErrorKind, Result};
use migration::position::Position;
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;
use std::sync::Arc;

#[derive(Debug, Serialize)]
struct Trimmed {
    partitions: Vec<PartitionTrimmed>,
}

#[derive(Debug, Serialize)]
struct PartitionTrimmed {
    partition: String,
    below: String,
    removed: u64,
}

impl Report for Trimmed {
    fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .partitions
            .iter()
            .map(|part| [part.partition.clone(), part.below.clone(), part.removed.to_string()])
            .collect();
        table(["partition", "below", "removed"], &rows)
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let below = below(&servers).await?;
    let places: Vec<String> = below
        .iter()
        .map(|(partition, position)| format!("{partition} {}", servers.queue.describe(position)))
        .collect();
    let what = format!("remove the queue's messages below {} for good", places.join(", "));
    confirm(args, shutdown, &what).await?;
    // What the queue forgets must not be lost to the target by a power cut.
    for target in &servers.targets {
        target.make_durable().await?;
    }
    audit::record(&*servers.checkpoint, &operator(), format!("dual-write: {what}"), None).await?;
    let mut trimmed = Trimmed { partitions: Vec::new() };
    for (partition, position) in below {
        let removed = servers.queue.trim(&partition, &position).await?;
        trimmed.partitions.push(PartitionTrimmed {
            partition: partition.to_string(),
            below: servers.queue.describe(&position),
            removed,
        });
    }
    print(args, &trimmed)?;
    Ok(Exit::Done)
}

/// The smallest position of all instances, by partition. An instance that cannot be asked may be
/// behind all others, so nothing is trimmed then.
async fn below(servers: &Servers) -> Result<Vec<(Arc<str>, Position)>> {
    let mut below = Vec::new();
    for partition in servers.queue.partitions().await? {
        let rows = partitions(&servers.targets, &partition).await?;
        let next = rows.iter().map(|row| row.next).min().ok_or_else(|| {
            Error::new(ErrorKind::Refused, "trim queue: the target has no instance")
        })?;
        below.push((partition, next));
    }
    Ok(below)
}
