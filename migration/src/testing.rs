//! A small migration in memory, for the tests and simulations of the phases.
//!
//! One source table of lists (who follows whom), two target tables that hold each record once by
//! the followed and once by the follower, spread over several instances; a queue that the service
//! of this world fills in the order of its commits.

mod lock;

pub use lock::{FickleLock, Whim};

use crate::batch::{Batch, Column, Schema};
use crate::error::Result;
use crate::key::Key;
use crate::layout::{Layout, ShardFunction};
use crate::plan::{ColumnPlan, IntoPlan, ShardPlan, TablePlan};
use crate::queue::{MemoryQueue, Queue};
use crate::store::{
    MemoryDatabase, MemoryStore, ReadLimit, StartPosition, Store, TableDescription, Target,
};
use crate::value::{ColumnType, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The queue's only partition.
pub const PARTITION: &str = "outbox";
/// The source table.
pub const TABLE: &str = "followers";

/// A whole migration in memory.
#[derive(Debug)]
pub struct World {
    /// The source's database, for the service of this world.
    pub database: MemoryDatabase,
    /// The source as the phases see it.
    pub source: Arc<dyn Store>,
    /// The databases of the instances, to be broken.
    pub instances: Vec<MemoryDatabase>,
    /// The instances as the phases see them.
    pub targets: Vec<Arc<dyn Target>>,
    /// The queue.
    pub queue: MemoryQueue,
    /// The table and what it becomes.
    pub layout: Arc<Layout>,
}

impl World {
    /// An empty world with so many instances of the target, not set up.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn new(instances: usize) -> Result<Self> {
        let table = table_plan(instances);
        let (source_table, target_tables) = descriptions();
        let layout = Layout::resolve(&table, &source_table, &target_tables, instances)?;
        let database = MemoryDatabase::new();
        database.create_table(source_table).await;
        let source: Arc<dyn Store> = Arc::new(MemoryStore::new("source", database.clone(), "test"));
        let mut world = Self {
            database,
            source,
            instances: Vec::new(),
            targets: Vec::new(),
            queue: MemoryQueue::new(&[PARTITION], 0),
            layout: Arc::new(layout),
        };
        for index in 0..instances {
            let database = MemoryDatabase::new();
            for description in target_tables.clone() {
                database.create_table(description).await;
            }
            let name = format!("shard-{index}");
            world.targets.push(Arc::new(MemoryStore::new(name, database.clone(), "test")));
            world.instances.push(database);
        }
        Ok(world)
    }

    /// Makes every instance ready, from the queue's end on.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn set_up(&self) -> Result<()> {
        let position = self.queue.end(PARTITION).await?;
        let start = [StartPosition { partition: PARTITION.to_owned(), position }];
        for target in &self.targets {
            target.set_up(&[TABLE], &start).await?;
        }
        Ok(())
    }

    /// The service follows: writes the source, without telling the queue.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn put_quietly(&self, followed: &str, follower: &str, weight: i64) -> Result<()> {
        let mut batch = Batch::new(Arc::clone(self.layout.source()));
        for value in [Value::Text(followed), Value::Text(follower), Value::Int(weight.into())] {
            batch.push(value)?;
        }
        self.database.put(&batch).await
    }

    /// The service follows: writes the source, then the queue.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn put(&self, followed: &str, follower: &str, weight: i64) -> Result<()> {
        self.put_quietly(followed, follower, weight).await?;
        let payload = serde_json::json!({
            "followed": followed, "follower": follower, "weight": weight,
        });
        self.tell("upsert", &payload.to_string())
    }

    /// The service unfollows: removes from the source, then tells the queue.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn remove(&self, followed: &str, follower: &str) -> Result<()> {
        self.database.remove(TABLE, &[key(followed, follower)?]).await?;
        let payload = serde_json::json!({ "followed": followed, "follower": follower });
        self.tell("delete", &payload.to_string())
    }

    /// Appends any message to the queue.
    ///
    /// # Errors
    /// None that a test could act on.
    pub fn tell(&self, op: &str, payload: &str) -> Result<()> {
        self.queue.append(PARTITION, TABLE, op, Some(payload.as_bytes())).map(drop)
    }

    /// Every difference between the source and the target tables, as a line each.
    ///
    /// # Errors
    /// None that a test could act on.
    pub async fn differences(&self) -> Result<Vec<String>> {
        let all = ReadLimit { rows_max: usize::MAX, bytes_max: usize::MAX };
        let rows = self.source.scan(self.layout.source(), None, None, all).await?;
        let mut differences = Vec::new();
        for table in self.layout.targets() {
            let mut expected = BTreeSet::new();
            for row in table.project(&rows)?.rows() {
                expected.insert((table.instance_of(&row)?, row.bytes().to_vec()));
            }
            for (instance, target) in self.targets.iter().enumerate() {
                let found = target.scan(table.schema(), None, None, all).await?;
                for row in found.rows() {
                    if !expected.remove(&(instance, row.bytes().to_vec())) {
                        let key = table.range_key(&row)?;
                        differences.push(format!("{} has {key}", table.schema().table));
                    }
                }
            }
            let missing = expected.len();
            if missing > 0 {
                differences.push(format!("{} lacks {missing} records", table.schema().table));
            }
        }
        Ok(differences)
    }
}

/// The key of a record of this world.
///
/// # Errors
/// None that a test could act on.
pub fn key(followed: &str, follower: &str) -> Result<Key> {
    Key::new([Value::Text(followed), Value::Text(follower)])
}

fn table_plan(instances: usize) -> TablePlan {
    let columns = |names: &[(&str, &str)]| {
        let column = |&(name, from): &(&str, &str)| ColumnPlan {
            name: name.to_owned(),
            from: from.to_owned(),
            column_type: None,
            loses: None,
        };
        names.iter().map(column).collect()
    };
    let into = |name: &str, key: [&str; 2], names: &[(&str, &str)]| IntoPlan {
        name: name.to_owned(),
        key: key.map(str::to_owned).to_vec(),
        shard: (instances > 1).then(|| ShardPlan {
            by: key[0].to_owned(),
            function: ShardFunction::Crc32,
            bounds: Vec::new(),
        }),
        columns: columns(names),
    };
    TablePlan {
        name: TABLE.to_owned(),
        key: vec!["followed".to_owned(), "follower".to_owned()],
        entity: vec!["followed".to_owned()],
        types: Vec::new(),
        into: vec![
            into(
                "follower_of",
                ["user", "fan"],
                &[("user", "followed"), ("fan", "follower"), ("weight", "weight")],
            ),
            into(
                "following_of",
                ["fan", "user"],
                &[("fan", "follower"), ("user", "followed"), ("weight", "weight")],
            ),
        ],
    }
}

fn descriptions() -> (TableDescription, Vec<TableDescription>) {
    let described = |table: &str, names: [&str; 2]| {
        let text = |name: &str| Column {
            name: name.to_owned(),
            column_type: ColumnType::Text,
            nullable: false,
        };
        let weight =
            Column { name: "weight".to_owned(), column_type: ColumnType::Int, nullable: true };
        TableDescription {
            schema: Schema {
                table: table.to_owned(),
                columns: vec![text(names[0]), text(names[1]), weight],
                key: vec![0, 1],
            },
            lengths_max: vec![None; 3],
            other_unique_keys: Vec::new(),
            key_never_reused: false,
            unknown_types: Vec::new(),
        }
    };
    (
        described(TABLE, ["followed", "follower"]),
        vec![described("follower_of", ["user", "fan"]), described("following_of", ["fan", "user"])],
    )
}
