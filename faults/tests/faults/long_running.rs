//! Commands that run until they are told to stop: what they serve and show meanwhile.

use faults::{Bed, program};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROWS: u64 = 600;

/// Longest wait for something that a process is about to do.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A program under way whose lines are read one by one; killed when it is dropped.
struct Watched(Child);

impl Watched {
    fn start(bed: &Bed, name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program(name));
        command.args(args).args(["--config", "migration.toml", "--log-format", "text"]);
        command.args(["--progress", "none"]).current_dir(bed.dir());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Asks it to drain; returns its exit code.
    fn drain(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The rest of the first line that holds `text`, after it.
fn said(stream: &mut impl Read, text: &str) -> String {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains(text));
    let line = line.unwrap_or_else(|| unreachable!("it never said {text}"));
    line.split_once(text).unwrap().1.trim().to_owned()
}

/// The answer to a GET: its status line and everything after it.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (status, rest) = answer.split_once("\r\n").unwrap();
    (status.to_owned(), rest.to_owned())
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WAIT_MAX, "{what}");
    }
}

/// A migration whose copy and comparison stand still, so that they can be looked at.
async fn paused() -> Bed {
    let bed = Bed::new(ROWS, 51).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    drop(bed.run("backfill", &["pause"]).ok());
    drop(bed.run("verify", &["pause"]).ok());
    bed
}

#[tokio::test]
async fn every_phase_serves_its_health_and_its_figures_while_it_runs() {
    let bed = paused().await;
    for (name, metric, activity, code) in [
        ("dual-write", "dualwrite", "running", 0),
        ("backfill", "backfill", "paused", 3),
        ("verify", "verify", "paused", 4),
    ] {
        let mut running = Watched::start(&bed, name, &["run", "--listen", "127.0.0.1:0"]);
        let address = said(running.0.stderr.as_mut().unwrap(), "address=");
        assert!(get(&address, "/livez").0.contains("200"), "{name}");
        wait_until(name, || get(&address, "/readyz").0.contains("200"));
        let line = format!("midflight_{metric}_activity{{activity=\"{activity}\"}} 1");
        wait_until(&line, || get(&address, "/metrics").1.contains(&line));
        let metrics = get(&address, "/metrics").1;
        assert!(metrics.trim_end().ends_with("# EOF"), "{name}: {metrics}");
        assert!(get(&address, "/nothing").0.contains("404"), "{name}");
        assert_eq!(running.drain(), Some(code), "{name}");
        assert!(TcpStream::connect(&address).is_err(), "{name} is gone");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let bed = paused().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = bed.run("dual-write", &["run", "--listen", &address]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains(&address), "{ran:?}");
}

#[tokio::test]
async fn a_status_that_is_watched_is_a_document_a_line_until_it_is_told_to_stop() {
    let bed = paused().await;
    let running = bed.start("dual-write", &["run"]);
    for name in ["dual-write", "backfill", "verify"] {
        let watch = ["status", "-w", "--interval", "20ms", "-o", "json"];
        let mut watched = Watched::start(&bed, name, &watch);
        let lines = BufReader::new(watched.0.stdout.take().unwrap()).lines();
        for line in lines.take(3) {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert_eq!((&line["schema_version"], &line["phase"]), (&1.into(), &name.into()));
        }
        assert_eq!(watched.drain(), Some(0), "{name}");
    }
    drop(running.drain().ok());
    let late = bed.run("backfill", &["status", "-w", "--interval", "20ms", "--timeout", "300ms"]);
    assert_eq!(late.code, Some(6), "{late:?}");
    assert!(late.stdout.contains("paused"), "{late:?}");
}

#[tokio::test]
async fn a_live_path_says_at_its_end_what_it_did() {
    let mut bed = paused().await;
    bed.change(30).await;
    let summary = bed.run("dual-write", &["run", "--until-drained", "-o", "json"]).json();
    assert_eq!((&summary["ended"], &summary["schema_version"]), (&"done".into(), &1.into()));
    let count = |name: &str| summary[name].as_u64().unwrap();
    let became = ["applied", "stale", "duplicate", "compacted", "dead_letters", "foreign"];
    assert_eq!(count("consumed"), became.into_iter().map(count).sum::<u64>(), "{summary}");
    assert!(count("consumed") > 0);
}
