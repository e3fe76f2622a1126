//! A source, two target instances, a queue and a checkpoint store in memory.

use migration::batch::{Batch, Column, Schema};
use migration::checkpoint::MemoryCheckpoint;
use migration::checkpoint::desired::Rate;
use migration::checkpoint::verdict::Outcome;
use migration::clock::Timestamp;
use migration::error::Result;
use migration::key::Key;
use migration::layout::Layout;
use migration::plan::Plan;
use migration::position::{Generation, Owner};
use migration::protocol::Effect;
use migration::queue::{MemoryQueue, Queue};
use migration::sample::Sample;
use migration::shutdown::Shutdown;
use migration::store::{
    LiveEntry, LiveStep, LiveWrites, MemoryDatabase, MemorySnapshot, MemoryStore, StartPosition,
    Store, TableDescription, Target,
};
use migration::throttle::Throttle;
use migration::value::{ColumnType, Value};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use verify::difference::Difference;
use verify::record::{Records, RunRecord};
use verify::run::{Ended, Observer, Parts, Run};
use verify::scope::Scope;

const PARTITION: &str = "changes";

/// Records in one read.
pub(crate) const BATCH: u64 = 64;

const PLAN: &str = r#"
format = 1
id = "bed"
[source]
engine = "sqlite"
path = "source.db"
[queue]
kind = "outbox"
table = "outbox"
[[target]]
name = "a"
engine = "sqlite"
path = "a.db"
[[target]]
name = "b"
engine = "sqlite"
path = "b.db"
[lock]
engine = "sqlite"
path = "lock.db"
[checkpoint]
engine = "sqlite"
path = "checkpoint.db"
[[table]]
name = "things"
key = ["owner", "item"]
entity = ["owner"]
[[table.into]]
name = "by_owner"
key = ["owner", "item"]
shard = { by = "owner", function = "modulo" }
columns = { owner = "owner", item = "item", label = "label" }
[[table.into]]
name = "by_item"
key = ["item", "owner"]
shard = { by = "item", function = "crc32" }
columns = { item = "item", owner = "owner", label = "label" }
[cutover]
flag = "things.read"
rollback_file = "rollback"
"#;

/// Everything a comparison works on.
pub(crate) struct Bed {
    source: MemoryDatabase,
    instances: Vec<MemoryDatabase>,
    targets: Vec<Arc<dyn Target>>,
    queue: Arc<MemoryQueue>,
    layout: Arc<Layout>,
    parts: Parts,
    records: Records,
}

fn description(table: &str, key: &[&str]) -> TableDescription {
    let column =
        |name: &str, column_type, nullable| Column { name: name.to_owned(), column_type, nullable };
    let columns = vec![
        column("owner", ColumnType::Int, false),
        column("item", ColumnType::Int, false),
        column("label", ColumnType::Text, true),
    ];
    let place = |name: &&str| columns.iter().position(|column| column.name == **name).unwrap();
    let key = key.iter().map(place).collect();
    TableDescription {
        schema: Schema { table: table.to_owned(), columns, key },
        lengths_max: vec![None; 3],
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    }
}

pub(crate) fn owner_of(item: i128) -> i128 {
    item / 7
}

fn label_of(item: i128) -> String {
    format!("value-{item:04}")
}

struct Unwatched;

impl Observer for Unwatched {
    fn seen(&mut self, _: &RunRecord) {}
}

/// Notes how far a run was after each step.
#[derive(Default)]
pub(crate) struct Steps(Vec<u64>);

impl Steps {
    /// Records in the longest step.
    pub(crate) fn longest(&self) -> u64 {
        let from = std::iter::once(&0).chain(&self.0);
        self.0.iter().zip(from).map(|(to, from)| to - from).max().unwrap()
    }
}

impl Observer for Steps {
    fn seen(&mut self, record: &RunRecord) {
        self.0.push(record.walked);
    }
}

/// Asks the run to stop after every batch.
struct Impatient(Shutdown);

impl Observer for Impatient {
    fn seen(&mut self, _: &RunRecord) {
        self.0.begin();
    }
}

impl Bed {
    /// `rows` records on both sides, equal.
    pub(crate) async fn new(rows: i128) -> Self {
        let plan = Plan::parse(PLAN, Path::new("/bed")).unwrap();
        let source = MemoryDatabase::new();
        source.create_table(description("things", &["owner", "item"])).await;
        let instances = vec![MemoryDatabase::new(), MemoryDatabase::new()];
        let queue = Arc::new(MemoryQueue::new(&[PARTITION], 0));
        let start = queue.end(PARTITION).await.unwrap();
        let mut targets: Vec<Arc<dyn Target>> = Vec::new();
        for (name, database) in ["a", "b"].into_iter().zip(&instances) {
            database.create_table(description("by_owner", &["owner", "item"])).await;
            database.create_table(description("by_item", &["item", "owner"])).await;
            let target = MemoryStore::new(name, database.clone(), "bed");
            let start = StartPosition { partition: PARTITION.to_owned(), position: start };
            target.set_up(&["things"], &[start]).await.unwrap();
            targets.push(Arc::new(target));
        }
        let stored: Arc<dyn Store> = Arc::new(MemoryStore::new("source", source.clone(), "bed"));
        let described = [
            targets[0].describe("by_owner").await.unwrap(),
            targets[0].describe("by_item").await.unwrap(),
        ];
        let things = stored.describe("things").await.unwrap();
        let layout = Arc::new(Layout::resolve(&plan.tables[0], &things, &described, 2).unwrap());
        let mut settings = plan.verify;
        settings.batch_rows_max = usize::try_from(BATCH).unwrap();
        settings.settle = Duration::from_millis(1);
        let parts = Parts {
            source: stored,
            targets: targets.clone(),
            queue: queue.clone(),
            layouts: vec![layout.clone()],
            settings,
            throttle: Arc::new(Throttle::new(Rate::Unlimited)),
            source_epoch: 0,
        };
        let records = Records::new(Arc::new(MemoryCheckpoint::new("bed")));
        let bed = Self { source, instances, targets, queue, layout, parts, records };
        for item in 0..rows {
            bed.put_into_source(item, Some(&label_of(item))).await;
            for table in ["by_owner", "by_item"] {
                bed.put_into_target(table, owner_of(item), item, &label_of(item)).await;
            }
        }
        bed
    }

    async fn put_into_source(&self, item: i128, label: Option<&str>) {
        let mut batch = Batch::new(self.layout.source().clone());
        batch.push(Value::Int(owner_of(item))).unwrap();
        batch.push(Value::Int(item)).unwrap();
        batch.push(label.map_or(Value::Null, Value::Text)).unwrap();
        self.source.put(&batch).await.unwrap();
    }

    pub(crate) async fn put_null_into_source(&self, item: i128) {
        self.put_into_source(item, None).await;
    }

    /// Changes the source, and nobody else hears of it.
    pub(crate) async fn change_source_alone(&self, item: i128) {
        self.put_into_source(item, Some("changed")).await;
    }

    /// Tells the queue of a change.
    pub(crate) fn produce(&self) {
        self.queue.append(PARTITION, "things", "upsert", Some(b"{}")).unwrap();
    }

    /// Changes the source and tells the queue, but not the target.
    pub(crate) async fn change_source_without_applying(&self, item: i128) {
        self.change_source_alone(item).await;
        self.produce();
    }

    /// Applies that change as the live path does.
    pub(crate) async fn apply_the_change(&self, item: i128) {
        self.apply_the_changes(item..item + 1).await;
    }

    /// Applies such changes of several records.
    pub(crate) async fn apply_the_changes(&self, items: Range<i128>) {
        for item in items {
            for table in ["by_owner", "by_item"] {
                self.put_into_target(table, owner_of(item), item, "changed").await;
            }
        }
        let generation = Generation { number: 2, owner: Owner::new() };
        let next = self.queue.end(PARTITION).await.unwrap();
        for instance in &self.targets {
            instance.claim_partition(PARTITION, &generation).await.unwrap();
            let from = instance.partition(PARTITION).await.unwrap().unwrap().next;
            let step = LiveStep { partition: PARTITION, generation, from, next, writes: &[] };
            instance.apply_live(&step).await.unwrap();
        }
    }

    fn target_record(&self, table: &str, owner: i128, item: i128, label: &str) -> (usize, Batch) {
        let target = self.layout.targets().iter().find(|t| t.schema().table == table).unwrap();
        let mut batch = Batch::new(target.schema().clone());
        for column in &target.schema().columns {
            let value = match column.name.as_str() {
                "owner" => Value::Int(owner),
                "item" => Value::Int(item),
                _ => Value::Text(label),
            };
            batch.push(value).unwrap();
        }
        (target.instance_of(&batch.row(0)).unwrap(), batch)
    }

    /// Writes a record past every fence.
    pub(crate) async fn put_into_target(&self, table: &str, owner: i128, item: i128, label: &str) {
        let (instance, batch) = self.target_record(table, owner, item, label);
        self.instances[instance].put(&batch).await.unwrap();
    }

    pub(crate) async fn copy_to_the_wrong_instance(&self, table: &str, item: i128) {
        let (instance, batch) = self.target_record(table, owner_of(item), item, &label_of(item));
        self.instances[1 - instance].put(&batch).await.unwrap();
    }

    /// Removes a record past every fence.
    pub(crate) async fn remove_from_target(&self, table: &str, item: i128) {
        let (instance, batch) = self.target_record(table, owner_of(item), item, "");
        let key = batch.row(0).key().unwrap();
        self.instances[instance].remove(table, &[key]).await.unwrap();
    }

    /// Deletes a record on both sides as the live path does: a tombstone stays.
    pub(crate) async fn delete_live(&self, item: i128) {
        let key = Key::new([Value::Int(owner_of(item)), Value::Int(item)]).unwrap();
        self.source.remove("things", std::slice::from_ref(&key)).await.unwrap();
        let from = self.queue.end(PARTITION).await.unwrap();
        self.queue.append(PARTITION, "things", "upsert", Some(b"{}")).unwrap();
        let next = self.queue.end(PARTITION).await.unwrap();
        let version = self.queue.version_at(PARTITION, &from).await.unwrap();
        let generation = Generation { number: 1, owner: Owner::new() };
        for (index, instance) in self.targets.iter().enumerate() {
            instance.claim_partition(PARTITION, &generation).await.unwrap();
            let mut writes = Vec::new();
            for target in self.layout.targets() {
                let mut keys = Batch::new(target.key_schema().clone());
                target.project_key(&key, &mut keys).unwrap();
                if target.instance_of_key(&keys.row(0)).unwrap() != index {
                    continue;
                }
                let (effect, key, row) = (Effect::Delete, key.clone(), 0);
                let entry = LiveEntry { key, version, position: from, effect, row };
                writes.push(LiveWrites {
                    source_table: "things".into(),
                    target: target.clone(),
                    entries: vec![entry],
                    records: Batch::new(target.schema().clone()),
                    keys,
                });
            }
            let step = LiveStep { partition: PARTITION, generation, from, next, writes: &writes };
            instance.apply_live(&step).await.unwrap();
        }
    }

    /// Leaves only a sample's entities in the target.
    pub(crate) async fn keep_only(&self, sample: Sample) {
        for item in 0..1_000 {
            let owner = Key::new([Value::Int(owner_of(item))]).unwrap();
            if !sample.contains(&owner) {
                self.remove_from_target("by_owner", item).await;
                self.remove_from_target("by_item", item).await;
            }
        }
    }

    fn record(scope: Scope) -> RunRecord {
        RunRecord::new(scope, "digest".to_owned(), Timestamp(0))
    }

    /// The same, where a run waits so long for the live path.
    pub(crate) fn with_patience(mut self, settle: Duration) -> Self {
        self.parts.settings.settle = settle;
        self
    }

    /// The same, where the queue may get what the source shows so much later.
    pub(crate) fn with_producer_lag_max(mut self, producer_lag_max: Duration) -> Self {
        self.parts.queue = Arc::new(self.queue.with_producer_lag_max(producer_lag_max));
        self
    }

    /// What slows a run down.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.parts.throttle
    }

    /// One run, from beginning to end.
    pub(crate) async fn compare(&self, scope: Scope) -> (RunRecord, Outcome) {
        self.compare_watched(scope, &mut Unwatched).await
    }

    pub(crate) async fn compare_watched(
        &self,
        scope: Scope,
        observer: &mut dyn Observer,
    ) -> (RunRecord, Outcome) {
        let record = Self::record(scope);
        let expected = self.records.revision().await.unwrap();
        let revision = self.records.save(&record, expected).await.unwrap();
        let run = Run::new(&self.parts, &self.records, record, revision, observer);
        match run.go(&Shutdown::new()).await.unwrap() {
            Ended::Judged(record, verdict) => (*record, verdict.outcome),
            Ended::Stopped => unreachable!("nobody asked it to stop"),
        }
    }

    /// A run that is stopped after each of its first `sessions` batches, and left there.
    pub(crate) async fn compare_a_part(&self, scope: Scope, sessions: usize) {
        self.records.save(&Self::record(scope), None).await.unwrap();
        for _ in 0..sessions {
            let stop = Shutdown::new();
            let ended = self.go_on(&mut Impatient(stop.clone()), &stop).await;
            assert!(matches!(ended, Ok(Ended::Stopped)), "{ended:?}");
        }
    }

    /// The rest of a run that was left.
    pub(crate) async fn compare_the_rest(&self) -> Result<(RunRecord, Outcome)> {
        match self.go_on(&mut Unwatched, &Shutdown::new()).await? {
            Ended::Judged(record, verdict) => Ok((*record, verdict.outcome)),
            Ended::Stopped => unreachable!("nobody asked it to stop"),
        }
    }

    async fn go_on(&self, observer: &mut dyn Observer, stop: &Shutdown) -> Result<Ended> {
        let (record, revision) = self.records.current().await.unwrap().unwrap();
        Run::new(&self.parts, &self.records, record, revision, observer).go(stop).await
    }

    /// One instance as it is now.
    pub(crate) async fn snapshot(&self, instance: usize) -> MemorySnapshot {
        self.instances[instance].snapshot().await
    }

    /// Makes one instance what it was: a restored backup.
    pub(crate) async fn restore(&self, instance: usize, snapshot: MemorySnapshot) {
        self.instances[instance].restore(snapshot).await;
    }

    /// A run that is stopped after every batch and begun again from its record. Also returns how
    /// often.
    pub(crate) async fn compare_with_stops(&self, scope: Scope) -> (RunRecord, usize) {
        self.records.save(&Self::record(scope), None).await.unwrap();
        for runs in 1.. {
            let stop = Shutdown::new();
            let ended = self.go_on(&mut Impatient(stop.clone()), &stop).await.unwrap();
            if let Ended::Judged(record, _) = ended {
                return (*record, runs);
            }
        }
        unreachable!("the loop has no end of its own")
    }

    /// What a run found.
    pub(crate) async fn differences(&self, record: &RunRecord) -> Vec<Difference> {
        let page = self.records.differences(&record.id, None).await.unwrap();
        page.into_iter().map(|(_, difference)| difference).collect()
    }
}
