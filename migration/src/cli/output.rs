//! Results, on stdout: a table for people, JSON for programs.

use super::args::{ColorWhen, Output, SharedArgs};
use super::json;
use crate::error::{Error, ErrorKind, Result};
use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;
use serde_json::Value;
use std::io::{ErrorKind as IoKind, IsTerminal as _, Write as _};

/// The version of the JSON that results are printed as. It rises when something is renamed or
/// removed, not when something is added.
pub const SCHEMA_VERSION: u32 = 1;

/// A result that people and programs can read.
pub trait Report: Serialize {
    /// What people see: usually a [`table`], or a few lines. Ends without a line feed.
    fn text(&self) -> String;

    /// The lines of `ndjson`: one for the whole, unless the report is a list.
    ///
    /// # Errors
    /// `Failed` if something in the report cannot be JSON.
    fn lines(&self) -> Result<Vec<Value>> {
        Ok(vec![json::value(self)?])
    }
}

/// How the results of one command are printed.
#[derive(Debug, Clone, Copy)]
pub struct SharedOutput {
    /// The form.
    pub output: Output,
    /// Whether a table may use colour.
    pub color: ColorWhen,
}

impl SharedOutput {
    /// The same for several documents one after the other: each needs a line of its own.
    #[must_use]
    pub fn of_many(self) -> Self {
        match self.output {
            Output::Json => Self { output: Output::Ndjson, ..self },
            Output::Table | Output::Ndjson => self,
        }
    }

    /// The same for what is only ever read by programs: JSON, a document a line.
    #[must_use]
    pub fn of_records(self) -> Self {
        Self { output: Output::Ndjson, ..self }
    }
}

impl From<&SharedArgs> for SharedOutput {
    fn from(args: &SharedArgs) -> Self {
        Self { output: args.output, color: args.color }
    }
}

/// Prints a result to stdout in the form that was asked for. A reader that has gone away
/// (`| head`) is no error.
///
/// # Errors
/// `Failed` if stdout cannot be written, `Full` if what it is redirected to has no space.
pub fn print<R: Report>(to: impl Into<SharedOutput>, report: &R) -> Result<()> {
    let text = match to.into().output {
        Output::Table => report.text() + "\n",
        Output::Json => format!("{:#}\n", with_schema_version(json::value(report)?)),
        Output::Ndjson => {
            let lines = report.lines()?;
            lines.into_iter().map(|line| format!("{}\n", with_schema_version(line))).collect()
        }
    };
    write(text.as_bytes())
}

/// Clears the terminal behind stdout, if there is one, before the next picture of a watch.
///
/// # Errors
/// Those of [`print`].
pub fn clear_screen() -> Result<()> {
    if std::io::stdout().is_terminal() { write(b"\x1b[H\x1b[2J") } else { Ok(()) }
}

/// Prints bytes to stdout as they are: a schema, a page of the manual.
///
/// # Errors
/// Those of [`print`].
pub(super) fn write(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == IoKind::BrokenPipe => Ok(()),
        Err(error) => {
            let kind = match error.kind() {
                IoKind::StorageFull | IoKind::QuotaExceeded => ErrorKind::Full,
                _ => ErrorKind::Failed,
            };
            Err(Error::new(kind, "write result to stdout").because(error))
        }
        Ok(()) => Ok(()),
    }
}

/// A table with a header, its columns as wide as what they hold.
#[must_use]
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    // One rule under the header and nothing else: what is copied out of it stays readable.
    let rule = LineStyle::none().fill('-').junction('-');
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_header(header);
    table.add_rows(rows);
    table.trim_fmt()
}

/// A list is wrapped, so that every document is an object that carries its version.
fn with_schema_version(value: Value) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    match value {
        Value::Object(fields) => object.extend(fields),
        list => drop(object.insert("items".to_owned(), list)),
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::{table, with_schema_version};
    use serde_json::json;

    #[test]
    fn every_document_is_an_object_with_the_version_of_its_schema() {
        assert_eq!(with_schema_version(json!({"a": 1})), json!({"schema_version": 1, "a": 1}));
        assert_eq!(with_schema_version(json!([1])), json!({"schema_version": 1, "items": [1]}));
    }

    #[test]
    fn a_table_shows_its_header_and_every_row() {
        let shown =
            table(["range", "rows"], &[["0".into(), "12".into()], ["1".into(), "7".into()]]);
        for word in ["range", "rows", "12", "7"] {
            assert!(shown.contains(word), "{shown}");
        }
    }
}
