//! SETUP of the protocol: once, before the first live write and before any read of the source.

use super::Servers;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::Plan;
use crate::store::{StartPosition, Target};
use std::sync::Arc;

impl Servers {
    /// Sets up every instance of the target that is not set up: one open range per table, and the
    /// queue's end now as the position that the live path begins at. What is there already stays,
    /// so every `run` may begin with this, several at once too.
    ///
    /// A call that was killed half way leaves instances that begin at different positions. That
    /// is safe: the live path goes on at the lowest, and the copy waits until the source shows
    /// everything before the highest.
    ///
    /// # Errors
    /// `Refused` if a target table holds records and the plan does not allow it; those of the
    /// queue and the target.
    pub async fn set_up(&self, plan: &Plan) -> Result<()> {
        let mut open: Vec<&Arc<dyn Target>> = Vec::new();
        for target in &self.targets {
            if !target.is_set_up().await? {
                self.check_empty(plan, &**target).await?;
                open.push(target);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let starts = self.start_positions().await?;
        fault::point("set-up.registered");
        let tables: Vec<&str> = plan.tables.iter().map(|table| table.name.as_str()).collect();
        for target in open {
            target.set_up(&tables, &starts).await?;
            fault::point("set-up.instance");
        }
        Ok(())
    }

    /// The queue's ends now, which no other migration trims away from here on.
    async fn start_positions(&self) -> Result<Vec<StartPosition>> {
        let mut starts = Vec::new();
        for partition in self.queue.partitions().await? {
            let position = self.queue.end(&partition).await?;
            self.queue.register(&partition, &position).await?;
            starts.push(StartPosition { partition: partition.to_string(), position });
        }
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
                    "empty it, or allow it in the plan: target_may_hold_rows = [{name:?}]"
                )));
        }
        Ok(())
    }
}
