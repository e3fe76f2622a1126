//! Batches: what is pushed comes back, and what is refused leaves no trace.

use crate::properties::values::{Owned, TYPES, nullable, same};
use migration::batch::{Batch, Column, Schema};
use migration::value::{ColumnType, Value};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Strategy, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use std::sync::Arc;

fn schema(types: &[ColumnType]) -> Arc<Schema> {
    let columns = types.iter().enumerate().map(|(i, &column_type)| Column {
        name: format!("c{i}"),
        column_type,
        nullable: true,
    });
    Arc::new(Schema { table: "t".into(), columns: columns.collect(), key: vec![0] })
}

fn records() -> BoxedStrategy<(Vec<ColumnType>, Vec<Vec<Owned>>)> {
    vec(select(&TYPES[..]), 1..6)
        .prop_flat_map(|types| {
            let record = types.iter().map(|&column_type| nullable(column_type)).collect::<Vec<_>>();
            let records = vec(record, 0..6);
            records.prop_map(move |records| (types.clone(), records))
        })
        .boxed()
}

fn filled(types: &[ColumnType], records: &[Vec<Owned>]) -> Batch {
    let mut batch = Batch::new(schema(types));
    for value in records.iter().flatten() {
        batch.push(value.value()).unwrap();
    }
    batch
}

fn holds(batch: &Batch, records: &[Vec<Owned>]) -> bool {
    batch.len() == records.len()
        && batch.rows().zip(records).all(|(row, record)| {
            row.values().zip(record).all(|(held, pushed)| same(&held, &pushed.value()))
        })
}

proptest! {
    #[test]
    fn records_come_back_in_order((types, records) in records()) {
        let batch = filled(&types, &records);
        prop_assert!(holds(&batch, &records));
        let bytes: usize = batch.rows().map(|row| row.bytes().len()).sum();
        prop_assert_eq!(batch.byte_count(), bytes);
    }

    #[test]
    fn records_are_equal_exactly_when_their_bytes_are((types, records) in records()) {
        let batch = filled(&types, &records);
        for (a, first) in batch.rows().zip(&records) {
            for (b, second) in batch.rows().zip(&records) {
                let equal = first.iter().zip(second).all(|(a, b)| same(&a.value(), &b.value()));
                prop_assert_eq!(a.bytes() == b.bytes(), equal);
            }
        }
    }

    #[test]
    fn a_record_that_is_not_whole_is_taken_back((types, records) in records(), count in 0_usize..6) {
        let mut batch = filled(&types, &records);
        for _ in 0..count.min(types.len() - 1) {
            batch.push(Value::Null).unwrap();
        }
        batch.discard_partial();
        prop_assert!(holds(&batch, &records));
        prop_assert_eq!(batch.byte_count(), filled(&types, &records).byte_count());
    }

    #[test]
    fn a_value_of_another_type_is_refused_and_changes_nothing((types, records) in records(), wrong in select(&TYPES[..]).prop_flat_map(crate::properties::values::of)) {
        let mut batch = filled(&types, &records);
        if !wrong.value().fits(types[0]) {
            prop_assert!(batch.push(wrong.value()).is_err());
            prop_assert!(holds(&batch, &records));
        }
    }

    #[test]
    fn truncated_copied_and_cleared_batches_hold_what_they_should((types, records) in records(), keep in 0_usize..6) {
        let mut batch = filled(&types, &records);
        let mut copy = Batch::new(Arc::clone(batch.schema()));
        for row in batch.rows() {
            copy.push_row(row);
        }
        prop_assert!(holds(&copy, &records));

        let keep = keep.min(records.len());
        batch.truncate(keep);
        prop_assert!(holds(&batch, &records[..keep]));
        for value in records.iter().flatten() {
            batch.push(value.value()).unwrap();
        }
        prop_assert!(holds(&batch, &[&records[..keep], &records[..]].concat()));

        batch.clear();
        prop_assert!(batch.is_empty() && batch.byte_count() == 0);
    }
}
