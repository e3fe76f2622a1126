//! Versions, positions and generations: what decides which write is newer and who may write.

use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyColumn;
use std::fmt;

/// Longest version, in bytes.
pub const VERSION_BYTES_MAX: usize = 32;

/// The position of a change in the commit order of the source.
///
/// Opaque bytes made by the queue's adapter; their byte order is the commit order. Never a wall
/// clock unless the plan says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    // Padded with zeros; the length comes last, so that the derived order is the byte order.
    bytes: [u8; VERSION_BYTES_MAX],
    length: u8,
}

impl Version {
    /// The version below that of every change: no adapter makes an empty one.
    pub const LOWEST: Self = Self { bytes: [0; VERSION_BYTES_MAX], length: 0 };

    /// Wraps the adapter's bytes.
    ///
    /// # Errors
    /// `Unreadable` if there are more than [`VERSION_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let length =
            u8::try_from(bytes.len()).ok().filter(|&n| usize::from(n) <= VERSION_BYTES_MAX);
        let Some(length) = length else {
            return Err(Error::new(ErrorKind::Unreadable, "read version")
                .with("bytes", bytes.len())
                .with("most", VERSION_BYTES_MAX));
        };
        let mut padded = [0; VERSION_BYTES_MAX];
        padded[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { bytes: padded, length })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", Hex(self.as_bytes()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(self.as_bytes()))
    }
}

/// A place in one partition of a queue, (offset, index) and whatever else its queue keeps there:
/// everything before it has been dealt with.
///
/// Opaque to everybody but the queue that made it; byte order is queue order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(Version);

impl Position {
    /// Wraps the queue's bytes.
    ///
    /// # Errors
    /// `Unreadable` if there are more than [`VERSION_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        Version::new(bytes).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({})", Hex(self.as_bytes()))
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let digits: String = self.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&digits)
    }
}

impl<'de> serde::Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
        digits
            .filter(|digits| digits.len() % 2 == 0)
            .map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>())
            .and_then(|bytes| Self::new(&bytes).ok())
            .ok_or_else(|| serde::de::Error::custom("no position: not hexadecimal, or too long"))
    }
}

/// Who wrote a fence: unique per process start, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub u128);

impl Owner {
    /// A new owner, for a process that starts.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::new()
    }
}

impl serde::Serialize for Owner {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Owner {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Eight digits tell processes apart for a person.
        write!(f, "{:08x}", self.0 >> 96)
    }
}

/// The generation of a consumer of a partition, or the epoch of a worker on a range.
///
/// A higher number fences every lower one; the owner tells two claims of one number apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation<O = Owner> {
    /// Grows with every claim.
    pub number: u64,
    /// Who claimed it.
    pub owner: O,
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", KeyColumn::Bytes(self.0.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_comes_back_from_json_and_what_is_none_does_not() {
        for bytes in [&b""[..], b"\x00\xff\x10", &[7; 32]] {
            let position = Position::new(bytes).unwrap();
            let text = serde_json::to_string(&position).unwrap();
            assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position, "{text}");
        }
        for wrong in ["\"0\"", "\"0g\"", "7"] {
            assert!(serde_json::from_str::<Position>(wrong).is_err(), "{wrong}");
        }
    }
}
