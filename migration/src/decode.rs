//! From messages to changes of source records, in two steps.
//!
//! The first finds out what a message is, by the [`Format`] that the plan states for its topic: a
//! [`ChangeMessage`] that borrows from the message, something to ignore, or a table that was
//! emptied. The second reads fields as typed values of the source table. Digits pass through both
//! as they stand.
//!
//! A message that cannot be decoded is not an error of the batch: it comes back among the
//! [`Undecodable`], for the dead letters. A row that lacks columns is one of them, and never
//! written: the record has to be read from the source. What is decoded is compacted: of several
//! changes of one record in a batch only the last remains, which is what the target would hold in
//! the end.
//!
//! A change of a key becomes a delete of the record it was (index 0) and an upsert of the record it
//! is (index 1), of one position.

mod codec;
mod column;
mod compaction;
mod course;
mod decoder;
mod envelope;
mod evidence;
mod fields;
mod format;
mod guess;
mod json_error;
mod losses;
mod message;
mod outcome;
mod record;
mod topic;
mod value;
mod wire;

pub use column::{ArrayElement, ColumnKind, ColumnTraits, Dialect};
pub use course::Course;
pub use decoder::Decoder;
pub use evidence::{Evidence, Snapshot};
pub use format::{
    Binary, CanalFormat, DebeziumFormat, Decimals, DeleteMode, FlattenedFormat, Format, FormatName,
    FormatOptions, KeyFrom, MaxwellFormat, NullValue, Operation, Operations, Place, PlainFormat,
    RawOperations, RouterFormat, TimePrecision, TimeUnit, TopicFormat, Truncates, Versions,
};
pub use guess::guess;
pub use json_error::JsonError;
pub use losses::Loss;
pub use message::{Before, ChangeMessage, Ignored, KeyFields, Op, Read, TableName};
pub use outcome::{Change, Changes, Flaw, IgnoredCounts, Stop, TableChanges, Undecodable};
pub use topic::SourceTable;

#[cfg(test)]
mod tests;
