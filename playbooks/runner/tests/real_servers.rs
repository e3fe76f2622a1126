//! The playbooks of real servers, as a person would type them: MariaDB, PostgreSQL, Redis, and
//! Debezium and Kafka between, each of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use servers::Kind;
use servers::with::Fleet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// They measure lag and hold rates: they would disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Every process has to do with this much memory.
const MEMORY_MAX_MIB: &str = "256";

/// How much of the traffic there must have been: whether it is right does not depend on how fast
/// the machine is. (`make demo` asks for nearly all of it.)
const RATE_MIN_PERCENT: &str = "30";

const PROGRAMS: [&str; 6] = ["dual-write", "backfill", "verify", "cutover", "service", "servers"];

/// Runs a playbook beside servers of these kinds, started for it alone.
#[track_caller]
fn fly(playbook: &str, kinds: &[Kind]) {
    let _alone = ONE_AT_A_TIME.lock();
    let runner = Path::new(env!("CARGO_BIN_EXE_playbook"));
    for program in PROGRAMS {
        let built = runner.with_file_name(program).exists();
        assert!(built, "{program} is not built: cargo build --workspace --bins, or make test");
    }
    let mut fleet = Fleet::start(kinds).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(playbook).join("README.md");
    let output = Command::new(runner)
        .arg("run")
        .arg(readme)
        .args(["--memory-max", MEMORY_MAX_MIB, "--dir"])
        .arg(folder.path().join("playbook"))
        .envs(fleet.environment())
        .env_remove("CHAOS")
        .env("FLIGHT_RATE_MIN", RATE_MIN_PERCENT)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        fleet.keep_logs();
    }
    assert!(output.status.success(), "{shown}\n{errors}");
    let report = std::fs::read_to_string(folder.path().join("playbook/flight/report.txt")).unwrap();
    let last = report.lines().last().unwrap_or_default();
    assert!(last.starts_with("PASS: oracle, source and target agree"), "{shown}\n{errors}");
}

#[test]
fn a_live_mariadb_table_lands_in_postgresql() {
    let kinds = [Kind::MariaDb, Kind::Postgres, Kind::Redis, Kind::Kafka, Kind::Connect];
    fly("mysql-to-postgres", &kinds);
}

#[test]
fn one_live_mariadb_lands_on_four_shards() {
    let kinds = [Kind::MariaDb, Kind::Shards, Kind::Redis, Kind::Kafka, Kind::Connect];
    fly("mysql-1-to-4", &kinds);
}
