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

use crate::error::{Error, ErrorKind};
use crate::protocol::Claim;

/// How often a claim may be outbid before it gives up: a lease in the checkpoint store keeps
/// claimers apart, so a second round is rare and a sixteenth is a fight.
const ATTEMPTS_MAX: usize = 16;

/// The highest number that outbid a claim on any instance.
fn outbid(claims: &[Claim]) -> Option<u64> {
    let seen = claims.iter().filter_map(|claim| match claim {
        Claim::Outbid { seen } => Some(*seen),
        Claim::Take | Claim::Held => None,
    });
    seen.max()
}

fn not_set_up(instance: &str) -> Error {
    Error::new(ErrorKind::Refused, "read the migration's state in the target")
        .with("instance", instance)
        .hint("run `dual-write set-up` once, before anything is copied or applied")
}
