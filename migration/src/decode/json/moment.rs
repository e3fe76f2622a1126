//! Days and times in JSON: numbers, or ISO 8601 in strings.

use crate::value::{ColumnType, Value};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The value, if it is one of the type. `text` is the string's content where `raw` is a string.
pub(super) fn value(
    column_type: ColumnType,
    raw: &str,
    text: Option<&str>,
) -> Option<Value<'static>> {
    match (column_type, text) {
        (ColumnType::Date, None) => raw.parse().ok().map(Value::Date),
        (ColumnType::Time, None) => raw.parse().ok().map(Value::Time),
        (ColumnType::Timestamp, None) => raw.parse().ok().map(Value::Timestamp),
        (ColumnType::TimestampTz, None) => raw.parse().ok().map(Value::TimestampTz),
        (ColumnType::Date, Some(text)) => {
            let date: Date = text.parse().ok()?;
            // A longer text is a moment, not a day.
            (text.len() == 10).then_some(())?;
            let days = micros_of(date.to_datetime(jiff::civil::Time::midnight()))?;
            i32::try_from(days.div_euclid(DAY)).ok().map(Value::Date)
        }
        (ColumnType::Time, Some(text)) => time(text).map(Value::Time),
        (ColumnType::Timestamp, Some(text)) => {
            let has_zone = text.ends_with(['Z', 'z', ']'])
                || text.get(10..).is_some_and(|rest| rest.contains(['+', '-']));
            let moment: DateTime = text.parse().ok().filter(|_| !has_zone)?;
            micros_of(moment).map(Value::Timestamp)
        }
        (ColumnType::TimestampTz, Some(text)) => {
            let moment: jiff::Timestamp = text.parse().ok()?;
            (moment.subsec_nanosecond() % 1_000 == 0)
                .then(|| Value::TimestampTz(moment.as_microsecond()))
        }
        _ => None,
    }
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

fn micros_of(moment: DateTime) -> Option<i64> {
    let moment = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    // What is finer than a microsecond has no exact counterpart.
    (moment.subsec_nanosecond() % 1_000 == 0).then(|| moment.as_microsecond())
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
