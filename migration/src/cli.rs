//! What the command lines of all four binaries have in common.
//!
//! A binary's `main.rs` is `migration::cli::main(its_crate::run)`: it parses the arguments, sets up
//! logging and the runtime, runs, reports an error with its hint, and ends with an [`Exit`] code.
//! Results go to stdout through [`print()`]; everything else goes to stderr.
//!
//! A binary's `Args` flattens [`SharedArgs`], its commands flatten [`SharedCommand`], and it
//! implements [`Program`] to hand both over:
//!
//! ```
//! # use migration::cli::{Exit, Program, SharedArgs, SharedCommand};
//! #[derive(Debug, clap::Parser)]
//! #[command(name = "backfill", version, about = "Copies the history.")]
//! struct Args {
//!     #[command(flatten)]
//!     shared: SharedArgs,
//!     #[command(subcommand)]
//!     command: Command,
//! }
//!
//! #[derive(Debug, clap::Subcommand)]
//! enum Command {
//!     /// Copies until everything is copied.
//!     Run(migration::cli::ListenArgs),
//!     #[command(flatten)]
//!     Shared(SharedCommand),
//! }
//!
//! impl Program for Args {
//!     fn shared(&self) -> &SharedArgs {
//!         &self.shared
//!     }
//!     fn shared_command(&self) -> Option<&SharedCommand> {
//!         match &self.command {
//!             Command::Shared(command) => Some(command),
//!             Command::Run(_) => None,
//!         }
//!     }
//! }
//!
//! async fn run(args: Args, shutdown: migration::shutdown::Shutdown) -> migration::error::Result<Exit> {
//! #   let _ = (args, shutdown);
//!     Ok(Exit::Done)
//! }
//!
//! fn main() -> std::process::ExitCode {
//! #   if true { return Exit::Done.into() }
//!     migration::cli::main(run)
//! }
//! ```

mod args;
mod check;
mod environment;
mod exit;
pub mod json;
mod logging;
mod output;
mod program;
mod prompt;
mod report;
mod shared_command;
mod steer;

pub use args::{
    ColorWhen, ListenArgs, LogFormat, Output, ProgressMode, SharedArgs, parse_duration,
};
pub use check::{CheckArgs, check};
pub use exit::Exit;
pub use output::{Report, SCHEMA_VERSION, SharedOutput, clear_screen, print, table};
pub use program::{Program, execute, main};
pub use prompt::{confirm, confirm_name};
pub use shared_command::SharedCommand;
pub use steer::{ReasonArgs, parse_change, steer};
