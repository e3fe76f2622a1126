//! Signals and exit codes, in processes of their own.

use clap::Parser;
use migration::cli::{Exit, Program, SharedArgs, SharedCommand, execute};
use migration::error::{Error, ErrorKind, Result};
use migration::shutdown::Shutdown;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "SIGNALS_VICTIM";

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    shared: SharedArgs,
}

impl Program for Args {
    fn shared(&self) -> &SharedArgs {
        &self.shared
    }
    fn shared_command(&self) -> Option<&SharedCommand> {
        None
    }
}

/// Not a test of its own: the process that the others start. It says when it can be signalled, and
/// when it drains; one that is `stubborn` never finishes draining.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let shutdown = Shutdown::new();
    let _signals = shutdown.watch_signals().unwrap();
    let result = execute(Args::parse_from(["victim"]), shutdown, async |_: Args, shutdown| {
        serve(&role, &shutdown).await
    })
    .await;
    let exit = result.unwrap_or_else(|error| error.kind().into());
    std::process::exit(exit.code().into());
}

#[expect(clippy::print_stdout, reason = "how this process talks to the test")]
async fn serve(role: &str, shutdown: &Shutdown) -> Result<Exit> {
    println!("\nready");
    shutdown.begun().await;
    println!("\ndraining");
    match role {
        "stubborn" => std::future::pending().await,
        "fenced" => Err(Error::new(ErrorKind::Fenced, "renew lease")),
        _ => Ok(Exit::Done),
    }
}

struct Victim {
    child: Child,
    output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signals::victim", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut victim = Self { child, output };
        victim.wait_for("ready");
        victim
    }

    fn wait_for(&mut self, word: &str) {
        assert!(self.output.any(|line| line.unwrap() == word), "never said {word}");
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_drained_process_ends_with_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let victim = Victim::start("willing");
        victim.send(signal);
        assert_eq!(victim.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_second_signal_stops_a_process_that_does_not_finish_draining() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut victim = Victim::start("stubborn");
        victim.send(Signal::TERM);
        victim.wait_for("draining");
        victim.send(signal);
        assert_eq!(victim.code(), Some(code), "{signal:?}");
    }
}

#[test]
fn an_error_while_draining_keeps_its_exit_code() {
    let victim = Victim::start("fenced");
    victim.send(Signal::TERM);
    assert_eq!(victim.code(), Some(5));
}
