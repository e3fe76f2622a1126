//! Steering a phase that runs, from any terminal: pause, resume, abort and live settings.

use super::args::SharedArgs;
use super::exit::Exit;
use super::output::{Report, print, table};
use super::report::with_hint;
use crate::checkpoint::desired::{self, Change, Desired, Setting, Tunable};
use crate::checkpoint::open_existing;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::phase::{Effect, Phase};
use crate::process::operator;
use serde::Serialize;

/// Why something is changed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ReasonArgs {
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Reads a setting of a phase on the command line, such as `rate=2000`.
///
/// # Errors
/// The text that clap shows, with the settings there are.
pub fn parse_change(phase: &Phase, text: &str) -> std::result::Result<Change, String> {
    Change::parse(phase, text).map_err(|error| with_hint(&error))
}

/// Changes what is wanted of a phase, and prints what is wanted then. Whoever runs the phase
/// follows within a second, or from his next start on where it says so.
///
/// # Errors
/// `Refused` if the migration has not begun; those of the plan and the checkpoint store.
pub async fn steer(
    args: &SharedArgs,
    phase: &'static Phase,
    changes: &[Change],
    reason: &ReasonArgs,
) -> Result<Exit> {
    let plan = args.load_plan()?;
    let store = open_existing(&plan.checkpoint, &plan.id).await?;
    let mut wanted = desired::read(&*store, phase.name).await?;
    for &change in changes {
        let why = reason.reason.as_deref();
        wanted = desired::change(&*store, phase.name, change, &operator(), why).await?;
    }
    print(args, &Wanted::of(phase, &wanted))?;
    Ok(Exit::Done)
}

/// What is wanted of a phase, setting by setting.
#[derive(Debug, Serialize)]
struct Wanted {
    phase: &'static str,
    settings: Vec<Set>,
}

#[derive(Debug, Serialize)]
struct Set {
    setting: &'static str,
    value: String,
    /// Whether it counts only in processes that start after it was set.
    from_next_start: bool,
    who: Option<String>,
    #[serde(serialize_with = "super::json::maybe_time")]
    when: Option<Timestamp>,
    why: Option<String>,
}

impl Wanted {
    fn of(phase: &'static Phase, wanted: &Desired) -> Self {
        let word = |yes: &bool| if *yes { "yes" } else { "no" }.to_owned();
        let mut settings = vec![
            Set::of("paused", wanted.paused.as_ref(), word),
            Set::of("aborted", wanted.aborted.as_ref(), word),
        ];
        for (tunable, effect) in phase.tunables {
            let name = tunable.name();
            let mut set = match tunable {
                Tunable::Rate => Set::of(name, wanted.rate.as_ref(), ToString::to_string),
                Tunable::BatchRows => {
                    Set::of(name, wanted.batch_rows.as_ref(), ToString::to_string)
                }
                Tunable::Workers => Set::of(name, wanted.workers.as_ref(), ToString::to_string),
            };
            set.from_next_start = *effect == Effect::NextStart;
            settings.push(set);
        }
        Self { phase: phase.name, settings }
    }
}

impl Set {
    fn of<T>(
        setting: &'static str,
        found: Option<&Setting<T>>,
        show: impl Fn(&T) -> String,
    ) -> Self {
        Self {
            setting,
            value: found.map_or_else(|| "as planned".to_owned(), |found| show(&found.value)),
            from_next_start: false,
            who: found.map(|found| found.who.clone()),
            when: found.map(|found| found.when),
            why: found.and_then(|found| found.why.clone()),
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
                let is_late = set.from_next_start && set.when.is_some();
                [
                    set.setting.to_owned(),
                    format!("{}{}", set.value, if is_late { ", from the next start" } else { "" }),
                    set.who.clone().unwrap_or_default(),
                    when,
                    set.why.clone().unwrap_or_default(),
                ]
            })
            .collect();
        table(["setting", "value", "who", "when", "why"], &rows)
    }
}
