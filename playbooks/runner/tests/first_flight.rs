//! The first-flight playbook, as a person would type it: a whole migration under live writes.
//! `make faults` flies it once more with a phase killed every second.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Both flights measure lag and hold rates: they would disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Every process has to do with this much memory.
const MEMORY_MAX_MIB: &str = "128";

/// How much of the traffic there must have been: whether it is right does not depend on how fast
/// the machine is. (`make demo` asks for nearly all of it.)
const RATE_MIN_PERCENT: &str = "30";

#[track_caller]
fn fly(more: &[&str]) {
    let _alone = ONE_AT_A_TIME.lock();
    let runner = Path::new(env!("CARGO_BIN_EXE_playbook"));
    for program in ["dual-write", "backfill", "verify", "cutover", "service"] {
        let built = runner.with_file_name(program).exists();
        assert!(built, "{program} is not built: cargo build --workspace --bins, or make test");
    }
    let folder = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../first-flight/README.md");
    let output = Command::new(runner)
        .arg("run")
        .arg(readme)
        .args(["--memory-max", MEMORY_MAX_MIB, "--dir"])
        .arg(folder.path().join("playbook"))
        .args(more)
        .env_remove("CHAOS")
        .env("FLIGHT_RATE_MIN", RATE_MIN_PERCENT)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{errors}");
    assert!(shown.contains("PASS: oracle, source and target agree"), "{shown}\n{errors}");
}

#[test]
fn the_first_flight_lands() {
    fly(&[]);
}
