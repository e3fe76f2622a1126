//! The response path of list reads: decide, read, answer; everything else comes after.

use crate::clock::Clock;
use crate::edge::ListDigest;
use crate::list::ListReader;
use crate::mirror::MirrorJob;
use crate::pick::Picker;
use crate::read_log::{Answer, ReadLog};
use crate::schedule::Schedule;
use crate::tally::Tally;
use cutover::{Reader, Store};
use migration::error::Result;
use migration::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// One thread of readers.
#[derive(Debug)]
pub(crate) struct Readers {
    pub(crate) lists: ListReader,
    pub(crate) picker: Picker,
    pub(crate) switch: Arc<Reader>,
    pub(crate) log: Arc<ReadLog>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Clock,
    pub(crate) mirror: SyncSender<MirrorJob>,
}

impl Readers {
    /// Reads until the shutdown.
    pub(crate) fn run(mut self, mut schedule: Schedule, shutdown: &Shutdown) -> Result<()> {
        while !shutdown.has_begun() {
            for _ in 0..schedule.due() {
                self.read_one()?;
            }
            schedule.pause();
        }
        Ok(())
    }

    fn read_one(&mut self) -> Result<()> {
        let Some(list) = self.picker.next() else { return Ok(()) };
        let begun_at = self.clock.now();
        let began = std::time::Instant::now();
        let decision = self.switch.decide(list.as_bytes());
        let mut store = decision.store;
        let mut edges = self.lists.read(store, &list);
        if edges.is_err() && store == Store::New {
            // The user gets an answer, and the failure is counted: the old path is still there.
            self.tally.failed.add(1);
            store = Store::Old;
            edges = self.lists.read(store, &list);
        }
        let Ok(edges) = edges else {
            self.tally.failed.add(1);
            return Ok(());
        };
        let ended_at = self.clock.now();
        // From here on the caller has its answer.
        self.tally.took(began.elapsed());
        match store {
            Store::Old => self.tally.source.add(1),
            Store::New => self.tally.target.add(1),
        }
        let digest = ListDigest::of(&edges);
        let answered = true;
        let answer = Answer {
            list: &list,
            decision: &decision,
            store,
            answered,
            begun_at,
            ended_at,
            digest,
        };
        self.log.note(&answer)?;
        if decision.mirror
            && self.mirror.try_send(MirrorJob { list, decision, store, digest }).is_err()
        {
            self.tally.mirror.dropped.add(1);
        }
        Ok(())
    }
}
