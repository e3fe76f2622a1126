//! Runs the model's table of configurations.

use clap::Parser;
use model::{Expect, Outcome, configurations, run};
use std::process::ExitCode;
use std::time::Instant;

/// Checks the protocol exhaustively in small worlds.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Runs only the subset that runs with every test, about ten seconds.
    #[arg(long)]
    subset: bool,
    /// Runs only configurations whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Prints the steps to each violation, or to a stuck state. Workers, and consumers, are
    /// renamed after each step: which of them is 0 says nothing from one step to the next.
    #[arg(long)]
    steps: bool,
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let wanted = configurations()
        .into_iter()
        .filter(|config| (config.in_subset || !args.subset) && config.name.contains(&args.only));
    println!("{:<66} expect    got    states transitions secs   stuck", "configuration");
    let mut total = Total::default();
    for config in wanted {
        let outcome = run(config);
        println!("{outcome}");
        if args.steps {
            for action in outcome.search.way() {
                println!("    {action:?}");
            }
        }
        total.add(&outcome);
    }
    println!(
        "{} configurations: {} PASS with {} states and {} transitions, {} broken as they must; \
         {} surprises; {:.0} s",
        total.passed + total.broken + total.surprises,
        total.passed,
        total.states,
        total.transitions,
        total.broken,
        total.surprises,
        begun.elapsed().as_secs_f64(),
    );
    if total.surprises == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Total {
    passed: usize,
    broken: usize,
    surprises: usize,
    states: usize,
    transitions: usize,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        if outcome.surprise().is_some() {
            self.surprises += 1;
        } else if outcome.config.expect == Expect::Pass {
            self.passed += 1;
            self.states += outcome.states;
            self.transitions += outcome.transitions;
        } else {
            self.broken += 1;
        }
    }
}
