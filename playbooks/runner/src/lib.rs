//! Runs a playbook: the commands of its README, in order, as a person would type them.
//!
//! A playbook that is not run rots. So the README is the script: every line that begins with `$ `
//! in a block marked `console` is a command; what else stands there is prose, or what a person
//! would see. A command ends with ` &` if it stays up while the next ones are typed, and with a
//! comment such as `# exits 3` if that is the exit code it should have. `$NAME` and `${NAME}` are
//! variables; `until COMMAND; do sleep 1; done` is the one loop that there is.
//!
//! Under chaos a random phase process is killed with `SIGKILL` every second and started again: a
//! migration must end the same way.

mod args;
mod chaos;
mod job;
mod memory;
mod runner;
mod screen;
mod script;
mod stage;

pub use args::{Args, Command, RunArgs};

use migration::error::Result;

/// Carries out a command.
///
/// # Errors
/// The first command of the playbook that did not end as it says.
pub async fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Run(args) => runner::run(&args).await,
    }
}
