//! What a source column is beyond its [`ColumnType`](crate::value::ColumnType): what a message
//! without a schema leaves out, such as the scale of its decimals.

use std::sync::Arc;

/// Whose types a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Not known, or an engine whose producers write plain JSON.
    #[default]
    Other,
    /// MySQL, MariaDB, TiDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// Kinds of column that some producer writes in a form of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnKind {
    /// None of the others.
    #[default]
    Plain,
    /// One of these members.
    Enum(Arc<[String]>),
    /// Some of these members.
    Set(Arc<[String]>),
    /// A string of bits.
    Bits,
    /// A string of bits of any length up to the limit.
    VaryingBits,
    /// Bytes, filled up with zeros to their length.
    FixedBytes,
    /// A shape.
    Geometry,
    /// PostgreSQL's `point`.
    Point,
    /// An array of such elements.
    Array(ArrayElement),
    /// PostgreSQL's `money`.
    Money,
    /// A time of day with a zone.
    TimeTz,
    /// PostgreSQL's `interval`.
    Interval,
}

/// What an array is of, as far as its text can be made of what a producer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayElement {
    /// Integers.
    Integer,
    /// True and false.
    Bool,
    /// Text, or what producers write as the text that the database shows.
    Text,
    /// Anything else.
    Other,
}

/// What the database says of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnTraits {
    /// Whose type it is.
    pub dialect: Dialect,
    /// What kind.
    pub kind: ColumnKind,
    /// Digits after the point of a decimal; `None` where values differ, or it is not known.
    pub scale: Option<u32>,
    /// Digits of a second of a day or time; `None` for other columns, and where it is not known.
    pub fraction: Option<u32>,
    /// Bits or bytes, where the type has a length.
    pub length: Option<u32>,
}

impl ColumnTraits {
    /// Reads `COLUMN_TYPE` of MySQL's or MariaDB's `information_schema.columns`, such as
    /// `decimal(20,5)` or `enum('a','b')`.
    #[must_use]
    pub fn mysql(declared: &str) -> Self {
        let (name, arguments, _) = split(declared);
        let number = |place: usize| numbers(arguments).nth(place).flatten();
        let mut traits = Self { dialect: Dialect::MySql, ..Self::default() };
        match name.to_ascii_lowercase().as_str() {
            "decimal" | "numeric" | "dec" | "fixed" => {
                traits.scale = Some(number(1).unwrap_or(0));
            }
            "date" | "datetime" | "timestamp" | "time" => {
                traits.fraction = Some(number(0).unwrap_or(0));
            }
            "bit" => {
                traits.kind = ColumnKind::Bits;
                traits.length = Some(number(0).unwrap_or(1));
            }
            "binary" => {
                traits.kind = ColumnKind::FixedBytes;
                traits.length = Some(number(0).unwrap_or(1));
            }
            "enum" => traits.kind = ColumnKind::Enum(members(arguments)),
            "set" => traits.kind = ColumnKind::Set(members(arguments)),
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => {
                traits.kind = ColumnKind::Geometry;
            }
            _ => {}
        }
        traits
    }

    /// Reads what PostgreSQL's `format_type(atttypid, atttypmod)` gives, such as `numeric(20,5)`
    /// or `timestamp(3) without time zone`.
    #[must_use]
    pub fn postgres(declared: &str) -> Self {
        let (name, arguments, rest) = split(declared);
        let number = |place: usize| numbers(arguments).nth(place).flatten();
        let mut traits = Self { dialect: Dialect::Postgres, ..Self::default() };
        if let Some(element) = declared.strip_suffix("[]") {
            traits.kind = ColumnKind::Array(array_element(element.trim_end_matches("[]")));
            return traits;
        }
        let words = format!("{name} {rest}").to_ascii_lowercase();
        let first = words.split_whitespace().next().unwrap_or_default();
        match first {
            "numeric" | "decimal" => {
                traits.scale = number(0).map(|_| number(1).unwrap_or(0));
            }
            "date" => traits.fraction = Some(0),
            "timestamp" | "timestamptz" => traits.fraction = Some(number(0).unwrap_or(6)),
            "time" | "timetz" => {
                traits.fraction = Some(number(0).unwrap_or(6));
                if first == "timetz" || words.contains("with time zone") {
                    traits.kind = ColumnKind::TimeTz;
                }
            }
            "bit" | "varbit" => {
                let varies = first == "varbit" || words.contains("varying");
                traits.kind = if varies { ColumnKind::VaryingBits } else { ColumnKind::Bits };
                traits.length = number(0).or((!varies).then_some(1));
            }
            "money" => traits.kind = ColumnKind::Money,
            "interval" => traits.kind = ColumnKind::Interval,
            "point" => traits.kind = ColumnKind::Point,
            "geometry" | "geography" => traits.kind = ColumnKind::Geometry,
            _ => {}
        }
        traits
    }
}

fn array_element(declared: &str) -> ArrayElement {
    let name = split(declared).0.split_whitespace().next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "smallint" | "integer" | "bigint" | "int2" | "int4" | "int8" => ArrayElement::Integer,
        "boolean" | "bool" => ArrayElement::Bool,
        "text" | "character" | "varchar" | "uuid" | "citext" | "inet" | "cidr" => {
            ArrayElement::Text
        }
        _ => ArrayElement::Other,
    }
}

/// `timestamp(3) with time zone` is `timestamp`, `3` and `with time zone`.
fn split(declared: &str) -> (&str, &str, &str) {
    let declared = declared.trim();
    match (declared.find('('), declared.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            (declared[..open].trim(), &declared[open + 1..close], declared[close + 1..].trim())
        }
        _ => {
            let end = declared.find(char::is_whitespace).unwrap_or(declared.len());
            (&declared[..end], "", declared[end..].trim())
        }
    }
}

fn numbers(arguments: &str) -> impl Iterator<Item = Option<u32>> {
    arguments.split(',').map(|part| part.trim().parse().ok())
}

/// The members of `'a','it''s'`.
fn members(arguments: &str) -> Arc<[String]> {
    let mut members = Vec::new();
    let mut characters = arguments.chars().peekable();
    while let Some(first) = characters.next() {
        if first != '\'' {
            continue;
        }
        let mut member = String::new();
        while let Some(next) = characters.next() {
            match next {
                '\'' if characters.peek() == Some(&'\'') => {
                    characters.next();
                    member.push('\'');
                }
                '\'' => break,
                other => member.push(other),
            }
        }
        members.push(member);
    }
    members.into()
}

#[cfg(test)]
mod tests {
    use super::{ArrayElement, ColumnKind, ColumnTraits};

    #[test]
    fn what_mysql_declares_is_read() {
        assert_eq!(ColumnTraits::mysql("decimal(65,30)").scale, Some(30));
        assert_eq!(ColumnTraits::mysql("DECIMAL(10) unsigned").scale, Some(0));
        assert_eq!(ColumnTraits::mysql("datetime").fraction, Some(0));
        assert_eq!(ColumnTraits::mysql("timestamp(6)").fraction, Some(6));
        assert_eq!(ColumnTraits::mysql("bit(10)").length, Some(10));
        assert_eq!(ColumnTraits::mysql("binary(4)").kind, ColumnKind::FixedBytes);
        assert_eq!(ColumnTraits::mysql("bigint(20) unsigned").kind, ColumnKind::Plain);
        let ColumnKind::Enum(members) = ColumnTraits::mysql("enum('a','c,d','it''s','(')").kind
        else {
            panic!("not an enum");
        };
        assert_eq!(&*members, ["a", "c,d", "it's", "("]);
    }

    #[test]
    fn what_postgresql_declares_is_read() {
        let of = ColumnTraits::postgres;
        assert_eq!(of("numeric").scale, None);
        assert_eq!(of("numeric(20,5)").scale, Some(5));
        assert_eq!(of("timestamp without time zone").fraction, Some(6));
        assert_eq!(of("timestamp(3) with time zone").fraction, Some(3));
        assert_eq!(of("time without time zone").kind, ColumnKind::Plain);
        assert_eq!(of("time(3) with time zone").kind, ColumnKind::TimeTz);
        assert_eq!(of("time with time zone").kind, ColumnKind::TimeTz);
        assert_eq!((of("bit(10)").kind, of("bit(10)").length), (ColumnKind::Bits, Some(10)));
        assert_eq!(of("bit varying(8)").kind, ColumnKind::VaryingBits);
        assert_eq!(of("integer[]").kind, ColumnKind::Array(ArrayElement::Integer));
        assert_eq!(of("character varying(9)[]").kind, ColumnKind::Array(ArrayElement::Text));
        assert_eq!(of("timestamp(3)[]").kind, ColumnKind::Array(ArrayElement::Other));
        assert_eq!(of("character varying(50)").kind, ColumnKind::Plain);
    }
}
