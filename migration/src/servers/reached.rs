//! Each server on its own, opened or not.

use super::kafka;
use crate::checkpoint::{self, CheckpointStore};
use crate::driver::mysql::MysqlFigures;
use crate::driver::postgres::PostgresFigures;
use crate::error::{Error, ErrorKind, Result};
use crate::gauge::{Figures, Gauge};
use crate::lock::{KeyLock, RedisLock, SqliteLock};
use crate::plan::{Engine, GaugePlan, GaugeServer, InstancePlan, LockEngine, Plan, QueuePlan};
use crate::queue::{OutboxQueue, Queue};
use crate::store::{MysqlStore, OpenMode, PostgresStore, SqliteStore, Store, Target};
use std::sync::Arc;

/// What there is of a plan's servers, for `check`: it reports every one that is wrong, not only
/// the first, and changes none of them.
#[derive(Debug)]
pub struct Reached {
    /// The source.
    pub source: Result<Arc<dyn Store>>,
    /// The target's instances, in shard order, to read only.
    pub targets: Vec<Result<Arc<dyn Target>>>,
    /// The queue.
    pub queue: Result<Arc<dyn Queue>>,
    /// The key lock; `None` if it is not there yet.
    pub lock: Result<Option<Arc<dyn KeyLock>>>,
    /// The checkpoint store; `None` if it is not there yet.
    pub checkpoint: Result<Option<Arc<dyn CheckpointStore>>>,
}

impl Reached {
    /// Tries to open every server of a plan. Makes nothing that is not there.
    pub async fn open(plan: &Plan) -> Self {
        let mut targets = Vec::with_capacity(plan.targets.len());
        for instance in &plan.targets {
            targets.push(open_target(plan, instance, OpenMode::ReadOnly).await);
        }
        let lock =
            if is_there(&plan.lock.engine) { open_lock(plan).await.map(Some) } else { Ok(None) };
        let source = open_source(plan).await;
        let queue = match (&source, plan.queue.outbox()) {
            (Ok(source), _) => open_queue(plan, source).await,
            // An outbox lies in the source and says itself why it cannot be opened.
            (Err(_), Some(table)) => open_outbox(plan, table).await,
            (Err(_), None) => Err(Error::new(ErrorKind::Unavailable, "open queue: not tried")
                .hint("first the source has to be reachable")),
        };
        Self {
            source,
            targets,
            queue,
            lock,
            checkpoint: checkpoint::open_if_begun(&plan.checkpoint, &plan.id).await,
        }
    }
}

pub(super) async fn open_source(plan: &Plan) -> Result<Arc<dyn Store>> {
    let mode = OpenMode::ReadOnly;
    let opened: Result<Arc<dyn Store>> = match &plan.source.engine {
        Engine::Sqlite { path } => SqliteStore::open("source", path, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Store>),
        Engine::Postgres { url } => PostgresStore::open("source", url, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Store>),
        Engine::Mysql { url } => MysqlStore::open("source", url, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Store>),
    };
    opened.map_err(|error| error.with("store", "source"))
}

pub(super) async fn open_target(
    plan: &Plan,
    instance: &InstancePlan,
    mode: OpenMode,
) -> Result<Arc<dyn Target>> {
    let name = &instance.name;
    let opened = match &instance.engine {
        Engine::Sqlite { path } => SqliteStore::open(name, path, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Target>),
        Engine::Postgres { url } => PostgresStore::open(name, url, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Target>),
        Engine::Mysql { url } => MysqlStore::open(name, url, &plan.id, mode)
            .await
            .map(|store| Arc::new(store) as Arc<dyn Target>),
    };
    opened.map_err(|error| error.with("instance", name))
}

pub(super) async fn open_queue(plan: &Plan, source: &Arc<dyn Store>) -> Result<Arc<dyn Queue>> {
    match &plan.queue {
        QueuePlan::Outbox { table } => open_outbox(plan, table).await,
        QueuePlan::Kafka(topics) => kafka::open_queue(plan, topics, source).await,
    }
}

async fn open_outbox(plan: &Plan, table: &str) -> Result<Arc<dyn Queue>> {
    let (id, epoch) = (&plan.id, plan.source.epoch);
    Ok(Arc::new(match &plan.source.engine {
        Engine::Sqlite { path } => OutboxQueue::sqlite(path, table, id, epoch).await?,
        Engine::Postgres { url } => OutboxQueue::postgres(url, table, id, epoch).await?,
        Engine::Mysql { url } => OutboxQueue::mysql(url, table, id, epoch).await?,
    }))
}

pub(super) async fn open_lock(plan: &Plan) -> Result<Arc<dyn KeyLock>> {
    match &plan.lock.engine {
        LockEngine::Sqlite { path } => Ok(Arc::new(SqliteLock::open(path, &plan.id).await?)),
        LockEngine::Redis { url } => Ok(Arc::new(RedisLock::open(url, &plan.id).await?)),
    }
}

/// A gauge, not read yet.
#[must_use]
pub fn gauge(plan: &GaugePlan) -> Gauge {
    let figures: Box<dyn Figures> = match &plan.server {
        GaugeServer::Postgres { url } => Box::new(PostgresFigures::new(url)),
        GaugeServer::Mysql { url } => Box::new(MysqlFigures::new(url)),
    };
    Gauge::new(plan, figures)
}

/// Whether there is anything where a lock store would be made.
fn is_there(engine: &LockEngine) -> bool {
    match engine {
        LockEngine::Sqlite { path } => path.exists(),
        // A database is there as soon as its server is.
        LockEngine::Redis { .. } => true,
    }
}
