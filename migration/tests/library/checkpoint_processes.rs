//! Many processes write one SQLite checkpoint store at once, and some of them are killed.

use migration::checkpoint::{CheckpointStore as _, SqliteCheckpoint};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const FILE: &str = "CHECKPOINT_PROCESSES_FILE";
const NAME: &str = "CHECKPOINT_PROCESSES_NAME";

/// Writes of each process, each a put and an append: a minute of a phase's own, without its pauses.
const WRITES: u32 = 100;

/// Where the file lies. What a process says is written outlives its end, whatever the disk; and
/// that nobody waits too long behind writers without a pause is not promised on a slow one.
const MEMORY: &str = "/dev/shm";

/// Not a test of its own: the process that the others start. It says each number it has written.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "how this process talks to the test")]
async fn writer() {
    let (Ok(file), Ok(name)) = (std::env::var(FILE), std::env::var(NAME)) else { return };
    let store = SqliteCheckpoint::open(&PathBuf::from(file), "m").await.unwrap();
    println!();
    for number in 0..WRITES {
        let expected = store.get(&name).await.unwrap().map(|entry| entry.revision);
        let value = number.to_string();
        store.put(&name, value.as_bytes(), expected).await.unwrap().unwrap();
        store.append("log", &[format!("{name} {number}").into_bytes()], None).await.unwrap();
        println!("written {number}");
    }
}

fn start(file: &Path, name: &str, output: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "checkpoint_processes::writer", "--nocapture"])
        .env(FILE, file)
        .env(NAME, name)
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a writer as soon as it has said so many numbers. Returns the last it said.
fn kill_after(mut child: Child, said: usize) -> u32 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut numbers = lines.filter_map(|line| line.strip_prefix("written ")?.parse().ok());
    let mut last = numbers.nth(said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What was said between the last look and the kill counts too.
    last = numbers.last().unwrap_or(last);
    last
}

#[tokio::test]
async fn processes_that_write_at_once_fail_with_no_lock_error_and_lose_nothing() {
    let folder = tempfile::tempdir_in(MEMORY).unwrap();
    let file = folder.path().join("checkpoint.db");
    let names = ["dual-write", "backfill", "verify", "cutover", "reader"];
    let writers: Vec<Child> = names.iter().map(|name| start(&file, name, Stdio::null())).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let store = SqliteCheckpoint::open_existing(&file, "m").await.unwrap();
    let expected = u64::from(WRITES) * names.len() as u64;
    assert_eq!(store.log_end("log").await.unwrap(), expected);
    for name in names {
        assert_eq!(store.get(name).await.unwrap().unwrap().value, b"99");
    }
}

#[tokio::test]
async fn what_a_killed_process_said_it_wrote_is_there_and_the_others_go_on() {
    let folder = tempfile::tempdir_in(MEMORY).unwrap();
    let file = folder.path().join("checkpoint.db");
    let mut survivor = start(&file, "survivor", Stdio::null());
    for (name, said) in [("a", 0), ("b", 7), ("c", 30)] {
        let last = kill_after(start(&file, name, Stdio::piped()), said);
        let store = SqliteCheckpoint::open_existing(&file, "m").await.unwrap();
        let value = store.get(name).await.unwrap().unwrap().value;
        let written: u32 = String::from_utf8(value).unwrap().parse().unwrap();
        assert!(written >= last, "{name} said {last}, {written} is there");
    }
    assert!(survivor.wait().unwrap().success());
}
