use super::{Contest, LINE_MAX, Peer, Side, Subject, one_line};
use crate::child::{Cost, Failure};
use crate::report::Report;
use std::cell::Cell;

/// A side that does its work in some runs only.
struct Moody {
    name: &'static str,
    /// Whether each of its runs fails.
    fails: fn(usize) -> bool,
    runs: Cell<usize>,
}

impl Moody {
    fn new(name: &'static str, fails: fn(usize) -> bool) -> Self {
        Self { name, fails, runs: Cell::new(0) }
    }
}

impl Side for Moody {
    fn name(&self) -> &str {
        self.name
    }

    fn prepare(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn run(&self) -> Result<Cost, Failure> {
        let run = self.runs.replace(self.runs.get() + 1);
        if (self.fails)(run) {
            return Err(format!("it stopped at {run}\nsaid much\n\nDeadlock found\n").into());
        }
        let seconds = if self.name == "ours" { 1.0 } else { 2.0 };
        Ok(Cost { seconds, peak_bytes: 1 << 20, cpu_seconds: 0.5 })
    }

    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

fn hold(ours: &Moody, peers: &[Peer<'_>]) -> (Result<(), Failure>, Report) {
    let mut report = Report::default();
    let subject = Subject { case: "copy", table: "narrow", durability: None };
    let contest = Contest { subject, rows: 1_000_000, ours, peers, servers: Vec::new() };
    let held = contest.hold(5, &mut report);
    (held, report)
}

#[test]
fn a_pair_whose_peer_fails_is_left_out_and_named() {
    let peers = [
        Peer::new(Moody::new("steady", |_| false), Some(0.5)),
        Peer::new(Moody::new("moody", |run| run % 2 == 1), None),
    ];
    let (held, report) = hold(&Moody::new("ours", |_| false), &peers);
    held.unwrap();
    report.verdict().unwrap();
    let [steady, moody] = report.contests.as_slice() else { panic!("a line for each peer") };
    assert!(steady.contains("| steady | 5 | 2.00 (2.00-2.00) | 0.50 |"), "{steady}");
    assert!(moody.contains("| moody | 3 of 5 | 2.00 (2.00-2.00) |  |"), "{moody}");
    let left_out = [
        "copy, narrow table, pair 2: moody: it stopped at 1 ... Deadlock found",
        "copy, narrow table, pair 4: moody: it stopped at 3 ... Deadlock found",
    ];
    assert_eq!(report.left_out, left_out);
}

#[test]
fn a_peer_that_never_does_its_work_fails_the_command_after_the_others() {
    let peers = [
        Peer::new(Moody::new("broken", |_| true), None),
        Peer::new(Moody::new("steady", |_| false), None),
    ];
    let (held, report) = hold(&Moody::new("ours", |_| false), &peers);
    held.unwrap();
    let [broken, steady] = report.contests.as_slice() else { panic!("a line for each peer") };
    assert!(broken.contains("| broken | 0 of 5 | none |") && !broken.contains("NaN"), "{broken}");
    assert!(steady.contains("| steady | 5 |"), "{steady}");
    let error = report.verdict().unwrap_err().to_string();
    assert_eq!(error, "all pairs failed with broken (copy, narrow table)");
}

#[test]
fn where_ours_fails_the_case_ends() {
    let peers = [Peer::new(Moody::new("steady", |_| false), None)];
    let (held, report) = hold(&Moody::new("ours", |run| run == 2), &peers);
    assert!(held.unwrap_err().to_string().starts_with("ours: it stopped at 2"));
    assert!(report.contests.is_empty());
}

#[test]
fn what_a_program_said_comes_to_one_line() {
    assert_eq!(one_line("peer: all at once"), "peer: all at once");
    assert_eq!(one_line("\n peer: first\nmore\nlast \n\n"), "peer: first ... last");
    assert_eq!(one_line(""), "it said nothing");
    assert_eq!(one_line(&"ü".repeat(LINE_MAX + 1)).chars().count(), LINE_MAX + 4);
}
