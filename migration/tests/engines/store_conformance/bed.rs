//! Two tables that hold the same edges, a migration over them, and hands on what lies beneath.

pub(crate) mod memory;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use async_trait::async_trait;
use migration::batch::{Batch, Column, Schema};
use migration::key::Key;
use migration::layout::{Layout, TargetLayout};
use migration::plan::{ColumnPlan, IntoPlan, TablePlan};
use migration::position::{Generation, Owner, Position, Version};
use migration::protocol::{Effect, Guard, Kind, Progress};
use migration::store::{
    Access, CopyOutcome, CopyStep, CopyWrites, GuardRow, GuardTable, GuardWrite, LiveEntry,
    LiveOutcome, LiveStep, LiveWrites, ReadLimit, StartPosition, TableDescription, Tally, Target,
    Transactional,
};
use migration::value::{ColumnType, Value};
use std::sync::Arc;

pub(crate) const SOURCE: &str = "edges";
/// What every bed holds: `edges`, and what it becomes.
const TABLES: [&str; 3] = [SOURCE, "followers", "following"];
pub(crate) const PARTITION: &str = "0";
pub(crate) const NO_LIMIT: ReadLimit = ReadLimit { rows_max: 1_000_000, bytes_max: usize::MAX };

/// An engine with its tables.
pub(crate) struct Bed {
    pub(crate) target: Arc<dyn Target>,
    /// The same database, as another migration sees it.
    pub(crate) other: Arc<dyn Target>,
    pub(crate) engine: Arc<dyn Transactional>,
    pub(crate) layout: Layout,
    pub(crate) database: Box<dyn Database>,
}

/// What lies beneath a store: one small module for each engine. New, with empty [`TABLES`], and
/// removed when it is dropped.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    /// Opens it for a migration.
    async fn open(&self, migration: &str) -> (Arc<dyn Target>, Arc<dyn Transactional>);
    /// Remembers everything as it is.
    async fn back_up(&mut self);
    /// Makes everything as it was: a lost tail. Opened again afterwards.
    async fn restore(&mut self);
    /// Makes the engine believe, from now on, that [`SOURCE`] has so many records more than it has.
    /// Returns whether it could be misled: an engine may count.
    async fn mislead(&self, _records: u64) -> bool {
        false
    }
    /// Whether text may hold a zero byte.
    fn keeps_nul(&self) -> bool {
        true
    }
}

impl Bed {
    pub(crate) async fn over(database: Box<dyn Database>) -> Self {
        let (target, engine) = database.open("m").await;
        let (other, _) = database.open("n").await;
        let layout = layout(&*target).await;
        Self { target, other, engine, layout, database }
    }

    /// Sets the migration up, its queue beginning at position 0.
    pub(crate) async fn set_up(&self) {
        let start = StartPosition { partition: PARTITION.to_owned(), position: position(0) };
        self.target.set_up(&[SOURCE], &[start]).await.unwrap();
    }

    /// As [`Self::set_up`], with the partition claimed by generation 1 and the range by epoch 1.
    pub(crate) async fn claimed(&self) {
        self.set_up().await;
        self.target.claim_partition(PARTITION, &generation(1)).await.unwrap();
        self.target.claim_range(SOURCE, None, &generation(1)).await.unwrap();
    }

    pub(crate) async fn back_up(&mut self) {
        self.database.back_up().await;
    }

    pub(crate) async fn restore(&mut self) {
        self.database.restore().await;
        (self.target, self.engine) = self.database.open("m").await;
        (self.other, _) = self.database.open("n").await;
    }

    pub(crate) fn followers(&self) -> &Arc<TargetLayout> {
        &self.layout.targets()[0]
    }

    pub(crate) fn following(&self) -> &Arc<TargetLayout> {
        &self.layout.targets()[1]
    }

    /// Applies changes of both tables as generation 1, one change a position.
    pub(crate) async fn live(&self, from: u64, changes: &[Change<'_>]) -> LiveOutcome {
        let next = from + u64::try_from(changes.len()).unwrap();
        self.live_as(&generation(1), from, next, changes).await
    }

    pub(crate) async fn live_as(
        &self,
        generation: &Generation,
        from: u64,
        next: u64,
        changes: &[Change<'_>],
    ) -> LiveOutcome {
        let writes = [
            self.live_writes(self.followers(), from, changes),
            self.live_writes(self.following(), from, changes),
        ];
        self.target.apply_live(&live_step(generation, from, next, &writes)).await.unwrap()
    }

    pub(crate) fn live_writes(
        &self,
        target: &Arc<TargetLayout>,
        from: u64,
        changes: &[Change<'_>],
    ) -> LiveWrites {
        let mut sources = Batch::new(Arc::clone(self.layout.source()));
        let mut keys = Batch::new(Arc::clone(target.key_schema()));
        let mut entries = Vec::new();
        for (change, at) in changes.iter().zip(from..) {
            let (effect, row) = match change.note {
                Some(note) => {
                    push(&mut sources, change.key, Some(note));
                    (Effect::Set, sources.len() - 1)
                }
                None => {
                    target.project_key(&key(change.key), &mut keys).unwrap();
                    (Effect::Delete, keys.len() - 1)
                }
            };
            let version = version(change.version);
            entries.push(LiveEntry {
                key: key(change.key),
                version,
                position: position(at),
                effect,
                row,
            });
        }
        let records = target.project(&sources).unwrap();
        let source_table = Arc::from(SOURCE);
        LiveWrites { source_table, target: Arc::clone(target), entries, records, keys }
    }

    /// Copies edges as epoch 1 into the first range.
    pub(crate) async fn copy(
        &self,
        left: u64,
        next: &Progress,
        keys: &[(&str, &str)],
    ) -> CopyOutcome {
        self.copy_as(&generation(1), None, left, Some(next), keys).await
    }

    pub(crate) async fn copy_as(
        &self,
        epoch: &Generation,
        range_after: Option<&Key>,
        left: u64,
        next: Option<&Progress>,
        keys: &[(&str, &str)],
    ) -> CopyOutcome {
        let mut sources = Batch::new(Arc::clone(self.layout.source()));
        for &key in keys {
            push(&mut sources, key, Some("copied"));
        }
        let mut ordered: Vec<Key> = keys.iter().map(|&edge| key(edge)).collect();
        ordered.sort();
        let targets = [self.followers(), self.following()];
        let writes = targets.map(|target| CopyWrites {
            target: Arc::clone(target),
            records: target.project(&sources).unwrap(),
        });
        let step = CopyStep {
            source_table: SOURCE,
            range_after,
            epoch: *epoch,
            left,
            next,
            span: ordered.first().zip(ordered.last()),
            writes: &writes,
        };
        self.target.copy(&step).await.unwrap()
    }

    /// The notes of the records of a target table, in the order of its keys.
    pub(crate) async fn notes(&self, target: &TargetLayout) -> Vec<(String, String)> {
        let batch = self.target.scan(target.schema(), None, None, NO_LIMIT).await.unwrap();
        let source = target.invert(&batch).unwrap();
        let text = |value: Value<'_>| match value {
            Value::Text(text) => text.to_owned(),
            other => other.kind().to_owned(),
        };
        let name = |row: &migration::batch::Row<'_>| {
            format!("{}/{}", text(row.value(0)), text(row.value(1)))
        };
        source.rows().map(|row| (name(&row), text(row.value(2)))).collect()
    }

    /// As [`Self::notes`] of `followers`, having seen that `following` holds the same.
    pub(crate) async fn both(&self) -> Vec<(String, String)> {
        let followers = self.notes(self.followers()).await;
        let mut following = self.notes(self.following()).await;
        following.sort();
        let mut sorted = followers.clone();
        sorted.sort();
        assert_eq!(sorted, following, "the two copies of an edge differ");
        followers
    }

    /// The guard of an edge in `followers`.
    pub(crate) async fn guard(&self, edge: (&str, &str)) -> Option<Guard<Version>> {
        let table = &self.followers().schema().table;
        self.target.guards(SOURCE, table, &[key(edge)]).await.unwrap()[0]
    }

    /// Puts a guard behind the back of the protocol.
    pub(crate) async fn plant(&self, edge: (&str, &str), kind: Kind, at: u64) {
        let mut transaction = self.engine.begin(Access::Write).await.unwrap();
        let row = GuardRow { guard: Guard { version: version(at), kind }, lease: None };
        let table =
            GuardTable { source_table: SOURCE, target_table: &self.followers().schema().table };
        let key = key(edge);
        let was = transaction.guards(table, &[&key]).await.unwrap()[0];
        transaction.put_guards(table, &[GuardWrite { key: &key, was, row }]).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// One live change of an edge; without a note, its deletion.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) key: (&'a str, &'a str),
    pub(crate) version: u64,
    pub(crate) note: Option<&'a str>,
}

pub(crate) fn set<'a>(key: (&'a str, &'a str), version: u64, note: &'a str) -> Change<'a> {
    Change { key, version, note: Some(note) }
}

pub(crate) fn delete<'a>(key: (&'a str, &'a str), version: u64) -> Change<'a> {
    Change { key, version, note: None }
}

pub(crate) fn live_step<'a>(
    generation: &Generation,
    from: u64,
    next: u64,
    writes: &'a [LiveWrites],
) -> LiveStep<'a> {
    LiveStep {
        partition: PARTITION,
        generation: *generation,
        from: position(from),
        next: position(next),
        writes,
    }
}

/// The outcome of a batch whose two tables fared alike.
pub(crate) fn applied(applied: u64, duplicate: u64, stale: u64) -> LiveOutcome {
    LiveOutcome::Applied { tallies: vec![Tally { applied, duplicate, stale }; 2] }
}

/// The outcome of a copy in which the guards refused nothing.
pub(crate) fn copied(inserted: u64, existing: u64, refused: u64) -> CopyOutcome {
    CopyOutcome::Applied { inserted, existing, refused, later: Vec::new() }
}

pub(crate) fn notes(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(edge, note)| (edge.to_owned(), note.to_owned())).collect()
}

pub(crate) fn key((package, dependent): (&str, &str)) -> Key {
    Key::new([Value::Text(package), Value::Text(dependent)]).unwrap()
}

pub(crate) fn position(at: u64) -> Position {
    Position::new(&at.to_be_bytes()).unwrap()
}

pub(crate) fn version(at: u64) -> Version {
    Version::new(&at.to_be_bytes()).unwrap()
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation { number, owner: Owner(u128::from(number) << 64) }
}

pub(crate) fn push(batch: &mut Batch, (package, dependent): (&str, &str), note: Option<&str>) {
    batch.push(Value::Text(package)).unwrap();
    batch.push(Value::Text(dependent)).unwrap();
    batch.push(note.map_or(Value::Null, Value::Text)).unwrap();
    batch.push(Value::Int(7)).unwrap();
}

/// Writes edges into the source table as an application does: past every fence, through the
/// primitives of the engine.
pub(crate) async fn put_edges(bed: &Bed, edges: &[((&str, &str), Option<&str>)]) {
    let schema = bed.layout.source();
    let mut batch = Batch::new(Arc::clone(schema));
    for &(edge, note) in edges {
        push(&mut batch, edge, note);
    }
    let mut transaction = bed.engine.begin(Access::SetUp).await.unwrap();
    transaction.upsert(schema, &batch.rows().collect::<Vec<_>>()).await.unwrap();
    transaction.commit().await.unwrap();
}

/// The statement that creates a table in SQL, with the engine's names for text that sorts by its
/// bytes and for 64-bit integers.
fn create_table(table: &str, text: &str, integer: &str) -> String {
    let Schema { columns, key, .. } = description(table).schema;
    let name = |column: usize| columns[column].name.as_str();
    format!(
        "CREATE TABLE {table} ({} {text} NOT NULL, {} {text} NOT NULL, {} {text}, {} {integer}, \
         PRIMARY KEY ({}, {}))",
        name(0),
        name(1),
        name(2),
        name(3),
        name(key[0]),
        name(key[1])
    )
}

fn description(table: &str) -> TableDescription {
    let names = match table {
        SOURCE => ["package", "dependent", "note", "kib"],
        _ => ["followed", "follower", "requirement", "size_kib"],
    };
    let column = |(place, name): (usize, &str)| Column {
        name: name.to_owned(),
        column_type: if place == 3 { ColumnType::Int } else { ColumnType::Text },
        nullable: place > 1,
    };
    let columns: Vec<Column> = names.into_iter().enumerate().map(column).collect();
    let key = if table == "following" { vec![1, 0] } else { vec![0, 1] };
    TableDescription {
        lengths_max: vec![None; columns.len()],
        schema: Schema { table: table.to_owned(), columns, key },
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    }
}

/// A layout whose first target table is called otherwise.
pub(crate) fn renamed(bed: &Bed, first: &str) -> Layout {
    let mut description = description("followers");
    first.clone_into(&mut description.schema.table);
    let source = TableDescription {
        schema: Schema::clone(bed.layout.source()),
        ..self::description(SOURCE)
    };
    resolve(first, &source, &[description, self::description("following")])
}

async fn layout(store: &dyn Target) -> Layout {
    let source = store.describe(SOURCE).await.unwrap();
    let targets =
        [store.describe("followers").await.unwrap(), store.describe("following").await.unwrap()];
    resolve("followers", &source, &targets)
}

fn resolve(first: &str, source: &TableDescription, targets: &[TableDescription; 2]) -> Layout {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let column = |(name, from): (&str, &str)| ColumnPlan {
        name: name.to_owned(),
        from: from.to_owned(),
        column_type: None,
        loses: None,
    };
    let into = |name: &str, key| IntoPlan {
        name: name.to_owned(),
        key: names(key),
        shard: None,
        columns: [
            ("followed", "package"),
            ("follower", "dependent"),
            ("requirement", "note"),
            ("size_kib", "kib"),
        ]
        .map(column)
        .to_vec(),
    };
    let table = TablePlan {
        name: SOURCE.to_owned(),
        key: names(["package", "dependent"]),
        entity: vec!["package".to_owned()],
        types: Vec::new(),
        into: vec![
            into(first, ["followed", "follower"]),
            into("following", ["follower", "followed"]),
        ],
    };
    Layout::resolve(&table, source, targets, 1).unwrap()
}
