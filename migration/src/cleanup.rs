//! Clean-ups: what a phase, or the whole migration, keeps beside the data is listed, and removed on
//! request.
//!
//! Each of the four binaries says what there is, what still needs it, and how it goes; asking,
//! refusing and reporting are the same.

mod at_rest;
mod kept;

pub use at_rest::check_at_rest;
pub use kept::{Item, in_keys, in_logs, in_queue, in_targets, keys_of, remove_keys};

use crate::cli::{Exit, SharedArgs, confirm, confirm_name, print};
use crate::error::Result;
use crate::shutdown::Shutdown;
use async_trait::async_trait;
use kept::Kept;
use std::io::IsTerminal as _;

/// Something that a clean-up removes.
///
/// Call order: `list` → `check_unneeded` → `remove`. A `remove` that was killed is run again, so it
/// ends with what says that there is something to remove.
#[async_trait]
pub trait Remains: Send + Sync {
    /// What there is now.
    async fn list(&self) -> Result<Vec<Item>>;

    /// Refuses while somebody still needs some of it.
    async fn check_unneeded(&self) -> Result<()>;

    /// Removes it, on the record.
    async fn remove(&self) -> Result<()>;
}

/// How an operator says that he means it.
#[derive(Debug, Clone, Copy)]
pub enum Consent<'a> {
    /// With `--yes`.
    Yes,
    /// By the migration's name: there is no way back.
    Name {
        /// The name.
        migration: &'a str,
        /// What followed `--confirm`, if it was given.
        typed: Option<&'a str>,
    },
}

impl Consent<'_> {
    fn is_given(&self, args: &SharedArgs) -> bool {
        match self {
            Self::Yes => args.yes,
            Self::Name { typed, .. } => typed.is_some(),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Yes => "--yes".to_owned(),
            Self::Name { migration, .. } => format!("--confirm {migration}"),
        }
    }

    async fn ask(&self, args: &SharedArgs, shutdown: &Shutdown) -> Result<()> {
        const ACTION: &str = "remove all of this";
        match self {
            Self::Yes => confirm(args, shutdown, ACTION).await,
            Self::Name { migration, typed } => {
                confirm_name(args, shutdown, ACTION, ("--confirm", *typed), migration).await
            }
        }
    }
}

/// Runs `cleanup` of `program`: lists, and removes what is listed where the operator says so.
/// `note`: what he should know of it.
///
/// # Errors
/// Those of `remains`; `Refused` if the answer was no.
pub async fn run(
    remains: &dyn Remains,
    consent: Consent<'_>,
    (program, note): (&str, &str),
    (args, shutdown): (&SharedArgs, &Shutdown),
) -> Result<Exit> {
    let mut kept = Kept {
        removed: false,
        items: remains.list().await?,
        note: note.to_owned(),
        how: format!("{program} cleanup {}", consent.words()),
    };
    let asks = std::io::stdin().is_terminal() && !args.no_input;
    if !consent.is_given(args) && !asks {
        print(args, &kept)?;
        return Ok(Exit::Done);
    }
    remains.check_unneeded().await?;
    if !consent.is_given(args) {
        print(args, &kept)?;
    }
    consent.ask(args, shutdown).await?;
    remains.remove().await?;
    kept.removed = true;
    print(args, &kept)?;
    Ok(Exit::Done)
}
