//! `status`: how far the copy is, read from the target.

use async_trait::async_trait;
use migration::claim::survey_ranges;
use migration::cli::{Exit, SharedArgs, table};
use migration::error::Result;
use migration::phase;
use migration::protocol::Progress;
use migration::sample::Sample;
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
    show(store, &phase::BACKFILL, &Ranges(&servers), watch, args, shutdown).await
}

/// How many ranges of each table are done on every instance, read now.
struct Ranges<'a>(&'a Servers);

#[async_trait]
impl Details for Ranges<'_> {
    async fn sections(&self) -> Result<Vec<Section>> {
        let servers = self.0;
        let (mut rows, mut data) = (Vec::new(), Vec::new());
        for layout in &servers.layouts {
            let name = &layout.source().table;
            let ranges = survey_ranges(&servers.targets, name).await?;
            let done = ranges.iter().filter(|range| range.done).count();
            let begun = ranges.iter().filter(|range| !range.done && is_begun(&range.progress));
            let begun = begun.count();
            let open = ranges.len() - done - begun;
            rows.push([
                name.clone(),
                done.to_string(),
                begun.to_string(),
                open.to_string(),
                if open + begun == 0 { "done" } else { "" }.to_owned(),
            ]);
            data.push(json!({
                "table": name, "done": done, "copying": begun, "open": open,
                "is_done": open + begun == 0,
            }));
        }
        let text = table(["table", "ranges done", "copying", "open", ""], &rows);
        let mut sections = vec![Section { name: "tables", text, data: data.into() }];
        if let Some(sample) = Sample::recorded(&*servers.checkpoint).await? {
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let share = sample.below as f64 / u64::MAX as f64;
            sections.push(Section {
                name: "sample",
                text: format!("{:.4} % of the entities, seed {}", share * 100.0, sample.seed),
                data: json!({ "share": share, "seed": sample.seed.to_string() }),
            });
        }
        Ok(sections)
    }
}

fn is_begun(progress: &Progress) -> bool {
    *progress != Progress::Start
}
