//! The program `dual-write`.

use std::process::ExitCode;

fn main() -> ExitCode {
    migration::cli::main(dual_write::run)
}
