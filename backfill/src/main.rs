//! The program `backfill`.

use std::process::ExitCode;

fn main() -> ExitCode {
    migration::cli::main(backfill::run)
}
