//! The outbox row that goes with every change, in the same transaction.

use crate::edge::Edge;
use crate::oracle::Effect;
use migration::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The name of the source table, as the outbox gives it.
pub(crate) const TABLE: &str = "followers";

/// One row, as read back.
#[derive(Debug)]
pub(crate) struct OutboxRow {
    pub(crate) id: i64,
    pub(crate) op: String,
    pub(crate) payload: String,
    pub(crate) made_at: i64,
}

/// The key of an edge: all that a delete says.
#[derive(Debug, Serialize, Deserialize)]
struct EdgeKey {
    package: String,
    dependent: String,
}

/// The columns `op` and `payload` of a change. Integers are written with all their digits, NULL
/// and the empty string as what they are.
pub(crate) fn columns(effect: &Effect) -> Result<(&'static str, String)> {
    let (op, payload) = match effect {
        Effect::Upsert(edge) => ("upsert", serde_json::to_string(edge)),
        Effect::Delete { package, dependent } => {
            let key = EdgeKey { package: package.clone(), dependent: dependent.clone() };
            ("delete", serde_json::to_string(&key))
        }
    };
    let payload = payload
        .map_err(|error| Error::new(ErrorKind::Failed, "encode outbox row").because(error))?;
    Ok((op, payload))
}

impl OutboxRow {
    /// What the change did.
    pub(crate) fn effect(&self) -> Result<Effect> {
        let unreadable = || {
            Error::new(ErrorKind::Unreadable, "read outbox row of the service").with("id", self.id)
        };
        match self.op.as_str() {
            "upsert" => serde_json::from_str::<Edge>(&self.payload)
                .map(Effect::Upsert)
                .map_err(|error| unreadable().because(error)),
            "delete" => serde_json::from_str::<EdgeKey>(&self.payload)
                .map(|key| Effect::Delete { package: key.package, dependent: key.dependent })
                .map_err(|error| unreadable().because(error)),
            _ => Err(unreadable().with("op", &self.op)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OutboxRow, columns};
    use crate::edge::Edge;
    use crate::oracle::Effect;

    #[test]
    fn a_change_survives_the_outbox_with_every_digit_and_both_kinds_of_nothing() {
        let edge = Edge {
            package: "libc6".to_owned(),
            dependent: "käse \"x\"".to_owned(),
            constraint: None,
            section: Some(String::new()),
            installed_kib: Some(9_007_199_254_740_993),
            changed_at: i64::MAX,
        };
        let delete = Effect::Delete { package: "a".to_owned(), dependent: "b".to_owned() };
        for effect in [Effect::Upsert(edge), delete] {
            let (op, payload) = columns(&effect).unwrap();
            let row = OutboxRow { id: 1, op: op.to_owned(), payload, made_at: 0 };
            assert_eq!(row.effect().unwrap(), effect);
        }
    }
}
