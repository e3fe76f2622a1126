//! The plan is the one that the migration was begun with, as far as that may not change.

use super::{Finding, Subject};
use crate::checkpoint::plan_record;
use crate::error::Result;

const NAME: &str = "plan-unchanged";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    let store = match &subject.servers.checkpoint {
        Ok(store) => store.as_ref(),
        Err(_) => return None,
    };
    let recorded = match store {
        Some(store) => match plan_record::read(&**store).await {
            Ok(recorded) => recorded,
            Err(error) => return Some(Finding::error(NAME, &error)),
        },
        None => None,
    };
    Some(match recorded {
        Some(recorded) => match plan_record::compare(subject.plan, &recorded) {
            Ok(()) => Finding::ok(NAME, format!("digest {}", subject.plan.digest)),
            Err(error) => Finding::error(NAME, &error),
        },
        None => match forgotten(subject).await {
            Ok(Some(instance)) => Finding::warning(
                NAME,
                format!(
                    "{instance} was set up by this migration, but the checkpoint store does not \
                     know of it"
                ),
                "check [checkpoint] in the plan; if the store was lost, run `dual-write set-up`: \
                 positions lie in the target and stay, and it records this plan",
            ),
            Ok(None) => Finding::ok(NAME, "not begun: `dual-write set-up` records this plan"),
            Err(error) => Finding::error(NAME, &error),
        },
    })
}

/// An instance that was set up by a migration of this name.
async fn forgotten<'a>(subject: &'a Subject<'_>) -> Result<Option<&'a str>> {
    for target in subject.targets() {
        if target.is_set_up().await? {
            return Ok(Some(target.name()));
        }
    }
    Ok(None)
}
