//! Canal's and TiCDC's values: every one a string, whatever the column.
//!
//! | column | in the string |
//! |---|---|
//! | numbers, bits | digits |
//! | bytes | each byte as the character of its number (ISO 8859-1) |
//! | enum | the member, or its place among them counted from one |
//! | set | the members, or the sum of their places as powers of two |
//! | moment | without a zone, in the zone that the plan tells |

use super::{Token, bits, decimal, document, json, moment, problem, wrong};
use crate::decode::column::ColumnKind;
use crate::decode::wire::Wire;
use crate::error::Result;
use crate::value::{ColumnType, Value};

pub(super) fn value<T>(
    token: &Token<'_>,
    wire: &Wire,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    let wrong = || wrong(token, wire);
    let Token::Text(text) = token else { return Err(wrong()) };
    match (&wire.traits.kind, wire.column_type) {
        (ColumnKind::Bits, _) => {
            let bits = text.parse::<u64>().map_err(|_| wrong())?.to_le_bytes();
            bits::value(&bits, wire.column_type, &wire.traits, push).ok_or_else(wrong)?
        }
        (ColumnKind::Enum(members), ColumnType::Text) => {
            let member = member(text, members).map_err(|why| problem(token, wire, why))?;
            push(Value::Text(member))
        }
        (ColumnKind::Set(members), ColumnType::Text) => {
            let chosen = chosen(text, members).map_err(|why| problem(token, wire, why))?;
            push(Value::Text(&chosen))
        }
        (ColumnKind::Geometry, _) => {
            Err(problem(token, wire, "the producer writes shapes in a form of its own"))
        }
        (_, ColumnType::Bool) => match &**text {
            "0" | "false" => push(Value::Bool(false)),
            "1" | "true" => push(Value::Bool(true)),
            _ => Err(wrong()),
        },
        (_, ColumnType::Int | ColumnType::Unsigned) => {
            push(Value::Int(json::int(text).ok_or_else(wrong)?))
        }
        (_, ColumnType::Decimal) => {
            push(Value::Decimal(&decimal::plain(text, wire.traits.scale).ok_or_else(wrong)?))
        }
        (_, ColumnType::Float32) => push(Value::Float32(json::finite32(text).ok_or_else(wrong)?)),
        (_, ColumnType::Float64) => push(Value::Float64(json::finite64(text).ok_or_else(wrong)?)),
        (_, ColumnType::Json) => push(document(token, wire, text)?),
        (
            _,
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz,
        ) => push(moment::text_in_zone(text, wire).map_err(|why| problem(token, wire, why))?),
        (_, ColumnType::Text | ColumnType::Bytes | ColumnType::Uuid) => {
            json::value(token, wire, push)
        }
    }
}

/// A member by its name or its place. Members that are numbers themselves leave it open which.
fn member<'a>(text: &'a str, members: &'a [String]) -> Result<&'a str, &'static str> {
    let place = text.parse::<usize>().ok();
    let by_place = place.and_then(|place| members.get(place.checked_sub(1)?));
    let by_name = members.iter().find(|member| *member == text);
    match (by_name, by_place) {
        (Some(name), Some(place)) if name != place => {
            Err("it is the name of one member and the place of another")
        }
        (Some(member), _) | (None, Some(member)) => Ok(member),
        // The empty member stands for a value that was none, in a session that was not strict.
        (None, None) if text.is_empty() || text == "0" => Ok(""),
        (None, None) => Err("it is no member of the enum"),
    }
}

/// Members by their names, or by the sum of their places as powers of two.
fn chosen(text: &str, members: &[String]) -> Result<String, &'static str> {
    let is_member = |name: &str| members.iter().any(|member| member == name);
    let by_name = text.is_empty() || text.split(',').all(is_member);
    let by_place = text.parse::<u64>().ok().filter(|sum| {
        let all = members.len().min(64);
        all == 64 || sum >> all == 0
    });
    match (by_name, by_place) {
        (true, Some(_)) => Err("it is the name of a member and the sum of some places"),
        (true, None) => Ok(text.to_owned()),
        (false, Some(sum)) => {
            let set =
                members.iter().take(64).enumerate().filter(|(place, _)| sum >> place & 1 == 1);
            Ok(set.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(","))
        }
        (false, None) => Err("it is no set of the members"),
    }
}

#[cfg(test)]
mod tests {
    use super::{chosen, member};

    #[test]
    fn members_are_found_by_name_or_place_unless_that_is_open() {
        let members = ["a", "b", "c,d"].map(String::from);
        assert_eq!(member("c,d", &members), Ok("c,d"));
        assert_eq!(member("2", &members), Ok("b"));
        assert_eq!(member("0", &members), Ok(""));
        assert!(member("4", &members).is_err());
        let numbers = ["2", "1"].map(String::from);
        assert!(member("2", &numbers).is_err());
        let set = ["x", "y", "z"].map(String::from);
        assert_eq!(chosen("x,z", &set).unwrap(), "x,z");
        assert_eq!(chosen("5", &set).unwrap(), "x,z");
        assert_eq!(chosen("", &set).unwrap(), "");
        assert_eq!(chosen("0", &set).unwrap(), "");
        assert!(chosen("8", &set).is_err());
        assert!(chosen("x,q", &set).is_err());
        assert!(chosen("1", &numbers).is_err());
    }
}
