//! From the text of a plan to what was written in it, with errors that point at the place.

use super::raw::{Misplaced, RawPlan};
use crate::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// The one format of plan files that this version reads.
const FORMAT: &str = "1";

/// A plan's text with `--set` overrides after it: one buffer, so that every place in it is a
/// number.
struct Sheet<'a> {
    file: Option<&'a Path>,
    text: &'a str,
    overrides: &'a [String],
}

/// Reads a plan's text and lays `key=value` overrides over it.
pub(super) fn read(text: &str, file: Option<&Path>, overrides: &[String]) -> Result<RawPlan> {
    let sheet = Sheet { file, text, overrides };
    let mut document = DeTable::parse(text).map_err(|error| sheet.error(&error))?;
    // An override is parsed behind as many blanks as lie before it, which puts its places there.
    let lines = sheet.override_lines()?;
    for line in &lines {
        let over = DeTable::parse(line).map_err(|error| sheet.error(&error))?.into_inner();
        lay_over(document.get_mut(), over);
    }
    sheet.check_format(document.get_ref())?;
    let plan = RawPlan::deserialize(Deserializer::from(document));
    let plan = plan.map_err(|error| sheet.error(&error))?;
    match plan.misplaced() {
        None => Ok(plan),
        Some(Misplaced { span, problem }) => Err(sheet
            .at(span)
            .because(problem)
            .hint("a file has a `path`, a server a `url`; `config-schema` describes both")),
    }
}

impl Sheet<'_> {
    fn override_lines(&self) -> Result<Vec<String>> {
        let mut lines = Vec::with_capacity(self.overrides.len());
        let mut start = self.text.len() + 1;
        for over in self.overrides {
            let Some((key, value)) = over.split_once('=') else {
                return Err(Error::new(ErrorKind::Plan, "read plan")
                    .with("--set", shown(over))
                    .because("there is no = in it")
                    .hint("write it as --set key=value, such as --set backfill.workers=4"));
            };
            let mut line = format!("{}{over}", " ".repeat(start));
            // Nobody quotes twice on a command line: what is no TOML value is taken as text.
            if DeValue::parse(value.trim()).is_err() {
                line = format!(
                    "{}{key}={}",
                    " ".repeat(start),
                    toml::Value::String(value.trim().to_owned())
                );
            }
            start += over.len() + 1;
            lines.push(line);
        }
        Ok(lines)
    }

    /// A file of another format is named as such before its keys are found to be unknown.
    fn check_format(&self, document: &DeTable<'_>) -> Result<()> {
        match document.get("format").map(|value| (value.span(), value.get_ref())) {
            Some((span, DeValue::Integer(number))) if number.to_string() != FORMAT => {
                Err(self.at(span).because(format!("format {number} is not known")).hint(format!(
                    "this version reads plans of format {FORMAT}: take the version of the program \
                     that the plan was written for"
                )))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, error: &toml::de::Error) -> Error {
        let located = self.at(error.span().unwrap_or(0..0)).because(error.message());
        match hint(error.message()) {
            Some(hint) => located.hint(hint),
            None => located.hint("`config-schema` describes every key of a plan"),
        }
    }

    /// An error at a place in the buffer: in the file, or in the override that it lies in.
    fn at(&self, span: Range<usize>) -> Error {
        let error = Error::new(ErrorKind::Plan, "read plan");
        let mut start = self.text.len() + 1;
        for over in self.overrides {
            let end = start + over.len() + 1;
            if (start..end).contains(&span.start) {
                return error.with("--set", shown(over));
            }
            start = end;
        }
        let (line, column) = place(self.text, span.start);
        let error = match self.file {
            Some(file) => error.with("file", file.display()),
            None => error,
        };
        error.with("line", line).with("column", column)
    }
}

/// An override as it may be shown: the value of one with a URL in it may hold a password.
fn shown(over: &str) -> &str {
    match over.split_once('=') {
        Some((key, value)) if value.contains("://") => key,
        _ => over,
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// Puts the leaves of `over` into `base`. A number names a place in a list: `target.0.path`.
fn lay_over<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        match base.get_mut(key.get_ref().as_ref()) {
            Some(held) => lay_over_value(held, value),
            None => {
                base.insert(key, value);
            }
        }
    }
}

fn lay_over_value<'i>(held: &mut Spanned<DeValue<'i>>, value: Spanned<DeValue<'i>>) {
    match (held.get_mut(), value.get_ref()) {
        (DeValue::Table(_), DeValue::Table(_)) => {
            let (DeValue::Table(inner), DeValue::Table(over)) =
                (held.get_mut(), value.into_inner())
            else {
                return;
            };
            lay_over(inner, over);
        }
        (DeValue::Array(list), DeValue::Table(over))
            if over.keys().all(|key| index(key.get_ref()).is_some_and(|at| at < list.len())) =>
        {
            let DeValue::Table(over) = value.into_inner() else { return };
            for (key, value) in over {
                if let Some(element) = index(key.get_ref()).and_then(|at| list.get_mut(at)) {
                    lay_over_value(element, value);
                }
            }
        }
        _ => *held = value,
    }
}

fn index(key: &str) -> Option<usize> {
    key.parse().ok()
}

/// What was meant, if the message names what was found and what was expected.
fn hint(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let found = quoted.next()?;
    if message.starts_with("missing field") {
        return Some(format!("add `{found}`; `config-schema` describes every key of a plan"));
    }
    nearest(found, quoted).map(|name| format!("did you mean `{name}`?"))
}

/// The candidate that `found` is most likely a slip of.
pub(crate) fn nearest<'a>(
    found: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let found = found.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&found, &name.to_lowercase()), name))
        // Tried on the keys of a plan: slips and plurals lie above, other words below.
        .filter(|&(likeness, _)| likeness >= 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
