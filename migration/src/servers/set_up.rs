//! SETUP of the protocol: once, before the first live write and before any read of the source; and
//! once more after the source was put back.

use super::Servers;
use crate::checkpoint::plan_record;
use crate::claim::{partitions, restart_partition};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::Plan;
use crate::position::Owner;
use crate::process::operator;
use crate::store::{StartPosition, Target};
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

impl Servers {
    /// Begins the migration with this plan, or goes on with it, and sets up every instance of the
    /// target that is not set up: one open range per table, and the
    /// queue's end now as the position that the live path begins at. What is there already stays,
    /// so it may run again, and several at once.
    ///
    /// A call that was killed half way leaves instances that begin at different positions. That
    /// is safe: the live path goes on at the lowest, and the copy waits until the source shows
    /// everything before the highest.
    ///
    /// # Errors
    /// `Refused` if a target table holds records and the plan does not allow it, or a record of the
    /// source has no key, or the migration was begun with another plan: no instance is touched
    /// then, and no plan recorded; those of the source, the queue, the checkpoint store and the
    /// target.
    pub async fn set_up(&self, plan: &Plan) -> Result<Vec<SetUp>> {
        self.check_keys().await?;
        let mut done = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let new = !target.is_set_up().await?;
            if new {
                self.check_empty(plan, &**target).await?;
            }
            done.push(SetUp { instance: target.name().to_owned(), new, starts: Vec::new() });
        }
        let starts = self.start_positions().await?;
        // After all that may refuse the plan, so that it can still be put right, and before the
        // first thing that is kept elsewhere on its behalf.
        plan_record::bind(&*self.checkpoint, plan, &operator()).await?;
        fault::point("set-up.bound");
        for start in &starts {
            self.queue.register(&start.partition, &start.position).await?;
        }
        fault::point("set-up.registered");
        let tables: Vec<&str> = plan.tables.iter().map(|table| table.name.as_str()).collect();
        for target in &self.targets {
            // Also where it was done: a table that the plan has since got is added.
            target.set_up(&tables, &starts).await?;
            // Else a server that crashes now forgets what the operator was told is done.
            target.make_durable().await?;
            fault::point("set-up.instance");
        }
        for start in &starts {
            let rows = partitions(&self.targets, &start.partition).await?;
            for (instance, row) in done.iter_mut().zip(rows) {
                instance.starts.push((start.partition.clone(), self.queue.describe(&row.start)));
            }
        }
        Ok(done)
    }

    /// Refuses a migration that has not begun with this plan, and a target that is not set up on
    /// every instance.
    ///
    /// # Errors
    /// `Refused`, with the instance; those of the checkpoint store and the target.
    pub async fn check_set_up(&self, plan: &Plan) -> Result<()> {
        plan_record::check(&*self.checkpoint, plan).await?;
        for target in &self.targets {
            if !target.is_set_up().await? {
                return Err(Error::new(ErrorKind::Refused, "open target: it is not set up")
                    .with("instance", target.name())
                    .hint("run `dual-write set-up` first"));
            }
        }
        Ok(())
    }

    /// The partitions with an instance whose position belongs to a history that the source has
    /// left: the operator raised the source's epoch since.
    ///
    /// # Errors
    /// Those of the queue and the target.
    pub async fn left_behind(&self) -> Result<Vec<Arc<str>>> {
        let mut left = Vec::new();
        for partition in self.queue.partitions().await? {
            for target in &self.targets {
                let row = target.partition(&partition).await?;
                if let Some(row) = row
                    && !self.queue.is_current(&row.next)?
                {
                    left.push(partition);
                    break;
                }
            }
        }
        Ok(left)
    }

    /// Lets a partition begin anew, at the queue's end now, on every instance whose position
    /// belongs to a history that the source has left. Whoever consumed it is fenced.
    ///
    /// What the source lost is still in the target then, and what it got before now was never
    /// applied: `verify` finds both, its repair mends them.
    ///
    /// # Errors
    /// `Fenced` if others keep claiming the partition; those of the queue and the target.
    pub async fn begin_anew(&self, partition: &str) -> Result<()> {
        let start = self.queue.end(partition).await?;
        self.queue.register(partition, &start).await?;
        fault::point("set-up.registered");
        let mut behind = Vec::new();
        for target in &self.targets {
            let row = target.partition(partition).await?;
            if let Some(row) = row
                && !self.queue.is_current(&row.next)?
            {
                behind.push(Arc::clone(target));
            }
        }
        restart_partition(&behind, partition, Owner::new(), &start).await
    }

    /// The queue's ends now.
    async fn start_positions(&self) -> Result<Vec<StartPosition>> {
        // Before the first read of the source and the first live write: what comes later is
        // delivered.
        let mut starts = Vec::new();
        for partition in self.queue.partitions().await? {
            let position = self.queue.end(&partition).await?;
            starts.push(StartPosition { partition: partition.to_string(), position });
        }
        fault::point("set-up.noted");
        Ok(starts)
    }

    async fn check_empty(&self, plan: &Plan, target: &dyn Target) -> Result<()> {
        for table in self.layouts.iter().flat_map(|layout| layout.targets()) {
            let name = &table.schema().table;
            if plan.target_may_hold_rows.contains(name) || target.is_empty(table).await? {
                continue;
            }
            // Another process may have set it up and begun to write since the first look.
            if target.is_set_up().await? {
                return Ok(());
            }
            return Err(Error::new(ErrorKind::Refused, "set up target: it holds records already")
                .with("table", name)
                .with("instance", target.name())
                .hint(format!(
                    "empty it, or allow it in the plan: target_may_hold_rows = [{name:?}]; its \
                     records are then never overwritten by the copy"
                )));
        }
        Ok(())
    }
}
