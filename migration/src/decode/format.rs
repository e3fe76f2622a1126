//! The format of a topic's messages, as the plan states it. It is never guessed from a message:
//! what a null value or a string means depends on how the producer is set up.

mod options;
mod plain;

pub use options::{FormatOptions, RawOperations};
pub use plain::{KeyFrom, NullValue, Operation, Operations, Place, PlainFormat, TimeUnit};

use crate::error::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FormatName {
    /// Debezium's envelope: the payload alone (`schemas.enable=false`).
    Debezium,
    /// Debezium's envelope with its schema (`schemas.enable=true`).
    DebeziumSchema,
    /// Debezium's rows without their envelope (`ExtractNewRecordState`).
    DebeziumFlattened,
    /// The same with their schema.
    DebeziumFlattenedSchema,
    /// Events of Debezium's outbox event router, whose payload is the application's own.
    DebeziumOutbox,
    /// Canal's flat messages, and TiCDC's `canal-json`.
    Canal,
    /// Maxwell's JSON.
    Maxwell,
    /// JSON as an application writes it; the options say where things are.
    Plain,
}

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debezium => "debezium",
            Self::DebeziumSchema => "debezium-schema",
            Self::DebeziumFlattened => "debezium-flattened",
            Self::DebeziumFlattenedSchema => "debezium-flattened-schema",
            Self::DebeziumOutbox => "debezium-outbox",
            Self::Canal => "canal",
            Self::Maxwell => "maxwell",
            Self::Plain => "plain",
        })
    }
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Binary {
    /// Base64 with `+` and `/`: Debezium's `bytes` and `base64`.
    #[default]
    Base64,
    /// Base64 with `-` and `_`: Debezium's `base64-url-safe`.
    Base64UrlSafe,
    /// Hexadecimal.
    Hex,
    /// Each byte as the character of its number.
    Latin1,
}

/// How decimals are written: Debezium's `decimal.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decimals {
    /// The unscaled integer in base64; also numbers, where the converter writes them
    /// (`decimal.format=NUMERIC`).
    #[default]
    Precise,
    /// Their digits.
    String,
    /// A float: digits beyond the fifteenth are lost before they come here.
    Double,
}

/// How times are written: Debezium's `time.precision.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimePrecision {
    /// By the column's digits of a second: milliseconds up to three, microseconds beyond.
    /// PostgreSQL's default.
    Adaptive,
    /// The same, but a time of day is always in microseconds. MySQL's and MariaDB's default.
    AdaptiveTimeMicroseconds,
    /// Milliseconds: what is finer is lost before it comes here.
    Connect,
    /// ISO 8601.
    Isostring,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// What becomes of deletes in flattened messages: Debezium's `delete.tombstone.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteMode {
    /// They are left out: no copy can follow them, so a plan with it is refused.
    Drop,
    /// A null value.
    #[default]
    Tombstone,
    /// The row with `__deleted` true.
    Rewrite,
    /// The row with `__deleted` true, then a null value.
    RewriteWithTombstone,
    /// A null value that keeps the headers of the delete.
    DeleteToTombstone,
}

/// What tells the commit order of a topic's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Versions {
    /// The messages: log positions or commit timestamps. A message without one is a dead letter.
    #[default]
    Source,
    /// The place in the queue. Only right where the producer sends the changes of a record in
    /// commit order, always to the same partition.
    Queue,
}

/// What to do where a table was emptied at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Truncates {
    /// Stop and ask: its order against the changes of records is not told.
    #[default]
    Stop,
    /// Go on: the operator has dealt with it.
    Ignore,
}

/// Debezium's settings that its messages do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DebeziumFormat {
    /// Whether messages carry their schema.
    pub schema: bool,
    /// How decimals are written.
    pub decimals: Decimals,
    /// How bytes are written.
    pub binary: Binary,
    /// How times are written; `None`: as by default for the source's kind of database.
    pub time_precision: Option<TimePrecision>,
    /// What stands for a value that the database did not put into its log.
    pub unavailable_value: String,
    /// Whether PostgreSQL's tables have `REPLICA IDENTITY FULL`.
    pub full_before: bool,
}

/// Settings of flattened messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlattenedFormat {
    /// How values are written.
    pub values: DebeziumFormat,
    /// What the names of added fields and headers begin with.
    pub prefix: String,
    /// What becomes of deletes.
    pub deletes: DeleteMode,
}

/// Settings of the outbox event router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouterFormat {
    /// The field of the value that holds the payload, where columns were added to the envelope.
    pub payload_field: Option<String>,
    /// Whether the payload is JSON in a string, as it is without `table.expand.json.payload`.
    pub in_string: bool,
    /// How to read a payload.
    pub payload: PlainFormat,
}

/// Settings of Canal and TiCDC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanalFormat {
    /// Seconds east of UTC in which `TIMESTAMP` columns are written.
    pub utc_offset: i32,
}

/// Settings of Maxwell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaxwellFormat {
    /// Seconds east of UTC in which `TIMESTAMP` columns are written.
    pub utc_offset: i32,
    /// Whether null columns are left out (`output_nulls=false`).
    pub nulls_left_out: bool,
}

/// The format of a topic, with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Debezium's envelope.
    Debezium(DebeziumFormat),
    /// Debezium's rows alone.
    DebeziumFlattened(FlattenedFormat),
    /// The outbox event router.
    DebeziumOutbox(RouterFormat),
    /// Canal, TiCDC.
    Canal(CanalFormat),
    /// Maxwell.
    Maxwell(MaxwellFormat),
    /// JSON as an application writes it.
    Plain(PlainFormat),
}

impl Format {
    /// The format that the plan states.
    ///
    /// # Errors
    /// `Plan` for an option that the format does not have, or a value that cannot work.
    pub fn resolve(name: FormatName, options: &FormatOptions) -> Result<Self> {
        options.check(name)?;
        Ok(match name {
            FormatName::Debezium | FormatName::DebeziumSchema => {
                Self::Debezium(options.debezium(name == FormatName::DebeziumSchema))
            }
            FormatName::DebeziumFlattened | FormatName::DebeziumFlattenedSchema => {
                Self::DebeziumFlattened(FlattenedFormat {
                    values: options.debezium(name == FormatName::DebeziumFlattenedSchema),
                    prefix: options.prefix.clone().unwrap_or_else(|| "__".to_owned()),
                    deletes: options.deletes()?,
                })
            }
            FormatName::DebeziumOutbox => Self::DebeziumOutbox(RouterFormat {
                payload_field: options.payload_field.clone(),
                in_string: options.in_string.unwrap_or(true),
                payload: PlainFormat { in_string: false, ..options.plain()? },
            }),
            FormatName::Canal => Self::Canal(CanalFormat { utc_offset: options.utc_offset()? }),
            FormatName::Maxwell => Self::Maxwell(MaxwellFormat {
                utc_offset: options.utc_offset()?,
                nulls_left_out: options.nulls_left_out.unwrap_or(false),
            }),
            FormatName::Plain => Self::Plain(options.plain()?),
        })
    }

    /// Refuses [`Versions::Source`] where no message of the format tells a commit order.
    ///
    /// # Errors
    /// `Plan`, with what to write instead.
    pub fn check_versions(&self, versions: Versions) -> Result<()> {
        let why = match (versions, self) {
            (Versions::Queue, _) | (_, Self::Debezium(_) | Self::Canal(_) | Self::Maxwell(_)) => {
                return Ok(());
            }
            (_, Self::DebeziumFlattened(format)) => match format.deletes {
                DeleteMode::Tombstone => {
                    "a delete comes as a null value, which carries no position"
                }
                _ => return Ok(()),
            },
            (_, Self::Plain(format)) if format.version.is_some() => return Ok(()),
            (_, Self::DebeziumOutbox(format)) if format.payload.version.is_some() => {
                return Ok(());
            }
            _ => "its messages tell no commit order",
        };
        Err(Error::new(ErrorKind::Plan, "read format of topic")
            .with("option", "versions")
            .with("problem", why)
            .hint(
                "write versions = \"queue\" if the producer sends the changes of a record in \
                 commit order, always to the same partition",
            ))
    }
}

/// A topic, the format of its messages and what they are changes of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicFormat {
    /// The topic.
    pub topic: String,
    /// The format.
    pub format: Format,
    /// What tells the commit order.
    pub versions: Versions,
    /// The source table of all its messages; `None` where they name it themselves.
    pub table: Option<String>,
    /// What to do where a table was emptied at once.
    pub truncates: Truncates,
    /// The only database (or, for PostgreSQL, schema) whose tables are meant; `None`: any.
    pub database: Option<String>,
}
