//! The program `servers`.

use std::process::ExitCode;

use servers::{Error, Kind, Result, capture, install, up, with};

const USAGE: &str = "\
usage:
  servers install KINDS             installs what is missing (as root)
  servers with KINDS -- COMMAND     starts one of each, runs COMMAND beside them, stops them
  servers up KINDS                  starts one of each to stay, and prints their URLs
  servers down                      stops what up has started
  servers capture NAME URL BROKERS [PROPERTY=VALUE ...]
                                    a Debezium: what the database of URL commits from now on goes
                                    to topics NAME.DATABASE.TABLE, until it is stopped
KINDS is a list such as mariadb,postgres,redis,kafka; `shards` are four more MariaDB, `build` stands
for the C libraries";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [verb, list] if verb == "install" => {
            install(&kinds(list)?)?;
            Ok(ExitCode::SUCCESS)
        }
        [verb, list, dashes, program, rest @ ..] if verb == "with" && dashes == "--" => {
            let status = with::run(&kinds(list)?, program, rest)?;
            // Ended by a signal: what a shell would say.
            let code = status.code().unwrap_or(130);
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
        [verb, list] if verb == "up" => {
            let environment = up::up(&kinds(list)?)?;
            print(&environment);
            Ok(ExitCode::SUCCESS)
        }
        [verb, name, url, brokers, properties @ ..] if verb == "capture" => {
            capture(name, url, brokers, properties)?;
            Ok(ExitCode::SUCCESS)
        }
        [verb] if verb == "down" => {
            up::down()?;
            Ok(ExitCode::SUCCESS)
        }
        // Not for people: what `up` leaves running.
        [verb, list] if verb == "hold" => {
            up::hold(&kinds(list)?)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Error::Request(USAGE.into())),
    }
}

fn kinds(list: &str) -> Result<Vec<Kind>> {
    list.split(',').map(str::parse).collect()
}

#[expect(clippy::print_stderr, reason = "this is a program")]
fn complain(message: &str) {
    eprintln!("servers: {message}");
}

#[expect(clippy::print_stdout, reason = "this is a program")]
fn print(text: &str) {
    print!("{text}");
}
