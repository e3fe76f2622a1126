//! Bytes in text.

use crate::decode::column::{ColumnKind, ColumnTraits};
use crate::decode::format::Binary;

/// The bytes of `text`, if it is well-formed.
pub(super) fn decode(text: &str, encoding: Binary) -> Option<Vec<u8>> {
    match encoding {
        Binary::Base64 => base64(text, [b'+', b'/']),
        Binary::Base64UrlSafe => base64(text, [b'-', b'_']),
        Binary::Hex => hex(text),
        Binary::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
    }
}

/// The text of `bytes`.
pub(in crate::decode) fn encode(bytes: &[u8], encoding: Binary) -> String {
    match encoding {
        Binary::Base64 => to_base64(bytes, [b'+', b'/']),
        Binary::Base64UrlSafe => to_base64(bytes, [b'-', b'_']),
        Binary::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Binary::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn to_base64(bytes: &[u8], last: [u8; 2]) -> String {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    alphabet.extend(last);
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let mut four = [0; 4];
        four[1..=part.len()].copy_from_slice(part);
        let sum = u32::from_be_bytes(four);
        for place in 0..4 {
            let [.., six] = (sum >> (18 - 6 * place)).to_be_bytes();
            let is_filled = place <= part.len();
            out.push(if is_filled { char::from(alphabet[usize::from(six & 63)]) } else { '=' });
        }
    }
    out
}

/// Bytes of a fixed length may come without the zeros at their end.
pub(super) fn filled_up(mut bytes: Vec<u8>, traits: &ColumnTraits) -> Vec<u8> {
    if traits.kind == ColumnKind::FixedBytes {
        let length = traits.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        bytes.resize(bytes.len().max(length), 0);
    }
    bytes
}

pub(in crate::decode) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Base64 with padding and these two characters for 62 and 63.
fn base64(text: &str, last: [u8; 2]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        _ if byte == last[0] => Some(62),
        _ if byte == last[1] => Some(63),
        _ => None,
    };
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=').as_bytes();
    if bytes.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for part in digits.chunks(4) {
        let mut sum = 0_u32;
        for place in 0..4 {
            let six = part.get(place).map_or(Some(0), |&byte| digit(byte))?;
            sum = (sum << 6) | u32::from(six);
        }
        let [_, three @ ..] = sum.to_be_bytes();
        let count = part.len() - 1;
        // The bits that do not fill a byte are zero in a well-formed text.
        if three[count..].iter().any(|&byte| byte != 0) {
            return None;
        }
        out.extend_from_slice(&three[..count]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::decode::format::Binary;
    use proptest::prelude::{any, prop, proptest};

    #[test]
    fn base64_is_read_strictly() {
        let of = |text| decode(text, Binary::Base64);
        assert_eq!(of(""), Some(Vec::new()));
        assert_eq!(of("AQ=="), Some(vec![1]));
        for wrong in ["A", "A===", "AQ=", "A Q=", "AR==", "====", "-_-_", "é==="] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(decode("-_-_", Binary::Base64UrlSafe), Some(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn hexadecimal_and_latin_1_are_read_strictly() {
        assert_eq!(decode("00fFa0", Binary::Hex), Some(vec![0, 0xff, 0xa0]));
        for wrong in ["0", "0g", "é"] {
            assert_eq!(decode(wrong, Binary::Hex), None, "{wrong}");
        }
        assert_eq!(decode("\0ÿ", Binary::Latin1), Some(vec![0, 0xff]));
        assert_eq!(decode("漢", Binary::Latin1), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            for form in [Binary::Base64, Binary::Base64UrlSafe, Binary::Hex, Binary::Latin1] {
                assert_eq!(decode(&encode(&bytes, form), form), Some(bytes.clone()));
            }
        }
    }
}
