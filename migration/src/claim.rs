//! Claims: how a consumer takes a queue partition, and a worker of the copy a range, on every
//! instance of the target.
//!
//! A claim is a number above every one seen anywhere. Whoever is outbid on one instance starts
//! over above the number found, so two claimers can leave the instances divided for a moment but
//! never for good: the higher one takes them all, and the lower one is fenced at its first write.

mod partition;
mod range;
mod survey;

pub use partition::{PartitionClaim, claim_partition, partitions, restart_partition};
pub use range::{RangeClaim, claim_range, is_done};
pub use survey::{RangeView, instance_ranges, survey_ranges};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Claim;

/// How often a claim may be outbid before it gives up: a lease in the checkpoint store keeps
/// claimers apart, so a second round is rare and a sixteenth is a fight.
const ATTEMPTS_MAX: usize = 16;

/// How often the answer to a bid may be lost: each may have been waited for as long as a call
/// takes.
const UNKNOWN_MAX: usize = 3;

/// What a claimer knows of the bids so far.
#[derive(Debug, Default)]
struct Bids {
    /// The highest number that is, or may be, taken.
    seen: u64,
    /// Why nobody knows what became of the last bid on an instance.
    unknown: Option<Error>,
    /// How often that was so.
    unknowns: usize,
}

impl Bids {
    /// The number to bid where the instances show `highest`.
    fn next(&self, highest: Option<u64>) -> u64 {
        self.seen.max(highest.unwrap_or(0)) + 1
    }

    /// Whether the bid of `number` holds on every instance. One whose outcome nobody knows is
    /// outbid by the next, whatever became of it.
    fn is_taken(&mut self, number: u64, claims: Vec<Result<Claim>>) -> Result<bool> {
        self.unknown = None;
        let mut taken = true;
        for claim in claims {
            let seen = match claim {
                Ok(Claim::Take | Claim::Held) => continue,
                Ok(Claim::Outbid { seen }) => seen,
                Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                    self.unknowns += 1;
                    if self.unknowns >= UNKNOWN_MAX {
                        return Err(repeatable(error));
                    }
                    self.unknown = Some(error);
                    number
                }
                Err(error) => return Err(error),
            };
            (self.seen, taken) = (self.seen.max(seen), false);
        }
        Ok(taken)
    }

    /// The error of the last attempt: `fenced`, unless nobody knows that.
    fn given_up(self, fenced: Error) -> Error {
        self.unknown.map_or(fenced, repeatable)
    }
}

/// The failure of a step that may be made again whether it took place or not.
fn repeatable(error: Error) -> Error {
    match error.kind() {
        ErrorKind::UnknownOutcome => {
            Error::new(ErrorKind::Unavailable, "claim: the target gave no answer").because(error)
        }
        _ => error,
    }
}

fn not_set_up(instance: &str) -> Error {
    Error::new(ErrorKind::Refused, "read the migration's state in the target")
        .with("instance", instance)
        .hint("run `dual-write set-up` once, before anything is copied or applied")
}
