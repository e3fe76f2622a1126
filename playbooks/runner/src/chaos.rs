//! Which process is killed next.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Between two kills.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// The programs of the product. The service is the users' own: nothing kills it.
const PHASES: [&str; 4] = ["dual-write", "backfill", "verify", "cutover"];

/// Picks victims, the same for the same seed and processes.
#[derive(Debug)]
pub(crate) struct Chaos(StdRng);

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One of the running programs, given by name; none if none of them is a phase.
    pub(crate) fn pick(&mut self, running: &[&str]) -> Option<usize> {
        let phases: Vec<usize> = (0..running.len()).filter(|&i| is_phase(running[i])).collect();
        (!phases.is_empty()).then(|| phases[self.0.random_range(0..phases.len())])
    }
}

/// Whether a program is one of the phases.
pub(crate) fn is_phase(program: &str) -> bool {
    PHASES.contains(&program)
}

#[cfg(test)]
mod tests {
    use super::Chaos;
    use std::collections::HashSet;

    #[test]
    fn every_phase_is_killed_some_time_and_the_service_never() {
        let running = ["service", "dual-write", "backfill", "verify", "cutover"];
        let mut chaos = Chaos::new(1);
        let victims: HashSet<_> = (0..100).filter_map(|_| chaos.pick(&running)).collect();
        assert_eq!(victims, HashSet::from([1, 2, 3, 4]));
        assert_eq!(chaos.pick(&["service"]), None);
    }
}
