//! `status`: positions, lag and dead letters.

use crate::lag;
use async_trait::async_trait;
use migration::claim::partitions;
use migration::cli::{Exit, SharedArgs, table};
use migration::dead_letter;
use migration::error::Result;
use migration::phase;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use migration::status::{Details, Section, StatusArgs, show};
use serde_json::json;

pub(super) async fn run(
    args: &SharedArgs,
    watch: &StatusArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    show(store, &phase::DUAL_WRITE, &Positions(&servers), watch, args, shutdown).await
}

struct Positions<'a>(&'a Servers);

#[async_trait]
impl Details for Positions<'_> {
    async fn sections(&self) -> Result<Vec<Section>> {
        let servers = self.0;
        let (mut rows, mut data) = (Vec::new(), Vec::new());
        for partition in servers.queue.partitions().await? {
            let found = partitions(&servers.targets, &partition).await?;
            for (target, row) in servers.targets.iter().zip(found) {
                let lag = servers.queue.lag(&partition, &row.next).await?;
                let (start, next) =
                    (servers.queue.describe(&row.start), servers.queue.describe(&row.next));
                rows.push([
                    partition.to_string(),
                    target.name().to_owned(),
                    start.clone(),
                    next.clone(),
                    lag.messages.to_string(),
                    format!("{:.1} s", lag.age.as_secs_f64()),
                ]);
                data.push(json!({
                    "partition": &*partition, "instance": target.name(), "start": start,
                    "next": next, "generation": row.generation.number.to_string(),
                    "lag_messages": lag.messages, "lag_s": lag.age.as_secs_f64(),
                }));
            }
        }
        let lag_max = lag::lag_max(&*servers.checkpoint).await?;
        let text = match lag_max {
            Some(most) => format!("at most {:.3} s since the set-up", most.as_secs_f64()),
            None => "nothing applied yet".to_owned(),
        };
        let lag_data = json!({ "lag_max_s": lag_max.map(|most| most.as_secs_f64()) });
        let lag = Section { name: "lag", text, data: lag_data };
        let header = ["partition", "instance", "start", "next", "behind", "for"];
        let positions =
            Section { name: "positions", text: table(header, &rows), data: data.into() };
        let open = dead_letter::count_open(&*servers.checkpoint).await?;
        let text = match open {
            0 => "none open".to_owned(),
            _ => format!("{open} open: see `dual-write dlq list`"),
        };
        let letters = Section { name: "dead_letters", text, data: json!({ "open": open }) };
        Ok(vec![positions, lag, letters])
    }
}
