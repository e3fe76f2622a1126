//! How fast a phase may go.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::num::NonZeroU32;

/// How no limit is spelled: in a plan, on the command line, and where it is shown.
pub const UNLIMITED: &str = "unlimited";

/// The share of a second that may pass in one go: small, so that whoever uses the same servers
/// feels a rate and not a burst now and then.
const GOES_PER_SECOND: u32 = 20;

/// A limit on records or changes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rate {
    /// As fast as it goes.
    Unlimited,
    /// This many a second over the process.
    PerSecond(NonZeroU32),
}

impl Rate {
    /// How many may pass in one go, over the process; `None` is any number.
    #[must_use]
    pub fn in_one_go(self) -> Option<NonZeroU32> {
        let per_second = self.per_second()?;
        Some(NonZeroU32::new(per_second.get() / GOES_PER_SECOND).unwrap_or(NonZeroU32::MIN))
    }

    /// How many a second; `None` is unlimited.
    #[must_use]
    pub fn per_second(self) -> Option<NonZeroU32> {
        match self {
            Self::Unlimited => None,
            Self::PerSecond(per_second) => Some(per_second),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str(UNLIMITED),
            Self::PerSecond(rate) => write!(f, "{rate}/s"),
        }
    }
}

/// Writes a rate as plans have it, a number or `"unlimited"`. For
/// `#[serde(serialize_with = "migration::checkpoint::desired::rate_as_planned")]`.
///
/// # Errors
/// Those of the serializer.
pub fn rate_as_planned<S: Serializer>(rate: &Rate, serializer: S) -> Result<S::Ok, S::Error> {
    match rate {
        Rate::Unlimited => serializer.serialize_str(UNLIMITED),
        Rate::PerSecond(rate) => serializer.serialize_u32(rate.get()),
    }
}
