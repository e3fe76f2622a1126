//! The program `servers`: what it starts lives exactly as long as it does.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_servers");

#[test]
fn a_command_finds_the_servers_in_its_environment_and_its_exit_code_is_passed_on() {
    let script = "mariadb --version >/dev/null && echo $MIDFLIGHT_TEST_MARIADB_URL; \
                  psql -Atc 'SELECT 6 * 7' $MIDFLIGHT_TEST_POSTGRES_URL; \
                  redis-cli -u $MIDFLIGHT_TEST_REDIS_URL PING; exit 3";
    let output = Command::new(PROGRAM)
        .args(["with", "mariadb,postgres,redis", "--", "sh", "-c", script])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("mysql://midflight:"), "{printed}");
    assert!(printed.ends_with("42\nPONG\n"), "{printed}");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    let kept = said.lines().find_map(|line| line.split("log of postgres is kept: ").nth(1));
    assert!(Path::new(kept.unwrap()).is_file(), "{said}");
}

#[test]
fn a_server_that_died_under_a_command_that_failed_is_named_with_its_last_words() {
    let script = "redis() { redis-cli -u $MIDFLIGHT_TEST_REDIS_URL \"$@\"; }
        pid=$(redis INFO server | tr -d '\\r' | sed -n 's/^process_id://p')
        redis SHUTDOWN NOSAVE
        while grep -q '^State:.[RSD]' /proc/$pid/status; do :; done
        exit 1";
    let output =
        Command::new(PROGRAM).args(["with", "redis", "--", "sh", "-c", script]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("redis ended by itself"), "{said}");
    assert!(said.contains("| ") && said.contains("bye bye"), "{said}");
}

#[test]
fn a_killed_program_leaves_no_server_behind() {
    let (mut program, homes) = start_and_list_homes();
    program.kill().unwrap(); // SIGKILL: nothing of its own clean-up runs
    program.wait().unwrap();
    wait_until_gone(&homes);
}

#[test]
fn what_a_killed_program_and_its_killed_watchdogs_left_the_next_start_removes() {
    let (mut program, homes) = start_and_list_homes();
    for home in &homes {
        let watchdog = fs::read_to_string(home.join("group")).unwrap();
        assert!(Command::new("kill").args(["-9", &watchdog]).status().unwrap().success());
        // One that still runs would be left to do its work, and not do it.
        let line = format!("/proc/{watchdog}/cmdline");
        wait_until(|| fs::read(&line).unwrap_or_default().is_empty());
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let next = Command::new(PROGRAM).args(["with", "redis", "--", "true"]).status().unwrap();
    assert!(next.success());
    wait_until_gone(&homes);
}

#[test]
fn servers_stay_up_until_they_are_taken_down_and_up_again_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let servers = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        let output = command.args(arguments).env("TMPDIR", place.path()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let ping = |environment: &str| {
        let url = environment.trim().split('=').nth(1).unwrap();
        Command::new("redis-cli").args(["-e", "-u", url, "PING"]).output().unwrap().status.success()
    };
    let (is_up, environment) = servers(&["up", "redis"]);
    assert!(is_up && environment.starts_with("export MIDFLIGHT_TEST_REDIS_URL=redis://"));
    assert_eq!(servers(&["up", "redis"]), (true, environment.clone()));
    assert!(!servers(&["up", "redis,postgres"]).0, "a server that does not run was promised");
    assert!(ping(&environment));
    assert!(servers(&["down"]).0);
    assert!(!ping(&environment));
    assert!(servers(&["down"]).0, "down twice");
    let left = fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path().join("run");
    assert_eq!(fs::read_dir(left).unwrap().count(), 0);
}

#[test]
fn two_ups_at_once_are_one() {
    let place = tempfile::tempdir().unwrap();
    let servers = |verb: &'static [&'static str]| {
        let mut command = Command::new(PROGRAM);
        command.args(verb).env("TMPDIR", place.path()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let ups = [servers(&["up", "redis"]), servers(&["up", "redis"])];
    let outputs = ups.map(|up| up.wait_with_output().unwrap());
    assert!(servers(&["down"]).wait().unwrap().success());
    assert!(outputs.iter().all(|output| output.status.success()));
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_what_would() {
    for (arguments, expected) in [
        (vec!["with", "oracle", "--", "true"], "none of build, mariadb"),
        (vec!["with", "redis"], "usage:"),
        (vec!["with", "redis", "--", "/no/such/program"], "run /no/such/program"),
    ] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

/// Starts three servers, and returns when all are ready.
fn start_and_list_homes() -> (Child, Vec<PathBuf>) {
    let mut program = Command::new(PROGRAM)
        .args(["with", "mariadb,postgres,redis", "--", "sh", "-c", "echo ready; exec cat"])
        // Closed when the program is waited for: the command ends then, whoever was killed.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let user = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    let run = std::env::temp_dir().join(format!("midflight-servers-{}/run", user.unwrap()));
    let own = format!("-{}-", program.id());
    let homes: Vec<_> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(&own))
        .collect();
    assert_eq!(homes.len(), 3);
    (program, homes)
}

/// Waits until the directories are gone, and all processes whose command line names one.
fn wait_until_gone(homes: &[PathBuf]) {
    wait_until(|| !homes.iter().any(|home| home.exists() || is_named_by_a_process(home)));
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed().as_secs() < 30, "the condition does not come true");
        std::thread::yield_now();
    }
}

fn is_named_by_a_process(home: &Path) -> bool {
    let home = home.to_string_lossy();
    fs::read_dir("/proc").unwrap().any(|entry| {
        let line = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*home)
    })
}
