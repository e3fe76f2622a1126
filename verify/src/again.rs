//! Reads what did not agree once more, before the verdict.
//!
//! A difference found an hour ago may have been mended since: the copy has gone on, a dead letter
//! was replayed, somebody repaired. A verdict that names records which agree is as wrong as one that
//! misses some, so what counts is what stands at the end.

use crate::difference::{Difference, Located};
use crate::record::{Kept, Records, RunRecord};
use crate::run::{Parts, SUSPECTS_MAX, unless_late};
use crate::settle::settle;
use crate::suspect::Suspect;
use crate::tally::Tally;
use migration::error::Result;
use migration::fault;
use migration::shutdown::Shutdown;
use std::collections::{BTreeMap, HashMap};

/// Reads everything that a run has kept again, and keeps what it is now. Returns the counts of what
/// still does not agree; `None` if it was asked to stop. Done again, it does the rest.
pub(crate) async fn read_again(
    parts: &Parts,
    records: &Records,
    record: &RunRecord,
    stop: &Shutdown,
) -> Result<Option<Tally>> {
    let mut by_table: BTreeMap<(usize, usize), Vec<(Located, Kept)>> = BTreeMap::new();
    for kept in records.all_kept(&record.id).await? {
        let at = kept.difference.locate(&parts.layouts, &parts.targets)?;
        by_table.entry((at.layout, at.into)).or_default().push((at, kept));
    }
    let mut tally = Tally::default();
    for ((layout, into), found) in by_table {
        let pair = parts.pair(layout, into, record.scope);
        for found in found.chunks(SUSPECTS_MAX) {
            if stop.has_begun() {
                return Ok(None);
            }
            let suspects: Vec<Suspect> = found
                .iter()
                .map(|(at, _)| Suspect { instance: at.instance, key: at.key.clone() })
                .collect();
            let settling = settle(&pair, &parts.queue, &suspects, parts.patience());
            let Some(settled) = unless_late(stop, settling).await.transpose()? else {
                return Ok(None);
            };
            let still: HashMap<(&str, &str), &Difference> = settled
                .differences
                .iter()
                .map(|now| ((now.instance.as_str(), now.range_key.as_str()), now))
                .collect();
            for (_, kept) in found {
                let was = &kept.difference;
                let now = still.get(&(was.instance.as_str(), was.range_key.as_str())).copied();
                if let Some(now) = now {
                    tally.add(now.kind);
                }
                records.replace(kept, now).await?;
            }
            fault::point("verify.read-again");
        }
    }
    Ok(Some(tally))
}
