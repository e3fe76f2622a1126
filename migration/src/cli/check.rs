//! `check`, the same for every binary.

use super::{Exit, Report, SharedArgs, print};
use crate::check;
use crate::error::Result;
use crate::servers::Reached;
use serde::Serialize;

/// Flags of `check`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct CheckArgs {
    /// Prints the statements that create what the migration keeps beside the data, in the source
    /// and in the target, instead of checking.
    #[arg(long)]
    pub print_ddl: bool,
}

/// Checks the plan against the live servers and prints what was found; with `--print-ddl`, prints
/// what the set-up would create instead. Changes nothing.
///
/// # Errors
/// `Plan` if the plan is wrong; with `--print-ddl`, those of reaching queue and target.
pub async fn check(args: &SharedArgs, how: CheckArgs) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Reached::open(&plan).await;
    if how.print_ddl {
        print(args, &SetUp::of(servers)?)?;
        return Ok(Exit::Done);
    }
    let findings = check::inspect(&plan, &servers).await;
    print(args, &findings)?;
    Ok(findings.exit())
}

/// What the set-up would create.
#[derive(Debug, Serialize)]
struct SetUp {
    places: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    place: String,
    statements: Vec<String>,
}

impl SetUp {
    fn of(servers: Reached) -> Result<Self> {
        // The queue keeps its own in the source, if anywhere.
        let source =
            Place { place: "source".to_owned(), statements: servers.queue?.set_up_statements() };
        let mut places = vec![source];
        for target in servers.targets {
            let target = target?;
            places.push(Place {
                place: format!("target {}", target.name()),
                statements: target.set_up_statements(),
            });
        }
        places.retain(|place| !place.statements.is_empty());
        Ok(Self { places })
    }
}

impl Report for SetUp {
    fn text(&self) -> String {
        let of = |place: &Place| format!("-- on {}\n{}", place.place, place.statements.join("\n"));
        self.places.iter().map(of).collect::<Vec<_>>().join("\n\n")
    }
}
