//! Asking before something that is hard to undo.

use super::args::SharedArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::shutdown::Shutdown;
use crate::terminal;
use std::io::IsTerminal as _;

/// Goes on if the operator says yes: with `--yes`, or at a terminal. `action` completes "about to".
///
/// # Errors
/// `Refused` if the answer is no, or if there is nobody to ask: then the hint names `--yes`.
pub async fn confirm(args: &SharedArgs, shutdown: &Shutdown, action: &str) -> Result<()> {
    if args.yes {
        return Ok(());
    }
    if args.no_input || !std::io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Refused, action).hint("give --yes if you mean it"));
    }
    let answer = ask(shutdown, format!("About to {action}. Go on? [y/N] ")).await?;
    if matches!(answer.to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, action).with("answer", "no"))
}

/// Goes on if the operator repeats the `name` of the migration: with `typed` from the command's
/// flag `flag`, or at a terminal. For steps with no way back, where `--yes` is not enough.
///
/// # Errors
/// `Refused` if the name is another, or if there is nobody to ask: then the hint names the flag.
pub async fn confirm_name(
    args: &SharedArgs,
    shutdown: &Shutdown,
    action: &str,
    (flag, typed): (&str, Option<&str>),
    name: &str,
) -> Result<()> {
    let refused = || {
        Error::new(ErrorKind::Refused, action)
            .hint(format!("there is no way back: give {flag} {name} if you mean it"))
    };
    let answer = match typed {
        Some(typed) => typed.to_owned(),
        None if args.no_input || !std::io::stdin().is_terminal() => return Err(refused()),
        None => {
            let question = format!(
                "About to {action}. There is no way back. Type the migration's name to go on: "
            );
            ask(shutdown, question).await?
        }
    };
    if answer == name { Ok(()) } else { Err(refused()) }
}

/// A read of the terminal cannot be taken back, so it waits in a thread that a shutdown leaves.
async fn ask(shutdown: &Shutdown, question: String) -> Result<String> {
    let reading = tokio::task::spawn_blocking(move || read_line(&question));
    match shutdown.unless_begun(reading).await {
        Some(Ok(line)) => {
            line.map_err(|error| Error::new(ErrorKind::Failed, "read answer").because(error))
        }
        Some(Err(error)) => Err(Error::new(ErrorKind::Failed, "read answer").because(error)),
        None => Err(Error::new(ErrorKind::Refused, "read answer").with("interrupted", "yes")),
    }
}

fn read_line(question: &str) -> std::io::Result<String> {
    // To stderr: stdout is for results.
    terminal::write(question.as_bytes());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{confirm, confirm_name};
    use crate::cli::SharedArgs;
    use crate::error::ErrorKind;
    use crate::shutdown::Shutdown;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        shared: SharedArgs,
    }

    fn args(words: &[&str]) -> SharedArgs {
        Args::parse_from([&["test"], words].concat()).shared
    }

    #[tokio::test]
    async fn without_anybody_to_ask_a_dangerous_command_is_refused_and_names_the_flag() {
        let shutdown = Shutdown::new();
        let error = confirm(&args(&["--no-input"]), &shutdown, "drop it").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.next_step().unwrap().contains("--yes"));
        confirm(&args(&["--no-input", "--yes"]), &shutdown, "drop it").await.unwrap();
    }

    #[tokio::test]
    async fn a_one_way_step_takes_the_name_and_not_a_yes() {
        let (shutdown, args) = (Shutdown::new(), args(&["--no-input", "--yes"]));
        for typed in [None, Some("another"), Some("")] {
            let error = confirm_name(&args, &shutdown, "retire", ("--confirm", typed), "m1").await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.next_step().unwrap().contains("--confirm m1"));
        }
        confirm_name(&args, &shutdown, "retire", ("--confirm", Some("m1")), "m1").await.unwrap();
    }
}
