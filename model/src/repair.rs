//! REPAIR, and the replay of dead letters.

use crate::faults::spend;
use crate::source::{Event, Key, Position, Row};
use crate::state::{Repair, RepairStep, State};
use crate::system::System;
use migration::protocol::{self, Kind, Replay};

impl State {
    /// Whether a record waits to be repaired.
    pub(crate) fn is_wrong(&self, instance: usize, key: Key) -> bool {
        self.target[instance].records[usize::from(key)].wrong
    }

    /// The change in a dead letter that is still to be replayed on an instance, if nothing else is
    /// under repair.
    fn open_letter(&self, position: Position, instance: usize) -> Option<Event> {
        let letter = 1 << position;
        let waits = self.letters & !self.target[instance].replayed & letter != 0;
        (waits && self.repair.step == RepairStep::Idle).then(|| self.source.event(position))
    }

    /// Whether a dead letter is still to be replayed on some instance.
    pub(crate) fn open_letters(&self) -> bool {
        self.target.iter().any(|instance| self.letters & !instance.replayed != 0)
    }
}

impl System {
    /// Wants a record repaired: one that is wrong, or any that an operator thinks of.
    pub(crate) fn want_repair(&self, s: &mut State, i: usize, key: Key) -> Option<()> {
        (s.repair.step == RepairStep::Idle).then_some(())?;
        if !s.is_wrong(i, key) {
            spend(&mut s.chores.repairs)?;
        }
        s.repair = Repair { step: RepairStep::Wanted, instance: i, key, letter: None };
        Some(())
    }

    /// Replays a dead letter on one instance: like a live change where a guard can judge it, else
    /// by a repair.
    pub(crate) fn replay(&self, s: &mut State, position: Position, i: usize) -> Option<()> {
        let event = s.open_letter(position, i)?;
        let record = &s.target[i].records[usize::from(event.change.key)];
        match self.config.replay(record, event.change.effect) {
            Replay::Live => {
                self.apply_change(s, i, event);
                s.target[i].replayed |= 1 << position;
                Some(())
            }
            Replay::Repair => self.replay_by_repair(s, position, i),
        }
    }

    /// Replays a dead letter on one instance by a repair, which is right whatever the guard says.
    pub(crate) fn replay_by_repair(
        &self,
        s: &mut State,
        position: Position,
        instance: usize,
    ) -> Option<()> {
        let key = s.open_letter(position, instance)?.change.key;
        s.repair = Repair { step: RepairStep::Wanted, instance, key, letter: Some(position) };
        Some(())
    }

    /// Places the lease, and notes what the source has to show.
    pub(crate) fn place_lease(&self, s: &mut State) -> Option<()> {
        let Repair { step: RepairStep::Wanted, instance, key, letter } = s.repair else {
            return None;
        };
        s.end_lease();
        s.target[instance].records[usize::from(key)].leased = true;
        let barrier = self.config.repair_barrier(&s.target[instance].partition, letter);
        s.repair.step = RepairStep::Leased { barrier };
        Some(())
    }

    /// Reads the source, once it shows what was applied when the lease was placed.
    pub(crate) fn read_for_repair(&self, s: &mut State) -> Option<()> {
        let RepairStep::Leased { barrier } = s.repair.step else { return None };
        s.source.shows(barrier).then_some(())?;
        let row = s.source.read(s.repair.key);
        s.repair.step = RepairStep::Read { row, shown: s.source.shown() };
        Some(())
    }

    /// Writes what was read, if the lease still stands; else begins again.
    pub(crate) fn write_repair(&self, s: &mut State) -> Option<()> {
        let Repair { step: RepairStep::Read { row, shown }, instance, key, letter } = s.repair
        else {
            return None;
        };
        let versioned = row.filter(|_| self.config.row_versions).map(|row| row.version);
        let replayed = letter.map(|position| s.source.event(position).version);
        let record = &mut s.target[instance].records[usize::from(key)];
        if self.config.repair(record, versioned) == protocol::Repair::Redo {
            s.end_lease();
            s.repair.step = RepairStep::Wanted;
            return Some(());
        }
        let placed: Option<Row> = self.placed(row, instance);
        let kind = if placed.is_some() { Kind::Present } else { Kind::Deleted };
        record.guard = self.config.repaired_guard(record, kind, versioned, replayed);
        record.row = placed;
        record.floor = record.floor.max(record.guard.map_or(0, |guard| guard.version));
        record.wrong = false;
        record.removed_at = if placed.is_none() { shown } else { 0 };
        if let Some(position) = letter {
            s.target[instance].replayed |= 1 << position;
        }
        s.end_lease();
        s.repair = Repair::IDLE;
        Some(())
    }
}
