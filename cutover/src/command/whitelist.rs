//! `cutover whitelist`: the keys whose reads the target answers first.

use crate::args::WhitelistCommand;
use crate::context::Context;
use crate::stage::Action;
use migration::cli::{Exit, Report, print};
use migration::error::{Error, ErrorKind, Result};
use serde_json::Value;

pub(super) async fn run(context: &Context, command: WhitelistCommand) -> Result<Exit> {
    let mut current = context.machine.current().await?;
    let change = match command {
        WhitelistCommand::List => None,
        WhitelistCommand::Add { keys } => Some((Action::WhitelistAdd, keys)),
        WhitelistCommand::Remove { keys } => Some((Action::WhitelistRemove, keys)),
    };
    if let Some((action, keys)) = change {
        current = context.machine.whitelist(&current, action, &keys).await?;
    }
    print(&context.shared, &Listed { keys: current.record.whitelist.into_iter().collect() })?;
    Ok(Exit::Done)
}

#[derive(Debug, serde::Serialize)]
struct Listed {
    keys: Vec<String>,
}

impl Report for Listed {
    fn text(&self) -> String {
        if self.keys.is_empty() { "nobody".to_owned() } else { self.keys.join("\n") }
    }

    fn lines(&self) -> Result<Vec<Value>> {
        self.keys
            .iter()
            .map(|key| {
                serde_json::to_value(serde_json::json!({ "key": key })).map_err(|error| {
                    Error::new(ErrorKind::Failed, "write whitelist as JSON").because(error)
                })
            })
            .collect()
    }
}
