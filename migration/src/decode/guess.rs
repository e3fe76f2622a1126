//! What format a message might be of: for `explain`, which prints the guess beside what the plan
//! states. Nothing is ever decoded by a guess.

use super::fields::members;
use super::format::FormatName;
use std::borrow::Cow;

/// The members of a value that tell formats apart.
const TELLING: [Option<&str>; 15] = [
    Some("schema"),
    Some("payload"),
    Some("op"),
    Some("source"),
    Some("isDdl"),
    Some("mysqlType"),
    Some("database"),
    Some("table"),
    Some("type"),
    Some("data"),
    Some("__op"),
    Some("__deleted"),
    Some("__lsn"),
    Some("ddl"),
    Some("status"),
];

/// The format that a message looks like; `None` if it looks like none that can be decoded, or if
/// nothing tells (a null value is of any).
#[must_use]
pub fn guess(
    _key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(Cow<'static, str>, Vec<u8>)],
    topic: &str,
) -> Option<FormatName> {
    let value = value?;
    let header = |name: &str| headers.iter().find(|(found, _)| found == name);
    let is_cloud_event = header("ce_specversion").is_some()
        || header("content-type").is_some_and(|(_, value)| {
            value.to_ascii_lowercase().starts_with(b"application/cloudevents")
        });
    // A schema registry's messages are no JSON.
    if is_cloud_event || header("__value_schema_id").is_some() || value.first() == Some(&0) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let is_event = header("id").is_some() && header("__debezium.context.taskId").is_some();
    if topic.starts_with("outbox.event.") || is_event {
        return serde_json::from_str::<serde::de::IgnoredAny>(text)
            .ok()
            .map(|_| FormatName::DebeziumOutbox);
    }
    let from_debezium = headers.iter().any(|(name, _)| name.starts_with("__debezium."));
    object(text, from_debezium)
}

/// The format of a JSON object by its members.
fn object(text: &str, from_debezium: bool) -> Option<FormatName> {
    let [
        schema,
        payload,
        op,
        source,
        is_ddl,
        mysql_type,
        database,
        table,
        kind,
        data,
        added_op,
        added_deleted,
        added_lsn,
        ddl,
        status,
    ] = members(text, TELLING).ok()?;
    if let (Some(_), Some(payload)) = (schema, payload) {
        return Some(match object(payload, true)? {
            FormatName::Debezium => FormatName::DebeziumSchema,
            _ => FormatName::DebeziumFlattenedSchema,
        });
    }
    let kind = kind.map(|kind| kind.trim_matches('"'));
    let is_upper = kind.is_some_and(|kind| kind.chars().all(|c| !c.is_ascii_lowercase()));
    if source.is_some() && (op.is_some() || ddl.is_some()) {
        return Some(FormatName::Debezium);
    }
    if is_upper && (is_ddl.is_some() || mysql_type.is_some()) {
        return Some(FormatName::Canal);
    }
    if database.is_some() && kind.is_some() && !is_upper && (table.is_some() || data.is_some()) {
        return Some(FormatName::Maxwell);
    }
    if added_op.or(added_deleted).or(added_lsn).is_some() {
        return Some(FormatName::DebeziumFlattened);
    }
    if status.is_some_and(|status| matches!(status, "\"BEGIN\"" | "\"END\"")) {
        return None;
    }
    Some(if from_debezium { FormatName::DebeziumFlattened } else { FormatName::Plain })
}

#[cfg(test)]
mod tests {
    use super::guess;
    use crate::decode::format::FormatName as F;
    use std::borrow::Cow;

    fn of(value: &str) -> Option<F> {
        guess(None, Some(value.as_bytes()), &[], "t")
    }

    fn with_header(value: &str, name: &'static str, content: &str) -> Option<F> {
        let headers = [(Cow::Borrowed(name), content.as_bytes().to_vec())];
        guess(None, Some(value.as_bytes()), &headers, "t")
    }

    #[test]
    fn each_format_is_told_by_what_only_it_has() {
        let envelope = r#"{"op":"c","source":{},"after":{}}"#;
        assert_eq!(of(envelope), Some(F::Debezium));
        let wrapped = |payload: &str| format!(r#"{{"schema":{{}},"payload":{payload}}}"#);
        assert_eq!(of(&wrapped(envelope)), Some(F::DebeziumSchema));
        assert_eq!(of(&wrapped(r#"{"id":1}"#)), Some(F::DebeziumFlattenedSchema));
        assert_eq!(of(r#"{"id":1,"__deleted":"false"}"#), Some(F::DebeziumFlattened));
        let row = r#"{"id":1}"#;
        assert_eq!(with_header(row, "__debezium.context.taskId", "0"), Some(F::DebeziumFlattened));
        assert_eq!(
            of(r#"{"database":"d","table":"t","isDdl":false,"type":"INSERT","data":[{}]}"#),
            Some(F::Canal)
        );
        assert_eq!(
            of(r#"{"database":"d","table":"t","type":"insert","data":{}}"#),
            Some(F::Maxwell)
        );
        assert_eq!(of(row), Some(F::Plain));
        let event = guess(None, Some(br#""{}""#), &[], "outbox.event.order");
        assert_eq!(event, Some(F::DebeziumOutbox));
    }

    #[test]
    fn what_cannot_be_decoded_is_no_guess() {
        assert_eq!(guess(None, None, &[], "t"), None);
        for value in ["", "[]", "1", "\"x\"", "{", "\0\0\0\0\u{1}{}"] {
            assert_eq!(of(value), None, "{value:?}");
        }
        assert_eq!(with_header("{}", "ce_specversion", "1.0"), None);
        let structured = with_header("{}", "content-type", "Application/CloudEvents+json");
        assert_eq!(structured, None);
        assert_eq!(with_header("{}", "__value_schema_id", "x"), None);
        assert_eq!(of(r#"{"status":"BEGIN","id":"1"}"#), None);
    }
}
