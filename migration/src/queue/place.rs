//! A numbered queue's position from the inside, and the proof that the history behind it is still
//! the one it was made in.

use crate::error::{Error, ErrorKind, Result};
use crate::position::{Position, Version};

/// Before or after one message of a numbered queue.
///
/// As bytes: number, how many changes of that message have been dealt with, and a hash of the
/// message. The bytes of two places compare as the places do, because a message has one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The message's number; zero before the first.
    pub(super) number: u64,
    /// Zero before the message, one after it.
    pub(super) dealt: u32,
    /// Hash of the message if this is after it; zero if no message was there to be hashed.
    pub(super) witness: u64,
}

impl Place {
    /// Before everything.
    pub(super) const START: Self = Self { number: 0, dealt: 0, witness: 0 };

    /// Before the message with this number.
    pub(super) fn before(number: u64) -> Self {
        Self { number, dealt: 0, witness: 0 }
    }

    /// After the message with this number and hash.
    pub(super) fn after(number: u64, witness: u64) -> Self {
        Self { number, dealt: 1, witness }
    }

    /// After every number up to this one, when the last of them holds no message any more.
    pub(super) fn after_nothing(number: u64) -> Self {
        if number == 0 { Self::START } else { Self::after(number, 0) }
    }

    pub(super) fn position(self) -> Result<Position> {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.dealt.to_be_bytes());
        bytes[12..].copy_from_slice(&self.witness.to_be_bytes());
        Position::new(&bytes)
    }

    pub(super) fn read(position: &Position) -> Result<Self> {
        let parts = position.as_bytes().split_first_chunk::<8>().and_then(|(number, rest)| {
            let (dealt, rest) = rest.split_first_chunk::<4>()?;
            Some((number, dealt, <&[u8; 8]>::try_from(rest).ok()?))
        });
        let Some((number, dealt, witness)) = parts else {
            return Err(Error::new(ErrorKind::Unreadable, "read queue position")
                .with("position", format!("{position:?}"))
                .hint(
                    "the position was made by another kind of queue: was the plan's queue changed?",
                ));
        };
        Ok(Self {
            number: u64::from_be_bytes(*number),
            dealt: u32::from_be_bytes(*dealt),
            witness: u64::from_be_bytes(*witness),
        })
    }

    /// The lowest version that a change at or after this place can have.
    pub(super) fn version(self, source_epoch: u32) -> Result<Version> {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&source_epoch.to_be_bytes());
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

    /// The order of places, whatever their witnesses.
    pub(super) fn order(self) -> (u64, u32) {
        (self.number, self.dealt)
    }
}

/// What the queue holds now, read in one step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
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
    if let Some(trimmed) = evidence.trimmed.filter(|trimmed| place.order() < trimmed.order()) {
        return Err(Error::new(ErrorKind::Lost, "read queue: messages after the position were trimmed")
            .with("position", place.offset())
            .with("trimmed_below", trimmed.offset())
            .hint("the target lost changes that are not in the queue any more: set up the target anew and copy every table again"));
    }
    if evidence.highest < place.number {
        return Err(backwards(place).with("highest", evidence.highest));
    }
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

fn backwards(place: Place) -> Error {
    Error::new(ErrorKind::Lost, "read queue: the source's versions go backwards")
        .with("message", place.number)
        .hint(
            "the source was restored, reset or failed over: raise `source.epoch` in the plan, then \
             set up the target anew and copy every table again",
        )
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Place, check_history};
    use crate::error::ErrorKind;

    #[test]
    fn places_order_as_their_bytes_do() {
        let places = [
            Place::START,
            Place::before(1),
            Place::after(1, u64::MAX),
            Place::before(2),
            Place::after(2, 1),
            Place::before(256),
            Place::after(u64::MAX, 0),
        ];
        for pair in places.windows(2) {
            let bytes = |place: Place| place.position().unwrap();
            assert!(bytes(pair[0]) < bytes(pair[1]), "{pair:?}");
            assert!(pair[0].order() < pair[1].order(), "{pair:?}");
            assert!(pair[0].version(1).unwrap() < pair[1].version(1).unwrap(), "{pair:?}");
            assert_eq!(Place::read(&bytes(pair[0])).unwrap(), pair[0]);
        }
        assert!(places[6].version(1).unwrap() < places[0].version(2).unwrap(), "epoch leads");
    }

    #[test]
    fn a_history_holds_only_with_the_message_it_was_left_at() {
        let place = Place::after(7, 99);
        let check = |place, highest, witness, trimmed| {
            check_history(place, &Evidence { highest, witness, trimmed })
                .map_err(|error| (error.kind(), error.to_string()))
        };
        assert_eq!(check(place, 7, Some(99), None), Ok(()));
        assert_eq!(check(place, 9, Some(99), Some(place)), Ok(()));
        let lost = |result: Result<(), (ErrorKind, String)>, words: &str| {
            let (kind, text) = result.unwrap_err();
            assert_eq!(kind, ErrorKind::Lost);
            assert!(text.contains(words), "{text}");
        };
        lost(check(place, 6, None, None), "backwards");
        lost(check(place, 9, Some(98), None), "backwards");
        lost(check(place, 9, None, None), "gone");
        lost(check(place, 9, Some(99), Some(Place::after(8, 1))), "trimmed");
        lost(check(Place::START, 9, None, Some(Place::after(8, 1))), "trimmed");
        // Nothing was there when the place was made, so nothing may be there now.
        assert_eq!(check(Place::after_nothing(7), 9, None, None), Ok(()));
        lost(check(Place::after_nothing(7), 9, Some(5), None), "backwards");
        assert_eq!(check(Place::before(7), 7, Some(5), None), Ok(()));
        lost(check(Place::before(7), 6, None, None), "backwards");
    }
}
