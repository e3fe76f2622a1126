//! A position in a partition, from the inside.

use crate::error::{Error, ErrorKind, Result};
use crate::position::Position;
use crate::queue::place::{Place, check_epoch};
use crate::source_epoch::how_to_raise;

/// Bytes of a [`Place`].
const PLACE_BYTES: usize = 24;

/// A place, and how many partitions the topic had when it was made.
///
/// With another number of partitions a key may lie in another one, and the order of its changes is
/// lost between the two. The number comes last in the bytes, so that they order as the places do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KafkaPlace {
    pub(super) place: Place,
    pub(super) partitions: u32,
}

impl KafkaPlace {
    pub(super) fn position(self) -> Result<Position> {
        let place = self.place.position()?;
        let mut bytes = [0; PLACE_BYTES + 4];
        bytes[..PLACE_BYTES].copy_from_slice(place.as_bytes());
        bytes[PLACE_BYTES..].copy_from_slice(&self.partitions.to_be_bytes());
        Position::new(&bytes)
    }

    pub(super) fn read(position: &Position) -> Result<Self> {
        let foreign = || {
            Error::new(ErrorKind::Unreadable, "read queue position")
                .with("position", format!("{position:?}"))
                .hint(
                    "the position was made by another kind of queue: was the plan's queue changed?",
                )
        };
        let (place, partitions) =
            position.as_bytes().split_at_checked(PLACE_BYTES).ok_or_else(foreign)?;
        let partitions = <[u8; 4]>::try_from(partitions).map_err(|_| foreign())?;
        Ok(Self {
            place: Place::read(&Position::new(place)?)?,
            partitions: u32::from_be_bytes(partitions),
        })
    }
}

/// What a partition holds now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// The plan's source epoch.
    pub(super) epoch: u32,
    /// Partitions of the topic.
    pub(super) partitions: u32,
    /// The lowest offset that the broker still has.
    pub(super) low: u64,
    /// The offset after the last message that may be read.
    pub(super) high: u64,
    /// Hash of the message with the place's number, if there is one.
    pub(super) witness: Option<u64>,
}

/// Checks that everything after `found` is still there, and that it is the same topic.
///
/// # Errors
/// `Lost`, with what happened and what to do.
pub(super) fn check(found: KafkaPlace, held: &Held) -> Result<()> {
    let KafkaPlace { place, partitions } = found;
    check_epoch(place, held.epoch)?;
    if partitions != held.partitions {
        return Err(changed(partitions, held.partitions));
    }
    let lost = |problem: &str| {
        Error::new(ErrorKind::Lost, format!("read queue: {problem}"))
            .with("position", place.offset())
    };
    if held.high < place.offset() {
        // The words that the other queues have for it: the log is not the one that was left.
        return Err(lost("the source's versions go backwards: the topic ends before the position")
            .with("end", held.high)
            .hint(anew()));
    }
    if held.low > place.offset() {
        return Err(lost("messages after the position are gone by the topic's retention")
            .with("lowest", held.low)
            .hint(format!(
                "{}. Compare every table, nobody knows what the lost messages changed; and let the \
                 topic keep its messages longer (retention.ms) than the longest pause",
                how_to_raise("what those messages changed was not applied")
            )));
    }
    match (place.dealt, place.witness, held.witness) {
        (0, _, _) | (_, 0, _) | (_, _, None) => Ok(()),
        (_, expected, Some(message)) if expected == message => Ok(()),
        _ => Err(lost("the source's versions go backwards: another message is at its place")
            .hint(anew())),
    }
}

fn anew() -> String {
    how_to_raise("the topic was deleted and made anew, or its broker lost its end")
}

/// The number of partitions is another than it was: with it goes the order that the positions rest
/// on, whoever notices first.
pub(super) fn changed(was: u32, now: u32) -> Error {
    Error::new(ErrorKind::Lost, "read queue: the number of the topic's partitions has changed")
        .with("was", was)
        .with("is", now)
        .hint(how_to_raise(
            "a key may lie in another partition now, and its changes are not in order between the two",
        ))
}

#[cfg(test)]
mod tests {
    use super::{Held, KafkaPlace, check};
    use crate::error::ErrorKind;
    use crate::position::Position;
    use crate::queue::place::Place;

    const HELD: Held = Held { epoch: 1, partitions: 3, low: 0, high: 9, witness: Some(99) };

    fn at(place: Place) -> KafkaPlace {
        KafkaPlace { place, partitions: 3 }
    }

    #[test]
    fn positions_order_as_their_bytes_do_and_come_back() {
        let places = [
            Place::before(1, 0),
            Place::after(1, 0, u64::MAX),
            Place::before(1, 1),
            Place::after(1, 1, 1),
            Place::before(2, 0),
        ];
        let positions: Vec<Position> =
            places.iter().map(|&place| at(place).position().unwrap()).collect();
        assert!(positions.is_sorted_by(|one, other| one < other));
        for (place, position) in places.iter().zip(&positions) {
            assert_eq!(KafkaPlace::read(position).unwrap(), at(*place));
        }
        let foreign = Place::before(1, 1).position().unwrap();
        assert_eq!(KafkaPlace::read(&foreign).unwrap_err().kind(), ErrorKind::Unreadable);
    }

    #[test]
    fn a_history_holds_while_nothing_after_the_position_can_be_missing() {
        let place = at(Place::after(1, 7, 99));
        check(place, &HELD).unwrap();
        // Retention took the witness and nothing after it; compaction took the witness.
        check(place, &Held { low: 8, witness: None, ..HELD }).unwrap();
        check(place, &Held { witness: None, ..HELD }).unwrap();
        for (held, words) in [
            (Held { low: 9, ..HELD }, "retention"),
            (Held { high: 7, ..HELD }, "backwards"),
            (Held { witness: Some(98), ..HELD }, "backwards"),
            (Held { epoch: 2, ..HELD }, "source.epoch"),
            (Held { partitions: 4, ..HELD }, "partitions"),
        ] {
            let error = check(place, &held).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Lost);
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.next_step().unwrap().contains("verify"), "{error:?}");
        }
    }
}
