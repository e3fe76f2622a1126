//! Days and times: numbers, or ISO 8601 in strings.

use crate::decode::column::Dialect;
use crate::decode::wire::{Unit, Wire};
use crate::value::{ColumnType, Value};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const WRONG: &str = "it is no day or time of the column's type";
const INFINITY: &str = "it stands for infinity, which no other value here can";
const TOO_FINE: &str = "it is finer than a microsecond, or too far away";
const ZERO: &str = "it is a zero date, which is no day";

/// Days of PostgreSQL, the widest range there is: 4713 BC to 5874897. Its infinities arrive as
/// numbers outside.
const DAYS: std::ops::RangeInclusive<i32> = -2_440_588..=2_145_031_948;

/// Where PostgreSQL's infinities begin, in microseconds: its driver gives them as the last hours
/// that 64 bits can hold, with fewer digits where the column has milliseconds.
const ENDLESS: i64 = 9_223_372_036_825_200_000;

/// The value of a number.
pub(super) fn number(digits: &str, wire: &Wire) -> Result<Value<'static>, &'static str> {
    let number: i64 = digits.parse().map_err(|_| WRONG)?;
    if wire.column_type == ColumnType::Date {
        let days = i32::try_from(number).map_err(|_| WRONG)?;
        return if DAYS.contains(&days) { Ok(Value::Date(days)) } else { Err(INFINITY) };
    }
    let micros = match wire.unit {
        Unit::Seconds => number.checked_mul(1_000_000),
        Unit::Millis => number.checked_mul(1_000),
        Unit::Micros => Some(number),
        Unit::Nanos => (number % 1_000 == 0).then_some(number / 1_000),
        Unit::Unknown => {
            return Err("neither the message nor the plan tells the unit of this number");
        }
    };
    let micros = micros.ok_or(TOO_FINE)?;
    let is_endless = wire.traits.dialect == Dialect::Postgres
        && wire.column_type != ColumnType::Time
        && micros.unsigned_abs() >= ENDLESS.unsigned_abs();
    match wire.column_type {
        _ if is_endless => Err(INFINITY),
        ColumnType::Time => Ok(Value::Time(micros)),
        ColumnType::Timestamp => Ok(Value::Timestamp(micros)),
        ColumnType::TimestampTz => Ok(Value::TimestampTz(micros)),
        _ => Err(WRONG),
    }
}

/// The value of a text.
pub(super) fn text(text: &str, wire: &Wire) -> Result<Value<'static>, &'static str> {
    if text.starts_with("0000-00-00") {
        return Err(ZERO);
    }
    if matches!(text, "infinity" | "-infinity") {
        return Err(INFINITY);
    }
    match wire.column_type {
        ColumnType::Date => days(text).map(Value::Date).ok_or(WRONG),
        ColumnType::Time => time(text).map(Value::Time).ok_or(WRONG),
        ColumnType::Timestamp if has_zone(text) => Err(WRONG),
        ColumnType::Timestamp => without_zone(text).map(Value::Timestamp),
        ColumnType::TimestampTz => moment(text).map(Value::TimestampTz),
        _ => Err(WRONG),
    }
}

/// A moment written without a zone, by a producer whose zone the plan tells.
pub(super) fn text_in_zone(text: &str, wire: &Wire) -> Result<Value<'static>, &'static str> {
    if wire.column_type != ColumnType::TimestampTz || has_zone(text) {
        return self::text(text, wire);
    }
    if text.starts_with("0000-00-00") {
        return Err(ZERO);
    }
    let east = i64::from(wire.utc_offset) * 1_000_000;
    without_zone(text)?.checked_sub(east).map(Value::TimestampTz).ok_or(TOO_FINE)
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

fn has_zone(text: &str) -> bool {
    text.ends_with(['Z', 'z', ']']) || text.get(10..).is_some_and(|rest| rest.contains(['+', '-']))
}

fn days(text: &str) -> Option<i32> {
    // A longer text is a moment, not a day.
    let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let moment = date.to_datetime(jiff::civil::Time::midnight());
    i32::try_from(micros_of(moment).ok()?.div_euclid(DAY)).ok()
}

fn without_zone(text: &str) -> Result<i64, &'static str> {
    // jiff reads a day alone as its midnight.
    let moment: DateTime = text.parse().ok().filter(|_| text.len() > 10).ok_or(WRONG)?;
    micros_of(moment)
}

fn micros_of(moment: DateTime) -> Result<i64, &'static str> {
    exact(moment.to_zoned(TimeZone::UTC).map_err(|_| WRONG)?.timestamp())
}

fn moment(text: &str) -> Result<i64, &'static str> {
    exact(text.parse().map_err(|_| WRONG)?)
}

/// What is finer than a microsecond has no exact counterpart.
fn exact(moment: jiff::Timestamp) -> Result<i64, &'static str> {
    if moment.subsec_nanosecond() % 1_000 == 0 {
        Ok(moment.as_microsecond())
    } else {
        Err(TOO_FINE)
    }
}

/// `[-]h:mm:ss[.ffffff]`, also beyond a day.
fn time(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let mut parts = whole.split(':');
    let mut number = || -> Option<i64> {
        let part = parts.next()?;
        let is_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| is_digits)
    };
    let (hours, minutes, seconds) = (number()?, number()?, number()?);
    if parts.next().is_some() || minutes > 59 || seconds > 59 || fraction.len() > 6 {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)?.checked_mul(sign)
}
