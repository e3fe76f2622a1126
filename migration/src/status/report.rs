//! What `status` shows.

use crate::checkpoint::CheckpointStore;
use crate::checkpoint::desired::{self, Desired, Rate, Setting};
use crate::checkpoint::lease::{self, Holder};
use crate::checkpoint::progress::{Snapshot, snapshots};
use crate::cli::{Report, json, table};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::phase::Phase;
use crate::progress::{View, duration, line};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{Display, Write as _};
use std::num::NonZeroU32;

/// Most leases shown: a page of a terminal.
const LEASES_MAX: usize = 50;

/// What a phase adds to its status.
#[async_trait]
pub trait Details: Send + Sync {
    /// Its sections now, in order.
    async fn sections(&self) -> Result<Vec<Section>>;
}

/// Nothing to add.
#[derive(Debug, Clone, Copy)]
pub struct NoDetails;

#[async_trait]
impl Details for NoDetails {
    async fn sections(&self) -> Result<Vec<Section>> {
        Ok(Vec::new())
    }
}

/// A part of the status that only one phase has.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name, which is also its field in JSON: `dead_letters`.
    pub name: &'static str,
    /// What people see, without its name.
    pub text: String,
    /// What programs see.
    pub data: Value,
}

/// The status of a phase.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    phase: &'static str,
    #[serde(serialize_with = "json::time")]
    at: Timestamp,
    processes: Vec<View>,
    settings: Vec<SettingView>,
    leases: Vec<LeaseView>,
    #[serde(flatten)]
    sections: Map<String, Value>,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Clone, Serialize)]
struct SettingView {
    name: &'static str,
    value: String,
    who: String,
    #[serde(serialize_with = "json::time")]
    when: Timestamp,
    why: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct LeaseView {
    name: String,
    program: String,
    host: String,
    pid: i32,
    #[serde(serialize_with = "json::time")]
    since: Timestamp,
    #[serde(serialize_with = "json::time")]
    expires: Timestamp,
}

impl StatusReport {
    /// Collects it.
    ///
    /// # Errors
    /// Those of the store and of `details`.
    pub async fn collect(
        store: &dyn CheckpointStore,
        phase: &Phase,
        details: &dyn Details,
    ) -> Result<Self> {
        let seen = snapshots(store, phase.name).await?;
        let desired = desired::read(store, phase.name).await?;
        let leases = lease::held_leases(store, &format!("{}/", phase.name), LEASES_MAX).await?;
        let sections = details.sections().await?;
        let now = Timestamp::now();
        let settings = settings(&desired);
        let leases: Vec<LeaseView> = leases.into_iter().map(LeaseView::from).collect();
        let text = text(phase, &seen, &settings, &leases, &sections, now);
        Ok(Self {
            phase: phase.name,
            at: now,
            processes: seen.iter().map(|snapshot| View::at(snapshot, now)).collect(),
            settings,
            leases,
            sections: sections.into_iter().map(|s| (s.name.to_owned(), s.data)).collect(),
            text,
        })
    }
}

impl Report for StatusReport {
    fn text(&self) -> String {
        self.text.clone()
    }
}

impl From<(String, Holder)> for LeaseView {
    fn from((name, holder): (String, Holder)) -> Self {
        let Holder { process, since, expires } = holder;
        Self {
            name,
            program: process.program,
            host: process.host,
            pid: process.pid,
            since,
            expires,
        }
    }
}

fn settings(desired: &Desired) -> Vec<SettingView> {
    fn view<T: Display>(name: &'static str, setting: Option<&Setting<T>>) -> Option<SettingView> {
        let Setting { value, who, when, why } = setting?;
        Some(SettingView {
            name,
            value: value.to_string(),
            who: who.clone(),
            when: *when,
            why: why.clone(),
        })
    }
    let Desired { paused, aborted, rate, batch_rows, workers } = desired;
    [
        view("paused", paused.as_ref()),
        view("aborted", aborted.as_ref()),
        view::<Rate>("rate", rate.as_ref()),
        view::<NonZeroU32>("batch-rows", batch_rows.as_ref()),
        view::<NonZeroU32>("workers", workers.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn text(
    phase: &Phase,
    seen: &[Snapshot],
    settings: &[SettingView],
    leases: &[LeaseView],
    sections: &[Section],
    now: Timestamp,
) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    if seen.is_empty() {
        let _ = writeln!(text, "{}: no process has reported yet", phase.name);
    }
    for snapshot in seen {
        let _ = writeln!(text, "{}", line(snapshot));
        let age = duration(now.since(snapshot.updated).as_secs_f64());
        let _ = match snapshot.is_silent(now) {
            true => writeln!(text, "    {} STOPPED without a word {age} ago", snapshot.process),
            false => writeln!(text, "    {}, {age} ago", snapshot.process),
        };
    }
    if !settings.is_empty() {
        let rows: Vec<_> = settings.iter().map(setting_row).collect();
        let _ = writeln!(text, "\n{}", table(["setting", "value", "by", "on", "why"], &rows));
    }
    if !leases.is_empty() {
        let rows: Vec<_> = leases.iter().map(|lease| lease_row(lease, now)).collect();
        let _ = writeln!(text, "\n{}", table(["lease", "held by", "since", "runs out in"], &rows));
    }
    for section in sections {
        let _ = writeln!(text, "\n{}:\n{}", section.name.replace('_', " "), section.text);
    }
    text.truncate(text.trim_end().len());
    text
}

fn setting_row(setting: &SettingView) -> [String; 5] {
    [
        setting.name.to_owned(),
        setting.value.clone(),
        setting.who.clone(),
        setting.when.to_rfc3339(),
        setting.why.clone().unwrap_or_default(),
    ]
}

/// A name that holds a key may be long: its beginning and its end tell it from others.
fn shortened(name: &str) -> String {
    const START: usize = 28;
    const END: usize = 12;
    let length = name.chars().count();
    if length <= START + END + 1 {
        return name.to_owned();
    }
    let end = name.chars().skip(length - END);
    name.chars().take(START).chain(['…']).chain(end).collect()
}

fn lease_row(lease: &LeaseView, now: Timestamp) -> [String; 4] {
    [
        shortened(&lease.name),
        format!("{} on {}, pid {}", lease.program, lease.host, lease.pid),
        lease.since.to_rfc3339(),
        duration(lease.expires.since(now).as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Details, NoDetails, Section, StatusReport};
    use crate::checkpoint::desired::{Change, change};
    use crate::checkpoint::lease::acquire;
    use crate::checkpoint::progress::Publisher;
    use crate::checkpoint::progress::tests::snapshot;
    use crate::checkpoint::{CheckpointStore, MemoryCheckpoint};
    use crate::cli::Report as _;
    use crate::error::Result;
    use crate::phase::BACKFILL;
    use crate::process::Process;
    use async_trait::async_trait;
    use std::sync::Arc;
    use std::time::Duration;

    struct OneDeadLetter;

    #[async_trait]
    impl Details for OneDeadLetter {
        async fn sections(&self) -> Result<Vec<Section>> {
            let (text, data) = ("1 open".to_owned(), serde_json::json!({"open": 1}));
            Ok(vec![Section { name: "dead_letters", text, data }])
        }
    }

    #[tokio::test]
    async fn it_shows_every_process_setting_and_lease() {
        let memory = MemoryCheckpoint::new("m");
        let store: Arc<dyn CheckpointStore> = Arc::new(memory.clone());
        let process = Process::start("backfill");
        let mut publisher =
            Publisher::start(Arc::clone(&store), "backfill", &process).await.unwrap();
        publisher.publish(&snapshot(&process, 50)).await.unwrap();
        change(&memory, "backfill", Change::Pause, "alice@db1", Some("lunch")).await.unwrap();
        acquire(&store, "backfill/3", &process, Duration::from_secs(60)).await.unwrap();
        let report = StatusReport::collect(&memory, &BACKFILL, &OneDeadLetter).await.unwrap();
        let text = report.text();
        for part in ["50/200 records", "alice@db1", "lunch", "backfill/3", "dead letters:\n1 open"]
        {
            assert!(text.contains(part), "no {part} in\n{text}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["processes"][0]["done"], 50);
        assert_eq!(json["processes"][0]["silent"], false);
        assert_eq!(json["settings"][0]["value"], "true");
        assert_eq!(json["leases"][0]["name"], "backfill/3");
        assert_eq!(json["dead_letters"]["open"], 1);
        assert!(json["at"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(super::shortened("backfill/3"), "backfill/3");
        let short = super::shortened(&format!("backfill/followers/{}9", "0".repeat(80)));
        assert_eq!(short, "backfill/followers/000000000…000000000009");
    }

    #[tokio::test]
    async fn a_phase_that_has_not_begun_says_so() {
        let store = MemoryCheckpoint::new("m");
        let report = StatusReport::collect(&store, &BACKFILL, &NoDetails).await.unwrap();
        assert_eq!(report.text(), "backfill: no process has reported yet");
    }
}
