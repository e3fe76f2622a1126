//! The world as stateright sees it.

use crate::action::Action;
use crate::config::{Config, Order};
use crate::properties;
use crate::source::{Change, KEYS_MAX, Key, Row, Source, possible_changes};
use crate::state::{Consumer, Flaw, Holder, PROCESSES, Repair, State, Worker};
use crate::target::{Instance, Target};
use migration::protocol::RangeState;
use stateright::{Model, Property};

/// The protocol under one configuration.
#[derive(Debug, Clone)]
pub struct System {
    pub(crate) config: Config,
    /// What the application may do, in any state.
    pub(crate) changes: Vec<Change>,
}

impl System {
    /// The world that a configuration describes.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let homes = config.homes();
        let changes =
            (0..config.keys).flat_map(|key| possible_changes(config.changes, key, homes)).collect();
        Self { config, changes }
    }

    /// Every way the source may look before the migration is set up.
    fn sources(&self) -> Vec<Source> {
        let mut firsts = vec![[None; KEYS_MAX]];
        for key in 0..usize::from(self.config.keys) {
            for first in firsts.clone() {
                for home in 0..self.config.homes() {
                    let mut present = first;
                    present[key] = Some(Row::first(home));
                    firsts.push(present);
                }
            }
        }
        let mut sources: Vec<Source> = firsts.into_iter().map(Source::new).collect();
        for _ in 0..self.config.before_start {
            for source in sources.clone() {
                for change in &self.changes {
                    let mut changed = source;
                    if self.commit_and_emit(&mut changed, *change).is_some() {
                        sources.push(changed);
                    }
                }
            }
        }
        sources
    }

    fn start(&self, source: Source) -> State {
        let mut instance = Instance::set_up(source.end());
        if self.config.wrong_target {
            for range in instance.ranges.iter_mut().flatten() {
                range.state = RangeState::Done;
                range.progress = migration::protocol::Progress::End;
            }
            for key in 0..self.config.keys {
                instance.records[usize::from(key)].row = source.read(key);
            }
            let record = &mut instance.records[0];
            record.wrong = true;
            record.row = match record.row {
                Some(_) => None,
                None => Some(Row::first(0)),
            };
        }
        State {
            source,
            target: Target::new(instance, self.config.instances),
            durable: None,
            locks: [Holder::Nobody; KEYS_MAX],
            letters: 0,
            workers: [Worker::default(); PROCESSES],
            consumers: [Consumer::default(); PROCESSES],
            repair: Repair::IDLE,
            faults: self.config.faults,
            chores: self.config.chores,
            flaw: Flaw::None,
        }
    }

    /// What the target should hold of a source row on one instance.
    pub(crate) fn placed(&self, row: Option<Row>, instance: usize) -> Option<Row> {
        row.filter(|row| self.config.homes() == 1 || usize::from(row.home) == instance)
    }

    /// Whether the live path may run at all.
    pub(crate) fn consumes(&self, state: &State) -> bool {
        self.config.order == Order::DualWrite || state.target.iter().all(Instance::is_done)
    }

    /// Every source key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        0..self.config.keys
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.sources().into_iter().map(|source| self.start(source)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.list_actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        self.act(&mut next, action)?;
        Some(next.canonical())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.config)
    }
}
