//! How far a partition has come in its source's commit order, and whether the source began anew.
//!
//! A source that failed over, was restored or was reset writes at places that lie before those that
//! it has written at already. Such a change is older than the record's guard, and would be passed
//! over as stale for ever. So would one that a producer sends again after a restart, and of that
//! one it is right: what tells them apart is the source's clock. What comes again was made when
//! everything before it was; what comes back to a lower place and was made later was never there
//! before.
//!
//! A clock only ever stops the live path here; it never decides which of two writes is newer. Where
//! a clock stands still or goes back (a whole second to a binlog), changes are passed over as stale
//! until it has gone on; verifying finds them.

use super::evidence::{Evidence, Snapshot};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::source_epoch::how_to_raise;
use serde::{Deserialize, Serialize};

/// The course of one partition, for one epoch of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    epoch: u32,
    reached: Option<Reached>,
}

/// The furthest place of a live change, and the latest moment at which one was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    place: (u64, u64),
    committed_at: Timestamp,
}

/// A change, as far as the course goes by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) evidence: Evidence,
    pub(super) snapshot: Snapshot,
    /// By the source's clock.
    pub(super) committed_at: Timestamp,
    /// When it was put into the queue.
    pub(super) queued_at: Timestamp,
}

impl Course {
    /// Follows one more change.
    ///
    /// # Errors
    /// `Lost` if the source began anew, or its producer did. The course then is where it was.
    pub(super) fn follow(&mut self, epoch: u32, step: &Step) -> Result<()> {
        if epoch != self.epoch {
            *self = Self { epoch, reached: None };
        }
        match (step.snapshot, place(step.evidence)) {
            (Snapshot::No, Some(place)) => self.change(place, step),
            (Snapshot::Whole, _) if self.is_later(step.committed_at) => Err(snapshot_again()),
            _ => Ok(()),
        }
    }

    /// Goes to where another process has been.
    pub fn join(&mut self, other: Self) {
        match (self.reached.as_mut(), other.reached) {
            _ if other.epoch < self.epoch => {}
            (Some(reached), Some(other_reached)) if other.epoch == self.epoch => {
                reached.place = reached.place.max(other_reached.place);
                reached.committed_at = reached.committed_at.max(other_reached.committed_at);
            }
            (_, None) if other.epoch == self.epoch => {}
            _ => *self = other,
        }
    }

    fn is_later(&self, committed_at: Timestamp) -> bool {
        self.reached.is_some_and(|reached| committed_at > reached.committed_at)
    }

    fn change(&mut self, place: (u64, u64), step: &Step) -> Result<()> {
        let Some(reached) = &mut self.reached else {
            // Nobody knows when what lies before the first change was made, but it was queued
            // before.
            let committed_at = step.committed_at.max(step.queued_at);
            self.reached = Some(Reached { place, committed_at });
            return Ok(());
        };
        if place < reached.place && step.committed_at > reached.committed_at {
            return Err(went_back(reached.place, place, step.evidence));
        }
        reached.place = reached.place.max(place);
        reached.committed_at = reached.committed_at.max(step.committed_at);
        Ok(())
    }
}

/// Where a transaction lies in a log; `None` for numbers that are no places in one.
fn place(evidence: Evidence) -> Option<(u64, u64)> {
    match evidence {
        Evidence::Binlog { file, position, .. } => Some((file, position)),
        Evidence::Wal { commit, .. } => Some((commit, 0)),
        // The number holds the time, or is of one record only.
        Evidence::CommitTs(_) | Evidence::RowVersion(_) => None,
    }
}

fn went_back(was: (u64, u64), is: (u64, u64), evidence: Evidence) -> Error {
    let shown = |(file, position): (u64, u64)| match evidence {
        Evidence::Binlog { .. } => format!("binlog {file}:{position}"),
        _ => format!("LSN {file}"),
    };
    Error::new(ErrorKind::Lost, "follow source: its versions go backwards")
        .with("was at", shown(was))
        .with("a later change is at", shown(is))
        .hint(how_to_raise("the source failed over, was restored or was reset"))
}

fn snapshot_again() -> Error {
    Error::new(
        ErrorKind::Lost,
        "follow source: its producer took a snapshot anew after live changes: what was deleted in \
         between is not in the topic",
    )
    .hint(format!(
        "{}. (If the producer lost nothing and was asked for a snapshot: ask for an incremental one)",
        how_to_raise("the producer lost its place in the source's log")
    ))
}

#[cfg(test)]
mod tests {
    use super::{Course, Step};
    use crate::clock::Timestamp;
    use crate::decode::evidence::{Evidence, Snapshot};
    use crate::error::ErrorKind;

    fn at(file: u64, position: u64, made_at: i64) -> Step {
        Step {
            evidence: Evidence::Binlog { file, position, row: 0 },
            snapshot: Snapshot::No,
            committed_at: Timestamp(made_at),
            queued_at: Timestamp(0),
        }
    }

    fn after(steps: &[Step]) -> Course {
        let mut course = Course::default();
        for step in steps {
            course.follow(0, step).unwrap();
        }
        course
    }

    #[test]
    fn what_a_producer_sends_again_is_followed() {
        let steps = [at(7, 100, 10), at(7, 200, 30), at(7, 300, 20), at(8, 4, 31)];
        let mut course = after(&steps);
        let reached = course;
        for step in steps {
            course.follow(0, &step).unwrap();
        }
        assert_eq!(course, reached);
    }

    #[test]
    fn a_source_that_goes_back_and_writes_on_stops_and_stays_stopped() {
        let mut course = after(&[at(900, 100, 10)]);
        let reached = course;
        for _ in 0..2 {
            let error = course.follow(0, &at(12, 500, 11)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Lost);
            assert!(error.next_step().unwrap().contains("source.epoch"));
            assert_eq!(course, reached);
        }
        course.follow(1, &at(12, 500, 11)).unwrap();
        assert_eq!(course, Course { epoch: 1, ..after(&[at(12, 500, 11)]) });
    }

    #[test]
    fn postgresql_goes_by_commits_and_not_by_rows() {
        let wal = |commit, lsn, made_at| Step {
            evidence: Evidence::Wal { commit, lsn },
            ..at(0, 0, made_at)
        };
        let mut course = after(&[wal(100, 250, 10), wal(260, 240, 11)]);
        course.follow(0, &wal(260, 230, 12)).unwrap();
        assert!(course.follow(0, &wal(259, 270, 13)).is_err());
    }

    #[test]
    fn before_the_first_change_lies_nothing_that_was_queued_later() {
        // A statement of an hour: its binlog has the time at which it began.
        let first = Step { queued_at: Timestamp(3_700), ..at(7, 300, 100) };
        let mut course = after(&[first]);
        course.follow(0, &at(7, 200, 3_600)).unwrap();
        assert!(course.follow(0, &at(7, 200, 3_701)).is_err());
    }

    #[test]
    fn a_snapshot_after_live_changes_stops_and_one_before_them_does_not() {
        let read = |snapshot, made_at| Step { snapshot, ..at(7, 400, made_at) };
        let mut course = after(&[read(Snapshot::Whole, 5), at(7, 300, 10)]);
        course.follow(0, &read(Snapshot::Whole, 5)).unwrap();
        for snapshot in [Snapshot::Incremental, Snapshot::Untold] {
            course.follow(0, &read(snapshot, 20)).unwrap();
        }
        assert!(course.follow(0, &read(Snapshot::Whole, 20)).is_err());
    }

    #[test]
    fn what_another_process_has_seen_is_joined() {
        let (here, there) = (after(&[at(7, 100, 30)]), after(&[at(7, 200, 20)]));
        for (mut one, other) in [(here, there), (there, here)] {
            one.join(other);
            assert_eq!(one, after(&[at(7, 100, 30), at(7, 200, 20)]));
        }
        let mut raised = Course::default();
        raised.follow(1, &at(1, 4, 1)).unwrap();
        let mut joined = here;
        joined.join(raised);
        assert_eq!(joined, raised);
        joined.join(here);
        assert_eq!(joined, raised);
        let mut new = Course::default();
        new.join(here);
        assert_eq!(new, here);
    }
}
