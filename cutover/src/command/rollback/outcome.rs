//! What came of the big red switch.

use migration::cli::Report;
use migration::error::{Chain, ErrorKind, Result};
use std::path::PathBuf;

/// What came of the switch.
#[derive(Debug, serde::Serialize)]
pub(super) struct Outcome {
    /// Whether every rollback file is in place: readers that watch it answer from the source within
    /// a second.
    pub(super) in_place: bool,
    files: Vec<File>,
    /// Whether the stage entry says so too; null if nobody knows.
    recorded: Option<bool>,
    not_recorded_because: Option<String>,
}

#[derive(Debug, serde::Serialize)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) state: FileState,
    pub(super) error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileState {
    Created,
    ThrownAgain,
    Bare,
    Unknown,
    Failed,
}

impl FileState {
    fn is_unknown(self) -> bool {
        self == Self::Unknown
    }

    fn is_in_place(self) -> bool {
        !matches!(self, Self::Unknown | Self::Failed)
    }
}

impl File {
    fn text(&self) -> String {
        let said = match self.state {
            FileState::Created => "created",
            FileState::ThrownAgain => "thrown again, in the place of an earlier one",
            FileState::Bare => "created, but not as it should be: see the log",
            FileState::Unknown => "nobody knows",
            FileState::Failed => "failed",
        };
        let error = self.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("rollback file {}: {said}{error}", self.path.display())
    }
}

impl Outcome {
    pub(super) fn new(files: Vec<File>, recorded: Result<()>) -> Self {
        Self {
            in_place: files.iter().all(|file| file.state.is_in_place()),
            files,
            recorded: match &recorded {
                Ok(()) => Some(true),
                Err(error) if error.kind() == ErrorKind::UnknownOutcome => None,
                Err(_) => Some(false),
            },
            not_recorded_because: recorded.err().map(|error| Chain(&error).to_string()),
        }
    }

    /// What it means for reads.
    fn meaning(&self) -> &'static str {
        let any = |is: fn(FileState) -> bool| self.files.iter().any(|file| is(file.state));
        match (self.in_place, self.recorded) {
            (true, Some(true)) => "reads go to the source within a second",
            (true, _) => {
                "reads go to the source within a second on machines that see the file; \
                 run `cutover rollback` again when the checkpoint store is back"
            }
            (false, Some(true)) => "reads go to the source as soon as readers see the stage",
            (false, _) if any(FileState::is_in_place) => {
                "reads go to the source only where a file is in place"
            }
            (false, recorded) if recorded.is_none() || any(FileState::is_unknown) => {
                "NOBODY KNOWS WHETHER THE SWITCH IS THROWN: run `cutover rollback` again"
            }
            (false, _) => "THE SWITCH IS NOT THROWN",
        }
    }
}

impl Report for Outcome {
    fn text(&self) -> String {
        let mut lines: Vec<_> = self.files.iter().map(File::text).collect();
        let why = self.not_recorded_because.as_deref().unwrap_or_default();
        lines.push(match self.recorded {
            Some(true) => "recorded: stage off, latched until `cutover retry`".to_owned(),
            Some(false) => format!("not recorded: {why}"),
            None => format!("not known to be recorded: {why}"),
        });
        lines.push(self.meaning().to_owned());
        lines.join("\n")
    }
}
