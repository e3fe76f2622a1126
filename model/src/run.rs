//! Checks one configuration and says what came of it.

use crate::config::{Config, Expect};
use crate::properties::REST_IS_REACHED;
use crate::search::{Search, search};
use crate::system::System;
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt;
use std::time::{Duration, Instant};

/// Threads of stateright's search.
const THREADS: usize = 2;

/// What came of one configuration.
#[derive(Debug)]
pub struct Outcome {
    /// The configuration.
    pub config: Config,
    /// A property that stateright found violated.
    pub violated: Option<&'static str>,
    /// Whether stateright found a run that makes all changes and comes to rest.
    pub witnessed: bool,
    /// Distinct states that stateright visited.
    pub states: usize,
    /// Transitions that it took, those to known states included.
    pub transitions: usize,
    /// What our own search found.
    pub search: Search,
    /// Time of both searches.
    pub took: Duration,
}

/// Checks one configuration, by stateright and by our own search.
#[must_use]
pub fn run(config: Config) -> Outcome {
    let begun = Instant::now();
    let system = System::new(config.clone());
    let checker = system
        .clone()
        .checker()
        .threads(THREADS)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    let discoveries = checker.discoveries();
    let witnessed = discoveries.contains_key(REST_IS_REACHED);
    let violated = discoveries.into_keys().find(|name| *name != REST_IS_REACHED);
    // Its table of states is as large as ours will be.
    drop(checker);
    let search = search(&system);
    let took = begun.elapsed();
    Outcome { config, violated, witnessed, states, transitions, search, took }
}

impl Outcome {
    /// What is not as expected.
    #[must_use]
    pub fn surprise(&self) -> Option<String> {
        let first = self.search.violation.as_ref().map(|(name, _)| *name);
        if first.is_some() != self.violated.is_some() {
            return Some(format!("violated: {:?}, by our search {first:?}", self.violated));
        }
        if let Expect::Fail(expected) = self.config.expect {
            return (first != Some(expected)).then(|| format!("first violated: {first:?}"));
        }
        if let Some(violated) = first {
            return Some(format!("violated: {violated}"));
        }
        let (ours, theirs) =
            ((self.search.states, self.search.transitions), (self.states, self.transitions));
        if ours != theirs {
            return Some(format!("the searches disagree: ours counts {ours:?}, not {theirs:?}"));
        }
        if !self.witnessed {
            return Some("no run makes all changes and comes to rest".into());
        }
        let expects_stuck = self.config.expect == Expect::Stuck;
        (expects_stuck != (self.search.stuck > 0)).then(|| format!("{} stuck", self.search.stuck))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.config.expect {
            Expect::Pass => "PASS",
            Expect::Fail(_) => "FAIL",
            Expect::Stuck => "STUCK",
        };
        let Search { states, transitions, stuck, violation, .. } = &self.search;
        let got = match (violation, stuck) {
            (Some(_), _) => "FAIL",
            (None, 0) => "PASS",
            (None, _) => "STUCK",
        };
        let name = self.config.name;
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{name:<66} {expected:>6} {got:>6} {states:>9} {transitions:>10} {seconds:>6.1}"
        )?;
        match violation {
            Some((property, way)) => write!(f, "  {} steps: {property}", way.len())?,
            None => write!(f, " {stuck:>7}")?,
        }
        match self.surprise() {
            Some(surprise) => write!(f, "  SURPRISE: {surprise}"),
            None => Ok(()),
        }
    }
}
