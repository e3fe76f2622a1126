//! The crash points themselves, in processes that really die and freeze.

use migration::fault;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

const ROLE: &str = "FAULT_POINTS_VICTIM";

/// Not a test of its own: the process that the others start, which passes three points.
#[test]
fn victim() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    fault::point("first");
    fault::point("second");
    let failed = fault::fallible("second").is_err();
    std::process::exit(if failed { 10 } else { 0 });
}

fn start(fault: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fault_points::victim"])
        .env(ROLE, "yes")
        .env("MIDFLIGHT_FAULT", fault)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn run(fault: &str) -> ExitStatus {
    start(fault).wait().unwrap()
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn counting_names_every_hit_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hits");
    assert_eq!(run(&format!("count:{}", file.display())).code(), Some(0));
    assert_eq!(lines(&file), ["first", "second", "second"]);
}

#[test]
fn a_process_dies_at_the_hit_it_was_told_to_and_at_no_other() {
    for fault in ["abort@1", "abort@3", "abort:second@2"] {
        assert_eq!(run(fault).signal(), Some(Signal::KILL.as_raw()), "{fault}");
    }
    for fault in ["abort@4", "abort:second@3", "abort:third@1"] {
        assert_eq!(run(fault).code(), Some(0), "{fault}");
    }
}

#[test]
fn an_error_reaches_only_a_caller_that_can_fail() {
    assert_eq!(run("error:second@2").code(), Some(10));
    assert_eq!(run("error:second@1").code(), Some(0));
}

#[test]
fn a_mistyped_fault_ends_the_process_instead_of_doing_nothing() {
    assert_eq!(run("abrt@1").code(), Some(2));
}

#[test]
fn a_frozen_process_goes_on_when_it_is_woken() {
    let mut child = start("stop:second@1");
    let pid = Pid::from_child(&child);
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
