//! Days, times and moments as text: ISO 8601 with microseconds, one canonical form each, which
//! sorts as the values do.
//!
//! Written: `2024-02-29`, `-838:59:59.000000`, `2024-02-29T23:59:59.123456`, the same with `Z`.
//! Outside of keys, also read: a space for the `T` and fewer fractional digits, as SQLite's own
//! `CURRENT_TIMESTAMP` writes, and any offset from UTC. That loses nothing.

use crate::error::{Error, ErrorKind, Result};
use jiff::civil::Date;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
const EPOCH: Date = Date::constant(1970, 1, 1);

pub(super) fn date(days: i32) -> Result<String> {
    // Only years of four digits sort as text.
    let day = EPOCH
        .checked_add(jiff::Span::new().try_days(days).unwrap_or_default())
        .ok()
        .filter(|day| day.year() >= 0 && days_of(*day) == Some(days))
        .ok_or_else(|| {
            Error::new(ErrorKind::Unreadable, "store value: a year outside 0000 to 9999")
        })?;
    Ok(format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()))
}

fn days_of(day: Date) -> Option<i32> {
    EPOCH.until(day).ok().map(|span| span.get_days())
}

pub(super) fn time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
}

pub(super) fn timestamp(micros: i64) -> Result<String> {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
    Ok(format!("{}T{}", date(days)?, time(micros.rem_euclid(MICROS_PER_DAY))))
}

pub(super) fn timestamp_tz(micros: i64) -> Result<String> {
    timestamp(micros).map(|text| text + "Z")
}

pub(super) fn parse_date(text: &str) -> Option<i32> {
    days_of(day(text)?)
}

pub(super) fn parse_time(text: &str, strict: bool) -> Option<i64> {
    let (is_negative, clock) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (hours, rest) = clock.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    if hours.len() < 2 {
        return None;
    }
    let (seconds, fraction) = seconds_of(seconds)?;
    let minutes = digits(minutes, 2).filter(|&minutes| minutes < 60)?;
    let hours = digits(hours, hours.len())?;
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?;
    let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
    let micros = if is_negative { -micros } else { micros };
    (!strict || time(micros) == text).then_some(micros)
}

pub(super) fn parse_timestamp(text: &str, strict: bool) -> Option<i64> {
    let micros = moment(text)?;
    (!strict || timestamp(micros).is_ok_and(|canonical| canonical == text)).then_some(micros)
}

pub(super) fn parse_timestamp_tz(text: &str, strict: bool) -> Option<i64> {
    let zone = text.rfind(['Z', '+', '-']).filter(|&at| at > "2024-02-29".len())?;
    let (local, zone) = text.split_at(zone);
    let micros = moment(local)?.checked_sub(offset(zone)?)?;
    (!strict || timestamp_tz(micros).is_ok_and(|canonical| canonical == text)).then_some(micros)
}

/// Microseconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let (hours, minutes) = clock.split_once(':')?;
    let minutes = digits(hours, 2)? * 60 + digits(minutes, 2).filter(|&minutes| minutes < 60)?;
    let micros = minutes * 60 * MICROS_PER_SECOND;
    Some(if sign == "-" { -micros } else { micros })
}

fn moment(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', ' '])?;
    let of_day = parse_time(clock, false).filter(|micros| (0..MICROS_PER_DAY).contains(micros))?;
    i64::from(parse_date(date)?).checked_mul(MICROS_PER_DAY)?.checked_add(of_day)
}

fn day(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = i16::try_from(digits(parts.next()?, 4)?).ok()?;
    let month = i8::try_from(digits(parts.next()?, 2)?).ok()?;
    let day = i8::try_from(digits(parts.next()?, 2)?).ok()?;
    Date::new(year, month, day).ok()
}

/// Whole seconds and microseconds of `59` or `59.123456`.
fn seconds_of(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if (1..=6).contains(&fraction.len()) => {
            let scale = 10_i64.pow(6 - u32::try_from(fraction.len()).ok()?);
            (whole, digits(fraction, fraction.len())? * scale)
        }
        Some(_) => return None,
        None => (text, 0),
    };
    Some((digits(whole, 2).filter(|&seconds| seconds < 60)?, fraction))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let is_digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{
        MICROS_PER_DAY, date, parse_date, parse_time, parse_timestamp, parse_timestamp_tz, time,
        timestamp, timestamp_tz,
    };
    use proptest::prelude::{prop_assert_eq, proptest};

    /// 0000-01-01 and 9999-12-31 in days from 1970.
    const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

    proptest! {
        #[test]
        fn what_is_written_is_read_back_as_it_was(days in DAYS, micros in 0..MICROS_PER_DAY) {
            let moment = i64::from(days) * MICROS_PER_DAY + micros;
            prop_assert_eq!(date(days).ok().and_then(|text| parse_date(&text)), Some(days));
            let text = timestamp(moment).unwrap_or_default();
            prop_assert_eq!(parse_timestamp(&text, true), Some(moment));
            let text = timestamp_tz(moment).unwrap_or_default();
            prop_assert_eq!(parse_timestamp_tz(&text, true), Some(moment));
        }

        #[test]
        fn a_time_is_read_back_beyond_a_day_and_below_zero(micros in i64::MIN + 1..i64::MAX) {
            prop_assert_eq!(parse_time(&time(micros), true), Some(micros));
        }

        #[test]
        fn text_sorts_as_the_moments_do(
            a in -62_167_219_200_000_000_i64..253_402_300_800_000_000,
            b in -62_167_219_200_000_000_i64..253_402_300_800_000_000,
        ) {
            let (text_a, text_b) = (timestamp(a).unwrap_or_default(), timestamp(b).unwrap_or_default());
            prop_assert_eq!(a.cmp(&b), text_a.cmp(&text_b));
        }
    }

    #[test]
    fn what_sqlite_itself_writes_is_read_outside_of_keys() {
        assert_eq!(parse_timestamp("1970-01-01 00:00:01", false), Some(1_000_000));
        assert_eq!(parse_timestamp("1970-01-01 00:00:01", true), None);
        assert_eq!(parse_timestamp_tz("1970-01-01 01:00:00.5+01:00", false), Some(500_000));
        assert_eq!(parse_timestamp_tz("1970-01-01T00:00:00", false), None);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["2023-02-29T00:00:00", "2024-13-01T00:00:00", "2024-01-01T24:00:00", "", "T::"]
        {
            assert_eq!(parse_timestamp(text, false), None, "{text}");
        }
        assert!(date(i32::MAX).is_err());
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_time("1:00:00", false), None);
    }
}
