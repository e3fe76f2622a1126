//! Reads what did not agree once more, before the verdict.
//!
//! A difference found an hour ago may have been mended since: the copy has gone on, a dead letter
//! was replayed, somebody repaired, or the queue got it late. A verdict that names records which
//! agree is as wrong as one that misses some, so what counts is what stands at the end.

use crate::difference::{Difference, Located};
use crate::pass::Pair;
use crate::record::{Kept, Records, RunRecord};
use crate::run::{Parts, SUSPECTS_MAX, unless_late};
use crate::settle::settle;
use crate::suspect::Suspect;
use crate::tally::Tally;
use futures::stream::{self, StreamExt};
use migration::error::Result;
use migration::fault;
use migration::shutdown::Shutdown;
use std::collections::{BTreeMap, HashMap};
use tracing::info;

/// Sets of records that are read again at the same time: they wait for the queue together, and the
/// verdict comes one wait late for all of them.
const AT_ONCE: usize = 8;

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
    let count: usize = by_table.values().map(Vec::len).sum();
    let stands = parts.patience_to_judge().stands;
    if count > 0 && !stands.is_zero() {
        info!("{count} differences are read again: they count if they stand still for {stands:?}");
    }
    let sets = by_table.iter().flat_map(|(&(layout, into), found)| {
        let pair = parts.pair(layout, into, record.scope);
        found.chunks(SUSPECTS_MAX).map(move |set| (pair.clone(), set))
    });
    let mut judged = stream::iter(sets)
        .map(|(pair, set)| Box::pin(read_set(parts, records, pair, set, stop)))
        .buffer_unordered(AT_ONCE);
    let mut tally = Tally::default();
    while let Some(still) = judged.next().await {
        let Some(still) = still? else { return Ok(None) };
        still.iter().for_each(|now| tally.add(now.kind));
    }
    Ok(Some(tally))
}

/// Reads one set of a table's records, and keeps and returns what does not agree. `None` if it was
/// asked to stop.
async fn read_set(
    parts: &Parts,
    records: &Records,
    pair: Pair,
    found: &[(Located, Kept)],
    stop: &Shutdown,
) -> Result<Option<Vec<Difference>>> {
    if stop.has_begun() {
        return Ok(None);
    }
    let suspects: Vec<Suspect> = found
        .iter()
        .map(|(at, _)| Suspect { instance: at.instance, key: at.key.clone() })
        .collect();
    let settling = settle(&pair, &parts.queue, &suspects, parts.patience_to_judge());
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
        records.replace(kept, now).await?;
    }
    fault::point("verify.read-again");
    Ok(Some(settled.differences))
}
