//! The plan that a migration was begun with: what may not change under way does not.

use super::CheckpointStore;
use super::audit;
use super::document::{self, Document};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

const KEY: &str = "plan";

/// Changes that an error spells out; the rest is counted.
const CHANGES_NAMED: usize = 5;

/// What is kept of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The digest of `fixed`.
    pub digest: String,
    /// What may not change, as [`Plan::fixed_json`] gives it.
    pub fixed: String,
    /// Who began the migration.
    pub who: String,
    /// When.
    pub when: Timestamp,
}

impl Document for PlanRecord {
    const NAME: &'static str = "recorded plan";
    const FORMAT: u32 = 1;
}

/// Binds a migration to its plan: the first caller's plan is recorded, every later caller must have
/// the same. For what begins a migration, right before the first thing that it leaves behind and
/// after everything that may refuse it: a plan that never fitted can still be put right.
///
/// # Errors
/// `Refused` if something changed that may not: names it and the way out. Those of the store.
pub async fn bind(store: &dyn CheckpointStore, plan: &Plan, who: &str) -> Result<()> {
    if let Some(recorded) = read(store).await? {
        return compare(plan, &recorded);
    }
    let record = PlanRecord {
        digest: plan.digest.clone(),
        fixed: plan.fixed_json(),
        who: who.to_owned(),
        when: Timestamp::now(),
    };
    if document::put(store, KEY, &record, None).await?.is_some() {
        let what = format!("migration {} begins with plan {}", plan.id, plan.digest);
        return audit::record(store, who, what, None).await.map(drop);
    }
    // Another process was quicker; it may have another plan.
    match read(store).await? {
        Some(recorded) => compare(plan, &recorded),
        None => Err(Error::new(ErrorKind::Busy, "record plan").hint("run the command again")),
    }
}

/// The recorded plan; `None` before the migration has begun.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn read(store: &dyn CheckpointStore) -> Result<Option<PlanRecord>> {
    Ok(document::read(store, KEY).await?.map(|(record, _)| record))
}

/// Compares a plan with the recorded one, for what goes on with a migration.
///
/// # Errors
/// `Refused` if it has not begun, and as [`bind`].
pub async fn check(store: &dyn CheckpointStore, plan: &Plan) -> Result<()> {
    match read(store).await? {
        Some(recorded) => compare(plan, &recorded),
        None => Err(Error::new(ErrorKind::Refused, "use this plan: the migration has not begun")
            .with("migration", &plan.id)
            .hint("`dual-write set-up` begins it")),
    }
}

/// Compares a plan with the recorded one, for commands that may come before the beginning.
///
/// # Errors
/// As [`bind`].
pub fn compare(plan: &Plan, recorded: &PlanRecord) -> Result<()> {
    if plan.digest == recorded.digest {
        return Ok(());
    }
    let changes = plan.changed_since(&recorded.fixed)?;
    let mut error =
        Error::new(ErrorKind::Refused, "use this plan: the migration was begun with another one")
            .with("begun by", &recorded.who)
            .with("on", recorded.when.to_rfc3339());
    for change in changes.iter().take(CHANGES_NAMED) {
        error = error.with("change:", change);
    }
    if changes.len() > CHANGES_NAMED {
        error = error.with("further changes", changes.len() - CHANGES_NAMED);
    }
    Err(error.hint(
        "put these fields back; or give up what was done so far: with the plan as it was, stop every \
         phase and run `cutover cleanup`; then begin anew with this one",
    ))
}

#[cfg(test)]
mod tests {
    use super::{bind, read};
    use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint, audit};
    use crate::error::ErrorKind;
    use crate::plan::Plan;

    fn plan(change: impl Fn(String) -> String) -> Plan {
        let text = include_str!("../../tests/plan/good.toml").to_owned();
        Plan::parse(&change(text), std::path::Path::new("/srv")).unwrap()
    }

    #[tokio::test]
    async fn the_first_plan_is_recorded_once_and_the_same_one_goes_on() {
        let store = MemoryCheckpoint::new("m");
        let plan = plan(|text| text);
        for _ in 0..2 {
            bind(&store, &plan, "alice@db1").await.unwrap();
        }
        assert_eq!(read(&store).await.unwrap().unwrap().digest, plan.digest);
        assert_eq!(audit::end(&store).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_plan_that_moves_the_data_elsewhere_is_refused_and_names_the_field() {
        let store = MemoryCheckpoint::new("m");
        bind(&store, &plan(|text| text), "alice@db1").await.unwrap();
        let changed = plan(|text| text.replace("flag = \"", "flag = \"other-"));
        let error = bind(&store, &changed, "bob@db2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("cutover.flag"), "{error}");
        assert!(error.to_string().contains("alice@db1"), "{error}");
        assert!(error.next_step().unwrap().contains("cleanup"));
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_not_replaced() {
        let store = MemoryCheckpoint::new("m");
        store.put("plan", b"garbage", None).await.unwrap();
        let error = bind(&store, &plan(|text| text), "alice").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
    }
}
