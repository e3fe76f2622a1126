//! From a README to the commands in it.

use migration::error::{Error, ErrorKind, Result};
use std::time::Duration;

/// One command of a playbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The line of the README.
    pub(crate) line: usize,
    /// The command as a person types it.
    pub(crate) text: String,
    /// What is to be done.
    pub(crate) action: Action,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// `program arg ...`: runs to its end.
    Foreground {
        /// Program and arguments.
        argv: Vec<String>,
        /// The exit code that it should have.
        exits: i32,
    },
    /// `program arg ... &`: stays up.
    Background {
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// `until program arg ...; do sleep SECONDS; done`: runs it again until it succeeds.
    Until {
        /// Program and arguments.
        argv: Vec<String>,
        /// The pause after a failure.
        pause: Duration,
    },
    /// `kill %program`: asks a background process to stop.
    Kill {
        /// The program.
        job: String,
    },
    /// `wait %program`: waits until it has.
    Wait {
        /// The program.
        job: String,
    },
    /// `export NAME=VALUE`: for every command after it.
    Export {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
}

/// The commands of a README, in order.
///
/// # Errors
/// `Plan` for a command that cannot be understood, and for a playbook without any: a run that does
/// nothing must not pass.
pub(crate) fn parse(readme: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut in_console = false;
    let mut lines = readme.lines().zip(1..);
    while let Some((text, line)) = lines.next() {
        if let Some(fence) = text.strip_prefix("```") {
            in_console = !in_console && fence.trim() == "console";
            continue;
        }
        let Some(command) = text.strip_prefix("$ ").filter(|_| in_console) else { continue };
        let mut text = command.trim_end().to_owned();
        while let Some(begun) = text.strip_suffix('\\') {
            let Some((more, _)) = lines.next() else {
                return Err(bad(line, &text, "ends in the middle"));
            };
            text = format!("{} {}", begun.trim_end(), more.trim_start_matches("> ").trim());
        }
        let action = action(line, &text)?;
        steps.push(Step { line, text, action });
    }
    if steps.is_empty() {
        return Err(Error::new(ErrorKind::Plan, "read playbook: it holds no command")
            .hint("commands begin with `$ ` in a block that begins with ```console"));
    }
    Ok(steps)
}

fn action(line: usize, text: &str) -> Result<Action> {
    let exits = match text.split_once("# exits ") {
        None => 0,
        Some((_, code)) => {
            // What follows says why, as in `# exits 3: not yet`.
            let code = code.split(|c: char| !c.is_ascii_digit()).next();
            let code = code.and_then(|code| code.parse().ok());
            code.ok_or_else(|| bad(line, text, "has no exit code"))?
        }
    };
    let command = text.split(" # ").next().unwrap_or(text).trim_end();
    let (command, again) = match until(command) {
        Some((command, pause)) => (command, Some(pause)),
        None => (command, None),
    };
    // A shell would do something else with these than hand them to the program.
    let shell_only = ["|", ">", "<", ";", "$(", "`", "&&"];
    if let Some(symbol) = shell_only.iter().find(|&&symbol| command.contains(symbol)) {
        return Err(bad(line, text, "needs a shell").with("symbol", symbol));
    }
    let (command, background) = match command.strip_suffix('&') {
        Some(command) => (command, true),
        None => (command, false),
    };
    let argv: Vec<String> = shlex::Shlex::new(command).collect();
    let action = match argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return Err(bad(line, text, "is empty")),
        ["kill", job] => Action::Kill { job: job_name(line, text, job)? },
        ["wait", job] => Action::Wait { job: job_name(line, text, job)? },
        ["export", assignment] => match assignment.split_once('=') {
            Some((name, value)) => {
                Action::Export { name: name.to_owned(), value: value.to_owned() }
            }
            None => return Err(bad(line, text, "sets nothing")),
        },
        _ if background => Action::Background { argv },
        _ if again.is_some() => Action::Until { argv, pause: again.unwrap_or_default() },
        _ => Action::Foreground { argv, exits },
    };
    Ok(action)
}

/// The command of a loop that repeats it until it succeeds, and the pause between.
fn until(command: &str) -> Option<(&str, Duration)> {
    let body = command.strip_prefix("until ")?.strip_suffix("; done")?;
    let (command, pause) = body.rsplit_once("; do sleep ")?;
    let seconds = pause.trim().parse().ok()?;
    Some((command, Duration::from_secs(seconds)))
}

fn job_name(line: usize, text: &str, job: &str) -> Result<String> {
    job.strip_prefix('%')
        .map(str::to_owned)
        .ok_or_else(|| bad(line, text, "names no background process, such as %service"))
}

fn bad(line: usize, text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Plan, format!("read playbook: the command {why}"))
        .with("line", line)
        .with("command", text)
}

#[cfg(test)]
mod tests {
    use super::{Action, parse};

    fn actions(console: &str) -> Vec<Action> {
        let readme = format!("# Title\n\n```console\n{console}\n```\n");
        parse(&readme).unwrap().into_iter().map(|step| step.action).collect()
    }

    fn run(argv: &[&str], exits: i32) -> Action {
        Action::Foreground { argv: argv.iter().map(|&arg| arg.to_owned()).collect(), exits }
    }

    #[test]
    fn commands_are_the_dollar_lines_of_console_blocks_and_nothing_else() {
        let readme = "$ not this\n```console\n$ one --flag 'two words'\noutput\n```\n\
                      ```toml\n$ nor this\n```\n```console\n$ two\n```\n";
        let steps = parse(readme).unwrap();
        assert_eq!(steps[0].action, run(&["one", "--flag", "two words"], 0));
        assert_eq!((steps[1].line, &steps[1].action), (10, &run(&["two"], 0)));
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn a_command_says_that_it_stays_up_or_what_it_exits_with() {
        let found =
            actions("$ serve --x &\n$ gate # exits 3: not yet\n$ kill %serve\n$ wait %serve");
        assert_eq!(found[0], Action::Background { argv: vec!["serve".into(), "--x".into()] });
        assert_eq!(found[1], run(&["gate"], 3));
        assert_eq!(found[2], Action::Kill { job: "serve".into() });
        assert_eq!(found[3], Action::Wait { job: "serve".into() });
    }

    #[test]
    fn a_long_command_goes_on_after_a_backslash() {
        assert_eq!(
            actions("$ copy --from a \\\n> --to b"),
            [run(&["copy", "--from", "a", "--to", "b"], 0)]
        );
    }

    #[test]
    fn a_command_may_be_repeated_until_it_succeeds() {
        let found = actions("$ until check --x; do sleep 2; done");
        let argv = vec!["check".into(), "--x".into()];
        assert_eq!(found, [Action::Until { argv, pause: std::time::Duration::from_secs(2) }]);
    }

    #[test]
    fn what_only_a_shell_can_do_and_an_empty_playbook_are_refused() {
        for readme in ["```console\n$ a | b\n```", "```console\n$ a > file\n```", "no command"] {
            assert!(parse(readme).is_err(), "{readme}");
        }
    }
}
