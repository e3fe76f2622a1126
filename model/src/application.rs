//! The application: it commits to the source, and the queue gets the change.

use crate::config::{Config, Layout};
use crate::faults::spend;
use crate::source::{Change, Source};
use crate::state::State;
use crate::system::System;
use migration::protocol::Effect;

impl Config {
    /// How many places a row may name.
    pub(crate) fn homes(&self) -> u8 {
        match self.layout {
            Layout::Twice => 1,
            Layout::Moved => 2,
        }
    }
}

impl System {
    /// The application commits a change. It deletes only what is there.
    pub(crate) fn change(&self, s: &mut State, change: Change) -> Option<()> {
        if !change.decodable {
            spend(&mut s.faults.poison)?;
        }
        (s.source.made() < self.config.change_count).then_some(())?;
        self.commit_and_emit(&mut s.source, change)
    }

    /// The change is in the source, and on the queue at once unless the queue may reorder: that it
    /// waits there is no different from a consumer that does not poll.
    pub(crate) fn commit_and_emit(&self, source: &mut Source, change: Change) -> Option<()> {
        let deletes_nothing =
            change.effect == Effect::Delete && source.committed(change.key).is_none();
        (!deletes_nothing).then_some(())?;
        source.commit(change);
        if !self.config.source_lags {
            source.show()?;
        }
        if self.config.reordered { Some(()) } else { source.emit(source.made() - 1) }
    }
}
