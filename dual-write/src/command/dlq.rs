//! `dlq`: dead letters.

mod show;

pub(super) use show::show;

use crate::args::DlqSelection;
use crate::replay::{Replayed, Replayer};
use migration::checkpoint::{CheckpointStore, audit};
use migration::cli::{Exit, ReasonArgs, Report, SharedArgs, confirm, json, print, table};
use migration::clock::Timestamp;
use migration::dead_letter::{self, Fate, Summary};
use migration::error::{Chain, Result};
use migration::process::operator;
use migration::repair::Repairer;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait of a replay for a source that lags.
const BARRIER_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Letters {
    letters: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    table: String,
    record: Option<String>,
    #[serde(serialize_with = "json::time")]
    made_at: Timestamp,
    fate: Fate,
    error: String,
}

impl From<&Summary> for Line {
    fn from(letter: &Summary) -> Self {
        Self {
            id: letter.id(),
            table: letter.topic.clone(),
            record: letter.record().map(|key| key.to_string()),
            made_at: letter.made_at,
            fate: letter.fate,
            error: letter.error.clone(),
        }
    }
}

impl Report for Letters {
    fn text(&self) -> String {
        let rows: Vec<[String; 6]> = self
            .letters
            .iter()
            .map(|line| {
                [
                    line.id.clone(),
                    line.table.clone(),
                    line.record.clone().unwrap_or_default(),
                    line.made_at.to_rfc3339(),
                    format!("{:?}", line.fate).to_lowercase(),
                    line.error.clone(),
                ]
            })
            .collect();
        table(["id", "table", "record", "made at", "", "why"], &rows)
    }

    fn lines(&self) -> Result<Vec<serde_json::Value>> {
        json::lines(&self.letters)
    }
}

pub(super) async fn list(args: &SharedArgs, all: bool) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    let mut letters = dead_letter::of_fate(store, Fate::Open).await?;
    if all {
        for fate in [Fate::Replayed, Fate::Dropped] {
            letters.extend(dead_letter::of_fate(store, fate).await?);
        }
    }
    print(args, &Letters { letters: letters.iter().map(Line::from).collect() })?;
    Ok(Exit::Done)
}

/// The letters that were named, or all that are open.
async fn selected(store: &dyn CheckpointStore, selection: &DlqSelection) -> Result<Vec<Summary>> {
    if selection.all {
        return dead_letter::of_fate(store, Fate::Open).await;
    }
    let mut letters = Vec::with_capacity(selection.ids.len());
    for id in &selection.ids {
        letters.push(dead_letter::find(store, id).await?.summary);
    }
    Ok(letters)
}

#[derive(Debug, Serialize)]
struct Outcomes {
    letters: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    id: String,
    replayed: Option<Replayed>,
    error: Option<String>,
    hint: Option<String>,
}

impl Report for Outcomes {
    fn text(&self) -> String {
        let lines: Vec<String> = self
            .letters
            .iter()
            .map(|outcome| match (outcome.replayed, &outcome.error, &outcome.hint) {
                (Some(Replayed::Overtaken), ..) => {
                    format!("{}: the target holds it already, or something newer", outcome.id)
                }
                (Some(Replayed::Repaired), ..) => {
                    format!("{}: the record is as the source holds it", outcome.id)
                }
                (None, Some(error), Some(hint)) => {
                    format!("{}: {error}\n  hint: {hint}", outcome.id)
                }
                (None, error, _) => {
                    format!("{}: {}", outcome.id, error.as_deref().unwrap_or("not replayed"))
                }
            })
            .collect();
        if lines.is_empty() { "no dead letter is open".to_owned() } else { lines.join("\n") }
    }
}

/// Replays one letter. What is known of it is handed back as it was then.
async fn again(
    store: &dyn CheckpointStore,
    replayer: &Replayer,
    id: &str,
) -> Result<(Summary, Replayed)> {
    let letter = dead_letter::find(store, id).await?;
    let how = replayer.replay(&letter).await?;
    Ok((letter.summary, how))
}

pub(super) async fn replay(
    args: &SharedArgs,
    selection: &DlqSelection,
    reason: &ReasonArgs,
) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    let repairer = Repairer {
        source: Arc::clone(&servers.source),
        queue: Arc::clone(&servers.queue),
        targets: servers.targets.clone(),
        barrier: BARRIER_MAX,
    };
    let replayer = Replayer::new(servers.decoder()?, repairer);
    let mut outcomes = Outcomes { letters: Vec::new() };
    let mut replayed = Vec::new();
    for letter in selected(store, selection).await? {
        let id = letter.id();
        // One message at a time: some are of megabytes.
        let (replayed, error, hint) = match again(store, &replayer, &id).await {
            Ok((letter, how)) => {
                replayed.push(letter);
                (Some(how), None, None)
            }
            Err(error) => {
                let hint = error.next_step().map(str::to_owned);
                (None, Some(Chain(&error).to_string()), hint)
            }
        };
        outcomes.letters.push(Outcome { id, replayed, error, hint });
    }
    // A letter that is closed while the target may still lose the repair would be lost with it.
    for target in &servers.targets {
        target.make_durable().await?;
    }
    let who = operator();
    for letter in replayed {
        let what = format!("dual-write: replay dead letter {}", letter.id());
        audit::record(store, &who, what, reason.reason.as_deref()).await?;
        dead_letter::decide(store, &letter, Fate::Replayed, &who).await?;
    }
    print(args, &outcomes)?;
    let all_replayed = outcomes.letters.iter().all(|outcome| outcome.replayed.is_some());
    Ok(if all_replayed { Exit::Done } else { Exit::NotMet })
}

pub(super) async fn give_up(
    args: &SharedArgs,
    selection: &DlqSelection,
    reason: &ReasonArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let store = &*servers.checkpoint;
    let letters = selected(store, selection).await?;
    let lines = Letters { letters: letters.iter().map(Line::from).collect() };
    print(args, &lines)?;
    if letters.is_empty() {
        return Ok(Exit::Done);
    }
    let what = format!("give {} dead letters up", letters.len());
    confirm(args, shutdown, &what).await?;
    let who = operator();
    for letter in letters {
        let what = format!("dual-write: drop dead letter {}", letter.id());
        audit::record(store, &who, what, reason.reason.as_deref()).await?;
        let why = reason.reason.as_deref().unwrap_or("no reason given");
        dead_letter::decide(store, &letter, Fate::Dropped, &format!("{who}: {why}")).await?;
    }
    Ok(Exit::Done)
}
