//! `check`, the same for every binary.

use super::{Exit, Report, SharedArgs, print};
use crate::check;
use crate::error::Result;
use crate::servers::Reached;
use serde::Serialize;

/// Checks the plan against the live servers and prints what was found; with `print_ddl`, prints
/// what the set-up would create in the target instead. Changes nothing.
///
/// # Errors
/// `Plan` if the plan is wrong; with `print_ddl`, those of reaching the target.
pub async fn check(args: &SharedArgs, print_ddl: bool) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Reached::open(&plan).await;
    if !print_ddl {
        let findings = check::inspect(&plan, &servers).await;
        print(args, &findings)?;
        return Ok(findings.exit());
    }
    let mut instances = Vec::with_capacity(servers.targets.len());
    for target in servers.targets {
        let target = target?;
        instances.push(Instance {
            instance: target.name().to_owned(),
            statements: target.set_up_statements(),
        });
    }
    print(args, &SetUp { instances })?;
    Ok(Exit::Done)
}

/// What the set-up would create.
#[derive(Debug, Serialize)]
struct SetUp {
    instances: Vec<Instance>,
}

#[derive(Debug, Serialize)]
struct Instance {
    instance: String,
    statements: Vec<String>,
}

impl Report for SetUp {
    fn text(&self) -> String {
        let of = |instance: &Instance| {
            format!("-- on {}\n{}", instance.instance, instance.statements.join("\n"))
        };
        self.instances.iter().map(of).collect::<Vec<_>>().join("\n\n")
    }
}
