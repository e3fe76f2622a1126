//! Runs a playbook; see the library.

use clap::Parser;
use migration::error::Chain;
use playbook::Args;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match playbook::run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a failure is told to the operator")]
fn report(error: &migration::error::Error) {
    eprintln!("error: {}", Chain(error));
    if let Some(hint) = error.next_step() {
        eprintln!("hint: {hint}");
    }
}
