//! Values to try: of every type, from small alphabets so that near misses are common.

use migration::value::{ColumnType, Value};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use std::cmp::Ordering;

/// Every column type.
pub(crate) const TYPES: [ColumnType; 14] = [
    ColumnType::Bool,
    ColumnType::Int,
    ColumnType::Unsigned,
    ColumnType::Decimal,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Date,
    ColumnType::Time,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Uuid,
    ColumnType::Json,
];

/// A value that owns what it holds.
#[derive(Debug, Clone)]
pub(crate) enum Owned {
    Null,
    Bool(bool),
    Int(i128),
    Decimal(String),
    Float32(f32),
    Float64(f64),
    Text(String),
    Bytes(Vec<u8>),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    TimestampTz(i64),
    Uuid([u8; 16]),
    Json(String),
}

impl Owned {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Decimal(text) => Value::Decimal(text),
            Self::Float32(value) => Value::Float32(*value),
            Self::Float64(value) => Value::Float64(*value),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Date(days) => Value::Date(*days),
            Self::Time(micros) => Value::Time(*micros),
            Self::Timestamp(micros) => Value::Timestamp(*micros),
            Self::TimestampTz(micros) => Value::TimestampTz(*micros),
            Self::Uuid(bytes) => Value::Uuid(*bytes),
            Self::Json(text) => Value::Json(text),
        }
    }
}

/// Whether two values are one value: every NaN is one, and so are the two zeros.
pub(crate) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Float32(a), Value::Float32(b)) if a.is_nan() => b.is_nan(),
        (Value::Float64(a), Value::Float64(b)) if a.is_nan() => b.is_nan(),
        (a, b) => a == b,
    }
}

/// The order that a store keeps two key values of one type in.
pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b))
        | (Value::TimestampTz(a), Value::TimestampTz(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (a, b) => unreachable!("{a:?} and {b:?} are not key values of one type"),
    }
}

/// Any value of a type that is not null.
pub(crate) fn of(column_type: ColumnType) -> BoxedStrategy<Owned> {
    match column_type {
        ColumnType::Bool => any::<bool>().prop_map(Owned::Bool).boxed(),
        ColumnType::Int => prop_oneof![any::<i64>(), -2_i64..3, Just(i64::MIN), Just(i64::MAX),]
            .prop_map(|int| Owned::Int(int.into()))
            .boxed(),
        ColumnType::Unsigned => prop_oneof![any::<u64>(), 0_u64..3, Just(u64::MAX)]
            .prop_map(|int| Owned::Int(int.into()))
            .boxed(),
        ColumnType::Decimal => "-?[0-9]{1,40}(\\.[0-9]{1,30})?".prop_map(Owned::Decimal).boxed(),
        ColumnType::Float32 => prop_oneof![any::<u32>().prop_map(f32::from_bits), Just(-0.0)]
            .prop_map(Owned::Float32)
            .boxed(),
        ColumnType::Float64 => prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(-0.0)]
            .prop_map(Owned::Float64)
            .boxed(),
        ColumnType::Text => text().prop_map(Owned::Text).boxed(),
        ColumnType::Bytes => bytes().prop_map(Owned::Bytes).boxed(),
        ColumnType::Date => prop_oneof![any::<i32>(), -1..2_i32].prop_map(Owned::Date).boxed(),
        ColumnType::Time => micros().prop_map(Owned::Time).boxed(),
        ColumnType::Timestamp => micros().prop_map(Owned::Timestamp).boxed(),
        ColumnType::TimestampTz => micros().prop_map(Owned::TimestampTz).boxed(),
        ColumnType::Uuid => any::<[u8; 16]>().prop_map(Owned::Uuid).boxed(),
        ColumnType::Json => prop_oneof![
            text().prop_map(|text| format!("{text:?}")),
            Just("{\"a\": [1, null]}".to_owned()),
            Just(String::new()),
        ]
        .prop_map(Owned::Json)
        .boxed(),
    }
}

/// Any value of a type, null included.
pub(crate) fn nullable(column_type: ColumnType) -> BoxedStrategy<Owned> {
    prop_oneof![1 => Just(Owned::Null), 5 => of(column_type)].boxed()
}

/// Any value at all.
pub(crate) fn anything() -> BoxedStrategy<Owned> {
    proptest::sample::select(&TYPES[..]).prop_flat_map(nullable).boxed()
}

// Zero and 0xff are what keys escape with, one is what follows a zero.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[\u{0}\u{1}a]{0,4}", "\\PC{0,12}", "[aA é😀\u{10ffff}]{0,3}"]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let few = proptest::sample::select(&[0_u8, 1, 5, 6, 0xff][..]);
    prop_oneof![proptest::collection::vec(few, 0..5), proptest::collection::vec(any::<u8>(), 0..20),]
}

fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -1_i64..2, Just(i64::MIN), Just(i64::MAX)]
}
