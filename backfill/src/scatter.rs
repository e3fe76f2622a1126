//! Spreads a batch of source records over target tables and instances.

use migration::batch::Batch;
use migration::error::Result;
use migration::layout::Layout;
use migration::store::CopyWrites;
use std::sync::Arc;

/// The records that each of `instances` gets, by target table.
///
/// # Errors
/// `Unreadable` for a record that has no exact counterpart in the target.
pub(crate) fn scatter(
    layout: &Layout,
    rows: &Batch,
    instances: usize,
) -> Result<Vec<Vec<CopyWrites>>> {
    let mut parts: Vec<Vec<CopyWrites>> = (0..instances).map(|_| Vec::new()).collect();
    for target in layout.targets() {
        let projected = target.project(rows)?;
        if let [only] = parts.as_mut_slice() {
            only.push(CopyWrites { target: Arc::clone(target), records: projected });
            continue;
        }
        let mut spread: Vec<Batch> =
            (0..instances).map(|_| Batch::new(Arc::clone(target.schema()))).collect();
        for row in projected.rows() {
            spread[target.instance_of(&row)?].push_row(row);
        }
        for (part, records) in parts.iter_mut().zip(spread) {
            if !records.is_empty() {
                part.push(CopyWrites { target: Arc::clone(target), records });
            }
        }
    }
    Ok(parts)
}
