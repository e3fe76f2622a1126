//! Which ranges are whose, as one process sees it.

use migration::error::Error;
use migration::retry::Streak;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The board of all workers of a process, who learn of each other's changes at once.
#[derive(Debug)]
pub(super) struct SharedBoard {
    board: Mutex<Board>,
    changed: Notify,
}

impl SharedBoard {
    pub(super) fn new(count: usize) -> Self {
        Self { board: Mutex::new(Board::new(count)), changed: Notify::new() }
    }

    /// What a worker does next, and what ends its wait when another has ended or left a range
    /// since.
    pub(super) fn next(&self) -> (Next, Notified<'_>) {
        // Before the look: what changes between the look and the wait would be missed otherwise.
        let changed = self.changed.notified();
        (self.lock().next(), changed)
    }

    pub(super) fn is_done(&self) -> bool {
        self.lock().is_done()
    }

    pub(super) fn done(&self, index: usize) {
        self.lock().done(index);
        self.changed.notify_waiters();
    }

    /// See [`Board::left`].
    pub(super) fn left(&self, index: usize) {
        self.lock().left(index);
        self.changed.notify_waiters();
    }

    pub(super) fn held(&self, index: usize, error: Error) {
        self.lock().held(index, error);
        self.changed.notify_waiters();
    }

    /// See [`Board::failed`]. Wakes nobody, who would try it again without a pause.
    pub(super) fn failed(&self, index: usize, copied: u64) -> Option<Duration> {
        self.lock().failed(index, copied)
    }

    /// See [`Board::look_again`]. Whoever calls it looks next: the others sleep until it is their
    /// turn.
    pub(super) fn look_again(&self) {
        self.lock().look_again();
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // No code panics while it holds the board with a change half made.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a worker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// This range.
    Take(usize),
    /// Nothing can be taken now: others are at work.
    Wait,
    /// Other processes hold all that is left, and this one never had any.
    AllHeld(Error),
    /// Nothing is left.
    Done,
}

#[derive(Debug)]
enum Place {
    Open,
    /// A worker of this process has it.
    Mine,
    /// Another process had it when it was last looked at.
    Held(Option<Error>),
    Done,
}

#[derive(Debug)]
struct Board {
    places: Vec<Place>,
    streaks: Vec<Streak>,
    /// Whether a range was ever got.
    took_part: bool,
}

impl Board {
    fn new(count: usize) -> Self {
        Self {
            places: (0..count).map(|_| Place::Open).collect(),
            streaks: vec![Streak::default(); count],
            took_part: false,
        }
    }

    fn next(&mut self) -> Next {
        if let Some(index) = self.places.iter().position(|place| matches!(place, Place::Open)) {
            self.places[index] = Place::Mine;
            return Next::Take(index);
        }
        if self.is_done() {
            return Next::Done;
        }
        if self.took_part || self.places.iter().any(|place| matches!(place, Place::Mine)) {
            return Next::Wait;
        }
        let held = self.places.iter_mut().find_map(|place| match place {
            Place::Held(error) => error.take(),
            _ => None,
        });
        held.map_or(Next::Wait, Next::AllHeld)
    }

    fn is_done(&self) -> bool {
        self.places.iter().all(|place| matches!(place, Place::Done))
    }

    fn done(&mut self, index: usize) {
        self.took_part = true;
        self.places[index] = Place::Done;
    }

    /// The range was given up on the way: somebody else has it, or will.
    fn left(&mut self, index: usize) {
        self.took_part = true;
        self.places[index] = Place::Held(None);
    }

    fn held(&mut self, index: usize, error: Error) {
        self.places[index] = Place::Held(Some(error));
    }

    /// How long to pause before the range is tried again; `None` if it failed too often in a row.
    /// `copied` rises with what this process copies of its table.
    fn failed(&mut self, index: usize, copied: u64) -> Option<Duration> {
        self.places[index] = Place::Open;
        self.streaks[index].failed(copied)
    }

    /// What others held is open for another try.
    fn look_again(&mut self) {
        for place in &mut self.places {
            if matches!(place, Place::Held(_)) {
                *place = Place::Open;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Board, Next, SharedBoard};
    use futures::FutureExt as _;
    use migration::error::{Error, ErrorKind};

    fn held() -> Error {
        Error::new(ErrorKind::Fenced, "acquire lease")
    }

    #[test]
    fn a_process_that_gets_nothing_says_who_has_it() {
        let mut board = Board::new(2);
        for _ in 0..2 {
            let Next::Take(index) = board.next() else { unreachable!("both are open") };
            board.held(index, held());
        }
        assert!(matches!(board.next(), Next::AllHeld(_)));
    }

    #[test]
    fn a_process_that_took_part_waits_for_the_rest() {
        let mut board = Board::new(2);
        assert!(matches!(board.next(), Next::Take(0)));
        assert!(matches!(board.next(), Next::Take(1)));
        board.done(0);
        board.held(1, held());
        assert!(matches!(board.next(), Next::Wait));
        board.look_again();
        assert!(matches!(board.next(), Next::Take(1)));
        board.done(1);
        assert!(matches!(board.next(), Next::Done));
    }

    #[test]
    fn what_changes_between_the_look_and_the_wait_ends_the_wait() {
        let change: [fn(&SharedBoard); 3] =
            [|board| board.done(0), |board| board.left(0), |board| board.held(0, held())];
        for change in change {
            let board = SharedBoard::new(1);
            assert!(matches!(board.next(), (Next::Take(0), _)));
            let (next, changed) = board.next();
            assert!(matches!(next, Next::Wait));
            change(&board);
            assert_eq!(changed.now_or_never(), Some(()));
        }
    }

    #[test]
    fn a_failure_wakes_nobody() {
        let board = SharedBoard::new(1);
        assert!(matches!(board.next(), (Next::Take(0), _)));
        let (_, changed) = board.next();
        assert!(board.failed(0, 0).is_some());
        assert_eq!(changed.now_or_never(), None);
    }

    #[test]
    fn nothing_to_do_is_done() {
        assert!(matches!(Board::new(0).next(), Next::Done));
    }
}
