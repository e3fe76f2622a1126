//! What the commands work on: the plan, the checkpoint store and the stage machine.

use crate::evidence;
use crate::gate::{Evidence, Gate};
use crate::machine::{Current, Machine};
use crate::switch::RollbackFile;
use migration::checkpoint::{self, CheckpointStore, plan_record};
use migration::cli::SharedArgs;
use migration::error::Result;
use migration::plan::Plan;
use migration::process;
use migration::shutdown::Shutdown;
use std::sync::Arc;

/// What most commands need.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) shared: SharedArgs,
    pub(crate) shutdown: Shutdown,
    pub(crate) plan: Arc<Plan>,
    pub(crate) checkpoint: Arc<dyn CheckpointStore>,
    pub(crate) machine: Machine,
}

impl Context {
    /// Opens what a command needs, of a migration that has begun with this plan.
    pub(crate) async fn open(shared: SharedArgs, shutdown: Shutdown) -> Result<Self> {
        let plan = Arc::new(shared.load_plan()?);
        // Cutover comes last: a store that is not there is a wrong path, not a beginning, and a
        // plan that comes here first may be refused by a gate yet.
        let checkpoint = checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
        plan_record::check(&*checkpoint, &plan).await?;
        let machine = Machine::new(plan.clone(), checkpoint.clone(), process::operator());
        Ok(Self { shared, shutdown, plan, checkpoint, machine })
    }

    /// The big red switch of the plan.
    pub(crate) fn rollback_file(&self) -> RollbackFile {
        RollbackFile::new(&self.plan.cutover.rollback_file)
    }

    /// The gate above the current stage, with the evidence it was evaluated on.
    pub(crate) async fn gate(&self, current: &Current) -> Result<(Evidence, Gate)> {
        let evidence = evidence::gather(&self.plan, &*self.checkpoint, current).await;
        let gate = Gate::evaluate(&self.plan, &evidence)?;
        Ok((evidence, gate))
    }
}
