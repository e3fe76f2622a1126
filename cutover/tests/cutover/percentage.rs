//! Reads are answered from the target never before their stage, and never outside its share.

use crate::fixture::{Fixture, share, wait_until};
use crate::tricky_store::TrickyStore;
use cutover::{
    Action, Current, Decision, Machine, Reader, Rollback, RollbackFile, Stage, Store, Whitelist,
    decide,
};
use migration::checkpoint::CheckpointStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// A decision, by the number of the key, and when its answer was there.
type Read = (u32, Decision, Instant);

/// Reads keys 0 to 999 over and over, and keeps each answer that is new for its key.
fn read(reader: &Reader, stop: &AtomicBool) -> Vec<Read> {
    let mut last: BTreeMap<u32, Decision> = BTreeMap::new();
    let mut reads = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for key in 0..1_000 {
            let decision = reader.decide(key.to_string());
            if last.insert(key, decision) != Some(decision) {
                reads.push((key, decision, Instant::now()));
            }
        }
    }
    reads
}

/// The switch, and what each stage generation of it allows.
struct Climb {
    machine: Machine,
    current: Current,
    allowed: BTreeMap<u32, Current>,
}

impl Climb {
    async fn promote(&mut self, reader: &Reader) {
        let next = self.machine.promote(&self.current, Vec::new(), None).await.unwrap();
        self.reached(next, reader);
    }

    fn reached(&mut self, next: Current, reader: &Reader) {
        let generation = next.record.generation;
        self.allowed.insert(generation, next.clone());
        self.current = next;
        wait_until(SOON, || reader.stage().generation == generation);
    }
}

#[tokio::test]
async fn every_read_from_the_target_is_one_that_its_stage_allows() {
    let fixture = Fixture::new();
    let store: Arc<dyn CheckpointStore> = Arc::new(TrickyStore::new());
    let machine = Machine::new(Arc::new(fixture.plan.clone()), store.clone(), "ann@host");
    let current = machine.current().await.unwrap();
    let keys = ["7".to_owned(), "500".to_owned()];
    let current = machine.whitelist(&current, Action::WhitelistAdd, &keys).await.unwrap();
    let reader = Arc::new(Reader::open(&fixture.plan, store).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let reading = {
        let (reader, stop) = (Arc::clone(&reader), Arc::clone(&stop));
        std::thread::spawn(move || read(&reader, &stop))
    };
    let allowed = BTreeMap::from([(0, current.clone())]);
    let mut climb = Climb { machine, current, allowed };
    for _ in 0..5 {
        climb.promote(&reader).await;
    }
    assert_eq!(climb.current.record.stage, share(1_000));
    let file = RollbackFile::new(fixture.rollback_file());
    let rollback = Rollback::new(climb.machine.signed("drill"));
    file.throw(&rollback).await.unwrap();
    let thrown = Instant::now();
    wait_until(SOON, || reader.stage().rolled_back);
    let seen = thrown.elapsed();
    let back = climb.machine.record_rollback(&climb.current, &rollback).await.unwrap();
    climb.reached(back, &reader);
    let ended = climb.machine.retry(&climb.current, &[], "mended").await.unwrap();
    climb.reached(ended, &reader);
    file.remove().await.unwrap();
    let removed = Instant::now();
    for _ in 0..6 {
        climb.promote(&reader).await;
    }
    wait_until(SOON, || reader.decide("1").store == Store::New);
    stop.store(true, Ordering::Relaxed);
    let reads = reading.join().unwrap();
    let from_target: Vec<_> = reads.iter().filter(|read| read.1.store == Store::New).collect();
    for (key, decision, _) in &from_target {
        let record = &climb.allowed[&decision.generation].record;
        let whitelist = Whitelist::new(&record.whitelist);
        let key = key.to_string();
        let expected = decide(record.state(), &whitelist, b"orders.read", key.as_bytes());
        assert_eq!(expected.store, Store::New, "{key} at {}: {decision:?}", record.stage);
    }
    let under = |at: Instant| at > thrown + seen && at < removed;
    assert!(!from_target.iter().any(|read| under(read.2)), "a read from the target under rollback");
    let stages: Vec<_> = from_target.iter().map(|read| read.1.generation).collect();
    for generation in [2, 5, 13] {
        assert!(
            stages.contains(&generation),
            "no read of generation {generation}: it shows nothing"
        );
    }
    assert_eq!(climb.allowed[&8].record.stage, Stage::At(migration::plan::StagePlan::Mirror));
}
