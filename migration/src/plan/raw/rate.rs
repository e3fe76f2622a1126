//! A rate as written: a number of records a second, or the word for none.
//!
//! Read by hand, because serde's untagged enums lose the line of an error and what was expected.

use crate::checkpoint::desired::UNLIMITED;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A limit on records a second.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RawRate {
    Unlimited,
    PerSecond(u32),
}

impl<'de> Deserialize<'de> for RawRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = RawRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records a second, such as 20000, or \"{UNLIMITED}\"")
    }

    fn visit_i64<E: Error>(self, rate: i64) -> Result<RawRate, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(rate), &self);
        u32::try_from(rate).map(RawRate::PerSecond).map_err(wrong)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<RawRate, E> {
        if word == UNLIMITED {
            return Ok(RawRate::Unlimited);
        }
        Err(E::invalid_value(Unexpected::Str(word), &self))
    }
}

impl JsonSchema for RawRate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": u32::MAX },
                { "const": UNLIMITED },
            ],
        })
    }
}
