//! Desired state: what the operator wants a phase to do, set from any terminal and followed by
//! whoever runs the phase.

mod rate;
mod watch;

pub use rate::{Rate, UNLIMITED, rate_as_planned};
pub use watch::DesiredWatch;

use super::CheckpointStore;
use super::audit;
use super::document::{self, Document};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::phase::Phase;
use crate::plan::BackfillPlan;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;

/// What somebody set, with who, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Who set it.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// Why, in his words.
    pub why: Option<String>,
}

/// What the operator wants of a phase. What nobody set is as the plan says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Desired {
    /// Whether to stand still.
    pub paused: Option<Setting<bool>>,
    /// Whether to stop for good.
    pub aborted: Option<Setting<bool>>,
    /// How fast to go.
    pub rate: Option<Setting<Rate>>,
    /// Most records in a batch.
    pub batch_rows: Option<Setting<NonZeroU32>>,
    /// Workers in a process.
    pub workers: Option<Setting<NonZeroU32>>,
}

impl Document for Desired {
    const NAME: &'static str = "desired state";
    const FORMAT: u32 = 1;
}

impl Desired {
    /// Whether to stand still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused.as_ref().is_some_and(|setting| setting.value)
    }

    /// Whether to stop for good.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.aborted.as_ref().is_some_and(|setting| setting.value)
    }

    /// The rate, if somebody set one.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.rate.as_ref().map(|setting| setting.value)
    }

    /// Who paused the phase and why, for people; `None` if it is not paused.
    #[must_use]
    pub fn pause_reason(&self) -> Option<String> {
        let setting = self.paused.as_ref().filter(|setting| setting.value)?;
        Some(match &setting.why {
            Some(why) => format!("paused by {}: {why}", setting.who),
            None => format!("paused by {}", setting.who),
        })
    }

    fn apply(&mut self, change: Change, by: impl Fn() -> Setting<()>) {
        fn set<T>(value: T, by: Setting<()>) -> Option<Setting<T>> {
            Some(Setting { value, who: by.who, when: by.when, why: by.why })
        }
        match change {
            Change::Pause => self.paused = set(true, by()),
            Change::Resume => self.paused = set(false, by()),
            Change::Abort => self.aborted = set(true, by()),
            Change::Restart => self.aborted = set(false, by()),
            Change::Rate(rate) => self.rate = set(rate, by()),
            Change::BatchRows(rows) => self.batch_rows = set(rows, by()),
            Change::Workers(workers) => self.workers = set(workers, by()),
        }
    }
}

/// A figure that an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunable {
    /// Records or changes a second.
    Rate,
    /// Most records in a batch.
    BatchRows,
    /// Workers in a process.
    Workers,
}

impl Tunable {
    /// Its name, as operators write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::BatchRows => "batch-rows",
            Self::Workers => "workers",
        }
    }

    /// How it is set.
    const fn examples(self) -> &'static str {
        match self {
            Self::Rate => "rate=2000, rate=unlimited",
            Self::BatchRows => "batch-rows=500",
            Self::Workers => "workers=4",
        }
    }
}

/// What an operator can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Stand still.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Stop for good.
    Abort,
    /// Take an abort back.
    Restart,
    /// Go this fast.
    Rate(Rate),
    /// Batches of at most so many records.
    BatchRows(NonZeroU32),
    /// So many workers in a process.
    Workers(NonZeroU32),
}

impl Change {
    /// Reads a setting of a phase, such as `rate=2000` or `rate=unlimited`.
    ///
    /// # Errors
    /// `Plan`, with the settings that the phase has.
    pub fn parse(phase: &Phase, text: &str) -> Result<Self> {
        let wrong = || {
            let known: Vec<_> = phase.tunables.iter().map(|(known, _)| known.examples()).collect();
            let hint = format!("settings of {} are {}", phase.name, known.join(", "));
            Error::new(ErrorKind::Plan, format!("read setting `{text}`")).hint(hint)
        };
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (name, value) = (name.trim(), value.trim());
        let (tunable, _) =
            phase.tunables.iter().find(|(known, _)| known.name() == name).ok_or_else(wrong)?;
        let number = || value.parse::<NonZeroU32>().map_err(|error| wrong().because(error));
        Ok(match tunable {
            Tunable::Rate if value == UNLIMITED => Self::Rate(Rate::Unlimited),
            Tunable::Rate => Self::Rate(Rate::PerSecond(number()?)),
            Tunable::BatchRows => Self::BatchRows(number()?),
            Tunable::Workers => {
                let workers = number()?;
                let most = BackfillPlan::WORKERS_MAX;
                if workers.get() > u32::from(most) {
                    return Err(wrong().with("most workers", most));
                }
                Self::Workers(workers)
            }
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Abort => f.write_str("abort"),
            Self::Restart => f.write_str("restart"),
            Self::Rate(rate) => write!(f, "rate {rate}"),
            Self::BatchRows(rows) => write!(f, "batches of {rows} records"),
            Self::Workers(workers) => write!(f, "{workers} workers"),
        }
    }
}

/// What the operator wants of a phase, or of a part of it such as `dual-write/p0`.
///
/// # Errors
/// Those of the store.
pub async fn read(store: &dyn CheckpointStore, phase: &str) -> Result<Desired> {
    Ok(document::read(store, &key(phase)).await?.map(|(desired, _)| desired).unwrap_or_default())
}

/// Goes on unless an operator aborted the phase: to be asked when a run starts.
///
/// # Errors
/// `Refused` if it is aborted; says by whom, why and how to go on. Those of the store.
pub async fn check_not_aborted(store: &dyn CheckpointStore, phase: &str) -> Result<()> {
    let desired = read(store, phase).await?;
    let Some(setting) = desired.aborted.filter(|setting| setting.value) else { return Ok(()) };
    Err(Error::new(ErrorKind::Refused, format!("start {phase}: it was aborted"))
        .with("by", setting.who)
        .with("on", setting.when.to_rfc3339())
        .with("because", setting.why.unwrap_or_else(|| "no reason given".to_owned()))
        .hint(format!("`{phase} resume` takes the abort back")))
}

/// Changes what is wanted of a phase, on the record: the audit log says so first, because a change
/// that nobody can explain is worse than a line about one that did not take place.
///
/// # Errors
/// Those of the store.
pub async fn change(
    store: &dyn CheckpointStore,
    phase: &str,
    change: Change,
    who: &str,
    why: Option<&str>,
) -> Result<Desired> {
    audit::record(store, who, format!("{phase}: {change}"), why).await?;
    let when = Timestamp::now();
    let by = || Setting { value: (), who: who.to_owned(), when, why: why.map(str::to_owned) };
    document::update(store, &key(phase), |desired: &mut Desired| {
        desired.apply(change, by);
        Ok(())
    })
    .await
}

fn key(phase: &str) -> String {
    format!("desired/{phase}")
}

#[cfg(test)]
mod tests {
    use super::{Change, Desired, Rate, change, check_not_aborted, read};
    use crate::checkpoint::{MemoryCheckpoint, audit};
    use crate::error::ErrorKind;
    use crate::phase::{BACKFILL, DUAL_WRITE, VERIFY};
    use std::num::NonZeroU32;

    #[tokio::test]
    async fn a_change_is_seen_by_everybody_and_says_who_asked_for_it_and_why() {
        let store = MemoryCheckpoint::new("m");
        assert_eq!(read(&store, "backfill").await.unwrap(), Desired::default());
        change(&store, "backfill", Change::Pause, "alice@db1", Some("lunch")).await.unwrap();
        let desired = read(&store, "backfill").await.unwrap();
        assert_eq!(desired.pause_reason().as_deref(), Some("paused by alice@db1: lunch"));
        assert!(!read(&store, "verify").await.unwrap().is_paused());
        let lines = audit::read(&store, 0, 9).await.unwrap();
        assert_eq!(lines[0].action.what, "backfill: pause");
        assert_eq!(lines[0].action.why.as_deref(), Some("lunch"));
    }

    #[tokio::test]
    async fn one_setting_leaves_the_others_alone() {
        let store = MemoryCheckpoint::new("m");
        for asked in ["rate=2000", "batch-rows=500", "workers=3"] {
            change(&store, "b", Change::parse(&BACKFILL, asked).unwrap(), "alice", None)
                .await
                .unwrap();
        }
        let desired = change(&store, "b", Change::Pause, "bob", None).await.unwrap();
        assert_eq!(desired.rate(), Some(Rate::PerSecond(NonZeroU32::new(2000).unwrap())));
        assert_eq!(desired.batch_rows.map(|setting| setting.value.get()), Some(500));
        assert_eq!(desired.workers.map(|setting| setting.value.get()), Some(3));
        let desired = change(&store, "b", Change::Resume, "bob", None).await.unwrap();
        assert!(!desired.is_paused() && desired.pause_reason().is_none());
    }

    #[tokio::test]
    async fn an_abort_lasts_until_it_is_taken_back() {
        let store = MemoryCheckpoint::new("m");
        check_not_aborted(&store, "backfill").await.unwrap();
        change(&store, "backfill", Change::Abort, "alice@db1", Some("wrong plan")).await.unwrap();
        let error = check_not_aborted(&store, "backfill").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("wrong plan"), "{error}");
        assert!(error.next_step().unwrap().contains("backfill resume"));
        change(&store, "backfill", Change::Restart, "bob@db2", None).await.unwrap();
        check_not_aborted(&store, "backfill").await.unwrap();
    }

    #[test]
    fn a_setting_that_there_is_not_is_refused_with_those_that_there_are() {
        for wrong in [
            "rate",
            "rate=0",
            "rate=-1",
            "rate=fast",
            "colour=red",
            "=1",
            "workers=0",
            "workers=65",
        ] {
            let error = Change::parse(&BACKFILL, wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Plan, "{wrong}");
            assert!(error.next_step().unwrap().contains("batch-rows=500"));
        }
        assert_eq!(
            Change::parse(&BACKFILL, " rate = unlimited ").unwrap(),
            Change::Rate(Rate::Unlimited)
        );
    }

    #[test]
    fn a_setting_that_would_have_no_effect_in_a_phase_is_refused_there() {
        for setting in ["batch-rows=500", "workers=4"] {
            let error = Change::parse(&VERIFY, setting).unwrap_err();
            let hint = error.next_step().unwrap();
            assert!(hint.contains("rate=2000") && !hint.contains("workers"), "{hint}");
        }
        assert!(Change::parse(&VERIFY, "rate=5").is_ok());
        assert!(Change::parse(&DUAL_WRITE, "rate=5").is_err());
    }

    #[test]
    fn what_an_earlier_version_wrote_has_the_defaults_of_this_one() {
        let desired: Desired = serde_json::from_str("{}").unwrap();
        assert_eq!(desired, Desired::default());
    }
}
