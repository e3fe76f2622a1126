//! `cleanup`: what the copy keeps beside the data.

use crate::command::PHASE;
use async_trait::async_trait;
use migration::checkpoint::audit;
use migration::cleanup::{self, Consent, Item, Remains, check_at_rest, keys_of};
use migration::cli::{Exit, SharedArgs};
use migration::error::Result;
use migration::phase::BACKFILL;
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;

const NOTE: &str = "The side tables in the target belong to the live path too: `dual-write cleanup` \
    or `cutover cleanup` removes them.";

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let copy = CopyRemains { servers };
    cleanup::run(&copy, Consent::Yes, (PHASE, NOTE), (args, shutdown)).await
}

struct CopyRemains {
    servers: Servers,
}

fn keys() -> Vec<String> {
    let mut keys = keys_of(&BACKFILL);
    keys.extend(["sample", "split/"].map(str::to_owned));
    keys
}

#[async_trait]
impl Remains for CopyRemains {
    async fn list(&self) -> Result<Vec<Item>> {
        let mut items = cleanup::in_keys(&*self.servers.checkpoint, &keys()).await?;
        let locks = self.servers.lock.count().await?;
        items.push(Item::new("lock store", "locks", locks));
        items.retain(|item| item.count > 0);
        Ok(items)
    }

    async fn check_unneeded(&self) -> Result<()> {
        check_at_rest(&*self.servers.checkpoint, &[&BACKFILL]).await
    }

    async fn remove(&self) -> Result<()> {
        let store = &*self.servers.checkpoint;
        audit::record(store, &operator(), format!("{PHASE}: cleanup"), None).await?;
        cleanup::remove_keys(store, &keys()).await?;
        self.servers.lock.clear().await
    }
}
