//! The canonical encoding of values.

use crate::properties::values::{Owned, anything, same};
use migration::value::Value;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn encoded(value: &Owned) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.value().encode(&mut bytes).unwrap();
    bytes
}

proptest! {
    #[test]
    fn a_value_comes_back_from_its_bytes(value in anything()) {
        let bytes = encoded(&value);
        let back = Value::decode(&bytes).unwrap();
        prop_assert!(same(&back, &value.value()), "{back:?}");
    }

    #[test]
    fn two_values_have_the_same_bytes_exactly_when_they_are_the_same(
        a in anything(),
        b in anything(),
    ) {
        prop_assert_eq!(encoded(&a) == encoded(&b), same(&a.value(), &b.value()));
    }

    // With this, no two different rows share their bytes, wherever their columns end.
    #[test]
    fn no_value_is_the_beginning_of_another(a in anything(), b in anything()) {
        let (a, b) = (encoded(&a), encoded(&b));
        prop_assert!(a == b || !b.starts_with(&a));
    }

    #[test]
    fn bytes_that_nobody_encoded_are_no_value(mut bytes in proptest::collection::vec(any::<u8>(), 0..24), tag in 0_u8..18) {
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        if let Ok(value) = Value::decode(&bytes) {
            let mut again = Vec::new();
            value.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn other_writings_of_a_value_are_no_value() {
    let not_canonical: [&[u8]; 4] = [
        // Five, among the negative integers.
        &[0x03, 0, 0, 0, 0, 0, 0, 0, 5],
        // Minus zero, and a NaN that is not the one.
        &[0x0e, 0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0x0d, 0x7f, 0xc0, 0, 1],
        // Text of one byte that says it has two.
        &[0x05, 0, 0, 0, 2, b'a'],
    ];
    for bytes in not_canonical {
        assert!(Value::decode(bytes).is_err(), "{bytes:?}");
    }
}
