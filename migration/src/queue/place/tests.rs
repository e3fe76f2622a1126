//! The order of places, and what counts as the same history.

use super::{Evidence, Place, check_history};
use crate::error::ErrorKind;

#[test]
fn places_order_as_their_bytes_do() {
    let places = [
        Place::before(1, 0),
        Place::before(1, 1),
        Place::after(1, 1, u64::MAX),
        Place::before(1, 2),
        Place::after(1, 2, 1),
        Place::before(1, 256),
        Place::after(1, u64::MAX, 0),
        Place::before(2, 0),
    ];
    for pair in places.windows(2) {
        let bytes = |place: Place| place.position().unwrap();
        assert!(bytes(pair[0]) < bytes(pair[1]), "{pair:?}");
        assert!(pair[0].version().unwrap() < pair[1].version().unwrap(), "{pair:?}");
        assert_eq!(Place::read(&bytes(pair[0])).unwrap(), pair[0]);
    }
}

#[test]
fn a_history_holds_only_with_the_message_it_was_left_at() {
    let place = Place::after(1, 7, 99);
    let check = |place, highest, witness, trimmed| {
        check_history(place, &Evidence { epoch: 1, highest, witness, trimmed })
            .map_err(|error| (error.kind(), error.to_string()))
    };
    assert_eq!(check(place, 7, Some(99), None), Ok(()));
    assert_eq!(check(place, 9, Some(99), Some(place)), Ok(()));
    let lost = |result: Result<(), (ErrorKind, String)>, words: &str| {
        let (kind, text) = result.unwrap_err();
        assert_eq!(kind, ErrorKind::Lost);
        assert!(text.contains(words), "{text}");
    };
    let trimmed = Some(Place::after(1, 8, 1));
    lost(check(place, 6, None, None), "backwards");
    lost(check(place, 9, Some(98), None), "backwards");
    lost(check(place, 9, None, None), "gone");
    lost(check(place, 9, Some(99), trimmed), "trimmed");
    lost(check(Place::before(1, 0), 9, None, trimmed), "trimmed");
    // Nothing was there when the place was made, so nothing may be there now.
    assert_eq!(check(Place::after_nothing(1, 7), 9, None, None), Ok(()));
    lost(check(Place::after_nothing(1, 7), 9, Some(5), None), "backwards");
    assert_eq!(check(Place::before(1, 7), 7, Some(5), None), Ok(()));
    lost(check(Place::before(1, 7), 6, None, None), "backwards");
    // Whatever the numbers say, another epoch is another history.
    lost(check(Place::after(0, 7, 99), 9, Some(99), None), "before `source.epoch` was raised");
    lost(check(Place::after(2, 7, 99), 9, Some(99), None), "higher");
}
