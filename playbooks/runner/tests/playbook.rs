//! The runner, as the program it is, on playbooks of a few lines and programs of a few more.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Stays up until it is asked to stop, and says so; the file tells that it can be asked.
const SERVICE: &str = "trap 'echo stopped; exit 0' TERM; touch up; while :; do sleep 0.05; done";
/// Starts it, and waits until it is up.
const UP: &str = "$ service run &\n$ until test -e up; do sleep 1; done";
/// Hangs the first time, and ends well the second.
const BACKFILL: &str = "[ -e begun ] && echo resumed && exit 0; touch begun; exec sleep 60";
const DIES: &str = "exit 9";
/// Succeeds the second time.
const LATER: &str = "[ -e asked ] && echo ready && exit 0; touch asked; exit 1";

fn run(console: &str, more: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    for (name, script) in
        [("service", SERVICE), ("backfill", BACKFILL), ("dies", DIES), ("later", LATER)]
    {
        program(&home.path().join("bin").join(name), script);
    }
    let readme = home.path().join("README.md");
    std::fs::write(&readme, format!("Prose.\n\n```console\n{console}\n```\n")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_playbook"))
        .arg("run")
        .arg(&readme)
        .arg("--bin-dir")
        .arg(home.path().join("bin"))
        .args(more)
        .env_remove("CHAOS")
        .output()
        .unwrap()
}

fn program(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn commands_run_in_order_beside_what_stays_up_and_each_is_shown() {
    let output =
        run(&format!("{UP}\n$ echo one\n$ kill %service\n$ wait %service\n$ echo two"), &[]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", stderr(&output));
    let place = |text: &str| shown.find(text).unwrap_or_else(|| shown.len() + text.len());
    assert!(place("$ echo one") < place("\none\n"), "{shown}");
    assert!(place("service | stopped") < place("\ntwo\n"), "{shown}");
}

#[test]
fn an_exit_code_other_than_the_one_announced_ends_the_run_at_that_command() {
    let output = run("$ sh -c 'exit 3' # exits 3\n$ sh -c 'exit 4'\n$ echo never", &[]);
    assert!(!output.status.success());
    assert!(!stdout(&output).contains("\nnever"), "{}", stdout(&output));
    assert!(stderr(&output).contains("line 5"), "{}", stderr(&output));
}

#[test]
fn a_command_is_repeated_until_it_succeeds_and_variables_are_put_in() {
    let output = run("$ export WORD=done\n$ until later; do sleep 1; done\n$ echo ${WORD}!", &[]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", stderr(&output));
    assert!(shown.contains("\nready\n") && shown.contains("\ndone!\n"), "{shown}");
}

#[test]
fn a_background_process_that_ends_unasked_ends_the_run() {
    let output = run("$ dies run &\n$ sleep 30", &[]);
    assert!(stderr(&output).contains("ended by itself"), "{}", stderr(&output));
}

#[test]
fn what_is_still_up_at_the_end_is_asked_to_stop() {
    let output = run(UP, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("service | stopped"), "{}", stdout(&output));
}

#[test]
fn a_phase_that_the_chaos_killed_is_typed_again_and_the_service_is_left_alone() {
    let output = run("$ service run &\n$ backfill run", &["--chaos", "--seed", "1"]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", stderr(&output));
    assert!(shown.contains("(backfill run)") && shown.contains("resumed"), "{shown}");
    assert!(!shown.contains("(service run)"), "{shown}");
}

#[test]
fn a_process_that_needs_more_memory_than_allowed_fails_the_run() {
    let output = run("$ service run &\n$ sleep 0.3", &["--memory-max", "0"]);
    assert!(stderr(&output).contains("peak memory"), "{}", stderr(&output));
}

#[test]
fn a_playbook_that_takes_longer_than_allowed_fails_after_its_last_command() {
    let output = run("$ sleep 0.3\n$ echo last", &["--time-max", "100ms"]);
    assert!(!output.status.success() && stdout(&output).contains("\nlast"), "{}", stdout(&output));
    assert!(stderr(&output).contains("in time"), "{}", stderr(&output));
    let output = run("$ echo last", &["--time-max", "1m"]);
    assert!(output.status.success(), "{}", stderr(&output));
}
