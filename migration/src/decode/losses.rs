//! What a format cannot carry of a table's columns: for `check`, before the first message.

use super::codec::Codec;
use super::column::{ColumnKind, ColumnTraits, Dialect};
use super::format::{Decimals, Format, TimePrecision};
use super::wire::{Unit, Wire};
use crate::batch::{Column, Schema};
use crate::value::ColumnType as T;

/// A column that does not arrive as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The column.
    pub column: String,
    /// Whether every message with a value in it becomes a dead letter. Otherwise some values arrive
    /// as others, and only `verify` finds them.
    pub is_refused: bool,
    /// What happens.
    pub what: &'static str,
}

impl Format {
    /// The columns of a table that this format does not carry whole. `traits` has one entry per
    /// column of `schema`.
    #[must_use]
    pub fn losses(&self, schema: &Schema, traits: &[ColumnTraits]) -> Vec<Loss> {
        let codec = Codec::new(self, schema, traits);
        let columns = schema.columns.iter().zip(&codec.wires);
        columns
            .filter_map(|(column, wire)| {
                let refused = self.refused(wire).map(|what| (true, what));
                let (is_refused, what) =
                    refused.or_else(|| self.lossy(column, wire).map(|what| (false, what)))?;
                Some(Loss { column: column.name.clone(), is_refused, what })
            })
            .collect()
    }

    fn refused(&self, wire: &Wire) -> Option<&'static str> {
        let has_schema = match self {
            Self::Debezium(format) => format.schema,
            Self::DebeziumFlattened(format) => format.values.schema,
            Self::Maxwell(_) | Self::Canal(_) if wire.traits.kind == ColumnKind::Geometry => {
                return Some("shapes are written in a form that does not tell everything");
            }
            _ => return None,
        };
        let is_time = matches!(wire.column_type, T::Time | T::Timestamp);
        match wire.traits.kind {
            ColumnKind::TimeTz => Some("a time with zone arrives in UTC, without its zone"),
            ColumnKind::Interval => Some("an interval arrives as a number of microseconds"),
            ColumnKind::VaryingBits if wire.column_type == T::Text => {
                Some("bits of varying length arrive without the zeros in front")
            }
            _ if wire.column_type == T::Text && wire.traits.fraction.is_some() => {
                Some("days and times arrive as numbers, which are not made into text")
            }
            _ if is_time && wire.unit == Unit::Unknown && !has_schema && !self.is_iso() => {
                Some("nothing tells whether its numbers are milliseconds or microseconds")
            }
            _ if wire.column_type == T::Decimal
                && wire.decimals == Decimals::Precise
                && wire.traits.scale.is_none()
                && wire.traits.dialect != Dialect::Postgres
                && !has_schema =>
            {
                Some("nothing tells the scale of its decimals")
            }
            _ => None,
        }
    }

    fn lossy(&self, column: &Column, wire: &Wire) -> Option<&'static str> {
        let fraction = wire.traits.fraction.unwrap_or(0);
        let (is_debezium, dialect) = (self.debezium().is_some(), wire.traits.dialect);
        match (self, wire.column_type) {
            (Self::Maxwell(_), T::Time) => {
                Some("times beyond a day or negative arrive as times of day in some versions")
            }
            (Self::Maxwell(_), T::Timestamp | T::TimestampTz) if fraction > 0 => {
                Some("fractions of a second are dropped in some versions")
            }
            (_, T::Decimal) if is_debezium && wire.decimals == Decimals::Double => {
                Some("digits beyond the fifteenth are lost: set decimal.handling.mode to precise")
            }
            (_, T::Time | T::Timestamp) if self.mode() == Some(TimePrecision::Connect) => {
                Some("what is finer than a millisecond is lost, and negative times become null")
            }
            (_, T::Date | T::Timestamp | T::TimestampTz)
                if is_debezium && dialect == Dialect::MySql =>
            {
                Some(if column.nullable {
                    "a zero date arrives as null"
                } else {
                    "a zero date arrives as the first day of 1970"
                })
            }
            (_, T::Uuid) if is_debezium && dialect == Dialect::MySql => {
                Some("a value that ends in a zero byte arrives without it")
            }
            (_, T::Decimal) if is_debezium && wire.traits.dialect == Dialect::Postgres => {
                Some("NaN arrives as null")
            }
            _ => None,
        }
    }

    fn debezium(&self) -> Option<&super::format::DebeziumFormat> {
        match self {
            Self::Debezium(format) => Some(format),
            Self::DebeziumFlattened(format) => Some(&format.values),
            _ => None,
        }
    }

    fn mode(&self) -> Option<TimePrecision> {
        self.debezium().and_then(|format| format.time_precision)
    }

    fn is_iso(&self) -> bool {
        self.mode() == Some(TimePrecision::Isostring)
    }
}

#[cfg(test)]
mod tests {
    use crate::batch::{Column, Schema};
    use crate::decode::column::ColumnTraits;
    use crate::decode::format::{Format, FormatName, FormatOptions};
    use crate::value::ColumnType as T;

    fn losses(name: FormatName, options: &str, column_type: T, traits: ColumnTraits) -> Vec<bool> {
        let options: FormatOptions = toml::from_str(options).unwrap();
        let column = Column { name: "c".to_owned(), column_type, nullable: true };
        let schema = Schema { table: "t".to_owned(), columns: vec![column], key: vec![0] };
        let format = Format::resolve(name, &options).unwrap();
        let found = format.losses(&schema, &[traits]);
        found.into_iter().map(|loss| loss.is_refused).collect()
    }

    #[test]
    fn what_is_lost_is_told_before_the_first_message() {
        use FormatName as F;
        let pg = ColumnTraits::postgres;
        let mysql = ColumnTraits::mysql;
        let none: [bool; 0] = [];
        assert_eq!(losses(F::Debezium, "", T::Int, mysql("int(11)")), none);
        assert_eq!(losses(F::Debezium, "", T::Text, pg("interval")), [true]);
        assert_eq!(losses(F::Debezium, "", T::Text, pg("bit varying(8)")), [true]);
        assert_eq!(losses(F::Debezium, "", T::Text, mysql("date")), [true]);
        assert_eq!(losses(F::Debezium, "", T::Time, ColumnTraits::default()), [true]);
        assert_eq!(losses(F::DebeziumSchema, "", T::Time, ColumnTraits::default()), none);
        assert_eq!(losses(F::Debezium, "", T::Decimal, ColumnTraits::default()), [true]);
        assert_eq!(losses(F::Debezium, "", T::Decimal, mysql("decimal(9,2)")), none);
        let double = "decimals = \"double\"";
        assert_eq!(losses(F::Debezium, double, T::Decimal, mysql("decimal(9,2)")), [false]);
        let connect = "time_precision = \"connect\"";
        assert_eq!(losses(F::Debezium, connect, T::Time, mysql("time(6)")), [false]);
        assert_eq!(losses(F::Debezium, "", T::Date, mysql("date")), [false]);
        assert_eq!(losses(F::Maxwell, "", T::Time, mysql("time")), [false]);
        assert_eq!(losses(F::Canal, "", T::Bytes, mysql("point")), [true]);
    }
}
