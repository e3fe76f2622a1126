//! How values pass: in PostgreSQL's binary formats, one for each type, exactly or not at all.
//!
//! | type | column |
//! |---|---|
//! | bool | boolean |
//! | int, unsigned | smallint, integer, bigint; numeric without fraction where the plan says so |
//! | decimal | numeric; its scale is part of the value, NaN and infinity are none |
//! | float32, float64 | real, double precision |
//! | text | text, varchar; char(n) with exactly n characters; what the plan states as text, by its text |
//! | bytes | bytea |
//! | date, timestamp, timestamp_tz | date, timestamp, timestamptz; infinity is none |
//! | time | time: from 0 to 24 hours |
//! | uuid | uuid |
//! | json | json; text where the plan says so; jsonb for documents in the form that it keeps |

use super::{jsonb, numeric};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments as _, Encode, Postgres, Type};

/// 2000-01-01, where PostgreSQL counts from, in days from 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The same in microseconds.
const EPOCH_MICROS: i64 = 10_957 * MICROS_PER_DAY;

/// First and last day that a date can be, from 2000-01-01; what lies beyond stands for infinity.
const DAYS: (i32, i32) = (-2_451_545, 2_145_031_948);

/// First and last microsecond that a timestamp can be, from 2000-01-01.
const MICROS: (i64, i64) = (-211_813_488_000_000_000, 9_223_371_331_199_999_999);

/// A binary format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Jsonb,
}

impl Wire {
    /// The format of a built-in type; `None` for a type that we know nothing of.
    pub(super) fn of(type_oid: u32) -> Option<Self> {
        Some(match type_oid {
            16 => Self::Bool,
            21 => Self::Int2,
            23 => Self::Int4,
            20 => Self::Int8,
            700 => Self::Float4,
            701 => Self::Float8,
            1700 => Self::Numeric,
            25 | 1042 | 1043 => Self::Text,
            17 => Self::Bytes,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            2950 => Self::Uuid,
            114 => Self::Json,
            3802 => Self::Jsonb,
            _ => return None,
        })
    }

    /// The oids of the type and of its array, and its name in SQL.
    fn type_of(self) -> (u32, u32, &'static str) {
        match self {
            Self::Bool => (16, 1000, "bool"),
            Self::Int2 => (21, 1005, "int2"),
            Self::Int4 => (23, 1007, "int4"),
            Self::Int8 => (20, 1016, "int8"),
            Self::Float4 => (700, 1021, "float4"),
            Self::Float8 => (701, 1022, "float8"),
            Self::Numeric => (1700, 1231, "numeric"),
            Self::Text => (25, 1009, "text"),
            Self::Bytes => (17, 1001, "bytea"),
            Self::Date => (1082, 1182, "date"),
            Self::Time => (1083, 1183, "time"),
            Self::Timestamp => (1114, 1115, "timestamp"),
            Self::TimestampTz => (1184, 1185, "timestamptz"),
            Self::Uuid => (2950, 2951, "uuid"),
            Self::Json => (114, 199, "json"),
            Self::Jsonb => (3802, 3807, "jsonb"),
        }
    }

    /// Its name in SQL.
    pub(super) fn name(self) -> &'static str {
        self.type_of().2
    }

    /// The least and the greatest integer.
    fn integers(self) -> Option<(i128, i128)> {
        match self {
            Self::Int2 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::Int4 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::Int8 => Some((i64::MIN.into(), i64::MAX.into())),
            _ => None,
        }
    }
}

/// How one column stores its values.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    /// The column's name, quoted.
    pub(super) name: String,
    /// The type that the schema gives it.
    pub(super) column_type: ColumnType,
    /// How its values pass.
    pub(super) wire: Wire,
    /// The type to cast to and from, where values pass as text.
    pub(super) cast: Option<String>,
    /// Most characters of a text.
    pub(super) length_max: Option<u32>,
    /// Whether shorter text would be padded with blanks to that length.
    pub(super) is_padded: bool,
    /// Digits in all and after the point, where the column bounds them; of a moment only the
    /// latter.
    pub(super) digits: Option<(u32, u32)>,
    /// What follows the column's name where it is compared: ` COLLATE "C"` or nothing.
    pub(super) collate: &'static str,
}

/// Appends a value's binary form.
///
/// # Errors
/// `Unreadable` for one that the column would not keep as it is.
pub(super) fn encode(value: Value<'_>, storage: &Storage, out: &mut Vec<u8>) -> Result<()> {
    match (value, storage.wire) {
        (Value::Bool(value), Wire::Bool) => out.push(value.into()),
        (Value::Int(value), Wire::Int2) => out.extend(integer::<i16>(value)?.to_be_bytes()),
        (Value::Int(value), Wire::Int4) => out.extend(integer::<i32>(value)?.to_be_bytes()),
        (Value::Int(value), Wire::Int8) => out.extend(integer::<i64>(value)?.to_be_bytes()),
        (Value::Int(value), Wire::Numeric) => {
            numeric::encode(&value.to_string(), storage.digits, out).map_err(does_not_fit)?;
        }
        (Value::Decimal(text), Wire::Numeric) => {
            numeric::encode(text, storage.digits, out).map_err(does_not_fit)?;
        }
        (Value::Float32(value), Wire::Float4) => out.extend(value.to_be_bytes()),
        (Value::Float64(value), Wire::Float8) => out.extend(value.to_be_bytes()),
        (Value::Text(text) | Value::Json(text), Wire::Text) => {
            check_text(text, storage)?;
            out.extend(text.as_bytes());
        }
        (Value::Text(text) | Value::Json(text), Wire::Json) => out.extend(text.as_bytes()),
        (Value::Text(text) | Value::Json(text), Wire::Jsonb) => {
            if !jsonb::is_kept(text) {
                return Err(does_not_fit("jsonb would rewrite this document").hint(
                    "declare the column json, or write documents as jsonb does: keys by length, \
                     then by bytes, one blank after a comma and a colon",
                ));
            }
            // The version of the format.
            out.push(1);
            out.extend(text.as_bytes());
        }
        (Value::Bytes(bytes), Wire::Bytes) => out.extend(bytes),
        (Value::Date(days), Wire::Date) => {
            let days = days.checked_sub(EPOCH_DAYS).filter(|days| within(*days, DAYS));
            out.extend(days.ok_or_else(|| does_not_fit("the day is out of range"))?.to_be_bytes());
        }
        (Value::Time(micros), Wire::Time) if within(micros, (0, MICROS_PER_DAY)) => {
            check_digits(micros, storage)?;
            out.extend(micros.to_be_bytes());
        }
        (Value::Time(_), Wire::Time) => {
            return Err(does_not_fit("a time lies between 0 and 24 hours"));
        }
        (Value::Timestamp(micros), Wire::Timestamp)
        | (Value::TimestampTz(micros), Wire::TimestampTz) => {
            check_digits(micros, storage)?;
            let micros = micros.checked_sub(EPOCH_MICROS).filter(|micros| within(*micros, MICROS));
            let micros = micros.ok_or_else(|| does_not_fit("the moment is out of range"))?;
            out.extend(micros.to_be_bytes());
        }
        (Value::Uuid(bytes), Wire::Uuid) => out.extend(bytes),
        _ => return Err(does_not_fit("it is not of the column's type")),
    }
    Ok(())
}

/// PostgreSQL cuts blanks off a text that is too long without a word, and pads one of `char(n)`.
fn check_text(text: &str, storage: &Storage) -> Result<()> {
    if text.contains('\0') {
        return Err(does_not_fit("PostgreSQL's text holds no zero byte").hint(
            "take the zero bytes out at the source, or begin the migration anew with a plan by \
                 which the column loses them (loses = \"nul\"), or moves as bytes to bytea",
        ));
    }
    let Some(length_max) = storage.length_max else { return Ok(()) };
    let length = text.chars().count();
    let length_max = usize::try_from(length_max).unwrap_or(usize::MAX);
    if length > length_max {
        return Err(does_not_fit("the text is longer than the column"));
    }
    if storage.is_padded && length < length_max {
        return Err(does_not_fit("the column would pad this text with blanks")
            .hint("declare the column varchar(n) or text instead of char(n)"));
    }
    Ok(())
}

/// A column of fewer digits than microseconds rounds.
fn check_digits(micros: i64, storage: &Storage) -> Result<()> {
    let Some((_, digits)) = storage.digits else { return Ok(()) };
    let unit = 10_i64.pow(6_u32.saturating_sub(digits));
    if micros % unit == 0 {
        return Ok(());
    }
    Err(does_not_fit("the column would round its fraction of a second")
        .hint("declare the column with 6 digits, or without a number"))
}

fn integer<T: TryFrom<i128>>(value: i128) -> Result<T> {
    T::try_from(value).map_err(|_| does_not_fit("the integer does not fit the column"))
}

fn within<T: PartialOrd + Copy>(value: T, (first, last): (T, T)) -> bool {
    value >= first && value <= last
}

fn does_not_fit(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("store value: {problem}"))
}

/// A key's value as a bound of a column that may not be able to hold it.
#[derive(Debug, PartialEq)]
pub(super) enum Floor<'a> {
    /// The column can hold it.
    Exact(Value<'a>),
    /// The greatest value below it that the column can hold.
    Below(Value<'a>),
    /// Whatever the column holds is greater.
    Nothing,
}

/// What a bound comes to in a column.
pub(super) fn floor<'a>(value: Value<'a>, storage: &Storage) -> Floor<'a> {
    let clamp = |value: i64, (first, last): (i64, i64), make: fn(i64) -> Value<'a>| match value {
        value if value < first => Floor::Nothing,
        value if value > last => Floor::Below(make(last)),
        value => Floor::Exact(make(value)),
    };
    let moments = (MICROS.0 + EPOCH_MICROS, MICROS.1.saturating_add(EPOCH_MICROS));
    match value {
        Value::Int(int) => match storage.wire.integers() {
            Some((first, _)) if int < first => Floor::Nothing,
            Some((_, last)) if int > last => Floor::Below(Value::Int(last)),
            _ => Floor::Exact(value),
        },
        // A text without zero bytes lies above this one exactly if it lies above its beginning.
        Value::Text(text) => match text.split_once('\0') {
            Some((before, _)) => Floor::Below(Value::Text(before)),
            None => Floor::Exact(value),
        },
        Value::Date(days) if days < DAYS.0 + EPOCH_DAYS => Floor::Nothing,
        Value::Date(days) if days > DAYS.1 + EPOCH_DAYS => {
            Floor::Below(Value::Date(DAYS.1 + EPOCH_DAYS))
        }
        Value::Time(micros) => clamp(micros, (0, MICROS_PER_DAY), Value::Time),
        Value::Timestamp(micros) => clamp(micros, moments, Value::Timestamp),
        Value::TimestampTz(micros) => clamp(micros, moments, Value::TimestampTz),
        _ => Floor::Exact(value),
    }
}

/// Reads one value. `scratch` holds text that it was not stored as.
///
/// # Errors
/// What was found, if it is not of the column's type.
pub(super) fn decode<'r>(
    bytes: &'r [u8],
    storage: &Storage,
    scratch: &'r mut String,
) -> Result<Value<'r>, &'static str> {
    let text = |bytes: &'r [u8]| std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8");
    Ok(match (storage.column_type, storage.wire) {
        (ColumnType::Bool, Wire::Bool) => Value::Bool(exact::<1>(bytes)? != [0]),
        (ColumnType::Int | ColumnType::Unsigned, Wire::Int2) => {
            Value::Int(i16::from_be_bytes(exact(bytes)?).into())
        }
        (ColumnType::Int | ColumnType::Unsigned, Wire::Int4) => {
            Value::Int(i32::from_be_bytes(exact(bytes)?).into())
        }
        (ColumnType::Int | ColumnType::Unsigned, Wire::Int8) => {
            Value::Int(i64::from_be_bytes(exact(bytes)?).into())
        }
        (ColumnType::Int | ColumnType::Unsigned, Wire::Numeric) => {
            numeric::decode(bytes, scratch)?;
            Value::Int(scratch.parse().map_err(|_| "a number that is no 64-bit integer")?)
        }
        (ColumnType::Decimal, Wire::Numeric) => {
            numeric::decode(bytes, scratch)?;
            Value::Decimal(scratch)
        }
        (ColumnType::Float32, Wire::Float4) => Value::Float32(f32::from_be_bytes(exact(bytes)?)),
        (ColumnType::Float64, Wire::Float8) => Value::Float64(f64::from_be_bytes(exact(bytes)?)),
        (ColumnType::Text, Wire::Text | Wire::Json) => Value::Text(text(bytes)?),
        (ColumnType::Json, Wire::Text | Wire::Json) => Value::Json(text(bytes)?),
        (ColumnType::Text, Wire::Jsonb) => Value::Text(text(of_jsonb(bytes)?)?),
        (ColumnType::Json, Wire::Jsonb) => Value::Json(text(of_jsonb(bytes)?)?),
        (ColumnType::Bytes, Wire::Bytes) => Value::Bytes(bytes),
        (ColumnType::Date, Wire::Date) => {
            let days = i32::from_be_bytes(exact(bytes)?);
            Value::Date(Some(days).filter(|days| within(*days, DAYS)).ok_or(INFINITE)? + EPOCH_DAYS)
        }
        (ColumnType::Time, Wire::Time) => Value::Time(i64::from_be_bytes(exact(bytes)?)),
        (ColumnType::Timestamp, Wire::Timestamp) => Value::Timestamp(moment(bytes)?),
        (ColumnType::TimestampTz, Wire::TimestampTz) => Value::TimestampTz(moment(bytes)?),
        (ColumnType::Uuid, Wire::Uuid) => Value::Uuid(exact(bytes)?),
        _ => return Err(OTHER_TYPE),
    })
}

const INFINITE: &str = "infinity";

const OTHER_TYPE: &str = "a value of another type";

fn moment(bytes: &[u8]) -> Result<i64, &'static str> {
    let micros = i64::from_be_bytes(exact(bytes)?);
    let micros = Some(micros).filter(|micros| within(*micros, MICROS)).ok_or(INFINITE)?;
    micros.checked_add(EPOCH_MICROS).ok_or("a moment after the year 294246")
}

fn of_jsonb(bytes: &[u8]) -> Result<&[u8], &'static str> {
    match bytes.split_first() {
        Some((1, text)) => Ok(text),
        _ => Err("a jsonb format that is not known"),
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], &'static str> {
    bytes.try_into().map_err(|_| OTHER_TYPE)
}

/// Arguments of a statement, encoded by us.
#[derive(Default)]
pub(super) struct Arguments(PgArguments);

impl Arguments {
    /// Binds a key's value.
    pub(super) fn value(&mut self, value: Value<'_>, storage: &Storage) -> Result<()> {
        let mut bytes = Vec::with_capacity(16);
        encode(value, storage, &mut bytes)?;
        self.add(Encoded { oid: storage.wire.type_of().0, bytes })
    }

    /// Binds an array.
    pub(super) fn array(&mut self, array: Array) -> Result<()> {
        self.add(array.finish())
    }

    /// Binds anything else that is not a column's value.
    pub(super) fn add<'t, T>(&mut self, value: T) -> Result<()>
    where
        T: Encode<'t, Postgres> + Type<Postgres>,
    {
        let added = self.0.add(value);
        added.map_err(|error| Error::new(ErrorKind::Failed, "bind value").because(error))
    }

    /// What the driver takes.
    pub(super) fn into_inner(self) -> PgArguments {
        self.0
    }
}

/// A value in its binary form.
struct Encoded {
    oid: u32,
    bytes: Vec<u8>,
}

impl Type<Postgres> for Encoded {
    fn type_info() -> PgTypeInfo {
        // Never used: every value says what it is.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Encoded {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.oid)))
    }
}

/// Appends a value's binary form after its length.
fn encode_with_length(value: Value<'_>, storage: &Storage, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.extend([0; 4]);
    encode(value, storage, out)?;
    let length = i32::try_from(out.len() - start - 4)
        .map_err(|_| does_not_fit("it is longer than PostgreSQL takes"))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Records as `COPY` takes them in binary.
pub(super) struct CopyRows {
    bytes: Vec<u8>,
    columns: i16,
}

impl CopyRows {
    /// Of so many columns; about so many bytes will come.
    pub(super) fn new(columns: usize, bytes: usize) -> Self {
        let mut rows = Self {
            bytes: Vec::with_capacity(bytes),
            // A table has at most 1,600.
            columns: i16::try_from(columns).unwrap_or(i16::MAX),
        };
        // The signature; no flags, and nothing more in the header.
        rows.bytes.extend(b"PGCOPY\n\xff\r\n\0");
        rows.bytes.extend([0; 8]);
        rows
    }

    /// Begins a record.
    pub(super) fn row(&mut self) {
        self.bytes.extend(self.columns.to_be_bytes());
    }

    /// Appends the next column's value.
    pub(super) fn value(&mut self, value: Value<'_>, storage: &Storage) -> Result<()> {
        if value == Value::Null {
            self.bytes.extend((-1_i32).to_be_bytes());
            return Ok(());
        }
        encode_with_length(value, storage, &mut self.bytes)
    }

    /// All of them, with the mark of the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend((-1_i16).to_be_bytes());
        self.bytes
    }
}

/// One column of many records, as one argument: a statement has as many arguments as columns,
/// however many records it takes.
pub(super) struct Array {
    wire: Wire,
    bytes: Vec<u8>,
    count: i32,
    has_null: bool,
}

/// Dimensions, whether there are nulls, the type, the length, the first index.
const ARRAY_HEADER: usize = 20;

impl Array {
    pub(super) fn new(wire: Wire, count: usize) -> Self {
        let mut bytes = Vec::with_capacity(ARRAY_HEADER + count * 16);
        bytes.resize(ARRAY_HEADER, 0);
        Self { wire, bytes, count: 0, has_null: false }
    }

    /// Appends a column's value.
    pub(super) fn value(&mut self, value: Value<'_>, storage: &Storage) -> Result<()> {
        if value == Value::Null {
            self.null();
            return Ok(());
        }
        encode_with_length(value, storage, &mut self.bytes)?;
        self.count += 1;
        Ok(())
    }

    /// Appends what is in its binary form already. Short: never near the limit of a length.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.bytes.extend(bytes);
        self.count += 1;
    }

    pub(super) fn null(&mut self) {
        self.bytes.extend((-1_i32).to_be_bytes());
        self.count += 1;
        self.has_null = true;
    }

    fn finish(mut self) -> Encoded {
        let (oid, array_oid, _) = self.wire.type_of();
        let mut header = [0; ARRAY_HEADER];
        for (place, word) in
            [1, i32::from(self.has_null), oid.cast_signed(), self.count, 1].into_iter().enumerate()
        {
            header[place * 4..place * 4 + 4].copy_from_slice(&word.to_be_bytes());
        }
        self.bytes[..ARRAY_HEADER].copy_from_slice(&header);
        Encoded { oid: array_oid, bytes: self.bytes }
    }
}
