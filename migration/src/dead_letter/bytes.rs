//! Bytes in JSON: as base64, a third longer than they are. Letters of older versions have them as a
//! list of numbers, which is read as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64, or a list of bytes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
        STANDARD.decode(text).map(Bytes).map_err(|_| E::custom("it is no base64"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element::<u8>().map_err(A::Error::custom)? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn bytes_are_read_in_both_forms_and_written_in_the_short_one(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let list = serde_json::to_string(&bytes).unwrap();
            let read: Bytes = serde_json::from_str(&list).unwrap();
            prop_assert_eq!(&read.0, &bytes);
            let written = serde_json::to_string(&read).unwrap();
            prop_assert!(written.len() <= bytes.len().div_ceil(3) * 4 + 2);
            prop_assert_eq!(serde_json::from_str::<Bytes>(&written).unwrap(), read);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["7", "null", "[256]", "[-1]", "\"a\"", "\"===\"", "{}"] {
            assert!(serde_json::from_str::<Bytes>(text).is_err(), "{text}");
        }
    }
}
