//! Which interval of a range is copied next, and what progress is safe to keep.
//!
//! Everything from the cursor on is still to be read; what lies below it is committed, in flight,
//! or waiting in `later`. The progress that a batch leaves behind is the lowest of all that is not
//! committed, so that a crash repeats work and never skips any.

use migration::key::Key;
use migration::protocol::Progress;
use std::collections::VecDeque;

/// Most intervals that wait for their lock at once: a bound on what a crash repeats.
const LATER_MAX: usize = 8;

/// After so many refusals an interval is copied without the lock: the guard decides in any case,
/// and a hot entity must not starve.
const TRIES_MAX: u32 = 3;

/// One interval to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// Its lower bound, exclusive.
    pub(crate) lower: Progress,
    /// Its upper bound, inclusive; `None` until the source has been asked for it.
    pub(crate) bound: Option<Key>,
    /// How often its lock was refused or lost.
    tries: u32,
    /// The turn before which it is not tried again, unless there is nothing else to do.
    not_before: u64,
}

impl Task {
    /// Whether to go without the lock.
    pub(crate) fn is_overdue(&self) -> bool {
        self.tries >= TRIES_MAX
    }
}

/// What is left of one range.
#[derive(Debug)]
pub(crate) struct Agenda {
    /// Everything after it is still to be read; `End` once the source has no more.
    cursor: Progress,
    later: VecDeque<Task>,
    flying: Vec<Task>,
    turn: u64,
}

impl Agenda {
    pub(crate) fn new(resume: Progress) -> Self {
        Self { cursor: resume, later: VecDeque::new(), flying: Vec::new(), turn: 0 }
    }

    /// Whether everything is committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.cursor == Progress::End && self.later.is_empty() && self.flying.is_empty()
    }

    /// Takes the next interval: what has waited first, then what the source has next.
    pub(crate) fn next(&mut self) -> Option<Task> {
        self.turn += 1;
        let fresh = self.cursor != Progress::End && !self.flying.iter().any(|t| t.bound.is_none());
        let full = self.later.len() >= LATER_MAX;
        let ripe = self.later.front().is_some_and(|task| task.not_before <= self.turn);
        let task = if ripe || full || !fresh {
            self.later.pop_front()?
        } else {
            Task { lower: self.cursor.clone(), bound: None, tries: 0, not_before: 0 }
        };
        self.flying.push(task.clone());
        Some(task)
    }

    /// A fresh interval was found to end at `bound`, or to be empty: the source has no more.
    pub(crate) fn found(&mut self, task: &mut Task, bound: Option<Key>) {
        self.land(task);
        let Some(bound) = bound else {
            self.cursor = Progress::End;
            return;
        };
        self.cursor = Progress::After(bound.clone());
        task.bound = Some(bound);
        self.flying.push(task.clone());
    }

    /// The interval holds more than one batch may: it ends at `bound`, and the rest waits.
    pub(crate) fn cut(&mut self, task: &mut Task, bound: Key) {
        let rest = task.bound.replace(bound.clone());
        let rest = Task { lower: Progress::After(bound), bound: rest, ..task.clone() };
        self.later.push_front(rest);
    }

    /// The interval could not be locked, or lost its lock: it waits.
    pub(crate) fn defer(&mut self, mut task: Task) {
        self.land(&task);
        task.tries += 1;
        // One other batch in between gives the holder time to finish.
        task.not_before = self.turn + 2;
        self.later.push_back(task);
    }

    /// The interval is committed on every instance.
    pub(crate) fn committed(&mut self, task: &Task) {
        self.land(task);
    }

    /// The progress to keep once `task` is committed.
    pub(crate) fn progress_after(&self, task: &Task) -> Progress {
        self.flying
            .iter()
            .filter(|flying| flying.lower != task.lower)
            .chain(&self.later)
            .map(|task| &task.lower)
            .chain(std::iter::once(&self.cursor))
            .min()
            .cloned()
            .unwrap_or(Progress::End)
    }

    fn land(&mut self, task: &Task) {
        self.flying.retain(|flying| flying.lower != task.lower);
    }
}

#[cfg(test)]
mod tests {
    use super::{Agenda, LATER_MAX, Task};
    use migration::key::Key;
    use migration::protocol::Progress;
    use migration::value::Value;

    fn key(id: i128) -> Key {
        Key::new([Value::Int(id)]).unwrap()
    }

    fn after(id: i128) -> Progress {
        Progress::After(key(id))
    }

    fn read(agenda: &mut Agenda, bound: i128) -> Task {
        let mut task = agenda.next().unwrap();
        if task.bound.is_none() {
            agenda.found(&mut task, Some(key(bound)));
        }
        task
    }

    #[test]
    fn progress_stays_below_what_waits_for_its_lock() {
        let mut agenda = Agenda::new(Progress::Start);
        let first = read(&mut agenda, 10);
        agenda.defer(first);
        let second = read(&mut agenda, 20);
        assert_eq!(second.lower, after(10));
        assert_eq!(agenda.progress_after(&second), Progress::Start);
        agenda.committed(&second);
        let first = agenda.next().unwrap();
        assert_eq!(first.lower, Progress::Start, "what waited comes first");
        assert_eq!(agenda.progress_after(&first), after(20));
    }

    #[test]
    fn progress_stays_below_the_batch_that_is_read_ahead() {
        let mut agenda = Agenda::new(after(5));
        let first = read(&mut agenda, 10);
        let ahead = read(&mut agenda, 20);
        assert_eq!(agenda.progress_after(&first), after(10));
        agenda.committed(&first);
        assert_eq!(agenda.progress_after(&ahead), after(20));
    }

    #[test]
    fn the_end_is_reached_only_when_nothing_waits() {
        let mut agenda = Agenda::new(Progress::Start);
        let first = read(&mut agenda, 10);
        let mut last = agenda.next().unwrap();
        agenda.found(&mut last, None);
        assert!(!agenda.is_empty());
        assert_eq!(agenda.progress_after(&first), Progress::End);
        agenda.committed(&first);
        assert!(agenda.is_empty());
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn an_interval_refused_three_times_goes_without_the_lock() {
        let mut agenda = Agenda::new(Progress::Start);
        let mut task = read(&mut agenda, 10);
        for _ in 0..3 {
            assert!(!task.is_overdue());
            agenda.defer(task);
            task = std::iter::repeat_with(|| read(&mut agenda, 99))
                .find(|task| task.lower == Progress::Start)
                .unwrap();
        }
        assert!(task.is_overdue());
    }

    #[test]
    fn an_interval_that_grew_is_cut_and_nothing_of_it_is_skipped() {
        let mut agenda = Agenda::new(Progress::Start);
        let mut task = read(&mut agenda, 10);
        agenda.cut(&mut task, key(4));
        assert_eq!(agenda.progress_after(&task), after(4));
        agenda.committed(&task);
        let rest = agenda.next().unwrap();
        assert_eq!((rest.lower, rest.bound), (after(4), Some(key(10))));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut agenda = Agenda::new(Progress::Start);
        for id in 0..100 {
            let task = read(&mut agenda, id);
            agenda.defer(task);
            assert!(agenda.later.len() <= LATER_MAX);
        }
    }
}
