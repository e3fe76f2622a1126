//! Bounds on calls: how long one may take, and how often it is made again.
//!
//! Only what [`ErrorKind::is_retryable`] says is made again, a bounded number of times, each
//! counted and logged. A write whose outcome nobody knows is never among them.

use crate::error::{Error, ErrorKind, Result};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How often and how fast calls are made again. Clones count together.
#[derive(Debug, Clone)]
pub struct Retry {
    attempts_max: u32,
    first_pause: Duration,
    longest_pause: Duration,
    retried: Arc<AtomicU64>,
}

impl Default for Retry {
    /// Eight attempts with pauses of about six seconds in all: longer than a restart of a database
    /// takes to refuse connections instead of dropping them, shorter than the patience of a lease.
    fn default() -> Self {
        Self::new(8, Duration::from_millis(50), Duration::from_secs(3))
    }
}

impl Retry {
    /// At most `attempts_max` attempts, with pauses that double from the first to the longest.
    #[must_use]
    pub fn new(attempts_max: u32, first_pause: Duration, longest_pause: Duration) -> Self {
        Self { attempts_max, first_pause, longest_pause, retried: Arc::default() }
    }

    /// How often any call was made again so far: `midflight_retries_total`.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Makes a call, and makes it again while its error is retryable, the attempts last and the
    /// shutdown has not begun.
    ///
    /// # Errors
    /// That of the last attempt, which says how many there were.
    pub async fn run<T, F>(
        &self,
        operation: &'static str,
        shutdown: &Shutdown,
        mut call: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pause = self.first_pause;
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let is_last = attempt >= self.attempts_max || !error.kind().is_retryable();
            if is_last || !shutdown.sleep(jittered(pause)).await {
                return Err(if attempt > 1 { error.with("attempts", attempt) } else { error });
            }
            self.retried.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(operation, attempt, error = %error, "retrying");
            attempt += 1;
            pause = (pause * 2).min(self.longest_pause);
        }
    }
}

/// Failures in a row of something that goes on from where it was: it may go on for weeks, so only
/// those without progress in between count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streak {
    failures: u32,
    progress: u64,
    /// The first failure of the row.
    began: Option<Instant>,
    /// When the attempt began that fails next.
    resumed: Option<Instant>,
}

impl Streak {
    /// How long a row may last before its last attempt begins: the time that somebody takes who is
    /// called to a failover that did not happen by itself.
    const LIMIT: Duration = Duration::from_secs(5 * 60);
    /// What went on for longer than this, without anything to do, did work: its failure begins a
    /// row. No attempt takes as long to fail.
    const WORKED: Duration = Duration::from_secs(10 * 60);
    /// Most failures without progress, for attempts that each take longer than that to fail.
    const FAILURES_MAX: u32 = 100;
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    /// How long to pause after one more failure; `None` if the row has lasted for too long.
    /// `progress` is any figure that rises with the work done.
    pub fn failed(&mut self, progress: u64) -> Option<Duration> {
        let now = Instant::now();
        let lasted = self.resumed.map_or(Duration::ZERO, |resumed| now - resumed);
        let progressed = std::mem::replace(&mut self.progress, progress) != progress;
        if progressed {
            self.failures = 0;
        }
        if progressed || lasted > Self::WORKED {
            self.began = None;
        }
        self.failures += 1;
        let left = Self::LIMIT.checked_sub(now - *self.began.get_or_insert(now))?;
        if left.is_zero() || self.failures > Self::FAILURES_MAX {
            return None;
        }
        let pause = Self::FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(16) - 1);
        // The last attempt begins when the time is up.
        let pause = pause.min(Self::LONGEST_PAUSE).min(left);
        self.resumed = Some(now + pause);
        Some(pause)
    }
}

/// From half the pause to the whole, so that those who failed together do not return together.
fn jittered(pause: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let half = pause / 2;
    half + half.mul_f64(f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX))
}

/// Bounds a call that changes nothing, or that may be made again.
///
/// # Errors
/// `TimedOut` after `limit`; otherwise those of the call.
pub async fn within<T>(
    limit: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    bounded(limit, operation, ErrorKind::TimedOut, call).await
}

/// Bounds a write: when the time is up, it may have taken place or not.
///
/// # Errors
/// `UnknownOutcome` after `limit`; otherwise those of the call.
pub async fn within_write<T>(
    limit: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    bounded(limit, operation, ErrorKind::UnknownOutcome, call).await
}

async fn bounded<T>(
    limit: Duration,
    operation: &'static str,
    kind: ErrorKind,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(kind, operation).with("after", format!("{limit:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Retry, Streak, within, within_write};
    use crate::error::{Error, ErrorKind, Result};
    use crate::shutdown::Shutdown;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    /// How long something fails that takes `attempt` for it each time, until it is given up.
    async fn fails_for(streak: &mut Streak, attempt: Duration) -> Duration {
        let began = Instant::now();
        while let Some(pause) = streak.failed(99) {
            sleep(pause + attempt).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_in_a_row_and_progress_ends_the_row() {
        let mut streak = Streak::default();
        for progress in 0..1_000 {
            let pause = streak.failed(progress).unwrap();
            sleep(pause + Duration::from_secs(2)).await;
        }
        let lasted = fails_for(&mut streak, Duration::ZERO).await;
        assert_eq!(lasted, Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_of_failures_lasts_five_minutes_however_long_each_attempt_takes() {
        for attempt in [0, 1, 20, 60, 330].map(Duration::from_secs) {
            let lasted = fails_for(&mut Streak::default(), attempt).await;
            let most = Duration::from_secs(300) + attempt;
            assert!((Duration::from_secs(300)..=most).contains(&lasted), "{attempt:?}: {lasted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_worked_for_long_with_nothing_to_do_begins_a_row_and_is_given_up_all_the_same() {
        let mut streak = Streak::default();
        for _ in 0..50 {
            assert!(streak.failed(0).is_some());
            sleep(Duration::from_secs(3 * 3_600)).await;
        }
        let lasted = fails_for(&mut Streak::default(), Duration::from_secs(601)).await;
        assert!((60_000..62_000).contains(&lasted.as_secs()), "{lasted:?}");
    }

    async fn attempts(kind: ErrorKind, succeeds_at: u32) -> (Result<u32>, u32, u64) {
        let retry = Retry::new(5, Duration::from_millis(50), Duration::from_secs(1));
        let mut made = 0;
        let result =
            retry
                .run("call", &Shutdown::new(), || {
                    made += 1;
                    let done = made;
                    async move {
                        if done >= succeeds_at { Ok(done) } else { Err(Error::new(kind, "call")) }
                    }
                })
                .await;
        (result, made, retry.retried())
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_store_is_asked_again_until_it_answers() {
        let (result, made, retried) = attempts(ErrorKind::Busy, 3).await;
        assert_eq!((result.unwrap(), made, retried), (3, 3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_error_is_returned_and_says_how_often_it_was_tried() {
        let (result, made, _) = attempts(ErrorKind::Unavailable, u32::MAX).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), made), (ErrorKind::Unavailable, 5));
        assert!(error.to_string().contains("attempts 5"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_tried_once() {
        for kind in [ErrorKind::UnknownOutcome, ErrorKind::TimedOut, ErrorKind::Plan] {
            assert_eq!(attempts(kind, u32::MAX).await.1, 1, "{kind:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_ends_the_retries() {
        let (retry, shutdown) = (Retry::default(), Shutdown::new());
        shutdown.begin();
        let mut made = 0;
        let call = || {
            made += 1;
            std::future::ready(Err::<(), _>(Error::new(ErrorKind::Busy, "call")))
        };
        assert!(retry.run("call", &shutdown, call).await.is_err());
        assert_eq!(made, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_takes_too_long_timed_out_and_a_write_has_an_unknown_outcome() {
        let limit = Duration::from_secs(1);
        let read = within(limit, "read", std::future::pending::<Result<()>>()).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
        let write = within_write(limit, "write", std::future::pending::<Result<()>>()).await;
        assert_eq!(write.unwrap_err().kind(), ErrorKind::UnknownOutcome);
    }
}
