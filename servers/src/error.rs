//! What can go wrong, with the end of the server's log where there is one.

use std::fmt;
use std::io;

/// The result of installing, starting or stopping a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be installed, started, reached or stopped.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Programs are missing and cannot be installed from here.
    #[error("{what} is not installed\nhint: {hint}")]
    Missing {
        /// The programs or files that were looked for.
        what: String,
        /// The command that installs them.
        hint: String,
    },
    /// Another program listens on the port.
    #[error("port {port} of 127.0.0.1 is taken{log}")]
    PortTaken {
        /// The port that was wanted.
        port: u16,
        /// What the server said about it.
        log: LogTail,
    },
    /// A server did not start, or did not get ready in time.
    #[error("{server} {what}{log}")]
    Server {
        /// The server's kind.
        server: String,
        /// What happened to it.
        what: String,
        /// The end of its log.
        log: LogTail,
    },
    /// A program that was run to its end failed or took too long.
    #[error("{program}: {what}")]
    Tool {
        /// The program.
        program: String,
        /// How it ended, and the end of what it printed.
        what: String,
    },
    /// The command line or the environment asks for something that does not exist.
    #[error("{0}")]
    Request(String),
    /// The operating system refused a file or a process.
    #[error("{operation}: {cause}")]
    System {
        /// What was attempted.
        operation: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// The end of a server's log, or nothing.
#[derive(Default, Clone)]
pub struct LogTail(pub(crate) String);

impl fmt::Display for LogTail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(formatter, "\nits log ends:")?;
        self.0.lines().try_for_each(|line| write!(formatter, "\n  | {line}"))
    }
}

/// Tests unwrap: what they print must be the message, not a structure.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Names the operation that an [`io::Error`] belongs to.
pub(crate) trait During<T> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> During<T> for std::result::Result<T, E> {
    fn during(self, operation: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::System { operation: operation(), cause: cause.into() })
    }
}
