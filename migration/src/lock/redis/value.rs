//! What Redis answers.

use crate::error::{Error, ErrorKind, Result};
use crate::lock::Token;
use redis::Value;

/// Whether a `SET NX` set the key.
pub(super) fn is_set(answer: &Value) -> bool {
    !matches!(answer, Value::Nil)
}

/// A count.
pub(super) fn count(answer: Option<&Value>) -> Result<u64> {
    match answer {
        Some(Value::Int(count)) => Ok(u64::try_from(*count).unwrap_or(0)),
        _ => Err(strange("a number")),
    }
}

/// A list of texts.
pub(super) fn texts(answer: Option<&Value>) -> Result<Vec<Vec<u8>>> {
    let (Some(Value::Array(list)) | Some(Value::Set(list))) = answer else {
        return Err(strange("a list"));
    };
    list.iter()
        .map(|value| match value {
            Value::BulkString(text) => Ok(text.clone()),
            _ => Err(strange("a text")),
        })
        .collect()
}

/// The tokens in the answers to several `MGET`, each once.
pub(super) fn tokens(answers: &[Value]) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for answer in answers {
        let Value::Array(list) = answer else { return Err(strange("a list")) };
        for value in list {
            match value {
                Value::Nil => {}
                Value::BulkString(bytes) => tokens.push(token(bytes)?),
                _ => return Err(strange("a token")),
            }
        }
        tokens.sort_unstable();
        tokens.dedup();
    }
    Ok(tokens)
}

fn token(bytes: &[u8]) -> Result<Token> {
    let bytes = bytes.try_into().map_err(|_| strange("a token of sixteen bytes"))?;
    Ok(Token(u128::from_be_bytes(bytes)))
}

fn strange(expected: &str) -> Error {
    Error::new(ErrorKind::Unreadable, "read key lock: an answer is not what it must be")
        .with("expected", expected)
        .hint("does something else write keys that begin with midflight: ?")
}
