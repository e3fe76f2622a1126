//! Phase 3 as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    migration::cli::main(verify::run)
}
