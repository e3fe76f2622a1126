//! How a change is written into a message.

use super::change::Change;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Debezium's envelope, without schema, as `io.debezium.connector.mariadb` sends it.
    Envelope,
    /// The record alone, as Debezium's `ExtractNewRecordState` leaves it; nothing for a delete.
    Flat,
}

/// What is in the key of a message of either form, in the words of Connect.
pub(super) const KEY_SCHEMA: &str = r#"{"type":"struct","optional":false,"fields":[{"field":"id","type":"int64","optional":false}]}"#;

/// What is in the value of a flat message.
pub(super) const FLAT_SCHEMA: &str = r#"{"type":"struct","optional":false,"fields":[{"field":"id","type":"int64","optional":false},{"field":"owner","type":"int64","optional":false},{"field":"amount","type":"int64","optional":false},{"field":"label","type":"string","optional":false}]}"#;

impl Form {
    /// The value of a change's message.
    pub(super) fn value(self, change: &Change) -> Option<String> {
        match self {
            Self::Envelope => Some(envelope(change)),
            Self::Flat => change.after.map(|amount| row(change.id, amount)),
        }
    }
}

/// The key of a record's messages.
pub(super) fn key(id: u64) -> String {
    format!(r#"{{"id":{id}}}"#)
}

/// A record.
pub(super) fn row(id: u64, amount: i64) -> String {
    let (owner, label) = (id.wrapping_mul(7_919) % 1_000_003, id % 100_003);
    format!(r#"{{"id":{id},"owner":{owner},"amount":{amount},"label":"label-{label}"}}"#)
}

fn envelope(change: &Change) -> String {
    let Change { made, id, .. } = change;
    let [before, after] = [change.before, change.after]
        .map(|amount| amount.map_or_else(|| "null".to_owned(), |amount| row(*id, amount)));
    let op = match (change.before, change.after) {
        (_, None) => "d",
        (None, Some(_)) => "c",
        (Some(_), Some(_)) => "u",
    };
    let millis = 1_795_222_000_000 + made / 10;
    let (file, position) = (1 + made / 1_000_000, 400 + made % 1_000_000 * 500);
    format!(
        r#"{{"before":{before},"after":{after},"source":{{"version":"3.5.0.Final","connector":"mariadb","name":"bench","ts_ms":{millis},"snapshot":"false","db":"bench","sequence":null,"ts_us":{millis}000,"ts_ns":{millis}000000,"table":"narrow","server_id":1,"gtid":"0-1-{made}","file":"binlog.{file:06}","pos":{position},"row":0,"thread":7,"query":null}},"transaction":null,"op":"{op}","ts_ms":{millis},"ts_us":{millis}123,"ts_ns":{millis}123456}}"#
    )
}
