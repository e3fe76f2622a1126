//! One error type that answers three questions: what failed, may it be retried, with what.

use std::error::Error as StdError;
use std::fmt;

/// The result of anything that can fail in an operation on a store, a queue or the plan.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an operator or a caller can do about an [`Error`]; nothing finer is ever needed to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The plan or the command line is wrong; nothing was touched.
    Plan,
    /// A precondition does not hold, or the operator has to say yes first; nothing was touched.
    Refused,
    /// Another owner holds the lock, the lease or the fence.
    Fenced,
    /// The other side cannot be reached or is restarting. Retrying may help.
    Unavailable,
    /// The other side is busy: locked, throttled, deadlocked. Retrying may help.
    Busy,
    /// A wait ended at its bound.
    TimedOut,
    /// No space, or a quota is used up.
    Full,
    /// A value, message or stored state cannot be read as what it must be.
    Unreadable,
    /// The history is not where it was left: a queue was trimmed, a store was reset or restored.
    Lost,
    /// It is not known whether the operation took place. Never retried blindly.
    UnknownOutcome,
    /// Everything else; a cause is attached.
    Failed,
}

impl ErrorKind {
    /// Whether the same call may be made again without anybody's help.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy)
    }

    /// Whether whoever only looks may look again later, and whoever begins anew from where the
    /// target says it is may do so: as [`ErrorKind::is_retryable`], and where a call ended at its
    /// bound.
    #[must_use]
    pub fn may_pass(self) -> bool {
        self.is_retryable() || self == Self::TimedOut
    }
}

/// A failure: the operation, its context, what to do next, and the cause.
///
/// Context holds tables, keys, partitions and offsets; never a secret and never a whole record.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of `operation`, a phrase such as `"write batch to target"`.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            context: Vec::new(),
            hint: None,
            cause: None,
        }))
    }

    /// Adds where it happened. What was said already is not said again.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let pair = (name, value.to_string());
        if !self.0.context.contains(&pair) {
            self.0.context.push(pair);
        }
        self
    }

    /// Adds what to do next: a command where there is one. The first hint given wins, because the
    /// innermost caller knows best.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Replaces what to do next, for a caller who knows more of this very failure than the callee.
    #[must_use]
    pub fn hint_instead(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same failure, judged anew by a caller who knows more.
    #[must_use]
    pub fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do next, if anybody knows.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.operation)?;
        for (i, (name, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{name} {value}", if i == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, Chain(self))?;
        if let Some(hint) = &self.0.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_ref().map(|cause| &**cause as &(dyn StdError + 'static))
    }
}

/// Displays an error with its causes on one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
