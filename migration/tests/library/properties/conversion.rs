//! Conversions lose nothing: each is undone by its inverse, both ways.

use crate::properties::values::{Owned, TYPES, nullable, of, same};
use migration::error::Result;
use migration::layout::Conversion;
use migration::value::{ColumnType, Value};
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_assert, proptest};
use proptest::sample::select;

/// Every pair of types between which nothing is lost.
pub(crate) fn pairs() -> Vec<(ColumnType, ColumnType)> {
    let all = TYPES.into_iter().flat_map(|from| TYPES.map(|to| (from, to)));
    all.filter(|&(from, to)| Conversion::between(from, to).is_some()).collect()
}

/// Values of `from` that have a counterpart in `to`, null included.
pub(crate) fn convertible(from: ColumnType, to: ColumnType) -> BoxedStrategy<Owned> {
    match (from, to) {
        (ColumnType::Int, ColumnType::Bool) => (0_i128..2).prop_map(Owned::Int).boxed(),
        (ColumnType::Int, ColumnType::Unsigned) | (ColumnType::Unsigned, ColumnType::Int) => {
            (0..=i128::from(i64::MAX)).prop_map(Owned::Int).boxed()
        }
        _ => nullable(from),
    }
}

fn kept(value: Value<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes)?;
    Ok(bytes)
}

fn any_pair() -> BoxedStrategy<(ColumnType, ColumnType, Owned)> {
    select(pairs())
        .prop_flat_map(|(from, to)| (Just(from), Just(to), convertible(from, to)))
        .boxed()
}

proptest! {
    #[test]
    fn forward_and_back_is_where_it_began((from, to, value) in any_pair()) {
        let conversion = Conversion::between(from, to).unwrap();
        let there = conversion.forward(value.value(), kept).unwrap();
        let there = Value::decode(&there).unwrap();
        prop_assert!(there.fits(to), "{there:?} is no {to}");
        let back = conversion.backward(there, kept).unwrap();
        prop_assert!(same(&Value::decode(&back).unwrap(), &value.value()));
    }

    // So nothing in a target is taken for a record that the source cannot have.
    #[test]
    fn back_and_forward_is_where_it_began_or_is_refused(
        (from, to, value) in select(pairs()).prop_flat_map(|(from, to)| (Just(from), Just(to), of(to)))
    ) {
        let conversion = Conversion::between(from, to).unwrap();
        if let Ok(back) = conversion.backward(value.value(), kept) {
            let back = Value::decode(&back).unwrap();
            if back.fits(from) {
                let again = conversion.forward(back, kept).unwrap();
                prop_assert!(same(&Value::decode(&again).unwrap(), &value.value()));
            }
        }
    }
}

#[test]
fn a_value_without_counterpart_is_refused() {
    let refused = |from, to, value: Value<'_>| {
        Conversion::between(from, to).unwrap().forward(value, kept).is_err()
    };
    assert!(refused(ColumnType::Int, ColumnType::Bool, Value::Int(2)));
    assert!(refused(ColumnType::Int, ColumnType::Text, Value::Text("5")));
    let back = Conversion::between(ColumnType::Int, ColumnType::Text).unwrap();
    for text in ["007", "+5", " 5", "", "-0", "5.0"] {
        assert!(back.backward(Value::Text(text), kept).is_err(), "{text:?}");
    }
}

#[test]
fn types_that_would_lose_something_have_no_conversion() {
    for (from, to) in [
        (ColumnType::Text, ColumnType::Int),
        (ColumnType::Float64, ColumnType::Float32),
        (ColumnType::Decimal, ColumnType::Float64),
        (ColumnType::TimestampTz, ColumnType::Timestamp),
        (ColumnType::Text, ColumnType::Json),
    ] {
        assert!(Conversion::between(from, to).is_none(), "{from} to {to}");
    }
}
