//! Everything that a plan names, opened.
//!
//! Beside the folders of the engines this is the only place that knows which engines there are: a
//! phase gets traits.

mod alike;
mod kafka;
mod reached;
mod set_up;
mod whole_keys;

pub(crate) use alike::difference;
pub use reached::{Reached, gauge};
pub use set_up::SetUp;
pub(crate) use whole_keys::whole_keys;

use crate::checkpoint::{CheckpointStore, plan_record};
use crate::dead_letter::Mailbox;
use crate::decode::{Decoder, SourceTable, TopicFormat};
use crate::error::{Error, ErrorKind, Result};
use crate::gauge::Gauge;
use crate::layout::Layout;
use crate::lock::KeyLock;
use crate::plan::{Plan, QueuePlan, TablePlan};
use crate::queue::Queue;
use crate::store::{OpenMode, Store, Supervision, Target};
use std::sync::Arc;

/// The servers of a migration, ready to work with.
///
/// Call order: `open` → `set_up` → whatever the phase does.
#[derive(Debug, Clone)]
pub struct Servers {
    /// Where the data is.
    pub source: Arc<dyn Store>,
    /// The target's instances, in shard order.
    pub targets: Vec<Arc<dyn Target>>,
    /// Where live writes come from.
    pub queue: Arc<dyn Queue>,
    /// The key lock.
    pub lock: Arc<dyn KeyLock>,
    /// The state that all phases share.
    pub checkpoint: Arc<dyn CheckpointStore>,
    /// One layout per table of the plan, in plan order.
    pub layouts: Vec<Arc<Layout>>,
    /// What counts the calls to source and targets, and makes them again where that may help.
    pub supervision: Supervision,
    /// What is watched on other servers.
    pub gauges: Arc<[Gauge]>,
    /// Where dead letters are written to as well; `None`: nowhere.
    pub mailbox: Option<Arc<dyn Mailbox>>,
    /// The tables as messages are decoded into them.
    tables: Vec<SourceTable>,
    decoding: Decoding,
}

/// How messages of the queue are read.
#[derive(Debug, Clone)]
struct Decoding {
    /// None for an outbox.
    topics: Vec<TopicFormat>,
    source_epoch: u32,
}

impl Servers {
    /// Reads the queue's messages.
    ///
    /// # Errors
    /// `Plan` if the plan's topics do not fit together.
    pub fn decoder(&self) -> Result<Decoder> {
        let Decoding { topics, source_epoch } = &self.decoding;
        match topics.is_empty() {
            true => Ok(Decoder::new(self.layouts.clone())),
            false => Decoder::with_topics(&self.tables, topics.clone(), *source_epoch),
        }
    }

    /// Opens everything to work with it, also before [`Self::set_up`] begins the migration. Once it
    /// has begun, nothing may have changed that must not.
    ///
    /// # Errors
    /// `Refused` if the plan changed under way, or does not fit the databases; those of the
    /// servers.
    pub async fn open(plan: &Plan) -> Result<Self> {
        let checkpoint = crate::checkpoint::open(&plan.checkpoint, &plan.id).await?;
        compare(plan, &*checkpoint).await?;
        let servers = Self::complete(plan, checkpoint).await?;
        // Commands that only look, or that clean up, may meet one that was created again.
        for layout in &servers.layouts {
            layout.refuse_collisions()?;
        }
        Ok(servers)
    }

    /// Opens everything of a migration that has begun, for commands that only look.
    ///
    /// # Errors
    /// `Refused` if it has not begun; otherwise those of [`Self::open`].
    pub async fn open_existing(plan: &Plan) -> Result<Self> {
        let checkpoint = crate::checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
        compare(plan, &*checkpoint).await?;
        Self::complete(plan, checkpoint).await
    }

    async fn complete(plan: &Plan, checkpoint: Arc<dyn CheckpointStore>) -> Result<Self> {
        let supervision = Supervision::default();
        let source = supervision.store("source", reached::open_source(plan).await?);
        let mut targets = Vec::with_capacity(plan.targets.len());
        for instance in &plan.targets {
            let target = reached::open_target(plan, instance, OpenMode::ReadWrite).await?;
            targets.push(supervision.target(&format!("target/{}", instance.name), target));
        }
        refuse_twins(&targets)?;
        let queue = reached::open_queue(plan, &source).await?;
        let lock = reached::open_lock(plan).await?;
        let layouts = layouts(plan, &*source, &targets).await?;
        let mut tables = Vec::with_capacity(layouts.len());
        for layout in &layouts {
            tables.push(source_table(layout, &*source).await?);
        }
        let mailbox = match &plan.queue {
            QueuePlan::Outbox { .. } => None,
            QueuePlan::Kafka(kafka) => kafka::open_mailbox(plan, kafka)?,
        };
        let topics = plan.queue.topics().to_vec();
        let decoding = Decoding { topics, source_epoch: plan.source.epoch };
        Ok(Self {
            source,
            targets,
            queue,
            lock,
            checkpoint,
            layouts,
            supervision,
            gauges: plan.gauges.iter().map(gauge).collect(),
            mailbox,
            tables,
            decoding,
        })
    }
}

/// A table with what its database says of the columns.
async fn source_table(layout: &Arc<Layout>, source: &dyn Store) -> Result<SourceTable> {
    let traits = source.column_traits(&layout.source().table).await?;
    Ok(SourceTable::new(Arc::clone(layout), |column| {
        let known = traits.iter().find(|(name, _)| name == column);
        known.map(|(_, traits)| traits.clone()).unwrap_or_default()
    }))
}

/// Two instances in one database would hold each other's records and fences. A plan cannot tell:
/// many names may lead to one database.
pub(crate) fn refuse_twins<'a>(
    targets: impl IntoIterator<Item = &'a Arc<dyn Target>>,
) -> Result<()> {
    let mut known: Vec<(String, &Arc<dyn Target>)> = Vec::new();
    for target in targets {
        let identity = target.identity();
        if let Some((_, twin)) = known.iter().find(|(known, _)| *known == identity) {
            return Err(Error::new(
                ErrorKind::Refused,
                "open target: two instances are one database",
            )
            .with("instance", target.name())
            .with("is", twin.name())
            .hint("give each [[target]] a database of its own"));
        }
        known.push((identity, target));
    }
    Ok(())
}

/// Refuses a plan that is not the recorded one.
async fn compare(plan: &Plan, checkpoint: &dyn CheckpointStore) -> Result<()> {
    match plan_record::read(checkpoint).await? {
        Some(recorded) => plan_record::compare(plan, &recorded),
        None => Ok(()),
    }
}

/// Resolves the layouts of a plan, for a target whose instances are all alike.
///
/// # Errors
/// `Refused` if the plan does not fit the databases, or the instances differ.
pub async fn layouts(
    plan: &Plan,
    source: &dyn Store,
    targets: &[Arc<dyn Target>],
) -> Result<Vec<Arc<Layout>>> {
    let Some((first, others)) = targets.split_first() else {
        return Err(Error::new(ErrorKind::Plan, "resolve layouts: there is no target"));
    };
    let mut layouts = Vec::with_capacity(plan.tables.len());
    for table in &plan.tables {
        for into in &table.into {
            for other in others {
                if let Some(difference) = difference(&into.name, &**first, &**other).await? {
                    return Err(not_alike(&into.name, &**first, &**other, &difference));
                }
            }
        }
        layouts.push(Arc::new(layout(table, source, &**first, targets.len()).await?));
    }
    Ok(layouts)
}

/// Resolves the layout of one table, as one instance of the target describes its tables.
pub(crate) async fn layout(
    table: &TablePlan,
    source: &dyn Store,
    target: &dyn Target,
    instances: usize,
) -> Result<Layout> {
    let described = source.describe(&table.name).await?;
    let mut targets = Vec::with_capacity(table.into.len());
    for into in &table.into {
        targets.push(target.describe(&into.name).await?);
    }
    Layout::resolve(table, &described, &targets, instances)
}

fn not_alike(table: &str, first: &dyn Target, other: &dyn Target, difference: &str) -> Error {
    Error::new(ErrorKind::Refused, "resolve layouts: the target's instances differ")
        .with("table", table)
        .with("instance", other.name())
        .with("difference", difference)
        .with("compared with", first.name())
        .hint("create the table in the same way on every instance")
}
