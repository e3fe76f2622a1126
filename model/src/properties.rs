//! What must hold.

use crate::config::{Config, Expect, Part};
use crate::state::{ConsumerStep, Flaw, RepairStep, State, WorkerStep};
use crate::system::System;
use migration::protocol::RangeState;
use stateright::Property;

/// Once everything has come to rest, every instance holds what the source holds.
pub const EQUAL_AT_REST: &str = "at rest the target equals the source";
/// I1 and I2, at every moment: no reader of the target sees a row older than what was applied to it
/// live or repaired, deletes above all.
pub const NOTHING_COMES_BACK: &str = "nothing comes back, not for a moment";
/// I3.
pub const OLD_CLAIMS_ARE_FENCED: &str = "no write under an old claim reaches the target";
/// I4.
pub const DONE_IS_CLEAN: &str = "a range is done only without dirty guards";
/// A run exists that does everything the configuration allows, and comes to rest.
pub const REST_IS_REACHED: &str = "a run makes all changes and comes to rest";

/// The properties of a configuration.
pub(crate) fn all(config: &Config) -> Vec<Property<System>> {
    let mut properties = vec![
        Property::always(EQUAL_AT_REST, |system: &System, state: &State| {
            !system.is_at_rest(state) || system.is_equal(state)
        }),
        Property::always(NOTHING_COMES_BACK, |_, state: &State| state.nothing_came_back()),
        Property::always(DONE_IS_CLEAN, |_, state: &State| state.done_is_clean()),
        Property::sometimes(REST_IS_REACHED, |system: &System, state: &State| {
            state.source.made() == system.config.change_count && system.is_at_rest(state)
        }),
    ];
    // A run without a fence breaks this at once; what it is for is to show what else breaks.
    let fenced = config.has(Part::GenerationFence) && config.has(Part::EpochFence);
    if fenced || config.expect == Expect::Fail(OLD_CLAIMS_ARE_FENCED) {
        properties.push(Property::always(OLD_CLAIMS_ARE_FENCED, |_, state: &State| {
            state.flaw != Flaw::OldClaim
        }));
    }
    properties
}

impl System {
    /// Whether nothing is under way and nothing is left to do.
    pub(crate) fn is_at_rest(&self, state: &State) -> bool {
        let source = &state.source;
        let drained = source.end() == source.made() && source.shown() == source.made();
        let applied = |next| next == source.end();
        let consumer_rests = |consumer: &crate::state::Consumer| match consumer.step {
            ConsumerStep::Standby => true,
            ConsumerStep::Ready => applied(consumer.from),
            _ => false,
        };
        drained
            && state.is_done()
            && state.target.iter().all(|instance| applied(instance.partition.next))
            && state.workers.iter().all(|worker| worker.step == WorkerStep::Idle)
            && state.consumers.iter().all(consumer_rests)
            && state.repair.step == RepairStep::Idle
            && !state.open_letters()
            && !(0..state.target.len()).any(|i| self.keys().any(|key| state.is_wrong(i, key)))
    }

    fn is_equal(&self, state: &State) -> bool {
        self.keys().all(|key| {
            let source = state.source.committed(key);
            let mut instances = state.target.iter().enumerate();
            instances.all(|(i, instance)| {
                instance.records[usize::from(key)].row == self.placed(source, i)
            })
        })
    }
}

impl State {
    fn nothing_came_back(&self) -> bool {
        let mut records = self.target.iter().flat_map(|instance| &instance.records);
        self.flaw != Flaw::UndidRepair
            && records.all(|record| record.row.is_none_or(|row| row.version >= record.floor))
    }

    fn done_is_clean(&self) -> bool {
        self.target.iter().all(|instance| {
            let mut done = instance.ranges.iter().flatten().filter(|r| r.state == RangeState::Done);
            done.all(|range| instance.dirty_count(range) == 0)
        })
    }
}
