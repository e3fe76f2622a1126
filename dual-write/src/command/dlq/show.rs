//! `dlq show`: one letter with everything in it.

use migration::cli::{Exit, Report, SharedArgs, print, table};
use migration::dead_letter::{self, DeadLetter};
use migration::error::Result;
use migration::key::KeyColumn;
use migration::servers::Servers;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Whole {
    id: String,
    headers: Vec<(String, String)>,
    version: Option<String>,
    record: Option<String>,
    /// The payload as text, where it is text.
    payload: Option<String>,
    /// The payload in hexadecimal, where it is not.
    payload_hex: Option<String>,
    decided_by: Option<String>,
}

impl Whole {
    fn of(letter: &DeadLetter) -> Result<Self> {
        let bytes = letter.payload().map(<[u8]>::to_vec);
        let text = bytes.clone().map(String::from_utf8);
        let (payload, payload_hex) = match text {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(error)) => (None, Some(KeyColumn::Bytes(error.into_bytes()).to_string())),
            None => (None, None),
        };
        Ok(Self {
            id: letter.id(),
            headers: letter.headers(),
            version: letter.summary.version()?.map(|version| version.to_string()),
            record: letter.summary.record().map(|key| key.to_string()),
            payload,
            payload_hex,
            decided_by: letter.summary.decided_by.clone(),
        })
    }
}

impl Report for Whole {
    fn text(&self) -> String {
        let mut rows = vec![["id".to_owned(), self.id.clone()]];
        rows.extend(self.headers.iter().map(|(name, value)| [name.clone(), value.clone()]));
        for (name, value) in [
            ("version", &self.version),
            ("record", &self.record),
            ("payload", &self.payload),
            ("payload (hex)", &self.payload_hex),
            ("decided by", &self.decided_by),
        ] {
            rows.extend(value.iter().map(|value| [name.to_owned(), value.clone()]));
        }
        table(["", "value"], &rows)
    }
}

pub(in crate::command) async fn show(args: &SharedArgs, id: &str) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let letter = dead_letter::find(&*servers.checkpoint, id).await?;
    print(args, &Whole::of(&letter)?)?;
    Ok(Exit::Done)
}
