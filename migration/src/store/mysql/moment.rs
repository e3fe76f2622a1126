//! Days, times and moments: as the binary protocol sends them, and as text.
//!
//! The driver would take a zero date for null and fail on a partial one, so its types are not used.
//! Text is what the server itself prints: `2024-02-29`, `-838:59:59.000000`,
//! `2024-02-29 23:59:59.123456`, with as many digits after the point as the column keeps.

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days from 0000-03-01, where the year of the calendar below begins, to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Days of 400 years.
const ERA: i64 = 146_097;

/// The parts of a moment, whether they are one or not: month and day may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
}

impl Moment {
    /// Reads a DATE, DATETIME or TIMESTAMP of the binary protocol: a length and as many bytes;
    /// what is zero at the end is left out.
    pub(super) fn from_wire(bytes: &[u8]) -> Option<Self> {
        let (&length, parts) = bytes.split_first()?;
        if usize::from(length) != parts.len() {
            return None;
        }
        let mut moment = Self::default();
        match *parts {
            [] => return Some(moment),
            [y0, y1, month, day, ref rest @ ..] => {
                (moment.year, moment.month, moment.day) =
                    (u16::from_le_bytes([y0, y1]), month, day);
                match *rest {
                    [] => {}
                    [hour, minute, second, ref rest @ ..] => {
                        (moment.hour, moment.minute, moment.second) = (hour, minute, second);
                        match *rest {
                            [] => {}
                            [m0, m1, m2, m3] => {
                                moment.micros = u32::from_le_bytes([m0, m1, m2, m3]);
                            }
                            _ => return None,
                        }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(moment)
    }

    /// Days from 1970-01-01, if there is such a day.
    pub(super) fn days(self) -> Option<i32> {
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        if month == 0 || day == 0 || day > days_in(year, month) {
            return None;
        }
        // Years that begin with March end with the leap day.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let days = of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1;
        i32::try_from(era * ERA + days - EPOCH).ok()
    }

    /// Microseconds from 1970-01-01 00:00, if there is such a day.
    pub(super) fn since_epoch(self) -> Option<i64> {
        Some(i64::from(self.days()?) * MICROS_PER_DAY + self.of_day())
    }

    fn of_day(self) -> i64 {
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute);
        (minutes * 60 + i64::from(self.second)) * MICROS_PER_SECOND + i64::from(self.micros)
    }

    /// The moment so many microseconds from 1970-01-01 00:00, if its year has four digits.
    pub(super) fn at(micros: i64) -> Option<Self> {
        let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
        let clock = Clock::of(micros.rem_euclid(MICROS_PER_DAY));
        Some(Self {
            hour: u8::try_from(clock.hours).ok()?,
            minute: clock.minutes,
            second: clock.seconds,
            micros: clock.micros,
            ..Self::on(days)?
        })
    }

    /// The day so many days from 1970-01-01, if its year has four digits.
    pub(super) fn on(days: i32) -> Option<Self> {
        let days = i64::from(days) + EPOCH;
        let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = u16::try_from(era * 400 + year + later).ok().filter(|&year| year <= 9999)?;
        let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
        Some(Self { year, month, day, ..Self::default() })
    }

    /// Appends the day.
    pub(super) fn write_date(self, out: &mut String) {
        let Self { year, month, day, .. } = self;
        push(out, format_args!("{year:04}-{month:02}-{day:02}"));
    }

    /// Appends day and time, with `digits` after the point.
    pub(super) fn write(self, digits: u8, out: &mut String) {
        self.write_date(out);
        let Self { hour, minute, second, micros, .. } = self;
        push(out, format_args!(" {hour:02}:{minute:02}:{second:02}"));
        write_fraction(micros, digits, out);
    }
}

/// A day's length in a month, which is a month.
fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

struct Clock {
    hours: u64,
    minutes: u8,
    seconds: u8,
    micros: u32,
}

impl Clock {
    fn of(micros: i64) -> Self {
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        let small = |value: u64| u8::try_from(value % 60).unwrap_or(0);
        Self {
            hours: seconds / 3600,
            minutes: small(seconds / 60),
            seconds: small(seconds),
            micros: u32::try_from(micros % 1_000_000).unwrap_or(0),
        }
    }
}

/// Reads a TIME of the binary protocol as microseconds.
pub(super) fn time_from_wire(bytes: &[u8]) -> Option<i64> {
    let (&length, parts) = bytes.split_first()?;
    if usize::from(length) != parts.len() {
        return None;
    }
    let (sign, rest) = match parts.split_first() {
        None => return Some(0),
        Some((0, rest)) => (1, rest),
        Some((_, rest)) => (-1, rest),
    };
    let (days, rest) = rest.split_first_chunk::<4>()?;
    let (&[hour, minute, second], rest) = rest.split_first_chunk::<3>()?;
    let micros = match rest.split_first_chunk::<4>() {
        Some((micros, [])) => u32::from_le_bytes(*micros),
        None if rest.is_empty() => 0,
        _ => return None,
    };
    let hours = i64::from(u32::from_le_bytes(*days)) * 24 + i64::from(hour);
    let seconds = (hours * 60 + i64::from(minute)) * 60 + i64::from(second);
    Some(sign * (seconds * MICROS_PER_SECOND + i64::from(micros)))
}

/// Appends a time with `digits` after the point.
pub(super) fn write_time(micros: i64, digits: u8, out: &mut String) {
    let Clock { hours, minutes, seconds, micros: fraction } = Clock::of(micros);
    let sign = if micros < 0 { "-" } else { "" };
    push(out, format_args!("{sign}{hours:02}:{minutes:02}:{seconds:02}"));
    write_fraction(fraction, digits, out);
}

fn write_fraction(micros: u32, digits: u8, out: &mut String) {
    if digits > 0 {
        let kept = micros / 10_u32.pow(6 - u32::from(digits.min(6)));
        push(out, format_args!(".{kept:0width$}", width = usize::from(digits)));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A String takes everything.
    out.write_fmt(text).unwrap_or_default();
}

/// Whether so many digits after the point keep these microseconds as they are.
pub(super) fn keeps(digits: u8, micros: i64) -> bool {
    micros % 10_i64.pow(6 - u32::from(digits.min(6))) == 0
}

/// Whether text is a day as the server prints it; month and day may be zero.
pub(super) fn is_date(text: &str) -> bool {
    let part = |from: usize, to: usize| text.get(from..to).and_then(|part| number(part, to - from));
    text.len() == "2024-02-29".len()
        && text.as_bytes()[4] == b'-'
        && text.as_bytes()[7] == b'-'
        && part(0, 4).is_some()
        && part(5, 7).is_some_and(|month| month <= 12)
        && part(8, 10).is_some_and(|day| day <= 31)
}

/// Whether text is a day and a time as the server prints them with `digits` after the point.
pub(super) fn is_moment(text: &str, digits: u8) -> bool {
    text.split_once(' ')
        .is_some_and(|(date, clock)| is_date(date) && is_clock(clock, digits, 2) && clock < "24")
}

/// Whether text is a time as the server prints it with `digits` after the point.
pub(super) fn is_time(text: &str, digits: u8) -> bool {
    let clock = text.strip_prefix('-').unwrap_or(text);
    let is_zero = clock.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.'));
    let hours = clock.split(':').next().unwrap_or("");
    let hours_are_plain = hours.len() == 2 || (hours.len() == 3 && !hours.starts_with('0'));
    hours_are_plain && is_clock(clock, digits, hours.len()) && !(is_zero && clock != text)
}

fn is_clock(clock: &str, digits: u8, hour_digits: usize) -> bool {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let mut next = |length| parts.next().and_then(|part| number(part, length));
    let hours = next(hour_digits).is_some();
    let minutes = next(2).is_some_and(|minutes| minutes < 60);
    let seconds = next(2).is_some_and(|seconds| seconds < 60);
    let rest = parts.next().is_none();
    let fraction_is_right = match digits {
        0 => !clock.contains('.'),
        digits => number(fraction, usize::from(digits)).is_some(),
    };
    hours && minutes && seconds && rest && fraction_is_right
}

fn number(text: &str, length: usize) -> Option<u32> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::{
        MICROS_PER_DAY, Moment, is_date, is_moment, is_time, keeps, time_from_wire, write_time,
    };
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    /// 0000-01-01 and 9999-12-31 in days from 1970.
    const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    proptest! {
        #[test]
        fn days_become_dates_and_dates_days(days in DAYS) {
            let moment = Moment::on(days).unwrap();
            prop_assert_eq!(moment.days(), Some(days));
            let epoch = jiff::civil::date(1970, 1, 1);
            let expected = epoch.checked_add(jiff::Span::new().days(days)).unwrap();
            prop_assert_eq!(text(|out| moment.write_date(out)), expected.to_string());
        }

        #[test]
        fn moments_are_written_and_read_back(days in DAYS, micros in 0..MICROS_PER_DAY) {
            let at = i64::from(days) * MICROS_PER_DAY + micros;
            let moment = Moment::at(at).unwrap();
            prop_assert_eq!(moment.since_epoch(), Some(at));
            let printed = text(|out| moment.write(6, out));
            prop_assert!(is_moment(&printed, 6), "{}", printed);
        }

        #[test]
        fn times_are_written_as_the_server_prints_them(
            micros in -3_020_399_999_999_i64..=3_020_399_999_999,
        ) {
            let printed = text(|out| write_time(micros, 6, out));
            prop_assert!(is_time(&printed, 6), "{}", printed);
        }
    }

    #[test]
    fn zero_and_partial_dates_are_read_but_are_no_days() {
        let zero = Moment::from_wire(&[0]).unwrap();
        assert_eq!(text(|out| zero.write(0, out)), "0000-00-00 00:00:00");
        assert_eq!((zero.days(), zero.since_epoch()), (None, None));
        let partial = Moment::from_wire(&[4, 0xe8, 0x07, 0, 0]).unwrap();
        assert_eq!(text(|out| partial.write_date(out)), "2024-00-00");
        assert_eq!(partial.days(), None);
        let invalid = Moment::from_wire(&[4, 0xe7, 0x07, 2, 30]).unwrap();
        assert_eq!(
            (text(|out| invalid.write_date(out)).as_str(), invalid.days()),
            ("2023-02-30", None)
        );
        assert_eq!(Moment::from_wire(&[4, 0xe8, 0x07, 0]), None);
    }

    #[test]
    fn times_beyond_a_day_and_below_zero_are_read() {
        assert_eq!(time_from_wire(&[0]), Some(0));
        let most = [8, 1, 34, 0, 0, 0, 22, 59, 59];
        assert_eq!(time_from_wire(&most), Some(-((838 * 60 + 59) * 60 + 59) * 1_000_000));
        let with_micros = [12, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0];
        assert_eq!(time_from_wire(&with_micros), Some(1_000_001));
        assert_eq!(time_from_wire(&[8, 1, 34, 0, 0]), None);
    }

    #[test]
    fn only_what_the_server_prints_is_taken_for_it() {
        for date in ["2024-02-29", "0000-00-00", "2024-00-00", "2024-02-31"] {
            assert!(is_date(date), "{date}");
        }
        for other in ["2024-2-29", "24-02-29", "2024-13-01", "2024-02-32", "20240229", "2024-02-2é"]
        {
            assert!(!is_date(other), "{other}");
        }
        assert!(is_moment("2024-02-29 23:59:59", 0) && is_moment("2024-02-29 00:00:00.120", 3));
        for (other, digits) in [
            ("2024-02-29T23:59:59", 0),
            ("2024-02-29 24:00:00", 0),
            ("2024-02-29 23:59:59.1", 3),
            ("2024-02-29 23:59:59.", 0),
            ("2024-02-29 23:59", 0),
        ] {
            assert!(!is_moment(other, digits), "{other}");
        }
        assert!(is_time("-838:59:59", 0) && is_time("00:00:00.10", 2));
        for other in ["8:00:00", "-00:00:00", "012:00:00", "1234:00:00", "00:60:00"] {
            assert!(!is_time(other, 0), "{other}");
        }
    }

    #[test]
    fn a_fraction_is_kept_only_whole() {
        assert!(keeps(3, 120_000) && keeps(0, 1_000_000) && keeps(6, 1));
        assert!(!keeps(3, 120_001) && !keeps(0, 1));
        assert!(!keeps(0, -1));
    }
}
