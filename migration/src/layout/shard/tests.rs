//! Shard functions against what others publish of them, and what holds for any key.

use super::{ShardBound, ShardFunction, Sharding};
use crate::value::Value;
use proptest::collection::{btree_set, vec};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn sharding(function: ShardFunction, instances: usize) -> Sharding {
    Sharding { key_column: 0, function, bounds: Vec::new(), instances }
}

fn ranges(bounds: Vec<ShardBound>) -> Sharding {
    let instances = bounds.len() + 1;
    Sharding { bounds, ..sharding(ShardFunction::Ranges, instances) }
}

/// A hash of 32 bits as it is: there are as many instances as it has values.
fn hash(function: ShardFunction, key: Value<'_>) -> usize {
    sharding(function, 1 << 32).instance_of(key).unwrap()
}

#[test]
fn crc32_is_the_one_of_zip_and_ethernet() {
    // The check value of the catalogue of CRC algorithms (reveng.sourceforge.io), and of zlib.
    for (text, expected) in [
        ("123456789", 0xcbf4_3926),
        ("", 0),
        ("The quick brown fox jumps over the lazy dog", 0x414f_a339),
    ] {
        assert_eq!(hash(ShardFunction::Crc32, Value::Text(text)), expected, "{text}");
    }
}

#[test]
fn murmur3_is_the_x86_one_of_32_bits() {
    // Published test vectors with seed 0 (en.wikipedia.org/wiki/MurmurHash).
    for (text, expected) in [
        ("", 0),
        ("test", 0xba6b_d213),
        ("Hello, world!", 0xc036_3e43),
        ("The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
    ] {
        assert_eq!(hash(ShardFunction::Murmur3, Value::Text(text)), expected, "{text}");
        let bytes = Value::Bytes(text.as_bytes());
        assert_eq!(hash(ShardFunction::Murmur3, bytes), expected, "{text}");
    }
}

#[test]
fn integers_are_hashed_as_their_digits() {
    for function in [ShardFunction::Crc32, ShardFunction::Murmur3] {
        for value in [0, -7, 123_456_789, i128::from(u64::MAX)] {
            let digits = value.to_string();
            assert_eq!(hash(function, Value::Int(value)), hash(function, Value::Text(&digits)));
        }
    }
}

#[test]
fn a_range_begins_at_its_bound() {
    let numbers = ranges([-5, 1_000, 2_000].map(ShardBound::Int).into());
    for (key, expected) in [
        (i128::from(i64::MIN), 0),
        (-6, 0),
        (-5, 1),
        (999, 1),
        (1_000, 2),
        (2_000, 3),
        (i128::from(u64::MAX), 3),
    ] {
        assert_eq!(numbers.instance_of(Value::Int(key)).unwrap(), expected, "{key}");
    }
    let names = ranges(["h", "ö"].map(|text| ShardBound::Text(text.to_owned())).into());
    for (key, expected) in [("", 0), ("gzzz", 0), ("h", 1), ("z", 1), ("ö", 2), ("日", 2)] {
        assert_eq!(names.instance_of(Value::Text(key)).unwrap(), expected, "{key}");
        let bytes = Value::Bytes(key.as_bytes());
        assert_eq!(names.instance_of(bytes).unwrap(), expected, "{key}");
    }
    assert!(names.instance_of(Value::Int(1)).is_err());
    assert!(numbers.instance_of(Value::Text("1")).is_err());
}

#[test]
fn what_has_no_place_is_refused_and_not_put_somewhere() {
    for (function, key) in [
        (ShardFunction::Crc32, Value::Null),
        (ShardFunction::Murmur3, Value::Float64(1.0)),
        (ShardFunction::Modulo, Value::Int(-1)),
        (ShardFunction::Modulo, Value::Text("1")),
    ] {
        let error = sharding(function, 4).instance_of(key).unwrap_err();
        assert!(error.next_step().is_some_and(|hint| hint.contains("modulo takes")), "{error}");
    }
}

proptest! {
    #[test]
    fn every_key_has_one_place_among_the_instances(
        text in any::<String>(), number in 0..u64::MAX, instances in 1_usize..5_000,
    ) {
        for function in [ShardFunction::Crc32, ShardFunction::Murmur3] {
            let sharding = sharding(function, instances);
            let place = sharding.instance_of(Value::Text(&text)).unwrap();
            prop_assert!(place < instances);
            prop_assert_eq!(place, sharding.instance_of(Value::Bytes(text.as_bytes())).unwrap());
        }
        let place = sharding(ShardFunction::Modulo, instances).instance_of(Value::Int(number.into()));
        prop_assert_eq!(place.unwrap() as u128, u128::from(number) % instances as u128);
    }

    // Twice the instances: a record stays, or goes to the one instance that its own was split into.
    #[test]
    fn doubling_the_instances_splits_each_in_two(text in any::<String>(), instances in 1_usize..500) {
        for function in [ShardFunction::Crc32, ShardFunction::Murmur3] {
            let before = sharding(function, instances).instance_of(Value::Text(&text)).unwrap();
            let after = sharding(function, instances * 2).instance_of(Value::Text(&text)).unwrap();
            prop_assert!(after == before || after == before + instances);
        }
    }

    #[test]
    fn a_range_is_where_a_walk_along_the_bounds_ends(
        bounds in btree_set(any::<i64>(), 0..20), keys in vec(any::<i64>(), 1..50),
    ) {
        let sharding = ranges(bounds.iter().copied().map(ShardBound::Int).collect());
        for key in keys.into_iter().chain(bounds.iter().copied()) {
            let below = bounds.iter().filter(|bound| **bound <= key).count();
            prop_assert_eq!(sharding.instance_of(Value::Int(key.into())).unwrap(), below);
        }
    }

    #[test]
    fn ranges_of_text_keep_the_order_of_the_keys(
        bounds in btree_set(any::<String>(), 0..10), one in any::<String>(), two in any::<String>(),
    ) {
        let sharding = ranges(bounds.into_iter().map(ShardBound::Text).collect());
        let place = |text: &str| sharding.instance_of(Value::Text(text)).unwrap();
        prop_assert_eq!(place(&one) < place(&two), one < two && place(&one) != place(&two));
    }
}
