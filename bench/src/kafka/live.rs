//! Our side of the live path, and what all sides share.

use super::change::{self, End, State};
use super::form::Form;
use super::{brokers, topic};
use crate::bed::{DATABASE, Store};
use crate::case::Settings;
use crate::child::{Cost, Failure};
use crate::folder::Folder;
use crate::plan;
use crate::side::Side;
use crate::table::Table;
use servers::{Durability, Kafka, MariaDb};

/// The topic. Made anew for each of our runs, which begin where it ended when the migration was set
/// up; the others read it after us.
pub(super) const TOPIC: &str = "bench.bench.narrow";

/// The table that the messages are about.
pub(super) const TABLE: &str = "narrow";

/// The servers and the topic.
pub(super) struct Place<'a> {
    pub(super) kafka: &'a Kafka,
    source: MariaDb,
    pub(super) target: MariaDb,
    pub(super) table: &'static Table,
    pub(super) sent: End,
    pub(super) rows: u64,
}

impl<'a> Place<'a> {
    /// Makes the topic.
    pub(super) fn new(
        settings: &Settings,
        kafka: &'a Kafka,
        source: MariaDb,
        target: MariaDb,
    ) -> Result<Self, Failure> {
        let (table, rows) = (Table::named(TABLE)?, settings.server_rows());
        // It only tells its columns.
        Store::empty(&source, table)?;
        topic::make(kafka, TOPIC)?;
        let sent = change::each(rows, rows, |_| Ok::<_, Failure>(()))?;
        Ok(Self { kafka, source, target, table, sent, rows })
    }

    pub(super) fn set_durability(&self, durability: Durability) -> Result<(), Failure> {
        self.target.set_durability(durability)
    }

    /// The servers' processes, for their costs.
    pub(super) fn processes(&self) -> Vec<(&'static str, u32)> {
        vec![("target", self.target.process_id().unwrap_or(0))]
    }

    /// Makes the target empty.
    pub(super) fn empty_target(&self) -> Result<(), Failure> {
        self.target.empty(self.table)
    }

    /// Fails if the target does not hold this.
    pub(super) fn expect(&self, state: State) -> Result<(), Failure> {
        let found = self.target.sql(&format!(
            "SELECT count(*), coalesce(sum(amount), 0) FROM {DATABASE}.{}",
            self.table.name
        ))?;
        let mut found = found.split_whitespace();
        let (records, amount) = (found.next().unwrap_or(""), found.next().unwrap_or(""));
        let found = State { records: records.parse()?, amount: amount.parse()? };
        if found == state {
            return Ok(());
        }
        Err(format!("the target holds {found:?}, which is not {state:?}").into())
    }
}

/// `dual-write run --until-drained`, on a migration that was just set up.
pub(super) struct Live<'a> {
    place: &'a Place<'a>,
    folder: Folder<'a>,
}

impl<'a> Live<'a> {
    pub(super) fn new(settings: &'a Settings, place: &'a Place<'a>) -> Result<Self, Failure> {
        let queue = format!(
            "kind = \"kafka\"\nbrokers = [\"{}\"]\n[[queue.topic]]\nname = \"{TOPIC}\"\n\
             format = \"debezium\"",
            brokers(place.kafka)
        );
        let plan = plan::text(place.table, ("mariadb", "mariadb"), &queue);
        let urls = [("source", Store::url(&place.source)), ("target", Store::url(&place.target))];
        Ok(Self { place, folder: Folder::new(settings, &plan, &urls)? })
    }
}

impl Side for Live<'_> {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.place.empty_target()?;
        self.folder.clear()?;
        topic::remove(self.place.kafka, TOPIC)?;
        topic::make(self.place.kafka, TOPIC)?;
        self.folder.run("dual-write", &["set-up"])?;
        let (brokers, size) = (brokers(self.place.kafka), (self.place.rows, self.place.rows));
        let sent = topic::fill(&brokers, TOPIC, Form::Envelope, size)?;
        if sent == self.place.sent {
            return Ok(());
        }
        Err(format!("sent {sent:?}, which is not {:?}", self.place.sent).into())
    }

    fn run(&self) -> Result<Cost, Failure> {
        self.folder.run("dual-write", &["run", "--until-drained"])
    }

    fn check(&self) -> Result<(), Failure> {
        self.place.expect(self.place.sent.committed)
    }
}
