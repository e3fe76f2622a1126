//! A snapshot as one line.

use crate::checkpoint::progress::{Activity, Snapshot};
use std::fmt::Write as _;

/// The line: `backfill 595,700/752,865 records 79.1 %, 12,000/s, ETA 13s, lag 0.2s; running`. What
/// holds the process back always stands in it.
#[must_use]
pub fn line(snapshot: &Snapshot) -> String {
    // Writing to a String cannot fail.
    let mut line = format!("{} {}", snapshot.phase, number(snapshot.done));
    if let Some(total) = snapshot.total {
        let _ = write!(line, "/{}", number(total));
    }
    let _ = write!(line, " {}", snapshot.unit);
    if let Some(ratio) = snapshot.ratio() {
        let _ = write!(line, " {:.1} %", ratio * 100.0);
    }
    if !snapshot.activity.is_over() {
        let _ = write!(line, ", {}/s", rounded(snapshot.rate));
    }
    if let Some(eta) = snapshot.eta_s {
        let _ = write!(line, ", ETA {}", duration(eta));
    }
    if let Some(lag) = snapshot.lag_ms {
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let _ = write!(line, ", lag {}", duration(lag as f64 / 1_000.0));
    }
    let _ = write!(line, "; {}", state(snapshot));
    // Last: the end of a long line is what a narrow terminal cuts off.
    for (at, (name, count)) in snapshot.counts.iter().filter(|(_, n)| **n > 0).enumerate() {
        let separator = if at == 0 { "; " } else { ", " };
        let _ = write!(line, "{separator}{} {}", name.replace('_', " "), number(*count));
    }
    line
}

/// What the process does, and why not faster.
fn state(snapshot: &Snapshot) -> String {
    match (&snapshot.throttle, snapshot.activity) {
        // The reason says who paused it, and why.
        (Some(reason), Activity::Paused) => reason.clone(),
        (Some(reason), Activity::Running) => format!("throttled: {reason}"),
        (Some(reason), activity) => format!("{}, throttled: {reason}", activity.word()),
        (None, activity) => activity.word().to_owned(),
    }
}

/// A number with its digits in groups: `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate as people read it: whole from ten on.
pub(crate) fn rounded(rate: f64) -> String {
    if rate < 10.0 {
        return format!("{rate:.1}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let whole = rate.round() as u64;
    number(whole)
}

/// Seconds as people read them: `0.25s`, `12s`, `3m05s`, `2h07m`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{seconds:.2}s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3_600, whole % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, line, number, rounded};
    use crate::checkpoint::progress::Activity;
    use crate::checkpoint::progress::tests::snapshot;
    use crate::process::Process;

    #[test]
    fn the_line_says_how_far_how_fast_until_when_and_what_is_in_the_way() {
        let mut seen = snapshot(&Process::start("backfill"), 50);
        seen.lag_ms = Some(250);
        seen.counts.insert("dead_letters".to_owned(), 2);
        seen.counts.insert("stale".to_owned(), 0);
        assert_eq!(
            line(&seen),
            "backfill 50/200 records 25.0 %, 10/s, ETA 5.00s, lag 0.25s; running; dead letters 2"
        );
        seen.counts.clear();
        seen.throttle = Some("rate 10/s".to_owned());
        assert!(line(&seen).ends_with("; throttled: rate 10/s"));
        seen.activity = Activity::Paused;
        seen.throttle = Some("paused by alice: lunch".to_owned());
        assert!(line(&seen).ends_with("; paused by alice: lunch"));
    }

    #[test]
    fn a_line_without_a_total_has_no_share_and_no_end() {
        let mut seen = snapshot(&Process::start("dual-write"), 1_234_567);
        (seen.total, seen.eta_s) = (None, None);
        assert_eq!(line(&seen), "backfill 1,234,567 records, 10/s; running");
    }

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 9.94, 10.4, 12_345.6].map(rounded), ["0.0", "9.9", "10", "12,346"]);
        let written = [0.25, 9.0, 59.4, 185.0, 7_620.0].map(duration);
        assert_eq!(written, ["0.25s", "9.00s", "59s", "3m05s", "2h07m"]);
    }
}
