//! Splits a table into ranges, the same for every process and on every instance.

use futures::future::try_join_all;
use migration::checkpoint::CheckpointStore;
use migration::claim::{RangeView, survey_ranges};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::key::Key;
use migration::layout::Layout;
use migration::protocol::Progress;
use migration::store::{Store, Target};
use std::sync::Arc;

/// Splits the table into about `count` ranges unless that was done before, and completes on every
/// instance what a crash left half done. Returns the ranges.
///
/// # Errors
/// `Refused` if the target is not set up; those of source, target and checkpoint store.
pub async fn split_table(
    source: &dyn Store,
    targets: &[Arc<dyn Target>],
    checkpoint: &dyn CheckpointStore,
    layout: &Layout,
    count: usize,
) -> Result<Vec<RangeView>> {
    let table = layout.source().table.as_str();
    let views = survey_ranges(targets, table).await?;
    let untouched =
        matches!(views.as_slice(), [one] if !one.done && one.progress == Progress::Start);
    let points = agreed_points(source, checkpoint, layout, untouched.then_some(count)).await?;
    let is_there = |key: &Key| {
        views.iter().any(|view| view.split_everywhere && view.until.as_ref() == Some(key))
    };
    let half = views.iter().filter(|view| !view.split_everywhere);
    let half = half.flat_map(|view| view.after.iter().chain(&view.until)).cloned();
    let mut bounds: Vec<Key> = points.into_iter().chain(half).filter(|k| !is_there(k)).collect();
    bounds.sort_unstable();
    bounds.dedup();
    if bounds.is_empty() {
        return Ok(views);
    }
    for key in &bounds {
        try_join_all(targets.iter().map(|target| target.split_range(table, key))).await?;
        fault::point("backfill.split");
    }
    survey_ranges(targets, table).await
}

/// Where to split: as the first process that asked has found it, for the source moves meanwhile and
/// two processes would split in different places. `count`: into how many, if nobody has asked yet.
async fn agreed_points(
    source: &dyn Store,
    checkpoint: &dyn CheckpointStore,
    layout: &Layout,
    count: Option<usize>,
) -> Result<Vec<Key>> {
    let name = format!("split/{}", layout.source().table);
    let mut entry = checkpoint.get(&name).await?;
    if let (None, Some(count)) = (&entry, count.filter(|&count| count > 1)) {
        let points = source.split_points(layout.source(), count).await?;
        // Whoever was first has put an answer as good as this one.
        checkpoint.put(&name, &encode(&points), None).await?;
        entry = checkpoint.get(&name).await?;
    }
    let Some(entry) = entry else {
        return Ok(Vec::new());
    };
    decode(&entry.value).ok_or_else(|| {
        Error::new(ErrorKind::Unreadable, "read split points from the checkpoint store")
            .with("key", &name)
            .hint("restore the checkpoint store from a copy; the target holds what decides")
    })
}

/// Each key after its length.
fn encode(keys: &[Key]) -> Vec<u8> {
    let mut out = Vec::new();
    for key in keys {
        let length = u32::try_from(key.as_bytes().len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(key.as_bytes());
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (key, rest) = rest.split_at_checked(length)?;
        keys.push(Key::from_bytes(key.to_vec()));
        bytes = rest;
    }
    bytes.is_empty().then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use migration::key::Key;
    use migration::value::Value;

    #[test]
    fn split_points_survive_being_written_and_read() {
        let keys: Vec<Key> = ["", "a", "b\0c"]
            .iter()
            .map(|text| Key::new([Value::Text(text), Value::Int(-7)]).unwrap())
            .collect();
        assert_eq!(decode(&encode(&keys)), Some(keys));
    }

    #[test]
    fn damaged_split_points_are_not_taken_for_none() {
        let keys = [Key::new([Value::Int(1)]).unwrap()];
        let bytes = encode(&keys);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&bytes[..2]), None);
    }
}
