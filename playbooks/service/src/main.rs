//! The service of the playbooks; see the library for what it does.

use clap::Parser;
use migration::error::Chain;
use service::{Args, Outcome};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match service::run(Args::parse()).await {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
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
