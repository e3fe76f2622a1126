//! Maxwell's JSON. What is not listed here is written as JSON is.
//!
//! | column | on the wire |
//! |---|---|
//! | bits | a number |
//! | set | an array of its members |
//! | moment | text without a zone, in the zone that the plan tells |
//! | bytes | base64, without the zeros at the end of a fixed length |

use super::{Token, bits, json, moment, problem, wrong};
use crate::decode::column::ColumnKind;
use crate::decode::wire::Wire;
use crate::error::Result;
use crate::value::{ColumnType, Value};
use std::borrow::Cow;

pub(super) fn value<T>(
    token: &Token<'_>,
    wire: &Wire,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    let wrong = || wrong(token, wire);
    match (&wire.traits.kind, wire.column_type, token) {
        (ColumnKind::Bits, _, Token::Number(digits)) => {
            let bits = digits.parse::<u64>().map_err(|_| wrong())?.to_le_bytes();
            bits::value(&bits, wire.column_type, &wire.traits, push).ok_or_else(wrong)?
        }
        (ColumnKind::Set(_), ColumnType::Text, Token::Nested(raw)) => {
            let members: Vec<Cow<'_, str>> = serde_json::from_str(raw).map_err(|_| wrong())?;
            push(Value::Text(&members.join(",")))
        }
        (ColumnKind::Geometry, ..) => {
            Err(problem(token, wire, "the producer writes shapes as text, without their SRID"))
        }
        (_, ColumnType::TimestampTz, Token::Text(text)) => {
            push(moment::text_in_zone(text, wire).map_err(|why| problem(token, wire, why))?)
        }
        (_, ColumnType::Float32, Token::Number(digits)) => {
            push(Value::Float32(json::finite32(digits).ok_or_else(wrong)?))
        }
        _ => json::value(token, wire, push),
    }
}
