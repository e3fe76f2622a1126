//! Small flights with one thing planted in each: the judge has to find it, and name it.

use super::pace::Asked;
use super::stages::{StageSpan, Stages};
use super::{Flight as Traces, Promised, weigh};
use crate::Outcome;
use crate::edge::{Edge, ListDigest};
use crate::files::{FlightDir, SHARDS, shard_of};
use crate::log::{LogWriter, line};
use crate::oracle::{Effect, OracleLine};
use crate::read_log::ReadLine;
use crate::seed::{Data, seed};
use crate::store::{Stores, edge_of};
use cutover::{Reason, Stage, Store};
use flate2::Compression;
use flate2::write::GzEncoder;
use migration::plan::StagePlan;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;
use tempfile::TempDir;

const GRAPH: &str = "package,dependent,constraint,section,installed_kib\n\
    libc6,bash,\">= 2\",shells,10\nlibc6,dash,\"\",shells,20\nlibc6,zsh,\"\",shells,30\n\
    perl,git,\">= 5\",vcs,40\n";

/// The target answers `mine` from the whitelist from 1,000 on, and everything from 2,000 on, until
/// the switch is thrown at 9,000.
fn stages() -> Stages {
    let span = |stage, since, is_rollback| StageSpan { stage, since, is_rollback };
    let full = StagePlan::Share { basis_points: 10_000 };
    Stages {
        flag: "followers.read".to_owned(),
        staleness_max: 100,
        spans: [
            (1, span(Stage::At(StagePlan::Whitelist), 1_000, false)),
            (2, span(Stage::At(full), 2_000, false)),
            (3, span(Stage::Off, 9_000_000, true)),
        ]
        .into(),
        whitelist: HashSet::from(["perl".to_owned()]),
    }
}

/// A flight of four edges.
struct Flight {
    home: TempDir,
    dir: FlightDir,
    oracle: LogWriter,
    reads: LogWriter,
    last_id: i64,
    asked: Asked,
}

impl Flight {
    fn seeded() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("graph.csv.gz");
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        file.write_all(GRAPH.as_bytes()).unwrap();
        std::fs::write(&data, file.finish().unwrap()).unwrap();
        let dir = FlightDir(home.path().join("flight"));
        let data = Data { file: data, most: usize::MAX };
        seed(&dir, &Stores::in_files(&dir), &data).unwrap();
        let oracle = LogWriter::open(&dir.oracle(), 0).unwrap();
        let reads = LogWriter::open(&dir.reads(), 0).unwrap();
        Self { home, dir, oracle, reads, last_id: 0, asked: Asked::default() }
    }

    fn source(&self) -> Connection {
        self.dir.open_source().unwrap()
    }

    fn shard(&self, key: &str) -> Connection {
        Connection::open(self.dir.shard(shard_of(key, SHARDS))).unwrap()
    }

    /// Logs a change at a moment, without carrying it out.
    fn acknowledge(&mut self, at: i64, effect: Effect) {
        self.last_id += 1;
        let line = line(&OracleLine { id: self.last_id, begun_at: at, committed_at: at, effect });
        self.oracle.append(&line.unwrap()).unwrap();
    }

    /// Deletes an edge in the source, acknowledged.
    fn delete(&mut self, at: i64, package: &str, dependent: &str) {
        let sql = "DELETE FROM followers WHERE package = ?1 AND dependent = ?2";
        assert_eq!(self.source().execute(sql, [package, dependent]).unwrap(), 1);
        let (package, dependent) = (package.to_owned(), dependent.to_owned());
        self.acknowledge(at, Effect::Delete { package, dependent });
    }

    /// Copies the source into both tables of the target, as the product should.
    fn copy(&self) {
        for edge in self.edges() {
            self.copy_edge(&edge);
        }
    }

    fn copy_edge(&self, edge: &Edge) {
        let size_kib = edge.installed_kib.map(|kib| kib.to_string());
        let time = jiff::Timestamp::from_microsecond(edge.changed_at).unwrap();
        let time = time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        for (table, first, second) in [
            ("follower_of", &edge.package, &edge.dependent),
            ("follows", &edge.dependent, &edge.package),
        ] {
            let sql = format!("INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
            let values = params![first, second, edge.constraint, edge.section, size_kib, time];
            self.shard(first).execute(&sql, values).unwrap();
        }
    }

    fn edges(&self) -> Vec<Edge> {
        let source = self.source();
        let mut select = source.prepare("SELECT * FROM followers").unwrap();
        let edges = select.query_map([], edge_of).unwrap();
        edges.map(Result::unwrap).collect()
    }

    fn list(&self, package: &str) -> ListDigest {
        ListDigest::of(self.edges().iter().filter(|edge| edge.package == package))
    }

    /// Logs a read that the target answered.
    fn read(&mut self, at: i64, list: &str, generation: u32, digest: ListDigest) {
        let entry = ReadLine {
            list: list.to_owned(),
            store: Store::New,
            answered: true,
            begun_at: at,
            ended_at: at + 1,
            generation,
            reason: Reason::Static,
            edges: digest.edges,
            digest: format!("{:x}", digest.sum),
        };
        self.reads.append(&line(&entry).unwrap()).unwrap();
    }

    /// What the judge says with a printed lag of half a second.
    fn judged(&self) -> String {
        let data = self.home.path().join("graph.csv.gz");
        let lag_max = Duration::from_millis(500);
        let promised = Promised { lag_max, asked: self.asked };
        let dir = self.dir.clone();
        let data = Data { file: data, most: usize::MAX };
        let traces = Traces { stores: Stores::in_files(&dir), dir, data };
        let judgement = weigh(&traces, &stages(), promised).unwrap();
        let passes = judgement.text.lines().last().unwrap().starts_with("PASS");
        assert_eq!(passes, judgement.outcome == Outcome::Done, "{}", judgement.text);
        judgement.text
    }

    #[track_caller]
    fn assert_found(&self, wrong: &str) {
        let text = self.judged();
        assert!(text.contains(wrong) && text.ends_with("FAIL: see above"), "{text}");
    }
}

#[test]
fn a_flight_without_a_fault_passes() {
    let mut flight = Flight::seeded();
    let before = flight.list("libc6");
    flight.delete(3_000, "libc6", "zsh");
    flight.copy();
    flight.read(2_500, "libc6", 2, before);
    flight.read(3_200, "libc6", 2, before);
    flight.read(3_400, "libc6", 2, flight.list("libc6"));
    flight.read(1_500, "perl", 1, flight.list("perl"));
    let text = flight.judged();
    assert!(text.lines().last().unwrap().starts_with("PASS"), "{text}");
    assert!(text.contains("max 0.2 ms"), "{text}");
}

#[test]
fn a_lost_delete_is_found_in_both_copies() {
    let mut flight = Flight::seeded();
    flight.copy();
    flight.delete(3_000, "libc6", "zsh");
    flight.assert_found("1 x an edge of follower_of was deleted, or was never there");
    flight.assert_found("1 x an edge of follows was deleted, or was never there");
}

#[test]
fn a_lost_write_is_found_in_the_source_too() {
    let mut flight = Flight::seeded();
    flight.copy();
    let edge = Edge { dependent: "fish".to_owned(), ..flight.edges()[0].clone() };
    flight.acknowledge(3_000, Effect::Upsert(edge));
    flight.assert_found("1 x an acknowledged edge is missing in the source");
    flight.assert_found("1 x an acknowledged edge is missing in follows");
}

#[test]
fn two_swapped_values_are_found() {
    let flight = Flight::seeded();
    flight.copy();
    let sql = "UPDATE follower_of SET size_kib = 30 - size_kib
        WHERE followed = 'libc6' AND follower IN ('bash', 'dash')";
    assert_eq!(flight.shard("libc6").execute(sql, []).unwrap(), 2);
    flight.assert_found("2 x an edge of follower_of is not what was acknowledged");
}

#[test]
fn null_in_place_of_empty_is_found() {
    let flight = Flight::seeded();
    flight.copy();
    // `zsh` has an empty requirement, `dash` none.
    let sql = "UPDATE follows SET requirement = NULL WHERE requirement = ''";
    let changed = ["zsh", "dash"].map(|key| flight.shard(key).execute(sql, []).unwrap());
    assert!(changed.contains(&1));
    flight.assert_found("1 x an edge of follows is not what was acknowledged");
}

#[test]
fn a_value_of_another_type_is_found() {
    let flight = Flight::seeded();
    flight.copy();
    let sql = "UPDATE follower_of SET changed_at = 7 WHERE followed = 'perl'";
    assert_eq!(flight.shard("perl").execute(sql, []).unwrap(), 1);
    flight.assert_found("1 x a record of follower_of cannot be read");
    flight.assert_found("1 x an acknowledged edge is missing in follower_of");
}

#[test]
fn an_edge_on_the_wrong_shard_is_found() {
    let flight = Flight::seeded();
    flight.copy();
    let other = (shard_of("perl", SHARDS) + 1) % SHARDS;
    let wrong = Connection::open(flight.dir.shard(other)).unwrap();
    wrong
        .execute(
            "INSERT INTO follower_of VALUES ('perl', 'git', '>= 5', 'vcs', 40, \
             '2026-11-01 00:00:03.703701')",
            [],
        )
        .unwrap();
    flight.assert_found("1 x an edge is on the wrong shard");
    flight.assert_found("1 x an edge is in follower_of twice");
}

#[test]
fn a_read_of_the_target_before_its_gate_or_outside_its_stage_is_found() {
    let mut flight = Flight::seeded();
    flight.copy();
    flight.read(999, "perl", 1, flight.list("perl"));
    flight.assert_found("1 x the target answered before the gate of its stage was passed");
    flight.read(1_500, "libc6", 1, flight.list("libc6"));
    flight.assert_found("1 x the target answered a list outside the stage");
}

#[test]
fn a_deleted_edge_that_reappears_is_found() {
    let mut flight = Flight::seeded();
    let before = flight.list("libc6");
    flight.delete(3_000, "libc6", "zsh");
    flight.copy();
    flight.read(3_100, "libc6", 2, flight.list("libc6"));
    flight.read(3_200, "libc6", 2, before);
    flight.assert_found("1 x the target showed an older state after a newer one");
}

#[test]
fn a_list_that_never_was_is_found() {
    let mut flight = Flight::seeded();
    let mut never = flight.list("libc6");
    let zsh = flight.edges().into_iter().find(|edge| edge.dependent == "zsh").unwrap();
    never.remove(zsh.digest());
    flight.copy();
    flight.read(3_100, "libc6", 2, never);
    flight.assert_found("1 x the target showed what the list never was");
}

#[test]
fn an_answer_older_than_the_printed_lag_is_found() {
    let mut flight = Flight::seeded();
    let before = flight.list("libc6");
    flight.delete(3_000, "libc6", "zsh");
    flight.copy();
    flight.read(503_001, "libc6", 2, before);
    flight.assert_found("1 x an answer of the target was older than the lag that was printed");
}

#[test]
fn a_read_of_the_source_that_was_not_current_is_found() {
    let mut flight = Flight::seeded();
    let before = flight.list("libc6");
    flight.delete(3_000, "libc6", "zsh");
    flight.copy();
    let entry = ReadLine {
        list: "libc6".to_owned(),
        store: Store::Old,
        answered: true,
        begun_at: 3_001,
        ended_at: 3_002,
        generation: 2,
        reason: Reason::Share,
        edges: before.edges,
        digest: format!("{:x}", before.sum),
    };
    flight.reads.append(&line(&entry).unwrap()).unwrap();
    flight.assert_found("1 x the source answered what did not hold then");
}

#[test]
fn a_rollback_that_takes_effect_late_is_found() {
    let mut flight = Flight::seeded();
    flight.copy();
    flight.read(10_000_001, "libc6", 2, flight.list("libc6"));
    flight.assert_found("1 x a rollback took effect late");
    flight.assert_found("1 x the target answered by a stage that was left too long ago");
}

#[test]
fn a_flight_with_less_traffic_than_was_asked_for_is_found() {
    let mut flight = Flight::seeded();
    let before = flight.list("libc6");
    flight.delete(3_000, "libc6", "zsh");
    flight.delete(1_003_000, "libc6", "dash");
    flight.copy();
    flight.read(2_500, "libc6", 2, before);
    flight.read(502_500, "perl", 2, flight.list("perl"));
    flight.asked = Asked { changes: 2, lists: 4, least_percent: 90 };
    assert!(flight.judged().contains("2 changes a second of 2 asked for"), "{}", flight.judged());
    assert!(flight.judged().ends_with("agree, and no answer was wrong"), "{}", flight.judged());
    flight.asked.changes = 3;
    flight.assert_found("1 x fewer changes a second than were asked for");
    flight.asked = Asked { changes: 2, lists: 5, least_percent: 90 };
    flight.assert_found("1 x fewer lists a second than were asked for");
    flight.asked.least_percent = 80;
    assert!(flight.judged().contains("PASS"), "{}", flight.judged());
}

#[test]
fn a_hole_in_the_oracle_is_found() {
    let mut flight = Flight::seeded();
    flight.copy();
    flight.last_id += 1;
    let edge = flight.edges()[0].clone();
    flight.acknowledge(3_000, Effect::Upsert(edge));
    flight.assert_found("1 x the oracle has a gap");
}
