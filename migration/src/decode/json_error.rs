//! Why a text is not the JSON that it should be, without a word of it.

use std::fmt;

/// Where the reading of JSON ended, and of what kind the problem is. What serde's own text would
/// add is the value that it found: a cell, or a whole row that was encoded twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    problem: &'static str,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let problem = match error.classify() {
            Category::Io => "it cannot be read",
            Category::Syntax => "it is no JSON",
            Category::Data => "a member is missing, there twice, or of another type",
            Category::Eof => "it ends too early",
        };
        Self { problem, line: error.line(), column: error.column() }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem)?;
        // A value that was read already has no place in the text.
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::JsonError;

    #[test]
    fn where_and_of_what_kind_a_problem_is_is_told_and_nothing_that_stands_there() {
        for (text, said) in [
            (
                "\"a row\"",
                "a member is missing, there twice, or of another type (line 1, column 7)",
            ),
            ("[\n7", "it ends too early (line 2, column 1)"),
            ("x", "it is no JSON (line 1, column 1)"),
        ] {
            let error = serde_json::from_str::<Vec<u8>>(text).unwrap_err();
            assert_eq!(JsonError::from(error).to_string(), said);
        }
    }
}
