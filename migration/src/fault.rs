//! Named crash points, for the fault tests.
//!
//! A point marks an instant at which a process may die, freeze or see a failure: between the lines
//! where that matters. Without the cargo feature `faults` it compiles to nothing. With it, the
//! environment variable `MIDFLIGHT_FAULT` of the process says what happens where:
//!
//! | value | effect |
//! |---|---|
//! | `count:FILE` | appends the name of each hit to FILE, one a line |
//! | `abort@N` | dies as by `kill -9` at the N-th hit of any point |
//! | `abort:NAME@N` | dies at the N-th hit of NAME |
//! | `stop:NAME@N` | freezes (`SIGSTOP`) at the N-th hit of NAME, until somebody sends `SIGCONT` |
//! | `error:NAME@N` | [`fallible`] of NAME fails at the N-th hit |
//!
//! A test counts first, then runs once per hit. Hits are counted from 1, in each process anew.

#[cfg(feature = "faults")]
mod injected;

#[cfg(feature = "faults")]
pub use injected::{fallible, point};

/// An instant at which a test may kill or freeze the process. Does nothing in this build.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn point(_name: &'static str) {}

/// An instant at which a test may kill or freeze the process, or have the caller fail. Does nothing
/// in this build.
///
/// # Errors
/// None in this build; with the feature `faults`, the failure that the test asked for.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn fallible(_name: &'static str) -> crate::error::Result<()> {
    Ok(())
}
