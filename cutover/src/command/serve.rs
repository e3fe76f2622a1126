//! `cutover serve`: health and metrics of the switch, and the record of rollbacks that could not be
//! recorded when they were made.

mod gauges;

use super::status::look;
use crate::context::Context;
use crate::machine::Machine;
use crate::stage::Signed;
use axum::Router;
use gauges::Gauges;
use migration::cli::{Exit, ListenArgs};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::health::{Check, Health, serve};
use migration::metrics::Metrics;
use migration::phase::CUTOVER;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Between two looks at the stage.
const INTERVAL: Duration = Duration::from_secs(1);

/// Without a look for so long, what is served is not what is.
const LOOKED_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(context: &Context, args: &ListenArgs) -> Result<Exit> {
    let Some(address) = args.listen else {
        return Err(Error::new(ErrorKind::Plan, "serve")
            .hint("say where: `cutover serve --listen 127.0.0.1:9187`"));
    };
    let metrics = Metrics::new(CUTOVER.name);
    let gauges = Gauges::register(&metrics);
    let looked = Arc::new(AtomicI64::new(0));
    let checks = vec![has_looked(&looked)];
    let health = Health { metrics, checks, shutdown: context.shutdown.clone() };
    let _serving = serve(address, health, Router::new()).await?;
    loop {
        match record_rollback(context).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(error = %Chain(&error), "record the rollback file"),
        }
        match look(context).await {
            Ok(status) => {
                gauges.show(&status);
                looked.store(Timestamp::now().0, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "look at the stage"),
        }
        if !context.shutdown.sleep(INTERVAL).await {
            return Ok(Exit::Done);
        }
    }
}

fn has_looked(looked: &Arc<AtomicI64>) -> Check {
    let looked = Arc::clone(looked);
    Check::new("stage", move || {
        let at = Timestamp(looked.load(Ordering::Relaxed));
        let age = Timestamp::now().since(at);
        std::future::ready(if age <= LOOKED_WITHIN {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Unavailable, "look at the stage")
                .with("last", at.to_rfc3339()))
        })
    })
}

/// Puts into the stage entry what only the rollback file knows: the entry reaches readers on other
/// machines.
async fn record_rollback(context: &Context) -> Result<()> {
    let machine: &Machine = &context.machine;
    for rollback in context.rollback_file().read().await? {
        let current = machine.current().await?;
        if current.record.knows(&rollback.id) {
            continue;
        }
        machine.record_rollback(&current, &rollback).await?;
        let Signed { who, why, .. } = rollback.signed;
        tracing::warn!(who, why, "recorded a rollback");
    }
    Ok(())
}
