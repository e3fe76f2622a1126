//! Intervals of keys that the engine finds by walking over its index: only their ends are handed
//! out.

use crate::error::Result;
use crate::key::Key;

/// Fewest keys of an interval that is found in two halves.
const ROWS_MIN: usize = 4;

/// An engine on one table.
pub(super) trait Walk {
    /// Columns of the table's key.
    fn key_columns(&self) -> usize;

    /// The key that comes after as many others in (`after`, `until`] as are to be passed over.
    async fn key_after(
        &self,
        bounds: (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>>;

    /// The last key in (`after`, `until`].
    async fn last_key(&self, bounds: (Option<&Key>, Option<&Key>)) -> Result<Option<Key>>;
}

/// See [`Store::interval`](super::Store::interval).
pub(super) async fn interval(
    engine: &impl Walk,
    (after, until): (Option<&Key>, Option<&Key>),
    entity_columns: usize,
    rows: usize,
) -> Result<Option<(Key, Key)>> {
    if rows < ROWS_MIN {
        return Ok(None);
    }
    let Some(first) = engine.key_after((after, until), 0).await? else { return Ok(None) };
    if entity_columns == engine.key_columns() {
        let last = engine.key_after((Some(&first), until), rows - 2).await?;
        return Ok(last.map(|last| (first, last)));
    }
    let half = rows / 2;
    let middle = engine.key_after((Some(&first), until), half - 1).await?;
    let Some(middle) = middle else { return Ok(None) };
    let last = engine.key_after((Some(&middle), until), rows - half - 2).await?;
    let Some(last) = last else { return Ok(None) };
    let entity = last.prefix(entity_columns)?;
    let whole = engine.last_key((Some(&middle), Some(&entity))).await?;
    Ok(Some((first, whole.unwrap_or(last))))
}
