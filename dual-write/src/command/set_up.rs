//! `set-up`.

use migration::checkpoint::audit;
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::error::Result;
use migration::process::operator;
use migration::servers::{Servers, SetUp};
use migration::shutdown::Shutdown;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Done {
    instances: Vec<SetUp>,
    /// Partitions that began anew because the source's epoch was raised.
    anew: Vec<String>,
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
        let mut text = table(["instance", "", "live writes"], &rows);
        for partition in &self.anew {
            text += &format!(
                "\n{partition} began anew: run `verify run`, then `verify repair --execute`"
            );
        }
        text
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Servers::open(&plan).await?;
    let mut anew = Vec::new();
    for partition in servers.left_behind().await? {
        let action = format!(
            "let {partition} begin anew at its end now, because `source.epoch` was raised to {}",
            plan.source.epoch
        );
        confirm(args, shutdown, &action).await?;
        // First: a line about what did not take place is better than one that is missing.
        audit::record(&*servers.checkpoint, &operator(), format!("dual-write: {action}"), None)
            .await?;
        servers.begin_anew(&partition).await?;
        anew.push(partition.to_string());
    }
    let instances = servers.set_up(&plan).await?;
    print(args, &Done { instances, anew })?;
    Ok(Exit::Done)
}
