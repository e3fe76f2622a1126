//! The `cutover` program.

fn main() -> std::process::ExitCode {
    migration::cli::main(cutover::run)
}
