//! The source, the application that changes it, and the queue that carries the changes.

use crate::config::Changes;
use migration::protocol::Effect;

/// Most source keys.
pub const KEYS_MAX: usize = 2;
/// Most changes of the application.
pub const CHANGES_MAX: usize = 4;

/// A source key, which is the range key of its target records too.
pub(crate) type Key = u8;
/// A change's place in the source's commit order, from 1. Rows that were there before have 0.
pub(crate) type Version = u8;
/// A place in the queue.
pub(crate) type Position = u8;

/// A row, in the source or as it was read there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    /// Version of the change that made it so.
    pub(crate) version: Version,
    /// The instance that its content names, where the layout asks for one.
    pub(crate) home: u8,
    /// How often each command is in it: two bits for each version, those of 0 for a row that was
    /// there before any.
    pub(crate) commands: u16,
}

impl Row {
    /// A row that was there before any change.
    pub(crate) fn first(home: u8) -> Self {
        Self { version: 0, home, commands: 1 }
    }

    /// A row that the change of `version` set as a whole.
    pub(crate) fn set(home: u8, version: Version) -> Self {
        Self { version, home, commands: 0 }
    }

    /// The row with the command of `version` added; three of a kind stay three.
    pub(crate) fn plus(row: Option<Self>, version: Version) -> Self {
        let shift = 2 * version;
        let commands = row.map_or(0, |row| row.commands);
        let sum = if (commands >> shift) & 3 == 3 { commands } else { commands + (1 << shift) };
        Self { version, home: 0, commands: sum }
    }
}

/// One live write of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// The row it changes.
    pub key: Key,
    /// Set, delete or add.
    pub effect: Effect,
    /// Where a set puts the row.
    pub home: u8,
    /// Whether its message can be decoded.
    pub decodable: bool,
}

impl Change {
    const NONE: Self = Self { key: 0, effect: Effect::Set, home: 0, decodable: true };

    /// The row after this change.
    fn applied(self, row: Option<Row>, version: Version) -> Option<Row> {
        match self.effect {
            Effect::Set => Some(Row::set(self.home, version)),
            Effect::Delete => None,
            Effect::Delta => Some(Row::plus(row, version)),
        }
    }
}

/// A change as the queue delivers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// Its place in the queue.
    pub(crate) position: Position,
    /// Its place in the commit order.
    pub(crate) version: Version,
    /// What was done.
    pub(crate) change: Change,
}

/// The source and its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source {
    /// The rows that were there before any change.
    first: [Option<Row>; KEYS_MAX],
    log: [Change; CHANGES_MAX],
    made: u8,
    shown: u8,
    queue: [u8; CHANGES_MAX],
    queued: u8,
}

impl Source {
    pub(crate) fn new(first: [Option<Row>; KEYS_MAX]) -> Self {
        Self {
            first,
            log: [Change::NONE; CHANGES_MAX],
            made: 0,
            shown: 0,
            queue: [0; CHANGES_MAX],
            queued: 0,
        }
    }

    /// Commits a change.
    pub(crate) fn commit(&mut self, change: Change) {
        self.log[usize::from(self.made)] = change;
        self.made += 1;
    }

    /// Puts a committed change on the queue; `None` if it is there or not committed.
    pub(crate) fn emit(&mut self, index: u8) -> Option<()> {
        let emitted = &self.queue[..usize::from(self.queued)];
        if index >= self.made || emitted.contains(&index) {
            return None;
        }
        self.queue[usize::from(self.queued)] = index;
        self.queued += 1;
        Some(())
    }

    /// Lets readers see one more change; `None` if they see all.
    pub(crate) fn show(&mut self) -> Option<()> {
        self.shown = (self.shown < self.made).then_some(self.shown + 1)?;
        Some(())
    }

    /// What a reader gets.
    pub(crate) fn read(&self, key: Key) -> Option<Row> {
        self.row(key, self.shown)
    }

    /// What is committed, shown or not.
    pub(crate) fn committed(&self, key: Key) -> Option<Row> {
        self.row(key, self.made)
    }

    fn row(&self, key: Key, count: u8) -> Option<Row> {
        let changes = (1..).zip(&self.log[..usize::from(count)]);
        changes
            .filter(|(_, change)| change.key == key)
            .fold(self.first[usize::from(key)], |row, (version, change)| {
                change.applied(row, version)
            })
    }

    /// How many changes are committed.
    pub(crate) fn made(&self) -> u8 {
        self.made
    }

    /// The version up to which readers see everything.
    pub(crate) fn shown(&self) -> Version {
        self.shown
    }

    /// The queue's end.
    pub(crate) fn end(&self) -> Position {
        self.queued
    }

    /// The change at a position before the queue's end.
    pub(crate) fn event(&self, position: Position) -> Event {
        let index = self.queue[usize::from(position)];
        Event { position, version: index + 1, change: self.log[usize::from(index)] }
    }

    /// Whether readers see every change before `position` of the queue.
    pub(crate) fn shows(&self, position: Position) -> bool {
        (0..position).all(|before| self.event(before).version <= self.shown)
    }

    /// Whether every change up to `version` lies before `position` of the queue.
    pub(crate) fn is_past(&self, position: Position, version: Version) -> bool {
        (1..=version).all(|v| (0..position).any(|before| self.event(before).version == v))
    }
}

/// What an application may do to `key`, wherever it may put the row.
pub(crate) fn possible_changes(kind: Changes, key: Key, homes: u8) -> Vec<Change> {
    let change = |effect, home| Change { key, effect, home, decodable: true };
    let mut changes = vec![change(Effect::Delete, 0)];
    match kind {
        Changes::Set => changes.extend((0..homes).map(|home| change(Effect::Set, home))),
        Changes::Add => changes.push(change(Effect::Delta, 0)),
    }
    changes
}
