//! `set-up`.

use crate::set_up::{SetUp, set_up};
use migration::cli::{Exit, Report, SharedArgs, print, table};
use migration::error::Result;
use migration::servers::Servers;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Done {
    instances: Vec<SetUp>,
}

impl Report for Done {
    fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .instances
            .iter()
            .map(|instance| {
                let starts = instance.starts.iter();
                let starts: Vec<String> =
                    starts.map(|(partition, at)| format!("{partition} from {at}")).collect();
                let what = if instance.new { "set up now" } else { "was set up before" };
                [instance.instance.clone(), what.to_owned(), starts.join(", ")]
            })
            .collect();
        table(["instance", "", "live writes"], &rows)
    }
}

pub(super) async fn run(args: &SharedArgs) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Servers::open(&plan).await?;
    let may_hold_rows = &plan.target_may_hold_rows;
    let queue = &*servers.queue;
    let instances = set_up(queue, &servers.targets, &servers.layouts, may_hold_rows).await?;
    print(args, &Done { instances })?;
    Ok(Exit::Done)
}
