//! Exact decimals: digits in, digits out.

use bigdecimal::num_bigint::BigInt;
use std::borrow::Cow;

/// Most digits on either side of the point: PostgreSQL's limit, and so nobody's exponent fills the
/// memory.
const DIGITS_MAX: usize = 150_000;

/// A decimal written out, without exponent and, where the column has a scale, with as many digits
/// after the point. `None` if it is no decimal, or has digits that the scale has no room for.
pub(super) fn plain(text: &str, scale: Option<u32>) -> Option<Cow<'_, str>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(unsigned[at + 1..].parse::<i64>().ok()?)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || mantissa.ends_with('.') {
        return None;
    }
    let wanted = scale.map(|scale| usize::try_from(scale).unwrap_or(usize::MAX));
    let is_zero = || mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let as_it_is = exponent.is_none()
        && wanted.is_none_or(|wanted| wanted == fraction.len())
        && !(text.starts_with('-') && is_zero());
    if as_it_is {
        return Some(Cow::Borrowed(text));
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.unwrap_or(0))?;
    written_out(text.starts_with('-'), &digits, point, wanted).map(Cow::Owned)
}

/// `0.digits` times ten to the power of `point`.
fn written_out(
    is_negative: bool,
    digits: &str,
    point: i64,
    scale: Option<usize>,
) -> Option<String> {
    if usize::try_from(point.unsigned_abs()).ok()? > DIGITS_MAX || digits.len() > DIGITS_MAX {
        return None;
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count.max(0)).unwrap_or(0));
    let length = i64::try_from(digits.len()).ok()?;
    let padded = format!("{}{digits}{}", zeros(1 - point), zeros(point - length));
    let at = usize::try_from(point.max(1)).ok()?;
    let whole = padded[..at].trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let mut fraction = padded[at..].to_owned();
    if let Some(scale) = scale {
        if scale > DIGITS_MAX {
            return None;
        }
        let kept = fraction.trim_end_matches('0').len();
        if kept > scale {
            return None;
        }
        fraction.truncate(scale);
        fraction.extend(std::iter::repeat_n('0', scale - fraction.len()));
    }
    let is_zero = whole == "0" && fraction.bytes().all(|byte| byte == b'0');
    let sign = if is_negative && !is_zero { "-" } else { "" };
    let separator = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{separator}{fraction}"))
}

/// The decimal of an unscaled integer in big-endian two's complement.
pub(super) fn of_unscaled(bytes: &[u8], scale: i64) -> Option<String> {
    let digits = unscaled(bytes)?;
    let (is_negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.as_str()),
    };
    let point = i64::try_from(digits.len()).ok()?.checked_sub(scale)?;
    let kept = usize::try_from(scale.max(0)).ok()?;
    written_out(is_negative, digits, point, Some(kept))
}

/// An integer in big-endian two's complement as digits.
fn unscaled(bytes: &[u8]) -> Option<String> {
    bytes.first()?;
    match small(bytes) {
        Some(value) => Some(value.to_string()),
        // Some 2.4 digits a byte.
        None if bytes.len() <= DIGITS_MAX / 2 => {
            Some(BigInt::from_signed_bytes_be(bytes).to_string())
        }
        None => None,
    }
}

/// The integer, if it fits 128 bits.
pub(super) fn small(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let fill = if first & 0x80 == 0 { 0 } else { 0xff };
    let mut all = [fill; 16];
    let start = 16_usize.checked_sub(bytes.len())?;
    all[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::{of_unscaled, plain};
    use bigdecimal::BigDecimal;
    use bigdecimal::num_bigint::BigInt;
    use proptest::prelude::{any, prop, proptest};
    use std::str::FromStr as _;

    #[test]
    fn digits_stay_and_only_zeros_come_and_go() {
        for (text, scale, expected) in [
            ("1.10", None, Some("1.10")),
            ("1.10", Some(2), Some("1.10")),
            ("1.1", Some(3), Some("1.100")),
            ("1.100", Some(1), Some("1.1")),
            ("1.101", Some(1), None),
            ("-0.00001", Some(5), Some("-0.00001")),
            ("-1E-5", Some(5), Some("-0.00001")),
            ("1.5e3", None, Some("1500")),
            ("12.34E+1", None, Some("123.4")),
            ("0e9", Some(2), Some("0.00")),
            ("-0.0", None, Some("0.0")),
            ("1E+2", Some(0), Some("100")),
            ("NaN", None, None),
            ("", None, None),
            ("-", None, None),
            ("1.", None, None),
            (".5", None, None),
            ("+1", None, None),
            ("1e999999999", None, None),
            ("1e99999999999999999999", None, None),
            ("1e-9999999999", Some(2), None),
        ] {
            assert_eq!(plain(text, scale).as_deref(), expected, "{text} to scale {scale:?}");
        }
    }

    #[test]
    fn an_unscaled_integer_becomes_its_digits() {
        assert_eq!(of_unscaled(&[0xff], 5).as_deref(), Some("-0.00001"));
        assert_eq!(of_unscaled(&[0x04, 0xd2], 2).as_deref(), Some("12.34"));
        assert_eq!(of_unscaled(&[0], 3).as_deref(), Some("0.000"));
        assert_eq!(of_unscaled(&[5], -2).as_deref(), Some("500"));
        assert_eq!(of_unscaled(&[], 0), None);
        assert_eq!(of_unscaled(&[1], i64::MIN), None);
        assert_eq!(of_unscaled(&[1], i64::MAX), None);
    }

    proptest! {
        #[test]
        fn every_unscaled_integer_keeps_its_value_and_scale(
            bytes in prop::collection::vec(any::<u8>(), 1..40),
            scale in 0_i64..70,
        ) {
            let text = of_unscaled(&bytes, scale).unwrap();
            let expected = BigDecimal::new(BigInt::from_signed_bytes_be(&bytes), scale);
            assert_eq!(BigDecimal::from_str(&text).unwrap(), expected);
            let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            assert_eq!(i64::try_from(digits).unwrap(), scale);
        }

        #[test]
        fn a_number_with_an_exponent_keeps_its_value(
            unscaled in any::<i128>(), scale in -30_i64..40, java in any::<bool>(),
        ) {
            let value = BigDecimal::new(unscaled.into(), scale);
            let text = if java { value.to_scientific_notation() } else { value.to_plain_string() };
            let written = plain(&text, None).unwrap();
            assert!(!written.contains(['e', 'E']));
            assert_eq!(BigDecimal::from_str(&written).unwrap(), value);
        }
    }
}
