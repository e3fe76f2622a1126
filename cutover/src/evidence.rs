//! Gathers what the gates look at.

use crate::reader::{Counts, mirror_prefix};
use migration::checkpoint::CheckpointStore;
use migration::error::{Error, ErrorKind, Result};

/// Entries per read of a list.
const PAGE: usize = 500;

/// Most readers whose counts are added up. More than this many starts of a service within one stage
/// means that it crashes all day, and is no evidence.
const READERS_MAX: usize = 100_000;

/// Counts of mirrored reads of one stage generation, over all readers.
///
/// # Errors
/// Those of the checkpoint store; `Unreadable` if an entry is damaged.
pub async fn mirrored(checkpoint: &dyn CheckpointStore, generation: u32) -> Result<Counts> {
    let prefix = mirror_prefix(generation);
    let mut sum = Counts::default();
    let mut after: Option<String> = None;
    for _ in 0..READERS_MAX / PAGE {
        let page = checkpoint.list(&prefix, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(sum) };
        after = Some(last.clone());
        for (key, entry) in &page {
            let counts: Counts = serde_json::from_slice(&entry.value).map_err(|error| {
                Error::new(ErrorKind::Unreadable, "read mirror counts")
                    .with("key", key)
                    .because(error)
            })?;
            sum.add(&counts);
        }
    }
    Err(Error::new(ErrorKind::Refused, "add up mirror counts")
        .with("most readers", READERS_MAX)
        .hint("the service was started this often within one stage: look at why"))
}
