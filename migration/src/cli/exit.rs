//! Exit codes: what a script may rely on.

use crate::error::ErrorKind;
use std::process::ExitCode;

/// How a command ended. A drained `SIGTERM` is [`Exit::Done`] for what runs until it is stopped,
/// and not for what was stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// 0: done, clean, ready.
    Done = 0,
    /// 1: failed. Also where what a position stands for is gone: messages that were trimmed,
    /// another topic, partitions that were added.
    Failed = 1,
    /// 2: the command line or the plan is wrong.
    Usage = 2,
    /// 3: differences found, gate not met, not ready, stopped with something left to copy.
    NotMet = 3,
    /// 4: too little evidence, records still moving, stopped before the verdict.
    Inconclusive = 4,
    /// 5: another process holds the lock, or fenced this one.
    Held = 5,
    /// 6: a wait ended at its bound.
    TimedOut = 6,
    /// 7: refused: needs `--yes`, or the checkpoint belongs to something else.
    Refused = 7,
}

impl Exit {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Plan => Self::Usage,
            ErrorKind::Refused => Self::Refused,
            ErrorKind::Fenced => Self::Held,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Unavailable
            | ErrorKind::Busy
            | ErrorKind::Full
            | ErrorKind::Unreadable
            | ErrorKind::Lost
            | ErrorKind::UnknownOutcome
            | ErrorKind::Failed => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, Exit};

    #[test]
    fn codes_are_what_scripts_were_promised() {
        let promised = [
            (ErrorKind::Failed, 1),
            (ErrorKind::Unreadable, 1),
            (ErrorKind::Lost, 1),
            (ErrorKind::UnknownOutcome, 1),
            (ErrorKind::Plan, 2),
            (ErrorKind::Fenced, 5),
            (ErrorKind::TimedOut, 6),
            (ErrorKind::Refused, 7),
        ];
        for (kind, code) in promised {
            assert_eq!(Exit::from(kind).code(), code, "{kind:?}");
        }
        assert_eq!((Exit::Done.code(), Exit::NotMet.code(), Exit::Inconclusive.code()), (0, 3, 4));
    }
}
