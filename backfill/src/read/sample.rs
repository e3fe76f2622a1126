//! What a sampled copy reads: whole entities, chosen by hash.

use migration::batch::Batch;
use migration::error::Result;
use migration::key::Key;
use migration::layout::Layout;
use migration::sample::Sample;
use std::sync::Arc;

/// Most keys looked at in one read, however small the sample is.
const KEYS_MAX: usize = 20_000;

/// How many keys to look at, to find about `rows_max` of the sample.
pub(super) fn keys_max(sample: Sample, rows_max: usize) -> usize {
    // In steps of 2^32, so that nothing overflows; a sample of less than that is as good as none.
    let steps = usize::try_from(sample.below >> 32).unwrap_or(usize::MAX).max(1);
    let whole = usize::try_from(1_u64 << 32).unwrap_or(usize::MAX);
    rows_max.saturating_mul(whole / steps).clamp(rows_max, rows_max.max(KEYS_MAX))
}

/// Those of the first `count` keys whose entity is in the sample.
pub(super) fn chosen(
    sample: Sample,
    layout: &Layout,
    keys: &Batch,
    count: usize,
) -> Result<Vec<Key>> {
    let mut chosen = Vec::new();
    let mut last: Option<(Key, bool)> = None;
    for row in keys.rows().take(count) {
        let key = row.key()?;
        let entity = layout.entity(&key)?;
        let is_in = match &last {
            Some((known, is_in)) if *known == entity => *is_in,
            _ => sample.contains(&entity),
        };
        last = Some((entity, is_in));
        if is_in {
            chosen.push(key);
        }
    }
    Ok(chosen)
}

/// The records in key order, as a scan gives them.
pub(super) fn in_order(rows: Batch) -> Result<Batch> {
    let mut places = Vec::with_capacity(rows.len());
    for (place, row) in rows.rows().enumerate() {
        places.push((row.key()?, place));
    }
    if places.is_sorted() {
        return Ok(rows);
    }
    places.sort_unstable();
    let mut sorted = Batch::new(Arc::clone(rows.schema()));
    for (_, place) in places {
        sorted.push_row(rows.row(place));
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::{KEYS_MAX, keys_max};
    use migration::sample::Sample;

    #[test]
    fn a_smaller_sample_looks_at_more_keys_within_bounds() {
        let keys = |share| keys_max(Sample::new(1, share).unwrap(), 1_000);
        assert_eq!(keys(1.0), 1_000);
        assert!((1_900..=2_100).contains(&keys(0.5)), "{}", keys(0.5));
        assert_eq!(keys(1e-6), KEYS_MAX);
        assert_eq!(keys_max(Sample::new(1, 0.5).unwrap(), KEYS_MAX * 2), KEYS_MAX * 2);
    }
}
