//! Shard functions: which instance of the target holds a record.

use crate::batch::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// What each function takes, for whoever chose another column.
pub(super) const TAKES: &str = "crc32 and murmur3 take text, bytes or integers; modulo takes \
     non-negative integers; ranges takes integers where its bounds are numbers, else text or bytes";

/// How the shard key becomes a shard.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ShardFunction {
    /// CRC-32 (IEEE) of the key's text or bytes, modulo the number of instances. Integers are
    /// hashed as their decimal digits, as clients in most languages do.
    Crc32,
    /// A non-negative integer modulo the number of instances.
    Modulo,
    /// Murmur3 (x86, 32 bits, seed 0, without sign) of the key's text or bytes, modulo the number
    /// of instances. Integers are hashed as their decimal digits.
    Murmur3,
    /// The interval that the key lies in, by the `bounds` between the instances.
    Ranges,
}

/// A bound between two instances: the lowest key of the second.
#[derive(
    Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(untagged, expecting = "a bound is a whole number or a text")]
pub enum ShardBound {
    /// For integers.
    Int(i64),
    /// For text and bytes, which are compared byte by byte.
    Text(String),
}

impl ShardBound {
    /// How a key lies to it; `None` for one of another type.
    fn compare(&self, key: Value<'_>) -> Option<Ordering> {
        match (self, key) {
            (Self::Int(bound), Value::Int(key)) => Some(key.cmp(&i128::from(*bound))),
            (Self::Text(bound), Value::Text(key)) => Some(key.cmp(bound)),
            (Self::Text(bound), Value::Bytes(key)) => Some(key.cmp(bound.as_bytes())),
            _ => None,
        }
    }

    /// Whether it lies above another of the same type.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(bound), Self::Int(other)) => bound > other,
            (Self::Text(bound), Self::Text(other)) => bound > other,
            _ => false,
        }
    }
}

/// How the records of one target table are spread over the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// The column that decides, as an index into the target's key.
    pub key_column: usize,
    /// The function.
    pub function: ShardFunction,
    /// The bounds between the instances, in order; empty for every function but ranges.
    pub bounds: Vec<ShardBound>,
    /// The number of instances.
    pub instances: usize,
}

impl Sharding {
    /// Whether every key of this type has a place.
    pub(super) fn takes(&self, column_type: ColumnType) -> bool {
        let is_integer = matches!(column_type, ColumnType::Int | ColumnType::Unsigned);
        let is_text = matches!(column_type, ColumnType::Text | ColumnType::Bytes);
        match self.function {
            ShardFunction::Crc32 | ShardFunction::Murmur3 => is_integer || is_text,
            ShardFunction::Modulo => is_integer,
            ShardFunction::Ranges => self.bounds.iter().all(|bound| match bound {
                ShardBound::Int(_) => is_integer,
                ShardBound::Text(_) => is_text,
            }),
        }
    }

    /// The instance of a record, given as a row of which `column` is the shard column.
    pub(super) fn instance(&self, row: &Row<'_>, column: usize) -> Result<usize> {
        self.instance_of(row.value(column))
    }

    fn instance_of(&self, key: Value<'_>) -> Result<usize> {
        let bucket = match self.function {
            ShardFunction::Crc32 => crc32fast::hash(&hashed(key)?).into(),
            ShardFunction::Murmur3 => mur3::murmurhash3_x86_32(&hashed(key)?, 0).into(),
            ShardFunction::Modulo => match key {
                Value::Int(value) => {
                    u64::try_from(value).map_err(|_| not_shardable("negative integer"))?
                }
                _ => return Err(not_shardable(key.kind())),
            },
            ShardFunction::Ranges => return self.interval_of(key),
        };
        let count = u64::try_from(self.instances).unwrap_or(u64::MAX);
        Ok(usize::try_from(bucket % count).unwrap_or(0))
    }

    fn interval_of(&self, key: Value<'_>) -> Result<usize> {
        let (mut low, mut high) = (0, self.bounds.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.bounds[middle].compare(key) {
                Some(Ordering::Less) => high = middle,
                Some(Ordering::Equal | Ordering::Greater) => low = middle + 1,
                None => return Err(not_shardable(key.kind())),
            }
        }
        Ok(low)
    }
}

/// The bytes of a key that are hashed.
fn hashed<'a>(key: Value<'a>) -> Result<Cow<'a, [u8]>> {
    match key {
        Value::Text(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        Value::Int(value) => Ok(Cow::Owned(value.to_string().into_bytes())),
        _ => Err(not_shardable(key.kind())),
    }
}

fn not_shardable(found: &str) -> Error {
    Error::new(ErrorKind::Unreadable, "choose shard").with("found", found).hint(TAKES)
}

#[cfg(test)]
mod tests;
