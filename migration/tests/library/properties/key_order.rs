//! Key bytes: their order is the order of the values.

use crate::properties::values::{Owned, TYPES, of, order};
use migration::key::{Key, KeyColumn, can_be_key};
use migration::value::ColumnType;
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use std::cmp::Ordering;

fn key_types() -> Vec<ColumnType> {
    TYPES.into_iter().filter(|&column_type| can_be_key(column_type)).collect()
}

/// Two key tuples of one table.
fn two_keys() -> BoxedStrategy<(Vec<Owned>, Vec<Owned>)> {
    vec(select(key_types()), 1..4)
        .prop_flat_map(|types| {
            let tuple = || types.iter().map(|&column_type| of(column_type)).collect::<Vec<_>>();
            // Half of the second columns are those of the first: ties are where order goes wrong.
            (tuple(), tuple(), vec(any::<bool>(), types.len()))
        })
        .prop_map(|(a, mut b, take)| {
            for i in 0..a.len() {
                if take[i] {
                    b[i] = a[i].clone();
                }
            }
            (a, b)
        })
        .boxed()
}

fn key(columns: &[Owned]) -> Key {
    Key::new(columns.iter().map(Owned::value)).unwrap()
}

proptest! {
    #[test]
    fn keys_sort_as_their_values_do((a, b) in two_keys()) {
        let by_value = a
            .iter()
            .zip(&b)
            .map(|(a, b)| order(&a.value(), &b.value()))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal);
        prop_assert_eq!(key(&a).cmp(&key(&b)), by_value);
    }

    #[test]
    fn the_columns_come_back_from_a_key((columns, _) in two_keys()) {
        let key = key(&columns);
        let back = key.columns().unwrap();
        let back: Vec<_> = back.iter().map(KeyColumn::value).collect();
        prop_assert_eq!(back, columns.iter().map(Owned::value).collect::<Vec<_>>());
        prop_assert_eq!(Key::from_bytes(key.as_bytes().to_vec()), key);
    }

    #[test]
    fn a_prefix_is_the_key_of_the_leading_columns((columns, other) in two_keys(), count in 0_usize..4) {
        let count = count.min(columns.len());
        let prefix = key(&columns).prefix(count).unwrap();
        prop_assert_eq!(&prefix, &key(&columns[..count]));
        prop_assert!(prefix <= key(&columns));
        // An entity is an interval: nothing that lies between two of its keys is of another.
        let other = key(&other);
        if prefix <= other && other <= key(&columns) {
            prop_assert_eq!(other.prefix(count).unwrap(), prefix);
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused(bytes in vec(0_u8..18, 0..12)) {
        if let Ok(columns) = Key::from_bytes(bytes.clone()).columns() {
            let again = Key::new(columns.iter().map(KeyColumn::value)).unwrap();
            prop_assert_eq!(again.as_bytes(), &bytes);
        }
    }
}
