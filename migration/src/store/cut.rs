//! Keys that cut a table into equal parts, found by walking over its index from both ends at once:
//! nothing is copied before they are there, and one walk keeps one core of the server busy.

#[cfg(test)]
mod tests;

use super::walk::Walk;
use crate::error::Result;
use crate::key::Key;
use futures::future::try_join;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most keys that are passed over in one statement: a fraction of a second, so that no statement
/// runs into its bound.
const STEP_MAX: u64 = 500_000;

/// An engine on one table, walked over from either end.
pub(super) trait BothWays: Walk {
    /// The key that comes before as many others in (`after`, `until`] as are to be passed over.
    async fn key_before(
        &self,
        bounds: (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>>;
}

/// Up to `count - 1` keys that cut a table of about `records` records into `count` parts of one
/// size, but for the part where the walks meet: it takes up what the estimate was wrong by.
pub(super) async fn points(engine: &impl BothWays, records: u64, count: usize) -> Result<Vec<Key>> {
    let part = records / u64::try_from(count.max(1)).unwrap_or(u64::MAX);
    if part == 0 {
        return Ok(Vec::new());
    }
    let fronts =
        Mutex::new(Fronts { left: count.saturating_sub(1), up: Vec::new(), down: Vec::new() });
    try_join(walk(engine, &fronts, Way::Up, part), walk(engine, &fronts, Way::Down, part)).await?;
    let Fronts { up: mut points, down, .. } =
        fronts.into_inner().unwrap_or_else(PoisonError::into_inner);
    points.extend(down);
    // Where a collation sorts only nearly by bytes, the walks need not have found them in order.
    points.sort_unstable();
    points.dedup();
    Ok(points)
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// What the two walks have found.
#[derive(Debug)]
struct Fronts {
    /// Points that nobody looks for yet: the faster walk finds more of them.
    left: usize,
    up: Vec<Key>,
    down: Vec<Key>,
}

impl Fronts {
    /// Takes on the next point. Returns where the walk to it begins, at its end of the table if
    /// there is no key; `None` if no point is left.
    fn begin(&mut self, way: Way) -> Option<Option<Key>> {
        self.left = self.left.checked_sub(1)?;
        let found = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        Some(found.last().cloned())
    }

    /// Takes note of a point, unless the walks have met: then it lies in a part of the other one's.
    /// Returns whether to go on.
    fn reached(&mut self, way: Way, point: Key) -> bool {
        let has_met = match way {
            Way::Up => self.down.last().is_some_and(|down| point >= *down),
            Way::Down => self.up.last().is_some_and(|up| point <= *up),
        };
        if !has_met {
            match way {
                Way::Up => self.up.push(point),
                Way::Down => self.down.push(point),
            }
        }
        !has_met
    }
}

/// Finds points from one end on until none is left or the other walk is met.
async fn walk(engine: &impl BothWays, fronts: &Mutex<Fronts>, way: Way, part: u64) -> Result<()> {
    loop {
        let Some(from) = lock(fronts).begin(way) else { return Ok(()) };
        let Some(point) = beyond(engine, way, from, part).await? else { return Ok(()) };
        if !lock(fronts).reached(way, point) {
            return Ok(());
        }
    }
}

fn lock(fronts: &Mutex<Fronts>) -> MutexGuard<'_, Fronts> {
    // No code panics while it holds them with a change half made.
    fronts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key that `count` keys lie up to or after, from another one on or from the end of the table.
async fn beyond(
    engine: &impl BothWays,
    way: Way,
    from: Option<Key>,
    count: u64,
) -> Result<Option<Key>> {
    let (mut reached, mut left) = (from, count);
    while left > 0 {
        let step = left.min(STEP_MAX);
        let passed = usize::try_from(step).unwrap_or(usize::MAX);
        reached = match way {
            Way::Up => engine.key_after((reached.as_ref(), None), passed - 1).await?,
            // The key where it begins is the first that is passed over.
            Way::Down => engine.key_before((None, reached.as_ref()), passed).await?,
        };
        if reached.is_none() {
            break;
        }
        left -= step;
    }
    Ok(reached)
}
