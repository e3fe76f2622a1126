//! Preconditions: what must hold before anything runs, proved against the live servers.
//!
//! One precondition a file, run in the order of their names; every one that fails is reported, not
//! only the first. Nothing is changed and nothing is made. A check that needs a server which
//! cannot be reached finds nothing: the server's own check says why.

mod checkpoint;
mod finding;
mod gauge;
mod layout;
mod lock;
mod plan_unchanged;
mod queue;
mod queue_formats;
mod queue_keys;
mod source;
mod source_keys;
mod target;
mod target_alike;
mod target_empty;
mod target_set_up;

pub use finding::{Finding, Findings, Outcome};

use crate::error::Result;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::servers::{self, Reached};
use crate::store::Target;
use std::sync::Arc;

/// Opens the servers of a plan, as far as they can be, and checks everything.
pub async fn run(plan: &Plan) -> Findings {
    inspect(plan, &Reached::open(plan).await).await
}

/// Checks everything on servers that were opened, as far as they could be.
pub async fn inspect(plan: &Plan, servers: &Reached) -> Findings {
    let subject = Subject { plan, servers, layouts: resolve(plan, servers).await };
    let mut findings = Vec::new();
    findings.extend(checkpoint::check(&subject).await);
    findings.extend(gauge::check(&subject).await);
    findings.extend(layout::check(&subject));
    findings.extend(lock::check(&subject).await);
    findings.extend(plan_unchanged::check(&subject).await);
    findings.extend(queue::check(&subject).await);
    findings.extend(queue_formats::check(&subject).await);
    findings.extend(queue_keys::check(&subject).await);
    findings.extend(source::check(&subject).await);
    findings.extend(source_keys::check(&subject).await);
    findings.extend(target::check(&subject));
    findings.extend(target_alike::check(&subject).await);
    findings.extend(target_empty::check(&subject).await);
    findings.extend(target_set_up::check(&subject).await);
    Findings::new(findings)
}

/// What is checked.
struct Subject<'a> {
    plan: &'a Plan,
    servers: &'a Reached,
    /// One per table of the plan; none if source or target cannot be asked.
    layouts: Vec<Result<Layout>>,
}

impl Subject<'_> {
    /// The target's instances that can be asked.
    fn targets(&self) -> impl Iterator<Item = &Arc<dyn Target>> {
        self.servers.targets.iter().filter_map(|target| target.as_ref().ok())
    }
}

async fn resolve(plan: &Plan, servers: &Reached) -> Vec<Result<Layout>> {
    let first = servers.targets.iter().find_map(|target| target.as_ref().ok());
    let (Ok(source), Some(target)) = (&servers.source, first) else { return Vec::new() };
    let mut layouts = Vec::with_capacity(plan.tables.len());
    for table in &plan.tables {
        layouts.push(servers::layout(table, &**source, &**target, plan.targets.len()).await);
    }
    layouts
}
