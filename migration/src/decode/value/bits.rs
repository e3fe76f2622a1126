//! Strings of bits, which producers write as bytes with the lowest first.

use crate::decode::column::{ColumnKind, ColumnTraits};
use crate::value::{ColumnType, Value};

/// Makes a value of the column of bits, given with the lowest byte first.
pub(super) fn value<T>(
    lowest_first: &[u8],
    column_type: ColumnType,
    traits: &ColumnTraits,
    push: impl FnOnce(Value<'_>) -> T,
) -> Option<T> {
    match column_type {
        ColumnType::Bool => match number(lowest_first)? {
            0 => Some(push(Value::Bool(false))),
            1 => Some(push(Value::Bool(true))),
            _ => None,
        },
        ColumnType::Int | ColumnType::Unsigned => {
            Some(push(Value::Int(number(lowest_first)?.into())))
        }
        // As the database gives them: the highest byte first, as many as the length asks for.
        ColumnType::Bytes => {
            let length = usize::try_from(traits.length?).ok()?.div_ceil(8);
            let mut bytes = lowest_first.to_vec();
            if bytes.iter().skip(length).any(|&byte| byte != 0) {
                return None;
            }
            bytes.resize(length, 0);
            bytes.reverse();
            Some(push(Value::Bytes(&bytes)))
        }
        // Of varying length: the zeros in front are lost on the wire.
        ColumnType::Text if traits.kind == ColumnKind::Bits => {
            let length = usize::try_from(traits.length?).ok()?;
            let bit = |place: usize| {
                let byte = lowest_first.get(place / 8).copied().unwrap_or(0);
                if byte >> (place % 8) & 1 == 1 { '1' } else { '0' }
            };
            if (length..lowest_first.len() * 8).any(|place| bit(place) == '1') {
                return None;
            }
            let text: String = (0..length).rev().map(bit).collect();
            Some(push(Value::Text(&text)))
        }
        _ => None,
    }
}

/// The bits as a number, if they fit.
fn number(lowest_first: &[u8]) -> Option<u64> {
    let mut all = [0; 8];
    for (place, &byte) in lowest_first.iter().enumerate() {
        match all.get_mut(place) {
            Some(slot) => *slot = byte,
            None if byte == 0 => {}
            None => return None,
        }
    }
    Some(u64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::value;
    use crate::decode::column::ColumnTraits;
    use crate::value::{ColumnType, Value};
    use proptest::prelude::{any, proptest};

    #[test]
    fn bits_become_a_number_bytes_or_text() {
        let mysql = ColumnTraits::mysql("bit(10)");
        let check = |column_type, traits: &ColumnTraits, expected: Value<'_>| {
            let found = value(&[1, 2], column_type, traits, |found| {
                assert_eq!(found, expected);
            });
            assert!(found.is_some());
        };
        check(ColumnType::Unsigned, &mysql, Value::Int(513));
        check(ColumnType::Bytes, &mysql, Value::Bytes(&[2, 1]));
        check(ColumnType::Text, &ColumnTraits::postgres("bit(10)"), Value::Text("1000000001"));
        let varying = ColumnTraits::postgres("bit varying(10)");
        assert!(value(&[1, 2], ColumnType::Text, &varying, |_| ()).is_none());
        assert!(
            value(&[1, 8], ColumnType::Text, &ColumnTraits::postgres("bit(10)"), |_| ()).is_none()
        );
        assert!(value(&[0; 9], ColumnType::Unsigned, &mysql, |_| ()).is_some());
        assert!(value(&[1; 9], ColumnType::Unsigned, &mysql, |_| ()).is_none());
    }

    proptest! {
        #[test]
        fn a_number_written_lowest_byte_first_is_read_back(number in any::<u64>()) {
            let traits = ColumnTraits::mysql("bit(64)");
            let bytes = number.to_le_bytes();
            let found = value(&bytes, ColumnType::Unsigned, &traits, |found| {
                assert_eq!(found, Value::Int(number.into()));
            });
            assert!(found.is_some());
        }
    }
}
