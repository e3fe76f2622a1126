//! One value of an outbox row, whatever the engine kept it as.

/// A value with its storage class.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Cell {
    /// A text that may be null.
    pub(super) fn text(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::Null, |bytes| Self::Text(bytes.to_vec()))
    }

    /// Bytes that may be null.
    pub(super) fn blob(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::Null, |bytes| Self::Blob(bytes.to_vec()))
    }

    /// Appends the class and the value, so that no two different rows share their bytes.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let number;
        let (class, bytes) = match self {
            Self::Null => (0, [].as_slice()),
            Self::Integer(value) => {
                number = value.to_be_bytes();
                (1, number.as_slice())
            }
            Self::Real(value) => {
                number = value.to_bits().to_be_bytes();
                (2, number.as_slice())
            }
            Self::Text(text) => (3, text.as_slice()),
            Self::Blob(blob) => (4, blob.as_slice()),
        };
        out.push(class);
        out.extend_from_slice(&bytes.len().to_be_bytes());
        out.extend_from_slice(bytes);
    }

    /// The bytes of a message; numbers as their digits, because that is how they were written.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Null => None,
            Self::Integer(value) => Some(value.to_string().into_bytes()),
            Self::Real(value) => Some(value.to_string().into_bytes()),
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
        }
    }
}
