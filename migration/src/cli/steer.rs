//! Steering a phase that runs, from any terminal: pause, resume, abort and live settings.

use super::args::SharedArgs;
use super::exit::Exit;
use super::output::{Report, print, table};
use super::report::with_hint;
use crate::checkpoint::desired::{self, Change, Desired};
use crate::checkpoint::open_existing;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::process::operator;
use serde::Serialize;

/// Why something is changed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ReasonArgs {
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Reads a setting on the command line, such as `rate=2000`.
///
/// # Errors
/// The text that clap shows, with the settings there are.
pub fn parse_change(text: &str) -> std::result::Result<Change, String> {
    Change::parse(text).map_err(|error| with_hint(&error))
}

/// Changes what is wanted of a phase, and prints what is wanted then. Whoever runs the phase
/// follows within a second.
///
/// # Errors
/// `Refused` if the migration has not begun; those of the plan and the checkpoint store.
pub async fn steer(
    args: &SharedArgs,
    phase: &str,
    changes: &[Change],
    reason: &ReasonArgs,
) -> Result<Exit> {
    let plan = args.load_plan()?;
    let store = open_existing(&plan.checkpoint, &plan.id).await?;
    let mut wanted = desired::read(&*store, phase).await?;
    for &change in changes {
        wanted =
            desired::change(&*store, phase, change, &operator(), reason.reason.as_deref()).await?;
    }
    print(args, &Wanted::of(phase, &wanted))?;
    Ok(Exit::Done)
}

/// What is wanted of a phase, setting by setting.
#[derive(Debug, Serialize)]
struct Wanted {
    phase: String,
    settings: Vec<Set>,
}

#[derive(Debug, Serialize)]
struct Set {
    setting: &'static str,
    value: String,
    who: Option<String>,
    #[serde(serialize_with = "super::json::maybe_time")]
    when: Option<Timestamp>,
    why: Option<String>,
}

impl Wanted {
    fn of(phase: &str, wanted: &Desired) -> Self {
        fn set<T>(
            setting: &'static str,
            found: Option<&desired::Setting<T>>,
            show: impl Fn(&T) -> String,
        ) -> Set {
            Set {
                setting,
                value: found.map_or_else(|| "as planned".to_owned(), |found| show(&found.value)),
                who: found.map(|found| found.who.clone()),
                when: found.map(|found| found.when),
                why: found.and_then(|found| found.why.clone()),
            }
        }
        let word = |yes: &bool| if *yes { "yes" } else { "no" }.to_owned();
        Self {
            phase: phase.to_owned(),
            settings: vec![
                set("paused", wanted.paused.as_ref(), word),
                set("aborted", wanted.aborted.as_ref(), word),
                set("rate", wanted.rate.as_ref(), ToString::to_string),
                set("batch-rows", wanted.batch_rows.as_ref(), ToString::to_string),
                set("workers", wanted.workers.as_ref(), ToString::to_string),
            ],
        }
    }
}

impl Report for Wanted {
    fn text(&self) -> String {
        let rows: Vec<[String; 5]> = self
            .settings
            .iter()
            .map(|set| {
                let when = set.when.map(Timestamp::to_rfc3339).unwrap_or_default();
                [
                    set.setting.to_owned(),
                    set.value.clone(),
                    set.who.clone().unwrap_or_default(),
                    when,
                    set.why.clone().unwrap_or_default(),
                ]
            })
            .collect();
        table(["setting", "value", "who", "when", "why"], &rows)
    }
}
