//! `cutover promote`: one stage up, or one after the other, each behind its gate.

use super::gate::exit;
use crate::args::PromoteArgs;
use crate::context::Context;
use crate::gate::{Evidence, Gate, Outcome, Seen};
use crate::ladder::Ladder;
use crate::machine::Current;
use crate::reader::{MIRROR_PREFIX, mirror_prefix};
use crate::stage::Stage;
use migration::checkpoint::{list_all, remove_all};
use migration::cli::{Exit, Report, json, print};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use std::time::Duration;

/// Between two looks at a gate that is not met yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Longest wait for all gates together, where no --timeout says otherwise: two weeks, which is what
/// a careful switch takes.
const WAIT_MAX: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) async fn run(context: &Context, args: &PromoteArgs) -> Result<Exit> {
    let mut promotion = Promotion::default();
    let result = climb(context, args, &mut promotion).await;
    // What was climbed is said also where the climb ended in an error.
    if result.is_ok() || !promotion.steps.is_empty() {
        print(&context.shared, &promotion)?;
    }
    result
}

async fn climb(context: &Context, args: &PromoteArgs, promotion: &mut Promotion) -> Result<Exit> {
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    let mut said = String::new();
    let ladder = Ladder::new(&context.plan);
    let mut goal = match &args.to {
        Some(name) => Some(ladder.named(name)?),
        None => ladder.stages().last().copied().filter(|_| args.full),
    };
    loop {
        let waiting = match round(context, args, &mut goal, promotion).await {
            Ok(Round::Over(exit)) => return Ok(exit),
            Ok(Round::Climbed) => continue,
            Ok(Round::Waits(exit)) => Ok(exit),
            Err(error) if args.wait && is_looked_at_again(error.kind()) => Err(error),
            Err(error) => return Err(error),
        };
        say_once(&mut said, promotion.gate.as_ref(), waiting.as_ref().err());
        if tokio::time::Instant::now() >= deadline {
            let late = Error::new(ErrorKind::TimedOut, "wait for the gate");
            return Err(match waiting {
                Ok(_) => late,
                Err(error) => late.because(error),
            });
        }
        if !context.shutdown.sleep(LOOK_AGAIN).await {
            // A script must not take a climb that was stopped for one that has arrived.
            promotion.stopped = true;
            return waiting;
        }
    }
}

/// What came of one look at the gate.
enum Round {
    /// There is nothing more to do.
    Over(Exit),
    /// One stage was climbed, and there are more to climb.
    Climbed,
    /// The gate is not met, and may be later.
    Waits(Exit),
}

async fn round(
    context: &Context,
    args: &PromoteArgs,
    goal: &mut Option<Stage>,
    promotion: &mut Promotion,
) -> Result<Round> {
    let current = context.machine.current().await?;
    let ladder = Ladder::new(&context.plan);
    if goal.is_none() {
        // Fixed by the first look: a put whose outcome is not known is not to be followed by
        // another.
        *goal = ladder.above(current.record.stage)?;
    }
    let (evidence, gate) = context.gate(&current).await?;
    let outcome = gate.outcome();
    if goal.is_some_and(|goal| ladder.reaches(current.record.stage, goal)) {
        return Ok(Round::Over(if is_latched(&evidence) { Exit::NotMet } else { Exit::Done }));
    }
    let overridden = args.overridden.as_deref().filter(|_| outcome != Outcome::Met);
    if outcome == Outcome::Met || overridden.is_some() {
        let after = step(context, &current, &evidence, &gate, overridden).await?;
        promotion.push(&after);
        return Ok(Round::Climbed);
    }
    let code = exit(&gate);
    promotion.gate = Some(gate);
    let ends = !args.wait || is_latched(&evidence);
    Ok(if ends { Round::Over(code) } else { Round::Waits(code) })
}

/// Whether a wait goes on after an error. A stage is put only if the entry is still what was looked
/// at, and never above the goal: so neither what somebody else changed meanwhile nor a put whose
/// outcome is unknown is in the way of another look.
fn is_looked_at_again(kind: ErrorKind) -> bool {
    kind.may_pass() || matches!(kind, ErrorKind::Fenced | ErrorKind::UnknownOutcome)
}

async fn step(
    context: &Context,
    current: &Current,
    evidence: &Evidence,
    gate: &Gate,
    overridden: Option<&str>,
) -> Result<Current> {
    // The stage entry knows of its own latch; of the file only this process does.
    if !matches!(evidence.rollback_file, Seen::Ok(false)) {
        return Err(Error::new(ErrorKind::Refused, "promote")
            .with("rollback file", context.rollback_file().path().display())
            .hint("the big red switch is thrown, or nobody can say that it is not; when the cause is mended, run `cutover retry`"));
    }
    let after = context.machine.promote(current, gate.lines(), overridden).await?;
    if let Err(error) = forget_counts(context, after.record.generation).await {
        tracing::warn!(error = %Chain(&error), "forget mirror counts of earlier stages");
    }
    tracing::info!(stage = %after.record.stage, generation = after.record.generation, "promoted");
    Ok(after)
}

/// Removes the mirror counts of stages before the one that was just left, whose readers may still
/// report: the history says what became of them. Otherwise each start of a service would leave an
/// entry behind for ever.
async fn forget_counts(context: &Context, generation: u32) -> Result<()> {
    let store = &*context.checkpoint;
    let last = mirror_prefix(generation.saturating_sub(1));
    for key in list_all(store, MIRROR_PREFIX).await? {
        if key < last {
            remove_all(store, &key).await?;
        }
    }
    Ok(())
}

/// No wait helps against a rollback: somebody has to end it.
fn is_latched(evidence: &Evidence) -> bool {
    evidence.record.rolled_back.is_some() || evidence.rollback_file == Ok(true)
}

/// Says what the climb waits for whenever that changes.
fn say_once(said: &mut String, gate: Option<&Gate>, error: Option<&Error>) {
    let waiting = match (error, gate) {
        (Some(error), _) => Chain(error).to_string(),
        (None, Some(gate)) => {
            let waiting = gate.findings.iter().filter(|finding| finding.outcome != Outcome::Met);
            waiting.map(|finding| finding.condition).collect::<Vec<_>>().join(", ")
        }
        (None, None) => return,
    };
    if *said == waiting {
        return;
    }
    match (error, gate) {
        (None, Some(gate)) => {
            let to = gate.to.map(|to| to.to_string()).unwrap_or_default();
            tracing::info!(from = %gate.from, to, waiting, "the gate is not met");
        }
        _ => tracing::warn!(error = waiting, "look at the gate; looking again"),
    }
    *said = waiting;
}

/// What was climbed.
#[derive(Debug, Default, serde::Serialize)]
struct Promotion {
    /// The stages that were reached, in order.
    steps: Vec<Step>,
    /// The gate that was not met, where the climb ended.
    gate: Option<Gate>,
    /// Whether it was told to stop before it was where it should go.
    stopped: bool,
}

#[derive(Debug, serde::Serialize)]
struct Step {
    stage: String,
    generation: u32,
    #[serde(serialize_with = "json::time")]
    at: Timestamp,
}

impl Promotion {
    fn push(&mut self, after: &Current) {
        let record = &after.record;
        self.steps.push(Step {
            stage: record.stage.to_string(),
            generation: record.generation,
            at: record.since,
        });
        self.gate = None;
    }
}

impl Report for Promotion {
    fn text(&self) -> String {
        let steps = self.steps.iter().map(|step| {
            format!(
                "{} reached {} (generation {})",
                step.at.to_rfc3339(),
                step.stage,
                step.generation
            )
        });
        let mut lines: Vec<_> = steps.collect();
        lines.extend(self.gate.as_ref().map(Report::text));
        if self.stopped {
            lines.push("stopped while it waited; `cutover promote` again goes on".to_owned());
        }
        if lines.is_empty() {
            lines.push("at that stage already".to_owned());
        }
        lines.join("\n")
    }
}
