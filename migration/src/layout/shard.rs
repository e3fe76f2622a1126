//! Shard functions: which instance of the target holds a record.

use crate::batch::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

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
}

/// How the records of one target table are spread over the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    /// The column that decides, as an index into the target's key.
    pub key_column: usize,
    /// The function.
    pub function: ShardFunction,
    /// The number of instances.
    pub instances: usize,
}

impl Sharding {
    /// The instance of a record, given as a row of which `column` is the shard column.
    pub(super) fn instance(&self, row: &Row<'_>, column: usize) -> Result<usize> {
        let count = u64::try_from(self.instances).unwrap_or(u64::MAX);
        let bucket = match (self.function, row.value(column)) {
            (ShardFunction::Crc32, Value::Text(text)) => crc32fast::hash(text.as_bytes()).into(),
            (ShardFunction::Crc32, Value::Bytes(bytes)) => crc32fast::hash(bytes).into(),
            (ShardFunction::Crc32, Value::Int(value)) => {
                crc32fast::hash(value.to_string().as_bytes()).into()
            }
            (ShardFunction::Modulo, Value::Int(value)) => {
                u64::try_from(value).map_err(|_| not_shardable("negative integer"))?
            }
            (_, value) => return Err(not_shardable(value.kind())),
        };
        Ok(usize::try_from(bucket % count).unwrap_or(0))
    }
}

fn not_shardable(found: &str) -> Error {
    Error::new(ErrorKind::Unreadable, "choose shard")
        .with("found", found)
        .hint("crc32 takes text, bytes or integers; modulo takes non-negative integers")
}
