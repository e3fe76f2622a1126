//! `plan`: what would be copied.

use migration::checkpoint::desired::{Rate, rate_as_planned};
use migration::claim::survey_ranges;
use migration::cli::{Exit, Report, SharedArgs, json, print, table};
use migration::error::Result;
use migration::servers::Servers;
use serde::Serialize;
use std::time::Duration;

/// What would be copied, and how.
#[derive(Debug, Serialize)]
struct Outlook {
    tables: Vec<TableOutlook>,
    workers: usize,
    batch_rows_max: usize,
    batch_bytes_max: usize,
    /// Records a second.
    #[serde(serialize_with = "rate_as_planned")]
    rate: Rate,
    /// Seconds at that rate, if there is one.
    at_least_s: Option<u64>,
    #[serde(serialize_with = "json::seconds")]
    lock_lease_s: Duration,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TableOutlook {
    table: String,
    into: Vec<String>,
    /// The columns that are scanned and split by.
    key: Vec<String>,
    records: u64,
    ranges: usize,
    ranges_done: usize,
}

impl Report for Outlook {
    fn text(&self) -> String {
        let rows: Vec<[String; 6]> = self
            .tables
            .iter()
            .map(|outlook| {
                [
                    outlook.table.clone(),
                    outlook.into.join(", "),
                    outlook.key.join(", "),
                    outlook.records.to_string(),
                    outlook.ranges.to_string(),
                    outlook.ranges_done.to_string(),
                ]
            })
            .collect();
        let tables = table(["table", "into", "by", "records", "ranges", "done"], &rows);
        let time = self.at_least_s.map_or_else(
            || "as fast as source and target allow".to_owned(),
            |seconds| format!("at least {seconds} s"),
        );
        let mut text = format!(
            "{tables}\nworkers {}, batches of at most {} records or {} bytes, rate {}: {time}",
            self.workers, self.batch_rows_max, self.batch_bytes_max, self.rate
        );
        for note in &self.notes {
            text.push_str("\nnote: ");
            text.push_str(note);
        }
        text
    }
}

pub(super) async fn run(args: &SharedArgs) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Servers::open_existing(&plan).await?;
    let mut tables = Vec::with_capacity(servers.layouts.len());
    let mut notes = Vec::new();
    for layout in &servers.layouts {
        let name = &layout.source().table;
        let ranges = survey_ranges(&servers.targets, name).await?;
        tables.push(TableOutlook {
            table: name.clone(),
            into: layout.targets().iter().map(|target| target.schema().table.clone()).collect(),
            key: layout.source_keys().columns.iter().map(|column| column.name.clone()).collect(),
            records: servers.source.estimate_rows(layout.source()).await?,
            ranges: if ranges.len() > 1 { ranges.len() } else { plan.backfill.ranges },
            ranges_done: ranges.iter().filter(|range| range.done).count(),
        });
        notes.extend(layout.notes().iter().cloned());
    }
    let records: u64 = tables.iter().map(|outlook| outlook.records).sum();
    let rate = plan.backfill.rate;
    let outlook = Outlook {
        tables,
        workers: plan.backfill.workers,
        batch_rows_max: plan.backfill.batch_rows_max,
        batch_bytes_max: plan.backfill.batch_bytes_max,
        rate,
        at_least_s: rate.per_second().map(|rate| records.div_ceil(u64::from(rate.get()))),
        lock_lease_s: plan.lock.lease,
        notes,
    };
    print(args, &outlook)?;
    Ok(Exit::Done)
}
