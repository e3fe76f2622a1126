//! What may go wrong.

use crate::action::Action;
use crate::config::Part;
use crate::state::{ConsumerStep, Durable, Holder, RepairStep, State, WorkerStep};
use crate::system::System;
use crate::{source::Key, state::Repair};

/// Takes one from what may still happen.
pub(crate) fn spend(budget: &mut u8) -> Option<()> {
    *budget = budget.checked_sub(1)?;
    Some(())
}

impl System {
    /// Lets something go wrong, if it still may.
    pub(crate) fn fault(&self, s: &mut State, fault: Action) -> Option<()> {
        match fault {
            Action::Expire(key) => self.expire(s, key),
            Action::ExpireEarly(key) => {
                let holder = s.locks[usize::from(key)];
                (!matches!(holder, Holder::Nobody | Holder::Dead)).then_some(())?;
                s.locks[usize::from(key)] = Holder::Nobody;
                spend(&mut s.faults.expiry)
            }
            Action::Wipe => {
                s.locks.iter().any(|holder| *holder != Holder::Nobody).then_some(())?;
                s.locks.fill(Holder::Nobody);
                spend(&mut s.faults.wipe)
            }
            Action::CrashWorker(w) => {
                (s.workers[w].step != WorkerStep::Idle).then_some(())?;
                s.retire_worker(w, Holder::Dead);
                spend(&mut s.faults.worker_crash)
            }
            Action::CrashConsumer(c) => {
                (s.consumers[c].step != ConsumerStep::Standby).then_some(())?;
                s.retire_consumer(c, Holder::Dead);
                spend(&mut s.faults.consumer_crash)
            }
            Action::CrashRepair => {
                (s.repair.step != RepairStep::Idle).then_some(())?;
                s.end_lease();
                s.repair = Repair::IDLE;
                spend(&mut s.faults.repair_crash)
            }
            Action::Rewind(c, to) => {
                (s.consumers[c].step == ConsumerStep::Ready).then_some(())?;
                s.consumers[c].from = to;
                spend(&mut s.faults.rewind)
            }
            Action::Sync(i) => self.sync(s, i),
            Action::LoseTail => self.lose_tail(s),
            _ => None,
        }
    }

    fn expire(&self, s: &mut State, key: Key) -> Option<()> {
        let holder = &mut s.locks[usize::from(key)];
        (*holder == Holder::Dead).then_some(())?;
        *holder = Holder::Nobody;
        Some(())
    }

    /// Notes what an instance would go back to. Only the last time before the loss matters, so
    /// that it happens once in a run; and any state may be the one.
    fn sync(&self, s: &mut State, i: usize) -> Option<()> {
        (s.faults.lost_tail > 0 && s.durable.is_none()).then_some(())?;
        s.durable = Some(Durable { instance: i, state: s.target[i] });
        Some(())
    }

    fn lose_tail(&self, s: &mut State) -> Option<()> {
        let Durable { instance, state } = s.durable.take()?;
        let lost = std::mem::replace(&mut s.target[instance], state);
        let found = &mut s.target[instance];
        if !self.config.has(Part::PositionsInTarget) {
            found.partition = lost.partition;
            found.ranges = lost.ranges;
        }
        if !self.config.has(Part::LetterInTarget) {
            found.replayed = lost.replayed;
        }
        spend(&mut s.faults.lost_tail)
    }
}
