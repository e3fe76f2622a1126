//! PostgreSQL's `numeric`: decimal digits in groups of four, with the scale that it is shown in.

use std::fmt::Write as _;

/// Signs, as the binary format has them.
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Digits in one group.
const GROUP: usize = 4;

/// Most digits after the point that a numeric without bounds keeps.
const SCALE_MAX: usize = 16_383;

/// Most digits before the point.
const WHOLE_MAX: usize = 131_072;

/// Appends a decimal. `digits`: how many the column takes in all and after the point.
///
/// # Errors
/// What is wrong with it, if it would not come back as it is.
pub(super) fn encode(
    text: &str,
    digits: Option<(u32, u32)>,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return Err("a decimal ends with its point"),
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return Err("it is no decimal number");
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err("a decimal with leading zeros would lose them");
    }
    let is_zero = whole.bytes().chain(fraction.bytes()).all(|byte| byte == b'0');
    if is_negative && is_zero {
        return Err("numeric has no negative zero");
    }
    check(whole, fraction, digits)?;
    let (weight, groups) = groups(whole, fraction);
    // The bounds above keep all of them far below 2^15.
    let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    out.extend(short(groups.len()).to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend((if is_negative { NEGATIVE } else { POSITIVE }).to_be_bytes());
    out.extend(short(fraction.len()).to_be_bytes());
    groups.iter().for_each(|group| out.extend(group.to_be_bytes()));
    Ok(())
}

/// A column with a scale shows every value with it: 1.5 would come back as 1.50, and be rounded
/// where it has more digits.
fn check(whole: &str, fraction: &str, digits: Option<(u32, u32)>) -> Result<(), &'static str> {
    if fraction.len() > SCALE_MAX || whole.len() > WHOLE_MAX {
        return Err("it has more digits than numeric keeps");
    }
    let Some((precision, scale)) = digits else { return Ok(()) };
    let (precision, scale) = (
        usize::try_from(precision).unwrap_or(usize::MAX),
        usize::try_from(scale).unwrap_or(usize::MAX),
    );
    if fraction.len() != scale {
        return Err("its scale is not the column's, which would round it or add zeros");
    }
    let whole_digits = if whole == "0" { 0 } else { whole.len() };
    if whole_digits + fraction.len() > precision.max(scale) {
        return Err("it has more digits than the column");
    }
    Ok(())
}

/// The groups of four digits without the empty ones at either end, and the place of the first.
fn groups(whole: &str, fraction: &str) -> (i16, Vec<u16>) {
    let lead = (GROUP - whole.len() % GROUP) % GROUP;
    let digits = std::iter::repeat_n(b'0', lead).chain(whole.bytes()).chain(fraction.bytes());
    let digits: Vec<u8> = digits.map(|byte| byte - b'0').collect();
    let group = |chunk: &[u8]| {
        let sum = chunk.iter().fold(0_u16, |sum, &digit| sum * 10 + u16::from(digit));
        // The last one may be short.
        (chunk.len()..GROUP).fold(sum, |sum, _| sum * 10)
    };
    let mut groups: Vec<u16> = digits.chunks(GROUP).map(group).collect();
    let places = (lead + whole.len()) / GROUP;
    let empty = groups.iter().take_while(|&&group| group == 0).count();
    groups.drain(..empty);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        return (0, groups);
    }
    let weight = i32::try_from(places).unwrap_or(0) - 1 - i32::try_from(empty).unwrap_or(0);
    (i16::try_from(weight).unwrap_or(0), groups)
}

/// Reads a numeric into `out`.
///
/// # Errors
/// What was found instead of a number.
pub(super) fn decode(bytes: &[u8], out: &mut String) -> Result<(), &'static str> {
    let damaged = "a numeric that is damaged";
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let mut next = || words.next().ok_or(damaged);
    let (count, weight, sign, scale) = (next()?, next()?.cast_signed(), next()?, next()?);
    let groups: Vec<u16> = words.collect();
    if groups.len() != usize::from(count) || groups.iter().any(|&group| group > 9_999) {
        return Err(damaged);
    }
    out.clear();
    match sign {
        POSITIVE => {}
        NEGATIVE => out.push('-'),
        0xC000 => return Err("NaN"),
        _ => return Err("infinity"),
    }
    let at = |place: i32| {
        let index = usize::try_from(i32::from(weight) - place).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    // Writing to a string does not fail.
    if weight < 0 {
        out.push('0');
    } else {
        write!(out, "{}", at(weight.into())).ok();
        for place in (0..i32::from(weight)).rev() {
            write!(out, "{:04}", at(place)).ok();
        }
    }
    if scale > 0 {
        out.push('.');
        let end = out.len() + usize::from(scale);
        let mut place = -1;
        while out.len() < end {
            write!(out, "{:04}", at(place)).ok();
            place -= 1;
        }
        out.truncate(end);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::{prop_assert_eq, proptest};

    fn there_and_back(text: &str, digits: Option<(u32, u32)>) -> Result<String, &'static str> {
        let mut bytes = Vec::new();
        encode(text, digits, &mut bytes)?;
        let mut back = String::new();
        decode(&bytes, &mut back)?;
        Ok(back)
    }

    proptest! {
        #[test]
        fn a_decimal_of_any_length_comes_back_digit_by_digit(
            text in "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{0,59}[1-9]0{0,5})?",
        ) {
            let expected = if text == "-0" { "0" } else { &text };
            prop_assert_eq!(there_and_back(expected, None), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn zeros_keep_their_scale() {
        for text in ["0", "0.0", "0.00000", "10000", "1.0000", "0.0001", "0.00001", "100000000.5"] {
            assert_eq!(there_and_back(text, None).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_would_come_back_otherwise_is_refused() {
        for text in ["", "-", ".5", "5.", "+5", "007", "-0", "-0.00", "1e5", "NaN", "1,5", "٣"] {
            assert!(there_and_back(text, None).is_err(), "{text}");
        }
        for (text, digits, fits) in [
            ("1.50", (10, 2), true),
            ("1.5", (10, 2), false),
            ("1.555", (10, 2), false),
            ("12345678.90", (10, 2), true),
            ("123456789.00", (10, 2), false),
            ("0.99", (2, 2), true),
            ("18446744073709551615", (20, 0), true),
        ] {
            assert_eq!(there_and_back(text, Some(digits)).is_ok(), fits, "{text} {digits:?}");
        }
    }

    #[test]
    fn nan_infinity_and_damage_are_no_numbers() {
        let mut out = String::new();
        assert_eq!(decode(&[0, 0, 0, 0, 0xC0, 0, 0, 0], &mut out), Err("NaN"));
        assert_eq!(decode(&[0, 0, 0, 0, 0xD0, 0, 0, 0], &mut out), Err("infinity"));
        assert!(decode(&[0, 1, 0, 0, 0, 0, 0, 0], &mut out).is_err());
        assert!(decode(&[0, 1, 0, 0], &mut out).is_err());
    }
}
