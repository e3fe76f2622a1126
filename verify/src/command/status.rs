//! `status`: how far the run is.

use migration::checkpoint::open_existing;
use migration::cli::{Exit, SharedArgs};
use migration::error::Result;
use migration::phase::VERIFY;
use migration::shutdown::Shutdown;
use migration::status::{self, NoDetails, StatusArgs};

pub(super) async fn run(
    shared: &SharedArgs,
    args: &StatusArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let store = open_existing(&plan.checkpoint, &plan.id).await?;
    status::show(&*store, &VERIFY, &NoDetails, args, shared, shutdown).await
}
