//! Applies one batch on every instance, each in one atomic step with the partition's position.

use futures::future::join_all;
use migration::error::{ErrorKind, Result};
use migration::fault;
use migration::position::{Generation, Position};
use migration::store::{LiveOutcome, LiveStep, LiveWrites, Tally, Target};
use std::sync::Arc;

/// Where a batch lies in its partition, and who writes it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) partition: Arc<str>,
    pub(crate) generation: Generation,
    pub(crate) from: Position,
    pub(crate) next: Position,
}

/// What became of a batch over all instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It is on every instance; the tallies by instance, then as the writes were given.
    Everywhere(Vec<Vec<Tally>>),
    /// A newer consumer owns the partition.
    Fenced,
    /// An instance lost its tail: claim again.
    LostTail,
    /// An instance is behind the batch: go back to its position.
    Gap(Position),
}

/// Applies `writes` (by instance) on all instances at once.
///
/// # Errors
/// Those of the target, after every instance has answered.
pub(crate) async fn apply(
    targets: &[Arc<dyn Target>],
    place: &Place,
    writes: &[Vec<LiveWrites>],
) -> Result<Applied> {
    let steps = targets.iter().zip(writes).map(|(target, writes)| async move {
        let step = LiveStep {
            partition: &place.partition,
            generation: place.generation,
            from: place.from,
            next: place.next,
            writes,
        };
        let outcome = target.apply_live(&step).await;
        fault::point("dual-write.applied");
        outcome
    });
    // Every instance is waited for, also beside one that fails: nothing is left running.
    let outcomes = join_all(steps).await;
    let mut applied = Applied::Everywhere(Vec::with_capacity(outcomes.len()));
    for outcome in outcomes {
        let other = match outcome {
            Ok(LiveOutcome::Applied { tallies }) => {
                if let Applied::Everywhere(all) = &mut applied {
                    all.push(tallies);
                }
                continue;
            }
            Ok(LiveOutcome::Fenced) => Applied::Fenced,
            Ok(LiveOutcome::LostTail) => Applied::LostTail,
            Ok(LiveOutcome::Gap(next)) => Applied::Gap(next),
            // The instance tells when it is asked again: as after a crash.
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => Applied::LostTail,
            Err(error) => return Err(error),
        };
        applied = worse(applied, other);
    }
    Ok(applied)
}

/// The outcome that decides: a newer owner before a lost tail before a gap, and of two gaps the
/// one that begins earlier.
pub(crate) fn worse(one: Applied, other: Applied) -> Applied {
    match (one, other) {
        (Applied::Fenced, _) | (_, Applied::Fenced) => Applied::Fenced,
        (Applied::LostTail, _) | (_, Applied::LostTail) => Applied::LostTail,
        (Applied::Gap(one), Applied::Gap(other)) => Applied::Gap(one.min(other)),
        (Applied::Gap(gap), _) | (_, Applied::Gap(gap)) => Applied::Gap(gap),
        (everywhere, _) => everywhere,
    }
}
