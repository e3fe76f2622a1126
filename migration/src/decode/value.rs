//! The text of one JSON value as a typed value. Digits are never read as a float on the way.

mod array;
mod binary;
mod bits;
mod canal;
mod debezium;
mod decimal;
mod json;
mod maxwell;
mod moment;

pub(super) use binary::{encode, hex as from_hex};

use super::json_error::JsonError;
use super::wire::{Habits, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;
use std::borrow::Cow;

/// Most levels of a JSON document: databases refuse deeper ones or run out of stack over them.
const DOCUMENT_DEPTH_MAX: usize = 512;

/// A JSON value, told apart by its first byte.
#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    Null,
    Bool(bool),
    /// As it stands.
    Number(&'a str),
    /// Unescaped.
    Text(Cow<'a, str>),
    /// An array or object, as it stands.
    Nested(&'a str),
}

impl<'a> Token<'a> {
    /// `raw` is one JSON value, already found to be one.
    fn read(raw: &'a str) -> Result<Self> {
        Ok(match raw.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(text(raw)?),
            Some(b'[' | b'{') => Self::Nested(raw),
            _ => Self::Number(raw),
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Nested(raw) if raw.starts_with('[') => "array",
            Self::Nested(_) => "object",
        }
    }
}

/// The content of a JSON string.
pub(super) fn text(raw: &str) -> Result<Cow<'_, str>> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(content) if !content.contains(['\\', '"']) => Ok(Cow::Borrowed(content)),
        _ => serde_json::from_str::<String>(raw).map(Cow::Owned).map_err(|error| {
            Error::new(ErrorKind::Unreadable, "read JSON string").because(JsonError::from(error))
        }),
    }
}

/// Reads the JSON text of one value and hands it to `push`.
///
/// # Errors
/// `Unreadable` if the text cannot be a value of the column; errors of `push`.
pub(super) fn value<T>(
    raw: &str,
    wire: &Wire,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    let token = Token::read(raw)?;
    if token == Token::Null {
        return push(Value::Null);
    }
    match wire.habits {
        Habits::Json => json::value(&token, wire, push),
        Habits::Debezium => debezium::value(&token, wire, push),
        Habits::Maxwell => maxwell::value(&token, wire, push),
        Habits::Canal => canal::value(&token, wire, push),
    }
}

fn wrong(token: &Token<'_>, wire: &Wire) -> Error {
    Error::new(ErrorKind::Unreadable, "read JSON value")
        .with("type", wire.column_type)
        .with("found", token.kind())
}

fn problem(token: &Token<'_>, wire: &Wire, problem: &str) -> Error {
    wrong(token, wire).with("problem", problem)
}

/// A JSON document as the text it is.
fn document<'a>(token: &Token<'a>, wire: &Wire, raw: &'a str) -> Result<Value<'a>> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DOCUMENT_DEPTH_MAX {
                    return Err(problem(token, wire, "it is nested too deeply"));
                }
            }
            // The text need not be well-formed: the database that takes it decides.
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(Value::Json(raw))
}

#[cfg(test)]
mod tests;
