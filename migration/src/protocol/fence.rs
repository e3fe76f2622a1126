//! Fences: who may write to a partition or a range, and from where.

use crate::key::Key;
use crate::position::{Generation, Owner, Position};

/// A queue partition as the target knows it. Changed only in one step with the data it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition<O = Owner, P = Position> {
    /// The consumer that may write.
    pub generation: Generation<O>,
    /// The queue's end when the migration was set up; it changes only with the source's history.
    pub start: P,
    /// Everything before it is applied on this instance.
    pub next: P,
}

impl<O, P: Ord + Copy> Partition<O, P> {
    /// Begins anew at `start`: nothing of the source's history from there on is applied.
    pub fn restart(&mut self, start: P) {
        self.start = start;
        self.next = start;
    }

    /// Whether the change at `position` is still to be applied on this instance: one that lies
    /// before `next` has been, and is passed over even where its guard has been purged since.
    pub fn is_due(&self, position: &P) -> bool {
        *position >= self.next
    }

    /// Moves `next` to the end of a batch that was applied, and never back: a batch that was
    /// polled again after a rewind ends before changes that are applied already.
    pub fn advance(&mut self, end: P) {
        if end > self.next {
            self.next = end;
        }
    }
}

/// How far the copy of a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeState {
    /// Nobody has begun.
    Open,
    /// A worker has claimed it.
    Copying,
    /// Everything in it has been copied, and no dirty guard is left.
    Done,
}

/// Where the next batch of a range begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress<K = Key> {
    /// At the range's lower bound: nothing is copied.
    Start,
    /// After this key.
    After(K),
    /// Everything up to the range's upper bound is copied.
    End,
}

/// A range of records, by range key: the lower bound is exclusive and names the range, the upper
/// bound is inclusive. `None` means unbounded. The lower bound never changes; a split lowers the
/// upper one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range<O = Owner, K = Key> {
    /// Keys are greater than this.
    pub after: Option<K>,
    /// Keys are at most this.
    pub until: Option<K>,
    /// The worker that may write; its number also grows at `done` and at a purge.
    pub epoch: Generation<O>,
    /// How far it is.
    pub state: RangeState,
    /// Where the next batch begins.
    pub progress: Progress<K>,
    /// Batches of the copy committed on this instance; grows by one in the step of each. A tail
    /// that was lost shows here even where the lost batches left `progress` where it was, which
    /// they do as long as a lower key waits to be written.
    pub batches: u64,
}

impl<O, K: Ord> Range<O, K> {
    /// Whether `key` belongs to this range.
    pub fn contains(&self, key: &K) -> bool {
        self.after.as_ref().is_none_or(|after| key > after)
            && self.until.as_ref().is_none_or(|until| key <= until)
    }
}

/// Whether a claim of a partition or a range takes effect on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// Set it.
    Take,
    /// It is set already: this claim was made here before.
    Held,
    /// Somebody has claimed this number or a higher one: start over above `seen`.
    Outbid {
        /// The number found.
        seen: u64,
    },
}

/// Decides on a claim. The claimer has chosen a number above every one it saw on any instance.
pub fn claim<O: Eq>(current: &Generation<O>, mine: &Generation<O>) -> Claim {
    if current == mine {
        Claim::Held
    } else if current.number < mine.number {
        Claim::Take
    } else {
        Claim::Outbid { seen: current.number }
    }
}

/// Whether a batch of live changes may be applied on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Admission {
    /// Apply the changes at or after the partition's `next`.
    Go,
    /// A newer consumer owns the partition: release it and stand by.
    Fenced,
    /// The instance has lost its tail and with it the claim: claim again, resume at its `next`.
    LostTail,
    /// The batch begins after `next`: go back to `next`, or changes would be lost.
    Gap,
}

/// Decides on a batch of live changes that begins at `from`.
pub fn admit_live<O: Eq, P: Ord>(
    partition: Option<&Partition<O, P>>,
    mine: &Generation<O>,
    from: &P,
) -> Admission {
    let Some(partition) = partition else {
        return Admission::LostTail;
    };
    if partition.generation != *mine {
        let newer = partition.generation.number >= mine.number;
        return if newer { Admission::Fenced } else { Admission::LostTail };
    }
    if *from > partition.next { Admission::Gap } else { Admission::Go }
}

/// Whether a batch of the copy may be written on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyAdmission {
    /// Write it.
    Go,
    /// The range was done here when this worker claimed it: nothing to write on this instance.
    Done,
    /// Another worker has claimed the range, or there is no such range: abandon it.
    Fenced,
    /// The instance is not where this worker left it: claim the range again, and start from the
    /// smallest progress.
    LostTail,
}

/// Decides on a batch of the copy. `left`: [`Range::batches`] on this instance as this worker found
/// it with its claim, or left it with its last batch.
///
/// The epoch comes before the state. A worker that is told `Done` takes its batch for written; if
/// it were told so of what another has done, and the instance lost that, nobody would write the
/// batch again.
pub fn admit_copy<O: Eq, K>(
    range: Option<&Range<O, K>>,
    mine: &Generation<O>,
    left: u64,
) -> CopyAdmission {
    let Some(range) = range else {
        return CopyAdmission::Fenced;
    };
    if range.epoch != *mine {
        let newer = range.epoch.number >= mine.number;
        return if newer { CopyAdmission::Fenced } else { CopyAdmission::LostTail };
    }
    if range.state == RangeState::Done {
        return CopyAdmission::Done;
    }
    if range.batches == left { CopyAdmission::Go } else { CopyAdmission::LostTail }
}

/// Whether a range may be marked done on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    /// Set `done` and raise the epoch's number.
    Mark,
    /// It is done here already.
    AlreadyDone,
    /// Another worker has it.
    Fenced,
    /// The instance is not where this worker left it: claim the range again, and start from the
    /// smallest progress.
    LostTail,
    /// Records of the range are still to be copied here.
    NotAtEnd,
    /// Dirty guards are left: serve them first.
    Dirty,
}

/// Decides whether a range is done. `left`: as in [`admit_copy`]. `dirty_count`: dirty guards of
/// the range on this instance.
pub fn finish<O: Eq, K: Eq>(
    range: Option<&Range<O, K>>,
    mine: &Generation<O>,
    left: u64,
    dirty_count: u64,
) -> Finish {
    // Its own mark, found again after an outcome that nobody knew, is one above its claim.
    let marked_by_me = |range: &&Range<O, K>| {
        range.state == RangeState::Done
            && range.epoch.owner == mine.owner
            && range.epoch.number == mine.number + 1
    };
    if range.as_ref().is_some_and(marked_by_me) {
        return Finish::AlreadyDone;
    }
    match admit_copy(range, mine, left) {
        CopyAdmission::Done => Finish::AlreadyDone,
        CopyAdmission::Fenced => Finish::Fenced,
        CopyAdmission::LostTail => Finish::LostTail,
        CopyAdmission::Go if range.is_none_or(|range| range.progress != Progress::End) => {
            Finish::NotAtEnd
        }
        CopyAdmission::Go if dirty_count > 0 => Finish::Dirty,
        CopyAdmission::Go => Finish::Mark,
    }
}

/// Whether tombstones of a range may be purged. The purge raises the epoch's number in its own
/// step, so that no worker with the old epoch can write what the tombstones refused.
///
/// `open_dead_letters`: changes of the range may still be waiting to be replayed.
/// `version_passed`: the source has applied, and this instance consumed, past the tombstone.
pub fn purge<O, K>(range: &Range<O, K>, open_dead_letters: bool, version_passed: bool) -> bool {
    range.state == RangeState::Done && !open_dead_letters && version_passed
}

/// Splits a range after `key`: the lower part keeps its name, the upper part is new. Both get an
/// epoch above the parent's, and inherit its state and the share of its progress.
///
/// `None` if `key` does not lie inside the range.
pub fn split<O: Clone, K: Ord + Clone>(
    range: &Range<O, K>,
    key: &K,
) -> Option<(Range<O, K>, Range<O, K>)> {
    if !range.contains(key) || range.until.as_ref() == Some(key) {
        return None;
    }
    let epoch = Generation { number: range.epoch.number + 1, owner: range.epoch.owner.clone() };
    let (lower, upper) = match &range.progress {
        Progress::Start => (Progress::Start, Progress::Start),
        Progress::End => (Progress::End, Progress::End),
        Progress::After(reached) if reached >= key => {
            let upper = if reached == key { Progress::Start } else { range.progress.clone() };
            (Progress::End, upper)
        }
        Progress::After(_) => (range.progress.clone(), Progress::Start),
    };
    let part = |after: &Option<K>, until: Option<K>, progress| Range {
        after: after.clone(),
        until,
        epoch: epoch.clone(),
        state: range.state,
        progress,
        batches: range.batches,
    };
    Some((
        part(&range.after, Some(key.clone()), lower),
        part(&Some(key.clone()), range.until.clone(), upper),
    ))
}

#[cfg(test)]
mod tests {
    use super::{
        CopyAdmission, Finish, Partition, Progress, Range, RangeState, admit_copy, finish, split,
    };
    use crate::position::Generation;

    fn range(progress: Progress<u8>) -> Range<u8, u8> {
        let epoch = Generation { number: 4, owner: 1 };
        let state = RangeState::Copying;
        Range { after: None, until: Some(9), epoch, state, progress, batches: 7 }
    }

    #[test]
    fn a_lost_batch_shows_even_where_the_progress_did_not_move() {
        let mut found = range(Progress::Start);
        let mine = found.epoch;
        assert_eq!(admit_copy(Some(&found), &mine, 7), CopyAdmission::Go);
        found.batches = 6;
        assert_eq!(admit_copy(Some(&found), &mine, 7), CopyAdmission::LostTail);
        found.progress = Progress::End;
        assert_eq!(finish(Some(&found), &mine, 7, 0), Finish::LostTail);
    }

    #[test]
    fn what_another_has_done_is_not_taken_for_written() {
        let mut found = range(Progress::End);
        found.state = RangeState::Done;
        let mine = Generation { number: found.epoch.number - 1, owner: 2 };
        assert_eq!(admit_copy(Some(&found), &mine, 7), CopyAdmission::Fenced);
        assert_eq!(admit_copy(Some(&found), &found.epoch, 7), CopyAdmission::Done);
    }

    #[test]
    fn a_range_is_marked_once_however_often_it_is_finished() {
        let mut found = range(Progress::End);
        let mine = found.epoch;
        assert_eq!(finish(Some(&found), &mine, 7, 0), Finish::Mark);
        found.state = RangeState::Done;
        found.epoch.number += 1;
        assert_eq!(finish(Some(&found), &mine, 7, 0), Finish::AlreadyDone);
        found.epoch.owner += 1;
        assert_eq!(finish(Some(&found), &mine, 7, 0), Finish::Fenced);
    }

    #[test]
    fn a_range_is_not_done_before_its_end() {
        let found = range(Progress::After(8));
        assert_eq!(finish(Some(&found), &found.epoch, 7, 0), Finish::NotAtEnd);
    }

    #[test]
    fn next_never_goes_back_and_a_change_before_it_is_not_due() {
        let generation = Generation { number: 1, owner: 1 };
        let mut partition = Partition { generation, start: 0, next: 5 };
        partition.advance(3);
        assert_eq!(partition.next, 5);
        assert!(!partition.is_due(&4) && partition.is_due(&5));
    }

    #[test]
    fn a_split_fences_the_worker_and_keeps_what_is_left_to_copy() -> Result<(), &'static str> {
        let parent = range(Progress::After(3));
        let (lower, upper) = split(&parent, &5).ok_or("5 lies inside")?;
        assert_eq!((lower.until, upper.after, upper.until), (Some(5), Some(5), Some(9)));
        assert_eq!((lower.progress, upper.progress), (Progress::After(3), Progress::Start));
        assert_eq!(admit_copy(Some(&upper), &parent.epoch, 7), CopyAdmission::Fenced);
        assert_eq!(split(&parent, &9), None);
        Ok(())
    }
}
