//! Repairs and their leases.

use crate::store_conformance::bed::{
    Bed, SOURCE, applied, copied, delete, key, notes, push, put_edges, set, version,
};
use migration::batch::Batch;
use migration::protocol::{Kind, Progress, Repair};
use migration::store::{RepairEntry, RepairStep, SourceRow};
use std::sync::Arc;

const EDGE: (&str, &str) = ("a", "x");
const OTHER: (&str, &str) = ("b", "x");
const LEASE: u128 = 1 << 100;

async fn lease(bed: &Bed, edges: &[(&str, &str)], lease: u128) {
    let keys: Vec<_> = edges.iter().map(|&edge| key(edge)).collect();
    let table = &bed.followers().schema().table;
    bed.target.place_lease(SOURCE, table, &keys, lease).await.unwrap();
}

/// Repairs edges in `followers` with what the source is said to hold.
async fn repair(bed: &Bed, lease: u128, found: &[((&str, &str), Option<&str>)]) -> Vec<Repair> {
    let target = bed.followers();
    let mut sources = Batch::new(Arc::clone(bed.layout.source()));
    let mut keys = Batch::new(Arc::clone(target.key_schema()));
    let mut entries = Vec::new();
    for &(edge, note) in found {
        let row = if note.is_some() {
            push(&mut sources, edge, note);
            SourceRow::Present(sources.len() - 1)
        } else {
            target.project_key(&key(edge), &mut keys).unwrap();
            SourceRow::Absent(keys.len() - 1)
        };
        entries.push(RepairEntry { key: key(edge), row, source_version: None, replayed: None });
    }
    let records = target.project(&sources).unwrap();
    let step = RepairStep {
        source_table: SOURCE,
        target,
        lease,
        entries: &entries,
        records: &records,
        keys: &keys,
    };
    bed.target.repair(&step).await.unwrap()
}

pub(crate) async fn a_repair_writes_where_its_lease_stands(bed: Bed) {
    bed.claimed().await;
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("mended"))]).await, [Repair::Write]);
    assert_eq!(bed.notes(bed.followers()).await, notes(&[("a/x", "mended")]));
    let guard = bed.guard(EDGE).await.unwrap();
    assert_eq!(guard.kind, Kind::Present);
    // The lease is used up, and every change exceeds the guard that is left.
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("twice"))]).await, [Repair::Redo]);
    assert_eq!(bed.live(0, &[set(EDGE, 1, "live")]).await, applied(1, 0, 0));
}

pub(crate) async fn a_repair_removes_what_the_source_does_not_have(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 3, "extra")]).await, applied(1, 0, 0));
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(repair(&bed, LEASE, &[(EDGE, None)]).await, [Repair::Write]);
    assert_eq!(bed.notes(bed.followers()).await, []);
    let guard = bed.guard(EDGE).await.unwrap();
    assert_eq!((guard.kind, guard.version), (Kind::Deleted, version(3)));
}

pub(crate) async fn a_live_write_takes_the_lease_away(bed: Bed) {
    bed.claimed().await;
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("old"))]).await, [Repair::Redo]);
    assert_eq!(bed.both().await, []);
    assert_eq!(bed.guard(EDGE).await.unwrap().kind, Kind::Deleted);
}

pub(crate) async fn even_a_stale_change_takes_the_lease_away(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 5, "live")]).await, applied(1, 0, 0));
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(bed.live(1, &[set(EDGE, 4, "stale")]).await, applied(0, 0, 1));
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("old"))]).await, [Repair::Redo]);
    assert_eq!(bed.both().await, notes(&[("a/x", "live")]));
    assert_eq!(bed.guard(EDGE).await.unwrap().version, version(5));
}

pub(crate) async fn a_second_lease_takes_the_place_of_the_first(bed: Bed) {
    bed.claimed().await;
    lease(&bed, &[EDGE], LEASE).await;
    lease(&bed, &[EDGE], LEASE + 1).await;
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("first"))]).await, [Repair::Redo]);
    assert_eq!(repair(&bed, LEASE + 1, &[(EDGE, Some("second"))]).await, [Repair::Write]);
    assert_eq!(bed.notes(bed.followers()).await, notes(&[("a/x", "second")]));
}

pub(crate) async fn a_lease_alone_is_no_guard(bed: Bed) {
    bed.claimed().await;
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(bed.guard(EDGE).await, None);
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE]).await, copied(2, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "copied")]));
}

pub(crate) async fn a_removal_by_repair_refuses_the_copy(bed: Bed) {
    bed.claimed().await;
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(repair(&bed, LEASE, &[(EDGE, None)]).await, [Repair::Write]);
    // A worker that read before the repair did.
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE]).await, copied(1, 0, 1));
    assert_eq!(bed.notes(bed.followers()).await, []);
}

pub(crate) async fn a_repair_never_lowers_a_version(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 9, "live")]).await, applied(1, 0, 0));
    lease(&bed, &[EDGE], LEASE).await;
    assert_eq!(repair(&bed, LEASE, &[(EDGE, Some("mended"))]).await, [Repair::Write]);
    assert_eq!(bed.guard(EDGE).await.unwrap().version, version(9));
    assert_eq!(bed.live(1, &[set(EDGE, 8, "late")]).await, applied(0, 0, 1));
}

pub(crate) async fn one_repair_decides_record_by_record(bed: Bed) {
    put_edges(&bed, &[(EDGE, Some("s")), (OTHER, Some("s"))]).await;
    bed.claimed().await;
    let third = ("c", "x");
    lease(&bed, &[EDGE, OTHER, third], LEASE).await;
    assert_eq!(bed.live(0, &[set(OTHER, 1, "live")]).await, applied(1, 0, 0));
    let found = [(EDGE, Some("s")), (OTHER, Some("s")), (third, None)];
    let decisions = repair(&bed, LEASE, &found).await;
    assert_eq!(decisions, [Repair::Write, Repair::Redo, Repair::Write]);
    assert_eq!(bed.notes(bed.followers()).await, notes(&[("a/x", "s"), ("b/x", "live")]));
}
