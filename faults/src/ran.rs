//! How a command ended, and what is asserted of it.

use std::fmt::Write as _;

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// Everything else it said.
    pub stderr: String,
    /// The most memory that it had in use, in bytes.
    pub peak_bytes: u64,
}

/// What a command said when it did not do what it was asked.
#[derive(Debug)]
pub struct Complaint {
    /// What failed, with its context and causes.
    pub error: String,
    /// What to do next.
    pub hint: String,
}

impl Complaint {
    /// Asserts that error or hint has these words.
    #[track_caller]
    pub fn names(&self, words: &[&str]) {
        for word in words {
            let is_said = self.error.contains(word) || self.hint.contains(word);
            assert!(is_said, "nothing about {word}: {self:?}");
        }
    }
}

impl Ran {
    /// The result, if the command ended with 0.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The result as JSON, if the command ended with 0.
    #[must_use]
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What it said on stderr, if it ended with `code`.
    #[must_use]
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }

    /// What it complained of, if it ended with exactly this code, said why, and said what to do
    /// next.
    #[must_use]
    #[track_caller]
    pub fn complains(&self, code: i32) -> Complaint {
        assert_eq!(self.code, Some(code), "{self:?}");
        // Away from a terminal a program logs JSON, and what ended it is the last line.
        let lines = self.stderr.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        let failed = |line: &serde_json::Value| line["message"] == "command failed";
        let last: serde_json::Value =
            lines.into_iter().find(failed).unwrap_or_else(|| panic!("says nothing: {self:?}"));
        let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        let complaint = Complaint { error: text("error"), hint: text("hint") };
        assert!(!complaint.error.is_empty() && !complaint.hint.is_empty(), "{self:?}");
        complaint
    }

    /// Asserts that one warning in its log has all of these words.
    #[track_caller]
    pub fn warns(&self, words: &[&str]) {
        assert!(warns(&self.stderr, words), "no warning about {words:?}: {self:?}");
    }

    /// What `check --output json` found that does not hold, if it ended with 3 and each of them
    /// says what to do.
    #[must_use]
    #[track_caller]
    pub fn finds(&self) -> Complaint {
        assert_eq!(self.code, Some(3), "{self:?}");
        let found: serde_json::Value = serde_json::from_str(&self.stdout).unwrap();
        let mut complaint = Complaint { error: String::new(), hint: String::new() };
        for finding in found["findings"].as_array().unwrap() {
            if finding["outcome"] != "failed" {
                continue;
            }
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            assert!(!text("hint").is_empty(), "{finding}");
            writeln!(complaint.error, "{}: {}", text("name"), text("message")).unwrap();
            writeln!(complaint.hint, "{}", text("hint")).unwrap();
        }
        complaint
    }
}

/// Whether one warning in a log has all of these words.
pub(crate) fn warns(log: &str, words: &[&str]) -> bool {
    let has_all = |line: &str| words.iter().all(|word| line.contains(word));
    log.lines().any(|line| line.contains("WARN") && has_all(line))
}
