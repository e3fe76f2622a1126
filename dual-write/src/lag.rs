//! How far the live path is behind: now, and at most since the set-up.
//!
//! What readers of the target may see is bounded by the second figure, so it must not be forgotten
//! when a process dies: it is kept in the checkpoint store and only grows.

use crate::counters::Counters;
use crate::silence::Silence;
use migration::checkpoint::CheckpointStore;
use migration::checkpoint::document::{self, Document};
use migration::claim::partitions;
use migration::clock::Timestamp;
use migration::error::{Chain, Result};
use migration::position::Position;
use migration::progress::Progress;
use migration::queue::Lag;
use migration::running::Running;
use migration::servers::Servers;
use migration::store::WriteMark;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Where the peak is kept.
const PEAK: &str = "dual-write/lag-peak";

/// Between two looks at what was applied meanwhile: at most this much of a process's life is
/// missing in the peak if it is killed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks per measurement of the queue: one a second.
const LOOKS_PER_MEASUREMENT: u32 = 10;

/// The most that any change was behind when it had been applied, or was seen waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct LagPeak {
    micros: u64,
}

impl Document for LagPeak {
    const NAME: &'static str = "lag peak";
    const FORMAT: u32 = 1;
}

/// Notes how far behind the oldest change of a batch was, which has just been applied everywhere.
pub(crate) fn note(counters: &Counters, oldest_made_at: Option<Timestamp>) {
    let lag = oldest_made_at.map(|made_at| Timestamp::now().since(made_at));
    note_at_least(counters, lag.unwrap_or_default());
}

fn note_at_least(counters: &Counters, lag: Duration) {
    let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
    counters.lag_max_micros.fetch_max(micros, Ordering::Relaxed);
}

/// Follows how far the instance that is furthest behind is, and keeps the peak.
pub(crate) fn follow(
    servers: &Servers,
    running: &Running,
    counters: &Arc<Counters>,
) -> AbortOnDropHandle<()> {
    let (servers, progress) = (servers.clone(), running.progress.clone());
    let counters = Arc::clone(counters);
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut kept = None;
        let mut said = None;
        let mut silence = Silence::new(servers.queue.producer_lag_max());
        let mut looks = 0_u32;
        loop {
            if looks.is_multiple_of(LOOKS_PER_MEASUREMENT) {
                match measure(&servers, &mut silence, &mut said).await {
                    Some(lag) => {
                        show(&progress, lag);
                        note_at_least(&counters, lag.age);
                    }
                    None => progress.set_lag(None),
                }
            }
            looks = looks.wrapping_add(1);
            let seen = counters.lag_max_micros.load(Ordering::Relaxed);
            if kept.is_none_or(|kept| seen > kept) {
                kept = keep(&*servers.checkpoint, seen).await.or(kept);
            }
            if let Some(micros) = kept {
                progress.set_level("lag_max_ms", micros.div_ceil(1_000));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }))
}

/// Shows a measurement.
pub(crate) fn show(progress: &Progress, lag: Lag) {
    progress.set_lag(Some(lag.age));
    progress.set_level("lag_messages", lag.messages);
}

/// The lag, if it can be known. Why not is said whenever that changes.
async fn measure(
    servers: &Servers,
    silence: &mut Silence,
    said: &mut Option<String>,
) -> Option<Lag> {
    match lag_with_silence(servers, silence).await {
        Ok(lag) => {
            *said = None;
            Some(lag)
        }
        Err(error) => {
            let (why, hint) = (Chain(&error).to_string(), error.next_step());
            if said.as_ref() != Some(&why) {
                tracing::warn!(error = why, hint, "lag not known");
                *said = Some(why);
            }
            None
        }
    }
}

/// Makes the peak at least this; returns what it is.
async fn keep(store: &dyn CheckpointStore, micros: u64) -> Option<u64> {
    match peak(store).await {
        Ok(Some(kept)) if kept >= micros => return Some(kept),
        Ok(_) => {}
        Err(error) => tracing::debug!(error = %error, "lag peak not read"),
    }
    let grow = |peak: &mut LagPeak| {
        peak.micros = peak.micros.max(micros);
        Ok(())
    };
    match document::update(store, PEAK, grow).await {
        Ok(peak) => Some(peak.micros),
        Err(error) => {
            tracing::debug!(error = %error, "lag peak not kept");
            None
        }
    }
}

async fn peak(store: &dyn CheckpointStore) -> Result<Option<u64>> {
    Ok(document::read::<LagPeak>(store, PEAK).await?.map(|(peak, _)| peak.micros))
}

/// The most that the live path was behind, if it ever ran.
pub(crate) async fn lag_max(store: &dyn CheckpointStore) -> Result<Option<Duration>> {
    Ok(peak(store).await?.map(Duration::from_micros))
}

/// The lag over all partitions: messages in sum, age at most.
pub(crate) async fn lag(servers: &Servers) -> Result<Lag> {
    lag_and_reached(servers).await.map(|(lag, _)| lag)
}

/// The same, or how long the queue has lacked what the source was told, if that is more.
async fn lag_with_silence(servers: &Servers, silence: &mut Silence) -> Result<Lag> {
    let (mut lag, reached) = lag_and_reached(servers).await?;
    if silence.is_long(reached, lag.messages > 0) {
        let mut marks = Some(WriteMark { value: 0, counts_rolled_back: false });
        for layout in &servers.layouts {
            let mark = servers.source.write_mark(&layout.source().table).await?;
            marks = marks.zip(mark).map(|(sum, mark)| WriteMark {
                value: sum.value.wrapping_add(mark.value),
                counts_rolled_back: sum.counts_rolled_back || mark.counts_rolled_back,
            });
        }
        if let Some(mark) = marks {
            silence.note(mark);
            lag.age = lag.age.max(silence.behind());
        }
    }
    Ok(lag)
}

/// The lag, and the position of every partition.
async fn lag_and_reached(servers: &Servers) -> Result<(Lag, Vec<Position>)> {
    let mut sum = Lag { messages: 0, age: Duration::ZERO };
    let mut reached = Vec::new();
    for partition in servers.queue.partitions().await? {
        let rows = partitions(&servers.targets, &partition).await?;
        if let Some(next) = rows.iter().map(|row| row.next).min() {
            let lag = servers.queue.lag(&partition, &next).await?;
            sum.messages += lag.messages;
            sum.age = sum.age.max(lag.age);
            reached.push(next);
        }
    }
    Ok((sum, reached))
}

#[cfg(test)]
mod tests {
    use super::{keep, lag_max, note};
    use crate::counters::Counters;
    use migration::checkpoint::MemoryCheckpoint;
    use migration::clock::Timestamp;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[tokio::test]
    async fn the_peak_outlives_a_process_and_only_grows() {
        let store = MemoryCheckpoint::new("m");
        assert_eq!(lag_max(&store).await.unwrap(), None);
        assert_eq!(keep(&store, 700).await, Some(700));
        assert_eq!(keep(&store, 300).await, Some(700), "a new process begins small");
        assert_eq!(lag_max(&store).await.unwrap(), Some(Duration::from_micros(700)));
    }

    #[test]
    fn the_oldest_change_of_a_batch_counts() {
        let counters = Counters::default();
        note(&counters, None);
        assert_eq!(counters.lag_max_micros.load(Ordering::Relaxed), 0);
        note(&counters, Some(Timestamp(Timestamp::now().0 - 5_000_000)));
        note(&counters, Some(Timestamp::now()));
        assert!(counters.lag_max_micros.load(Ordering::Relaxed) >= 5_000_000);
    }
}
