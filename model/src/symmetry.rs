//! States that differ in names only are one state.
//!
//! Three things are renamed, none of which a decision can tell: which of two like processes is
//! which, since an owner is only ever compared for equality; and the smallest claim number in the
//! world, since numbers are compared and raised by one, and all of them move together.

use crate::state::{Consumer, ConsumerStep, Holder, State, Worker, WorkerStep, owner_of};
use crate::target::Owner;

impl State {
    /// The one state that stands for all that differ from this one in names only.
    pub(crate) fn canonical(mut self) -> Self {
        if self.worker_order(1) < self.worker_order(0) {
            self.swap_workers();
        }
        if self.consumer_order(1) < self.consumer_order(0) {
            self.swap_consumers();
        }
        self.lower_epochs();
        self.lower_generations();
        self
    }

    /// What tells one worker from the other, its name aside.
    fn worker_order(&mut self, worker: usize) -> (Worker, u32) {
        let holds = bits(self.locks.iter().map(|holder| *holder == Holder::Worker(worker)));
        let owner = owner_of(worker);
        let epochs = self.instances_and_durable().flat_map(|instance| instance.ranges);
        let owns = bits(epochs.map(|range| range.is_some_and(|range| range.epoch.owner == owner)));
        (self.workers[worker], holds << 16 | owns)
    }

    fn swap_workers(&mut self) {
        self.workers.swap(0, 1);
        self.rename_locks(Holder::Worker(0), Holder::Worker(1));
        for instance in self.instances_and_durable() {
            for range in instance.ranges.iter_mut().flatten() {
                range.epoch.owner = other(range.epoch.owner);
            }
        }
    }

    fn consumer_order(&mut self, consumer: usize) -> (Consumer, u32) {
        let holds = bits(self.locks.iter().map(|holder| *holder == Holder::Consumer(consumer)));
        let owner = owner_of(consumer);
        let owns = bits(
            self.instances_and_durable()
                .map(|instance| instance.partition.generation.owner == owner),
        );
        (self.consumers[consumer], holds << 16 | owns)
    }

    fn swap_consumers(&mut self) {
        self.consumers.swap(0, 1);
        self.rename_locks(Holder::Consumer(0), Holder::Consumer(1));
        for instance in self.instances_and_durable() {
            let owner = &mut instance.partition.generation.owner;
            *owner = other(*owner);
        }
    }

    fn rename_locks(&mut self, one: Holder, two: Holder) {
        for holder in &mut self.locks {
            *holder = match *holder {
                holder if holder == one => two,
                holder if holder == two => one,
                holder => holder,
            };
        }
    }

    fn lower_epochs(&mut self) {
        let active = |worker: &&mut Worker| worker.step != WorkerStep::Idle;
        let claimed = self.workers.iter_mut().filter(active).map(|w| w.number).min();
        let noted = self
            .instances_and_durable()
            .flat_map(|instance| instance.ranges)
            .flatten()
            .map(|range| range.epoch.number)
            .min();
        let Some(lowest) = claimed.into_iter().chain(noted).min().filter(|lowest| *lowest > 0)
        else {
            return;
        };
        for worker in self.workers.iter_mut().filter(|worker| worker.step != WorkerStep::Idle) {
            worker.number -= lowest;
        }
        for instance in self.instances_and_durable() {
            for range in instance.ranges.iter_mut().flatten() {
                range.epoch.number -= lowest;
            }
        }
    }

    fn lower_generations(&mut self) {
        let claimed = self
            .consumers
            .iter()
            .filter(|consumer| consumer.step != ConsumerStep::Standby)
            .map(|consumer| consumer.number)
            .min();
        let noted =
            self.instances_and_durable().map(|instance| instance.partition.generation.number).min();
        let Some(lowest) = claimed.into_iter().chain(noted).min().filter(|lowest| *lowest > 0)
        else {
            return;
        };
        for consumer in &mut self.consumers {
            if consumer.step != ConsumerStep::Standby {
                consumer.number -= lowest;
            }
        }
        for instance in self.instances_and_durable() {
            instance.partition.generation.number -= lowest;
        }
    }
}

fn other(owner: Owner) -> Owner {
    match owner {
        1 => 2,
        2 => 1,
        nobody => nobody,
    }
}

fn bits(flags: impl Iterator<Item = bool>) -> u32 {
    flags.fold(0, |bits, flag| bits << 1 | u32::from(flag))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Faults, Lock};
    use crate::state::State;
    use crate::system::System;
    use stateright::Model;
    use std::collections::{HashSet, VecDeque};

    /// Enough for both workers and both consumers to be in the middle of something.
    const STATES: usize = 40_000;

    fn successors(system: &System, state: &State) -> Vec<State> {
        let mut actions = Vec::new();
        system.list_actions(state, &mut actions);
        let act = |action| {
            let mut next = *state;
            system.act(&mut next, action).map(|()| next)
        };
        actions.into_iter().filter_map(act).collect()
    }

    fn canonical(states: Vec<State>) -> HashSet<State> {
        states.into_iter().map(State::canonical).collect()
    }

    #[test]
    fn a_state_and_the_one_that_stands_for_it_go_the_same_ways() {
        let system = System::new(Config {
            keys: 2,
            instances: 2,
            in_flight: 2,
            lock: Lock::Revocable,
            faults: Faults {
                takeover: 1,
                rebalance: 1,
                lost_tail: 1,
                worker_crash: 1,
                ..Faults::default()
            },
            ..crate::table::protocol("")
        });
        let mut pending: VecDeque<State> = system.init_states().into();
        let mut seen: HashSet<State> = pending.iter().copied().collect();
        while let Some(state) = pending.pop_back().filter(|_| seen.len() < STATES) {
            let next = successors(&system, &state);
            let stand_in = successors(&system, &state.canonical());
            assert_eq!(canonical(next.clone()), canonical(stand_in), "{state:#?}");
            assert_eq!(state.canonical().canonical(), state.canonical());
            pending.extend(next.into_iter().filter(|next| seen.insert(*next)));
        }
        assert!(seen.iter().any(|state| state.canonical() != *state));
    }
}
