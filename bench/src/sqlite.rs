//! From one SQLite file to another: what the phases cost beside the barest loops.

pub(crate) mod data;
pub(crate) mod peer;

use crate::case::Settings;
use crate::child::{self, Cost, Failure};
use crate::report::Report;
use crate::side::{Contest, Peer, Side, Subject};
use crate::wait::wait;
use std::path::PathBuf;

/// Records in the table, unless asked for otherwise. The peers' rates hardly change beyond this.
const ROWS: u64 = 1_000_000;

/// Records for each change of the stream.
const ROWS_PER_CHANGE: u64 = 5;

/// What the phases are compared with.
pub(crate) const COPY_PEERS: &[&str] = &["the bare loop", "INSERT..SELECT in the engine"];
pub(crate) const READ_PEERS: &[&str] = &["the SELECT pass over both files"];
pub(crate) const APPLY_PEERS: &[&str] = &["the bare upsert loop"];

/// Where a case works: everything it needs is made once, what a run leaves is removed before the
/// next.
pub(crate) struct Bench<'a> {
    dir: tempfile::TempDir,
    settings: &'a Settings,
    rows: u64,
}

/// A side, of what it does.
struct Work<P, R, C> {
    name: &'static str,
    prepare: P,
    run: R,
    check: C,
}

impl<P, R, C> Side for Work<P, R, C>
where
    P: Fn() -> Result<(), Failure>,
    R: Fn() -> Result<Cost, Failure>,
    C: Fn() -> Result<(), Failure>,
{
    fn name(&self) -> &str {
        self.name
    }

    fn prepare(&self) -> Result<(), Failure> {
        (self.prepare)()
    }

    fn run(&self) -> Result<Cost, Failure> {
        (self.run)()
    }

    fn check(&self) -> Result<(), Failure> {
        (self.check)()
    }
}

impl<'a> Bench<'a> {
    /// Makes the source.
    pub(crate) fn new(settings: &'a Settings) -> Result<Self, Failure> {
        let rows = settings.rows.unwrap_or(ROWS);
        let bench = Self { dir: tempfile::tempdir()?, settings, rows };
        wait(data::fill_source(&bench.path("source.db"), rows))?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a phase binary on the plan.
    fn phase(&self, program: &str, args: &[&str]) -> Result<Cost, Failure> {
        let plan = self.text("plan.toml");
        let shared = ["--config", &plan, "--progress", "none", "-q", "--yes"];
        let args: Vec<String> = args.iter().chain(&shared).map(|arg| (*arg).to_owned()).collect();
        child::run(&self.settings.bin_dir.join(program), &args)
    }

    /// Runs this program as a peer.
    fn peer(&self, args: &[String]) -> Result<Cost, Failure> {
        child::run(&std::env::current_exe()?, args)
    }

    /// Removes databases, with what the engine keeps beside them.
    fn remove(&self, files: &[&str]) -> Result<(), Failure> {
        for file in files {
            for suffix in ["", "-wal", "-shm"] {
                let path = self.path(&format!("{file}{suffix}"));
                if path.exists() {
                    std::fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// A migration that has not begun: an empty target file, no checkpoint, no lock.
    fn fresh(&self) -> Result<(), Failure> {
        self.remove(&["target.db", "checkpoint.db", "locks.db"])?;
        wait(data::create_target(&self.path("target.db")))?;
        std::fs::write(self.path("plan.toml"), data::plan())?;
        self.phase("dual-write", &["set-up"])?;
        Ok(())
    }

    /// Ours and those of the peers that were asked for.
    fn hold(
        &self,
        report: &mut Report,
        (case, rows): (&str, u64),
        ours: &dyn Side,
        mut peers: Vec<Peer<'_>>,
    ) -> Result<(), Failure> {
        peers.retain(|peer| self.settings.wants_peer(peer.side.name()));
        let case = format!("{case} SQLite to SQLite");
        Contest {
            subject: Subject { case: &case, table: "followers", durability: None },
            rows,
            ours,
            peers: &peers,
            servers: Vec::new(),
        }
        .hold(self.settings.runs, report)
    }

    /// The copy beside a bare loop, and beside what the engine does by itself.
    pub(crate) fn backfill(&self, report: &mut Report) -> Result<(), Failure> {
        let ours = Work {
            name: "ours",
            prepare: || self.fresh(),
            run: || self.phase("backfill", &["run"]),
            check: || wait(data::expect_rows(&self.path("target.db"), self.rows)),
        };
        let copy = |name, command: &'static str| Work {
            name,
            prepare: || self.remove(&["peer.db"]),
            run: move || {
                self.peer(&[command.to_owned(), self.text("source.db"), self.text("peer.db")])
            },
            check: || wait(data::expect_rows(&self.path("peer.db"), self.rows)),
        };
        let peers = vec![
            Peer::new(copy("the bare loop", "bare-copy"), Some(1.0)),
            Peer::new(copy("INSERT..SELECT in the engine", "attached-copy"), None),
        ];
        self.hold(report, ("backfill", self.rows), &ours, peers)
    }

    /// The comparison of two equal tables beside reading both.
    pub(crate) fn verify(&self, report: &mut Report) -> Result<(), Failure> {
        self.fresh()?;
        self.phase("backfill", &["run"])?;
        let ours = Work {
            name: "ours",
            prepare: || Ok(()),
            run: || self.phase("verify", &["run", "--restart"]),
            check: || Ok(()),
        };
        let pass = Work {
            name: "the SELECT pass over both files",
            prepare: || Ok(()),
            run: || {
                self.peer(&["bare-read".into(), self.text("source.db"), self.text("target.db")])
            },
            check: || Ok(()),
        };
        self.hold(report, ("verify", self.rows), &ours, vec![Peer::new(pass, Some(0.5))])
    }

    /// The live path beside a bare upsert loop.
    pub(crate) fn dual_write(&self, report: &mut Report) -> Result<(), Failure> {
        let count = self.rows / ROWS_PER_CHANGE * 2;
        let changes = data::changes(count, self.rows);
        let ours = Work {
            name: "ours",
            // The stream lies after the start position, so it is written anew for each run.
            prepare: || {
                wait(data::clear_outbox(&self.path("source.db")))?;
                self.fresh()?;
                Ok(wait(data::fill_outbox(&self.path("source.db"), &changes))?)
            },
            run: || self.phase("dual-write", &["run", "--until-drained"]),
            check: || self.expect_equal(),
        };
        let bare = Work {
            name: "the bare upsert loop",
            prepare: || self.remove(&["peer.db"]),
            run: || {
                let (count, rows) = (count.to_string(), self.rows.to_string());
                self.peer(&["bare-apply".into(), self.text("peer.db"), count, rows])
            },
            check: || self.expect_equal(),
        };
        self.hold(report, ("dual-write", count), &ours, vec![Peer::new(bare, Some(0.6))])
    }

    /// Fails if ours and the peer come to different states; whoever runs first has none to compare.
    fn expect_equal(&self) -> Result<(), Failure> {
        let (ours, peer) = (self.path("target.db"), self.path("peer.db"));
        if ours.exists() && peer.exists() {
            wait(data::expect_equal(&ours, &peer))?;
        }
        Ok(())
    }
}
