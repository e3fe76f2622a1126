//! `cleanup`: what the live path keeps beside the data, and with it what every phase needs in the
//! target.

use crate::command::PHASE;
use async_trait::async_trait;
use migration::checkpoint::audit;
use migration::cleanup::{self, Consent, Item, Remains, check_at_rest, keys_of};
use migration::cli::{Exit, SharedArgs};
use migration::dead_letter;
use migration::error::{Error, ErrorKind, Result};
use migration::phase::{BACKFILL, DUAL_WRITE, STAGE_KEY, VERIFY};
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;

const NOTE: &str = "Without the side tables in the target the live path and the copy cannot go on: \
    this is for a migration that is given up before the read switch; `cutover cleanup` ends one \
    that went further.";

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let live_path = LivePathRemains { servers };
    cleanup::run(&live_path, Consent::Yes, (PHASE, NOTE), (args, shutdown)).await
}

struct LivePathRemains {
    servers: Servers,
}

fn keys() -> Vec<String> {
    let mut keys = keys_of(&DUAL_WRITE);
    keys.extend([dead_letter::KEYS, dead_letter::PARTS].map(str::to_owned));
    keys
}

#[async_trait]
impl Remains for LivePathRemains {
    async fn list(&self) -> Result<Vec<Item>> {
        let servers = &self.servers;
        let mut items = cleanup::in_targets(&servers.targets).await?;
        items.extend(cleanup::in_queue(&*servers.queue).await?);
        items.extend(cleanup::in_keys(&*servers.checkpoint, &keys()).await?);
        Ok(items)
    }

    /// Needed by whoever is at work, and by reads: guards and positions cannot be made again for a
    /// target that may answer somebody.
    async fn check_unneeded(&self) -> Result<()> {
        let store = &*self.servers.checkpoint;
        if store.get(STAGE_KEY).await?.is_some() {
            return Err(Error::new(ErrorKind::Refused, "clean up: the read switch has been used")
                .hint(
                    "`cutover cleanup` removes everything, once reads are at 100 % or back at off",
                ));
        }
        check_at_rest(store, &[&DUAL_WRITE, &BACKFILL, &VERIFY]).await
    }

    async fn remove(&self) -> Result<()> {
        let servers = &self.servers;
        let store = &*servers.checkpoint;
        audit::record(store, &operator(), format!("{PHASE}: cleanup"), None).await?;
        for target in &servers.targets {
            target.remove_side_tables().await?;
        }
        servers.queue.remove_side_tables().await?;
        cleanup::remove_keys(store, &keys()).await
    }
}
