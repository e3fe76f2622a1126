//! Every command that a hint, a message or a page tells an operator to type is one that there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: [&str; 4] = ["dual-write", "backfill", "verify", "cutover"];

/// Where the advice is.
const PLACES: [&str; 8] = [
    "migration/src",
    "dual-write/src",
    "backfill/src",
    "verify/src",
    "cutover/src",
    "playbooks",
    "README.md",
    "ARCHITECTURE.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn files(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in std::fs::read_dir(place).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if place.extension().is_some_and(|extension| extension == "rs" || extension == "md") {
        found.push(place.to_path_buf());
    }
}

/// The words of a command of ours; `None` if the text is none, or is put together at run time.
fn words(text: &str) -> Option<Vec<String>> {
    let text = text.trim().trim_end_matches('&');
    let text = text.split(" #").next()?.split(" > ").next()?.trim();
    let is_whole = !text.contains(['{', '}', '\n', '…']) && !text.contains("...");
    let words = shlex::split(text)?;
    let is_ours = PROGRAMS.contains(&words.first()?.as_str());
    // A line of progress begins with the program's name, too, and goes on with a number.
    let is_command = words.get(1)?.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
    (is_ours && is_command && is_whole).then_some(words)
}

/// Every command in backticks and after a prompt.
fn advice() -> BTreeSet<Vec<String>> {
    let mut found = Vec::new();
    for place in PLACES {
        files(&root().join(place), &mut found);
    }
    let mut commands = BTreeSet::new();
    for file in found {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            commands.extend(line.split('`').skip(1).step_by(2).filter_map(words));
            commands.extend(line.strip_prefix("$ ").and_then(words));
        }
    }
    commands
}

#[test]
fn every_command_that_is_advised_can_be_typed() {
    let commands = advice();
    assert!(commands.len() > 40, "where has the advice gone? {commands:?}");
    let mut wrong = Vec::new();
    for command in commands {
        // Help comes after the words were understood, and before anything is done.
        let mut words = command.iter();
        let program = faults::program(words.next().unwrap());
        let ran = Command::new(program).args(words).arg("--help").output().unwrap();
        if !ran.status.success() {
            wrong.push(format!("{}: {}", command.join(" "), String::from_utf8_lossy(&ran.stderr)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
