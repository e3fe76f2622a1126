//! A rate on the runtime's clock, so that tests can step it.

use crate::checkpoint::desired::Rate;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::ops::Add;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Limiter {
    per_second: NonZeroU32,
    burst: NonZeroU32,
    clock: RuntimeClock,
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Moment>>,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Option<Self> {
        let (per_second, burst) = (rate.per_second()?, rate.in_one_go()?);
        let clock = RuntimeClock { start: Instant::now() };
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Some(Self { per_second, burst, clock, limiter })
    }

    pub(super) fn rate(&self) -> Rate {
        Rate::PerSecond(self.per_second)
    }

    /// As much of `owed` as can be paid at once; `None` if nothing is owed.
    pub(super) fn part_of(&self, owed: u64) -> Option<NonZeroU32> {
        NonZeroU32::new(u32::try_from(owed).unwrap_or(u32::MAX).min(self.burst.get()))
    }

    /// Pays a part, or says how long until it can be paid.
    pub(super) fn pay(&self, part: NonZeroU32) -> Result<(), Duration> {
        match self.limiter.check_n(part) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            // A part is never larger than the burst.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }
}

#[derive(Debug, Clone)]
struct RuntimeClock {
    start: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Nanos);

impl Clock for RuntimeClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(self.start.elapsed().into())
    }
}

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, later: Nanos) -> Self {
        Self(self.0 + later)
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.as_u64().saturating_sub(earlier.0.as_u64()).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        let earlier = self.0.as_u64().checked_sub(duration.as_u64());
        Self(earlier.map_or(self.0, Nanos::from))
    }
}
