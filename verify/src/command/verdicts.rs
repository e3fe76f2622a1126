//! `list`, `show` and `gate`: the verdicts of past runs.

use crate::args::GateArgs;
use crate::bound::sample_needed;
use crate::record::{Records, RunRecord};
use crate::tally::Tally;
use migration::checkpoint::CheckpointStore;
use migration::checkpoint::verdict::{self, Kind, Outcome, Verdict};
use migration::cli::{Exit, Report, SharedArgs, json, print, table};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use serde::Serialize;
use std::sync::Arc;

/// Verdicts shown by `list`: the last ones. Nobody reads more on a screen.
const LISTED_MAX: u64 = 100;

/// A verdict as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    run: String,
    scope: String,
    kind: Kind,
    compared: u64,
    differing: u64,
    unsettled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<Tally>,
    rate: f64,
    bound_95: f64,
    bound_99: f64,
    rate_max: f64,
    outcome: Outcome,
    #[serde(serialize_with = "json::time")]
    started: Timestamp,
    interruptions: u32,
    #[serde(serialize_with = "json::maybe_time", skip_serializing_if = "Option::is_none")]
    resumed: Option<Timestamp>,
    #[serde(serialize_with = "json::time")]
    finished: Timestamp,
    advice: String,
}

impl Shown {
    pub(super) fn new(verdict: Verdict, tally: Option<Tally>) -> Self {
        let advice = advice(&verdict);
        Self {
            run: verdict.run,
            scope: verdict.scope,
            kind: verdict.kind,
            compared: verdict.compared,
            differing: verdict.differing,
            unsettled: verdict.unsettled,
            tally,
            rate: verdict.rate,
            bound_95: verdict.bound95,
            bound_99: verdict.bound99,
            rate_max: verdict.rate_max,
            outcome: verdict.outcome,
            started: verdict.started,
            interruptions: verdict.interruptions,
            resumed: verdict.resumed,
            finished: verdict.finished,
            advice,
        }
    }
}

/// What to do next.
fn advice(verdict: &Verdict) -> String {
    match verdict.outcome {
        Outcome::Pass if verdict.kind == Kind::Census && !verdict.whole => {
            "go on: copy the rest with `backfill run`".to_owned()
        }
        Outcome::Pass => "go on: `cutover status`".to_owned(),
        Outcome::Fail => "see what differs: `verify diff`; mend it: `verify repair --execute`; if \
                          reads are on the target: `cutover rollback`"
            .to_owned(),
        Outcome::Inconclusive if verdict.compared == 0 => {
            "nothing was compared: is the source empty?".to_owned()
        }
        Outcome::Inconclusive if verdict.unsettled > 0 => {
            "records were still moving: see that dual-write runs (`dual-write status`), then run again"
                .to_owned()
        }
        Outcome::Inconclusive => format!(
            "too few records: a sample without a difference needs {} at 95 %, {} at 99 %",
            sample_needed(verdict.rate_max, 0.95),
            sample_needed(verdict.rate_max, 0.99),
        ),
    }
}

impl Report for Shown {
    fn text(&self) -> String {
        let kind = match self.kind {
            Kind::Census => "census",
            Kind::Sample => "sample",
        };
        let mut text = format!(
            "verdict {}: {} of {} compared differ, {} unsettled ({kind} of {})\n",
            self.outcome.word().to_uppercase(),
            self.differing,
            self.compared,
            self.unsettled,
            self.scope,
        );
        text += &match self.kind {
            Kind::Census => format!(
                "rate {:e}, exact: every one of them was compared; pass mark {:e}. Drawn at random, \
                 as many would show at most {:.3e} with 95 % confidence, {:.3e} with 99 %",
                self.rate, self.rate_max, self.bound_95, self.bound_99,
            ),
            Kind::Sample => format!(
                "rate {:.3e}, at most {:.3e} with 95 % confidence and {:.3e} with 99 %; pass mark {:e}",
                self.rate, self.bound_95, self.bound_99, self.rate_max,
            ),
        };
        if let Some(tally) = self.tally {
            text += &format!(
                "\nmissing {}, different {}, only on target {}, resurrected {}; {} were only moving, \
                 {} mended meanwhile",
                tally.missing,
                tally.different,
                tally.only_on_target,
                tally.resurrected,
                tally.converged,
                tally.mended,
            );
        }
        text += &format!(
            "\ncompared from {} to {}",
            self.started.to_rfc3339(),
            self.finished.to_rfc3339()
        );
        if let Some(resumed) = self.resumed {
            text += &format!(
                ", interrupted {} times and gone on with since {}",
                self.interruptions,
                resumed.to_rfc3339()
            );
        }
        text + "\n" + &self.advice
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl Report for List {
    fn text(&self) -> String {
        let rows: Vec<[String; 7]> = self
            .0
            .iter()
            .map(|shown| {
                [
                    shown.started.to_rfc3339(),
                    shown.finished.to_rfc3339(),
                    shown.outcome.word().to_owned(),
                    shown.scope.clone(),
                    shown.compared.to_string(),
                    shown.differing.to_string(),
                    format!("{:.3e}", shown.bound_95),
                ]
            })
            .collect();
        let heads =
            ["begun", "finished", "verdict", "scope", "compared", "differing", "bound 95 %"];
        table(heads, &rows)
    }

    fn lines(&self) -> Result<Vec<serde_json::Value>> {
        json::lines(&self.0)
    }
}

/// Lists the last verdicts.
pub(super) async fn list(shared: &SharedArgs) -> Result<Exit> {
    let checkpoint = open(shared).await?;
    let count = verdict::count(&*checkpoint).await?;
    let after = count.saturating_sub(LISTED_MAX);
    let limit = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
    let verdicts = verdict::verdicts(&*checkpoint, after, limit).await?;
    let shown = verdicts.into_iter().map(|(_, verdict)| Shown::new(verdict, None));
    print(shared, &List(shown.collect()))?;
    Ok(Exit::Done)
}

/// Shows the last verdict.
pub(super) async fn show(shared: &SharedArgs) -> Result<Exit> {
    let checkpoint = open(shared).await?;
    let verdict = last(&*checkpoint).await?;
    let record = Records::new(checkpoint).current().await?.map(|(record, _)| record);
    let tally = record.filter(|record: &RunRecord| record.id == verdict.run).map(|r| r.tally);
    print(shared, &Shown::new(verdict, tally))?;
    Ok(Exit::Done)
}

/// Judges the last verdict. One that fails speaks against whatever it is about; one that passes
/// speaks for the records and the plan that it is about, and for no others.
pub(super) async fn gate(shared: &SharedArgs, what: &GateArgs) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let checkpoint = migration::checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    let mut verdict = last(&*checkpoint).await?;
    if let Some(rate_max) = what.max_mismatch_rate {
        let tally = Tally {
            compared: verdict.compared,
            different: verdict.differing,
            unsettled: verdict.unsettled,
            ..Tally::default()
        };
        verdict.rate_max = rate_max;
        verdict.outcome = crate::tally::judge(&tally, verdict.kind, rate_max);
    }
    let beside = beside_the_point(&verdict, &plan.edition(), what.accept_sample);
    if beside.is_some() && verdict.outcome == Outcome::Pass {
        verdict.outcome = Outcome::Inconclusive;
    }
    let outcome = verdict.outcome;
    let mut shown = Shown::new(verdict, None);
    if let Some(why) = beside.filter(|_| outcome == Outcome::Inconclusive) {
        why.clone_into(&mut shown.advice);
    }
    print(shared, &shown)?;
    Ok(super::exit(outcome))
}

/// Why a verdict does not speak for the migration as it is now, and what to do.
fn beside_the_point(verdict: &Verdict, edition: &str, accept_sample: bool) -> Option<&'static str> {
    if verdict.edition != edition {
        return Some("it is about another plan or history of the source: run `verify run`");
    }
    let is_short = !verdict.whole && !accept_sample;
    is_short.then_some("it is only about a sample: run `verify run`, or give --accept-sample")
}

async fn open(shared: &SharedArgs) -> Result<Arc<dyn CheckpointStore>> {
    let plan = shared.load_plan()?;
    migration::checkpoint::open_existing(&plan.checkpoint, &plan.id).await
}

async fn last(checkpoint: &dyn CheckpointStore) -> Result<Verdict> {
    verdict::last(checkpoint, |_| true).await?.ok_or_else(|| {
        Error::new(ErrorKind::Refused, "read the last verdict: there is none")
            .hint("compare first: `verify run`")
    })
}
