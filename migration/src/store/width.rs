//! How large the records of a table have been of late.
//!
//! A server sends all the records that a scan asks for, whether or not they still fit, so a scan
//! asks for about as many as its bytes allow.

use super::ReadLimit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a record is taken for before the first was read, in bytes.
const ROW_BYTES_GUESS: usize = 1024;

/// Fewest records that a scan asks for, however large they have been so far.
const ROWS_MIN: usize = 64;

/// Encoded bytes of a record, as the last scan found them. Clones learn together: what was learned
/// outlives what is known of the table's columns, which is looked up again all the time.
#[derive(Debug, Clone)]
pub(super) struct Width(Arc<AtomicUsize>);

impl Default for Width {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(ROW_BYTES_GUESS)))
    }
}

impl Width {
    /// Records to ask for.
    pub(super) fn rows(&self, limit: ReadLimit) -> usize {
        let fit = limit.bytes_max / self.0.load(Ordering::Relaxed).max(1);
        fit.max(ROWS_MIN).min(limit.rows_max).max(1)
    }

    /// Remembers what a scan found.
    pub(super) fn learn(&self, rows: usize, bytes: usize) {
        if let Some(row_bytes) = bytes.checked_div(rows) {
            self.0.store(row_bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Width;
    use crate::store::ReadLimit;

    #[test]
    fn a_scan_asks_for_what_its_bytes_allow_once_it_knows_how_large_records_are() {
        let width = Width::default();
        let limit = ReadLimit { rows_max: 2_000, bytes_max: 1 << 20 };
        assert_eq!(width.rows(limit), 1_024);
        width.learn(1_000, 100_000);
        assert_eq!(width.rows(limit), 2_000);
        width.clone().learn(2, 2 << 20);
        assert_eq!(width.rows(limit), 64);
        width.learn(0, 0);
        assert_eq!(width.rows(ReadLimit { rows_max: 0, bytes_max: 0 }), 1);
    }
}
