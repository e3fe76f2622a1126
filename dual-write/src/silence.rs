//! A queue that has gone silent while the source goes on: its producer, such as Debezium, has
//! stopped.
//!
//! Nothing waits in such a queue, so it has no lag, and the target stands still for ever.

use migration::position::Position;
use migration::store::WriteMark;
use std::time::Duration;
use tokio::time::Instant;

/// How late the mark of a table may tell of a write. PostgreSQL's sessions count theirs at most ten
/// seconds late.
const MARK_LATE_MAX: Duration = Duration::from_secs(12);

/// What was seen of the queue and the source since something came for the last time.
#[derive(Debug)]
pub(crate) struct Silence {
    /// How long a write may take to show, in the queue and in the mark of its table.
    late_max: Duration,
    reached: Vec<Position>,
    came: Instant,
    /// The source's mark when it was last asked for, once that time was over.
    mark: Option<u64>,
    /// Whether it has grown since.
    has_grown: bool,
    /// When it grew by a write for certain.
    written: Option<Instant>,
}

impl Silence {
    /// Nothing seen yet. A write may take `late_max` from the source to the queue.
    pub(crate) fn new(late_max: Duration) -> Self {
        Self {
            late_max,
            reached: Vec::new(),
            came: Instant::now(),
            mark: None,
            has_grown: false,
            written: None,
        }
    }

    /// Notes how far the target is, and whether something waits in the queue. Returns whether the
    /// queue has been silent for so long that the source's mark is wanted.
    pub(crate) fn is_long(&mut self, reached: Vec<Position>, waits: bool) -> bool {
        if waits || reached != self.reached {
            *self = Self { reached, ..Self::new(self.late_max) };
        }
        !self.late_max.is_zero() && self.came.elapsed() >= self.late_max.max(MARK_LATE_MAX)
    }

    /// Notes the source's mark. One that goes back is of a server that began to count anew, and
    /// tells of no write. Nor does the first that grows where what was rolled back counts, too.
    pub(crate) fn note(&mut self, mark: WriteMark) {
        let grew = self.mark.replace(mark.value).is_some_and(|noted| mark.value > noted);
        let is_certain = self.has_grown || !mark.counts_rolled_back;
        self.has_grown |= grew;
        if grew && is_certain && self.written.is_none() {
            tracing::warn!(
                silent_for = ?self.came.elapsed(),
                "the source is written to, and the queue gets nothing: is its producer running?"
            );
            self.written = Some(Instant::now());
        }
    }

    /// How long ago the source was written to at least, of which nothing came.
    pub(crate) fn behind(&self) -> Duration {
        self.written.map(|written| written.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Silence;
    use migration::position::Position;
    use migration::store::WriteMark;
    use std::time::Duration;
    use tokio::time::{advance, pause};

    const LATE_MAX: Duration = Duration::from_secs(20);

    fn at(place: u8) -> Vec<Position> {
        vec![Position::new(&[place]).unwrap()]
    }

    fn behind(silence: &mut Silence, value: u64) -> Duration {
        silence.note(WriteMark { value, counts_rolled_back: true });
        silence.behind()
    }

    #[tokio::test]
    async fn where_only_commits_count_the_first_write_tells() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        advance(LATE_MAX).await;
        for value in [7, 8] {
            silence.note(WriteMark { value, counts_rolled_back: false });
            assert_eq!(silence.behind(), Duration::ZERO);
        }
        advance(Duration::from_secs(60)).await;
        assert_eq!(silence.behind(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_producer_that_has_stopped_is_behind_from_the_second_write_on() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        assert!(!silence.is_long(at(1), false));
        advance(LATE_MAX).await;
        assert!(silence.is_long(at(1), false));
        for mark in [7, 7, 8, 8] {
            assert_eq!(behind(&mut silence, mark), Duration::ZERO, "one may be rolled back");
            advance(Duration::from_secs(60)).await;
        }
        assert_eq!(behind(&mut silence, 9), Duration::ZERO);
        advance(Duration::from_secs(60)).await;
        assert_eq!(behind(&mut silence, 9), Duration::from_secs(60));
        assert!(!silence.is_long(at(2), false), "it is back");
        advance(LATE_MAX).await;
        assert!(silence.is_long(at(2), false));
        assert_eq!(behind(&mut silence, 9), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_server_that_was_started_again_was_not_written_to() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        assert!(!silence.is_long(at(1), false));
        advance(LATE_MAX).await;
        for mark in [700, 0, 0, 900, 0] {
            assert_eq!(behind(&mut silence, mark), Duration::ZERO);
            advance(Duration::from_secs(60)).await;
        }
        assert_eq!(behind(&mut silence, 1), Duration::ZERO);
        advance(Duration::from_secs(5)).await;
        assert_eq!(behind(&mut silence, 1), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn where_something_waits_it_is_the_consumer_that_is_behind() {
        pause();
        let mut silence = Silence::new(LATE_MAX);
        for _ in 0..60 {
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
