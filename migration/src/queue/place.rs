//! A numbered queue's position from the inside, and the proof that the history behind it is still
//! the one it was made in.

use crate::error::{Error, ErrorKind, Result};
use crate::position::{Position, Version};
use crate::source_epoch::how_to_raise;
use std::cmp::Ordering;

/// Before or after one message of a numbered queue.
///
/// As bytes: the source's epoch, number, how many changes of that message have been dealt with, and
/// a hash of the message. The bytes of two places compare as the places do, because a message has
/// one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The plan's source epoch when the place was made: which history it belongs to.
    pub(super) epoch: u32,
    /// The message's number; zero before the first.
    pub(super) number: u64,
    /// Zero before the message, one after it.
    pub(super) dealt: u32,
    /// Hash of the message if this is after it; zero if no message was there to be hashed.
    pub(super) witness: u64,
}

impl Place {
    /// Before the message with this number.
    pub(super) fn before(epoch: u32, number: u64) -> Self {
        Self { epoch, number, dealt: 0, witness: 0 }
    }

    /// After the message with this number and hash.
    pub(super) fn after(epoch: u32, number: u64, witness: u64) -> Self {
        Self { epoch, number, dealt: 1, witness }
    }

    /// After every number up to this one, when the last of them holds no message any more.
    pub(super) fn after_nothing(epoch: u32, number: u64) -> Self {
        if number == 0 { Self::before(epoch, 0) } else { Self::after(epoch, number, 0) }
    }

    pub(super) fn position(self) -> Result<Position> {
        let mut bytes = [0; 24];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.dealt.to_be_bytes());
        bytes[16..].copy_from_slice(&self.witness.to_be_bytes());
        Position::new(&bytes)
    }

    pub(super) fn read(position: &Position) -> Result<Self> {
        let parts = position.as_bytes().split_first_chunk::<4>().and_then(|(epoch, rest)| {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            let (dealt, rest) = rest.split_first_chunk::<4>()?;
            Some((epoch, number, dealt, <&[u8; 8]>::try_from(rest).ok()?))
        });
        let Some((epoch, number, dealt, witness)) = parts else {
            return Err(Error::new(ErrorKind::Unreadable, "read queue position")
                .with("position", format!("{position:?}"))
                .hint(
                    "the position was made by another kind of queue: was the plan's queue changed?",
                ));
        };
        Ok(Self {
            epoch: u32::from_be_bytes(*epoch),
            number: u64::from_be_bytes(*number),
            dealt: u32::from_be_bytes(*dealt),
            witness: u64::from_be_bytes(*witness),
        })
    }

    /// The lowest version that a change at or after this place can have.
    pub(super) fn version(self) -> Result<Version> {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..].copy_from_slice(&self.dealt.to_be_bytes());
        Version::new(&bytes)
    }

    /// Number of the first message that may come after this place.
    pub(super) fn offset(self) -> u64 {
        self.number.saturating_add(self.dealt.into())
    }

    /// Whether a message lies before this place.
    pub(super) fn is_past(self, number: u64) -> bool {
        number < self.offset()
    }

    /// The order of places of one history, whatever their witnesses.
    pub(super) fn order(self) -> (u64, u32) {
        (self.number, self.dealt)
    }
}

/// What the queue holds now, read in one step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// The plan's source epoch.
    pub(super) epoch: u32,
    /// The highest number ever given out.
    pub(super) highest: u64,
    /// Hash of the message with the place's number, if it is there.
    pub(super) witness: Option<u64>,
    /// The place below which this migration let messages be removed.
    pub(super) trimmed: Option<Place>,
}

/// Checks that everything after `place` is still there, and that it is the same history.
///
/// # Errors
/// `Lost`, with what happened and what to do.
pub(super) fn check_history(place: Place, evidence: &Evidence) -> Result<()> {
    check_epoch(place, evidence.epoch)?;
    if let Some(trimmed) = evidence.trimmed.filter(|trimmed| place.order() < trimmed.order()) {
        return Err(Error::new(ErrorKind::Lost, "read queue: messages after the position were trimmed")
            .with("position", place.offset())
            .with("trimmed_below", trimmed.offset())
            .hint("the target lost changes that are not in the queue any more: set up the target anew and copy every table again"));
    }
    check_reached(place, evidence)?;
    match (place.dealt, place.witness, evidence.witness) {
        (0, _, _) | (_, 0, None) => Ok(()),
        (_, expected, Some(found)) if expected == found => Ok(()),
        (_, _, Some(_)) => Err(backwards(place)),
        (_, _, None) => Err(Error::new(
            ErrorKind::Lost,
            "read queue: the last message that was read is gone, so others may be too",
        )
        .with("message", place.number)
        .hint(
            "somebody else removes messages from the queue: stop that, then set up the target anew \
             and copy every table again (only `dual-write` may trim while a migration runs)",
        )),
    }
}

/// Checks that `place` belongs to the history that the plan speaks of.
///
/// # Errors
/// `Lost`, with what to do.
pub(super) fn check_epoch(place: Place, epoch: u32) -> Result<()> {
    let (problem, hint) = match place.epoch.cmp(&epoch) {
        Ordering::Equal => return Ok(()),
        Ordering::Less => (
            "read queue: the position was made before `source.epoch` was raised",
            "run `dual-write set-up`: live writes go on from the queue's end now; then `verify run` \
             and `verify repair --execute` for what was lost or undone before it",
        ),
        Ordering::Greater => (
            "read queue: the position was made under a higher `source.epoch`",
            "raise `source.epoch` in the plan to what it was: it never goes back",
        ),
    };
    Err(Error::new(ErrorKind::Lost, problem)
        .with("position_epoch", place.epoch)
        .with("plan_epoch", epoch)
        .hint(hint))
}

/// Checks that the source has come as far as `place` before: where queue and data are one
/// database, one that has not was put back.
///
/// # Errors
/// `Lost`, as [`check_history`].
pub(super) fn check_reached(place: Place, evidence: &Evidence) -> Result<()> {
    check_epoch(place, evidence.epoch)?;
    if evidence.highest < place.number {
        return Err(backwards(place).with("highest", evidence.highest));
    }
    Ok(())
}

fn backwards(place: Place) -> Error {
    Error::new(ErrorKind::Lost, "read queue: the source's versions go backwards")
        .with("message", place.number)
        .hint(how_to_raise("the source was restored, reset or failed over"))
}

#[cfg(test)]
mod tests;
