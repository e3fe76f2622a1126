//! The set-up: where the queue ends is noted before anything else, on every instance.

use migration::claim::partitions;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::layout::Layout;
use migration::queue::Queue;
use migration::store::{StartPosition, Target};
use std::sync::Arc;

/// One instance after the set-up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SetUp {
    /// The instance.
    pub instance: String,
    /// Whether this run set it up; one that was set up before keeps its start.
    pub new: bool,
    /// Where each partition of the queue begins for it: (partition, position).
    pub starts: Vec<(String, String)>,
}

/// Sets up every instance. A crash in between leaves some without; the next call completes them.
///
/// # Errors
/// `Refused` if a target table holds records that `may_hold_rows` does not name; those of queue and
/// target.
pub async fn set_up(
    queue: &dyn Queue,
    targets: &[Arc<dyn Target>],
    layouts: &[Arc<Layout>],
    may_hold_rows: &[String],
) -> Result<Vec<SetUp>> {
    // Before the first read of the source and the first live write: what comes later is delivered.
    let mut starts = Vec::new();
    for partition in queue.partitions().await? {
        let position = queue.end(&partition).await?;
        starts.push(StartPosition { partition: partition.to_string(), position });
    }
    fault::point("set-up.noted");
    for start in &starts {
        // So that no other migration removes what this one begins with. Again changes nothing.
        queue.register(&start.partition, &start.position).await?;
    }
    fault::point("set-up.registered");
    let tables: Vec<&str> = layouts.iter().map(|layout| layout.source().table.as_str()).collect();
    let mut done = Vec::with_capacity(targets.len());
    for target in targets {
        let new = !target.is_set_up().await?;
        if new {
            check_empty(target, layouts, may_hold_rows).await?;
        }
        // Also where it was done: a table that the plan has since got is added.
        target.set_up(&tables, &starts).await?;
        fault::point("set-up.instance");
        done.push(SetUp { instance: target.name().to_owned(), new, starts: Vec::new() });
    }
    for start in &starts {
        let rows = partitions(targets, &start.partition).await?;
        for (instance, row) in done.iter_mut().zip(rows) {
            instance.starts.push((start.partition.clone(), queue.describe(&row.start)));
        }
    }
    Ok(done)
}

async fn check_empty(
    target: &Arc<dyn Target>,
    layouts: &[Arc<Layout>],
    may_hold_rows: &[String],
) -> Result<()> {
    for table in layouts.iter().flat_map(|layout| layout.targets()) {
        let name = &table.schema().table;
        if !may_hold_rows.contains(name) && !target.is_empty(table).await? {
            return Err(Error::new(ErrorKind::Refused, "set up: a target table is not empty")
                .with("instance", target.name())
                .with("table", name)
                .hint(format!(
                    "empty it, or name it in the plan: target_may_hold_rows = [\"{name}\"]; its \
                     records are then never overwritten by the copy"
                )));
        }
    }
    Ok(())
}
