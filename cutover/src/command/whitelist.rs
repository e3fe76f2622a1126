//! `cutover whitelist`: the keys whose reads the target answers first.

use crate::context::Context;
use crate::machine::Current;
use crate::stage::Action;
use migration::cli::{Exit, Report, json, print};
use migration::error::Result;
use serde_json::Value;

pub(super) async fn list(context: &Context) -> Result<Exit> {
    show(context, context.machine.current().await?)
}

pub(super) async fn change(context: &Context, action: Action, keys: &[String]) -> Result<Exit> {
    let current = context.machine.current().await?;
    show(context, context.machine.whitelist(&current, action, keys).await?)
}

fn show(context: &Context, current: Current) -> Result<Exit> {
    print(&context.shared, &Listed { keys: current.record.whitelist.into_iter().collect() })?;
    Ok(Exit::Done)
}

#[derive(Debug, serde::Serialize)]
struct Listed {
    keys: Vec<String>,
}

/// One line of the list.
#[derive(Debug, serde::Serialize)]
struct Listing<'a> {
    key: &'a str,
}

impl Report for Listed {
    fn text(&self) -> String {
        if self.keys.is_empty() { "nobody".to_owned() } else { self.keys.join("\n") }
    }

    fn lines(&self) -> Result<Vec<Value>> {
        json::lines(self.keys.iter().map(|key| Listing { key }))
    }
}
