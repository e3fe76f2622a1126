//! Layouts: the way there, the way back, and that everybody finds a record at the same place.

use crate::properties::conversion::{convertible, pairs};
use crate::properties::values::{Owned, of};
use migration::batch::{Batch, Column, Schema};
use migration::key::can_be_key;
use migration::layout::{Layout, ShardFunction, TargetLayout};
use migration::plan::{ColumnPlan, IntoPlan, ShardPlan, TablePlan};
use migration::store::TableDescription;
use migration::value::{ColumnType, Value};
use proptest::collection::vec;
use proptest::prelude::{
    BoxedStrategy, Just, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::sample::select;
use std::sync::Arc;

const INSTANCES: usize = 7;

/// A table of the source with what it becomes, and some of its records.
#[derive(Debug, Clone)]
struct Case {
    /// Source and target type of each column; the first ones are the key.
    columns: Vec<(ColumnType, ColumnType)>,
    key_count: usize,
    entity_count: usize,
    /// The order of the columns in the target.
    order: Vec<usize>,
    /// Which of the columns beside the key the target takes.
    taken: Vec<bool>,
    records: Vec<Vec<Owned>>,
}

fn cases() -> BoxedStrategy<Case> {
    let keys: Vec<_> =
        pairs().into_iter().filter(|&(from, to)| can_be_key(from) && can_be_key(to)).collect();
    (vec(select(keys), 1..4), vec(select(pairs()), 0..4), any::<proptest::sample::Index>())
        .prop_flat_map(|(keys, others, entity)| {
            let key_count = keys.len();
            let columns = [keys, others].concat();
            let record: Vec<_> = columns
                .iter()
                .enumerate()
                .map(|(i, &(from, to))| {
                    let value = convertible(from, to);
                    if i < key_count { not_null(value, from) } else { value }
                })
                .collect();
            (
                Just(Case {
                    order: Vec::new(),
                    taken: Vec::new(),
                    records: Vec::new(),
                    entity_count: entity.index(key_count) + 1,
                    key_count,
                    columns: columns.clone(),
                }),
                Just((0..columns.len()).collect::<Vec<_>>()).prop_shuffle(),
                vec(any::<bool>(), columns.len()),
                vec(record, 1..6),
            )
        })
        .prop_map(|(case, order, taken, records)| Case { order, taken, records, ..case })
        .boxed()
}

fn not_null(values: BoxedStrategy<Owned>, column_type: ColumnType) -> BoxedStrategy<Owned> {
    values
        .prop_flat_map(move |value| match value {
            // Zero is a value of every type that a conversion is picky about.
            Owned::Null if column_type == ColumnType::Int => Just(Owned::Int(0)).boxed(),
            Owned::Null => of(column_type),
            value => Just(value).boxed(),
        })
        .boxed()
}

impl Case {
    fn takes(&self, column: usize) -> bool {
        column < self.key_count || self.taken[column]
    }

    /// The shard column is the last of the key, so that it is not what a scan goes by.
    fn shard_column(&self) -> usize {
        self.key_count - 1
    }

    fn layout(&self) -> Layout {
        let source_name = |i: usize| format!("s{i}");
        let target_name = |i: usize| format!("t{i}");
        let target_columns: Vec<usize> =
            self.order.iter().copied().filter(|&column| self.takes(column)).collect();
        let target_keys: Vec<usize> =
            self.order.iter().copied().filter(|&column| column < self.key_count).collect();
        let shard_type = self.columns[self.shard_column()].1;
        let shard = matches!(
            shard_type,
            ColumnType::Text | ColumnType::Bytes | ColumnType::Int | ColumnType::Unsigned
        );
        let table = TablePlan {
            name: "source".into(),
            key: (0..self.key_count).map(source_name).collect(),
            entity: (0..self.entity_count).map(source_name).collect(),
            types: Vec::new(),
            into: vec![IntoPlan {
                name: "target".into(),
                key: target_keys.iter().copied().map(target_name).collect(),
                shard: shard.then(|| ShardPlan {
                    by: target_name(self.shard_column()),
                    function: ShardFunction::Crc32,
                    bounds: Vec::new(),
                }),
                columns: target_columns
                    .iter()
                    .map(|&column| ColumnPlan {
                        name: target_name(column),
                        from: source_name(column),
                        column_type: None,
                        loses: None,
                    })
                    .collect(),
            }],
        };
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let source = self.described("source", "s", &all, |pair| pair.0);
        let target = self.described("target", "t", &target_columns, |pair| pair.1);
        let instances = if shard { INSTANCES } else { 1 };
        Layout::resolve(&table, &source, &[target], instances).unwrap()
    }

    fn described(
        &self,
        table: &str,
        prefix: &str,
        columns: &[usize],
        column_type: impl Fn((ColumnType, ColumnType)) -> ColumnType,
    ) -> TableDescription {
        let described = columns.iter().map(|&i| Column {
            name: format!("{prefix}{i}"),
            column_type: column_type(self.columns[i]),
            nullable: i >= self.key_count,
        });
        let key =
            (0..self.key_count).filter_map(|key| columns.iter().position(|&column| column == key));
        TableDescription {
            schema: Schema {
                table: table.into(),
                columns: described.collect(),
                key: key.collect(),
            },
            lengths_max: vec![None; columns.len()],
            other_unique_keys: Vec::new(),
            key_never_reused: false,
            unknown_types: Vec::new(),
        }
    }

    /// The records, as the layout reads them: only the columns that somebody takes.
    fn batch(&self, layout: &Layout) -> Batch {
        let mut batch = Batch::new(Arc::clone(layout.source()));
        for record in &self.records {
            for (i, value) in record.iter().enumerate() {
                if self.takes(i) {
                    batch.push(value.value()).unwrap();
                }
            }
        }
        batch
    }
}

fn target(layout: &Layout) -> &TargetLayout {
    &layout.targets()[0]
}

proptest! {
    #[test]
    fn what_is_projected_comes_back(case in cases()) {
        let layout = case.layout();
        let rows = case.batch(&layout);
        let there = target(&layout).project(&rows).unwrap();
        prop_assert_eq!(there.len(), rows.len());
        let back = target(&layout).invert(&there).unwrap();
        for (row, back) in rows.rows().zip(back.rows()) {
            prop_assert_eq!(row.bytes(), back.bytes());
        }
        let all = (0..case.columns.len()).all(|column| case.takes(column));
        prop_assert_eq!(target(&layout).is_complete(), all);
    }

    // A batch whose records stay as they are is not taken apart.
    #[test]
    fn a_batch_is_projected_as_its_records_are_one_by_one(case in cases(), sorted in any::<bool>()) {
        let mut case = case;
        if sorted {
            case.order.sort_unstable();
        }
        let layout = case.layout();
        let rows = case.batch(&layout);
        let mut one_by_one = Batch::new(Arc::clone(target(&layout).schema()));
        for row in rows.rows() {
            target(&layout).project_row(&row, &mut one_by_one).unwrap();
        }
        let there = target(&layout).project(&rows).unwrap();
        prop_assert_eq!(there.schema(), one_by_one.schema());
        prop_assert!(there.rows().map(|row| row.bytes()).eq(one_by_one.rows().map(|row| row.bytes())));
    }

    #[test]
    fn the_range_key_is_the_source_key(case in cases()) {
        let layout = case.layout();
        let rows = case.batch(&layout);
        let there = target(&layout).project(&rows).unwrap();
        for (row, there) in rows.rows().zip(there.rows()) {
            let key = row.key().unwrap();
            prop_assert_eq!(&target(&layout).range_key(&there).unwrap(), &key);
            let entity = layout.entity(&key).unwrap();
            prop_assert_eq!(entity, key.prefix(case.entity_count).unwrap());
        }
    }

    // A delete knows only the source key, and must go where the insert went.
    #[test]
    fn a_key_alone_leads_to_the_same_record_on_the_same_instance(case in cases()) {
        let layout = case.layout();
        let rows = case.batch(&layout);
        let there = target(&layout).project(&rows).unwrap();
        let mut keys = Batch::new(Arc::clone(target(&layout).key_schema()));
        for row in rows.rows() {
            target(&layout).project_key(&row.key().unwrap(), &mut keys).unwrap();
        }
        for (there, by_key) in there.rows().zip(keys.rows()) {
            prop_assert_eq!(there.key().unwrap(), by_key.key().unwrap());
            let instance = target(&layout).instance_of(&there).unwrap();
            prop_assert!(instance < INSTANCES);
            prop_assert_eq!(instance, target(&layout).instance_of_key(&by_key).unwrap());
        }
    }

    #[test]
    fn nothing_but_the_shard_column_chooses_the_instance(case in cases()) {
        let mut case = case;
        // Every record gets the first one's shard value.
        let column = case.shard_column();
        let value = case.records[0][column].clone();
        for record in &mut case.records {
            record[column] = value.clone();
        }
        let layout = case.layout();
        let there = target(&layout).project(&case.batch(&layout)).unwrap();
        let first = target(&layout).instance_of(&there.row(0)).unwrap();
        for row in there.rows() {
            prop_assert_eq!(target(&layout).instance_of(&row).unwrap(), first);
        }
    }

    #[test]
    fn an_aligned_target_sorts_as_its_source_does(case in cases()) {
        let layout = case.layout();
        let rows = case.batch(&layout);
        let there = target(&layout).project(&rows).unwrap();
        if target(&layout).is_aligned() {
            for (row, there) in rows.rows().zip(there.rows()) {
                prop_assert_eq!(row.key().unwrap(), there.key().unwrap());
            }
        }
    }

    // So that nothing that lies in a target by mistake is taken for a record of the source.
    #[test]
    fn a_target_record_is_inverted_only_to_what_projects_to_it(
        (case, values) in cases().prop_flat_map(|case| {
            let values: Vec<_> = case.columns.iter().map(|&(_, to)| of(to)).collect();
            (Just(case), values)
        })
    ) {
        let layout = case.layout();
        let mut there = Batch::new(Arc::clone(target(&layout).schema()));
        for &column in case.order.iter().filter(|&&column| case.takes(column)) {
            there.push(values[column].value()).unwrap();
        }
        if let Ok(back) = target(&layout).invert(&there) {
            let again = target(&layout).project(&back).unwrap();
            prop_assert_eq!(again.row(0).bytes(), there.row(0).bytes());
        }
    }
}

/// The places of known keys, which no new version may change.
#[test]
fn known_keys_stay_on_their_instances() {
    let case = Case {
        columns: vec![(ColumnType::Text, ColumnType::Text)],
        key_count: 1,
        entity_count: 1,
        order: vec![0],
        taken: vec![true],
        records: ["libc6", "2to3", "", "é"].map(|text| vec![Owned::Text(text.into())]).into(),
    };
    let layout = case.layout();
    let there = target(&layout).project(&case.batch(&layout)).unwrap();
    let places: Vec<usize> =
        there.rows().map(|row| target(&layout).instance_of(&row).unwrap()).collect();
    // zlib.crc32(text) % 7.
    assert_eq!(places, [6, 4, 0, 4]);
    assert_eq!(there.row(0).value(0), Value::Text("libc6"));
}
