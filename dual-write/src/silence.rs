//! A queue that has gone silent while the source goes on: its producer, such as Debezium, has stopped.
//!
//! Nothing waits in such a queue, so it has no lag, and the target stands still for ever.

use migration::position::Position;
use std::time::Duration;
use tokio::time::Instant;

/// What was seen of the queue and the source since something came for the last time.
#[derive(Debug)]
pub(crate) struct Silence {
    /// How long a write may take to show, in the queue and in the mark of its table.
    late_max: Duration,
    reached: Vec<Position>,
    came: Instant,
    /// The source's mark once that time was over.
    mark: Option<u64>,
    /// When another mark was seen.
    written: Option<Instant>,
}

impl Silence {
    /// Nothing seen yet. A write may take `late_max` from the source to the queue.
    pub(crate) fn new(late_max: Duration) -> Self {
        Self { late_max, reached: Vec::new(), came: Instant::now(), mark: None, written: None }
    }

    /// Notes how far the target is, and whether something waits in the queue. Returns whether the
    /// queue has been silent for so long that the source's mark is wanted.
    pub(crate) fn is_long(&mut self, reached: Vec<Position>, waits: bool) -> bool {
        if waits || reached != self.reached {
            *self = Self { reached, ..Self::new(self.late_max) };
        }
        !self.late_max.is_zero() && self.came.elapsed() >= self.late_max
    }

    /// How long ago the source was written to at least, of which nothing came.
    pub(crate) fn behind(&mut self, mark: u64) -> Duration {
        if *self.mark.get_or_insert(mark) != mark && self.written.is_none() {
            tracing::warn!(
                silent_for = ?self.came.elapsed(),
                "the source is written to, and the queue gets nothing: is its producer running?"
            );
            self.written = Some(Instant::now());
        }
        self.written.map(|written| written.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Silence;
    use migration::position::Position;
    use std::time::Duration;
    use tokio::time::{advance, pause};

    const LATE_MAX: Duration = Duration::from_secs(10);

    fn at(place: u8) -> Vec<Position> {
        vec![Position::new(&[place]).unwrap()]
    }

    #[tokio::test]
    async fn a_producer_that_has_stopped_is_behind_from_the_next_write_on() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        assert!(!silence.is_long(at(1), false));
        advance(LATE_MAX).await;
        assert!(silence.is_long(at(1), false));
        assert_eq!(silence.behind(7), Duration::ZERO, "nobody writes");
        assert_eq!(silence.behind(8), Duration::ZERO);
        advance(Duration::from_secs(60)).await;
        assert_eq!(silence.behind(8), Duration::from_secs(60));
        assert!(!silence.is_long(at(2), false), "it is back");
        advance(LATE_MAX).await;
        assert!(silence.is_long(at(2), false));
        assert_eq!(silence.behind(8), Duration::ZERO);
    }

    #[tokio::test]
    async fn where_something_waits_it_is_the_consumer_that_is_behind() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        for _ in 0..20 {
            advance(Duration::from_secs(1)).await;
            assert!(!silence.is_long(at(1), true));
        }
    }

    #[tokio::test]
    async fn an_outbox_has_no_producer_that_could_stop() {
        pause();
        let mut silence = Silence::new(Duration::ZERO);
        advance(Duration::from_secs(3_600)).await;
        assert!(!silence.is_long(at(1), false));
    }
}
