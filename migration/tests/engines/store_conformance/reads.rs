//! Reads.

use crate::store_conformance::bed::{Bed, NO_LIMIT, key, put_edges};
use migration::batch::{Batch, Column, Schema};
use migration::error::ErrorKind;
use migration::key::Key;
use migration::store::ReadLimit;
use migration::value::{ColumnType, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOUR: [((&str, &str), Option<&str>); 4] = [
    (("a", "x"), Some("1")),
    (("a", "y"), Some("2")),
    (("b", "x"), Some("3")),
    (("c", "x"), Some("4")),
];

fn keys(batch: &Batch) -> Vec<Key> {
    batch.rows().map(|row| row.key().unwrap()).collect()
}

async fn scan(bed: &Bed, after: Option<&Key>, until: Option<&Key>) -> Vec<Key> {
    keys(&bed.target.scan(bed.layout.source(), after, until, NO_LIMIT).await.unwrap())
}

pub(crate) async fn a_scan_returns_what_lies_above_the_lower_bound_up_to_the_upper_one(bed: Bed) {
    put_edges(&bed, &FOUR).await;
    let (low, high) = (key(("a", "x")), key(("b", "x")));
    assert_eq!(scan(&bed, Some(&low), Some(&high)).await, [key(("a", "y")), key(("b", "x"))]);
    assert_eq!(scan(&bed, Some(&high), None).await, [key(("c", "x"))]);
    assert_eq!(scan(&bed, None, Some(&low)).await, [key(("a", "x"))]);
    assert_eq!(scan(&bed, None, None).await.len(), 4);
    assert_eq!(scan(&bed, Some(&high), Some(&low)).await, []);
}

pub(crate) async fn a_scan_ends_at_the_records_it_may_return(bed: Bed) {
    put_edges(&bed, &FOUR).await;
    let limit = ReadLimit { rows_max: 3, bytes_max: usize::MAX };
    let batch = bed.target.scan(bed.layout.source(), None, None, limit).await.unwrap();
    assert_eq!(keys(&batch), [key(("a", "x")), key(("a", "y")), key(("b", "x"))]);
}

pub(crate) async fn a_scan_ends_with_the_record_that_crosses_its_bytes(bed: Bed) {
    put_edges(&bed, &FOUR).await;
    let one = bed.target.read(bed.layout.source(), &[key(("a", "x"))]).await.unwrap();
    let source = bed.layout.source();
    for (bytes_max, expected) in [(0, 1), (1, 1), (one.byte_count(), 1), (one.byte_count() + 1, 2)]
    {
        let limit = ReadLimit { rows_max: 100, bytes_max };
        let batch = bed.target.scan(source, None, None, limit).await.unwrap();
        assert_eq!(batch.len(), expected, "at most {bytes_max} bytes");
    }
}

pub(crate) async fn text_is_scanned_in_the_order_of_its_bytes(bed: Bed) {
    let texts = [
        "a", "A", "", "a\0", "a\0b", "a ", "ab", "é", "e\u{301}", "😀", "\u{ffff}", "1", "10", "2",
    ];
    let is_kept = |text: &&str| bed.database.keeps_nul() || !text.contains('\0');
    let texts: Vec<&str> = texts.into_iter().filter(is_kept).collect();
    let edges: Vec<_> =
        texts.iter().flat_map(|&a| texts.iter().map(move |&b| ((a, b), Some(a)))).collect();
    put_edges(&bed, &edges).await;
    let mut expected: Vec<Key> = edges.iter().map(|&(edge, _)| key(edge)).collect();
    expected.sort();
    assert_eq!(scan(&bed, None, None).await, expected);
    // Page by page, so that every key is a bound once.
    let limit = ReadLimit { rows_max: 1, bytes_max: usize::MAX };
    let mut found: Vec<Key> = Vec::new();
    while found.len() <= expected.len() {
        let source = bed.layout.source();
        let page = bed.target.scan(source, found.last(), None, limit).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(keys(&page));
    }
    assert_eq!(found, expected);
}

pub(crate) async fn a_key_of_fewer_columns_lies_before_the_records_it_begins(bed: Bed) {
    put_edges(&bed, &FOUR).await;
    let entity = Key::new([Value::Text("a")]).unwrap();
    let next = Key::new([Value::Text("b")]).unwrap();
    let expected = [key(("a", "x")), key(("a", "y"))];
    assert_eq!(scan(&bed, Some(&entity), Some(&next)).await, expected);
    assert_eq!(scan(&bed, None, Some(&entity)).await, []);
}

pub(crate) async fn a_read_finds_the_keys_that_are_there(bed: Bed) {
    let edges: Vec<(String, String)> =
        (0..700).map(|n| (format!("p{n}"), "d'; --\"".to_owned())).collect();
    let borrowed: Vec<_> =
        edges.iter().map(|(a, b)| ((a.as_str(), b.as_str()), Some("note"))).collect();
    put_edges(&bed, &borrowed).await;
    let mut asked: Vec<Key> = borrowed.iter().map(|&(edge, _)| key(edge)).collect();
    asked.insert(3, key(("not", "there")));
    let batch = bed.target.read(bed.layout.source(), &asked).await.unwrap();
    let mut found = keys(&batch);
    found.sort();
    asked.remove(3);
    asked.sort();
    assert_eq!(found, asked);
    assert!(bed.target.read(bed.layout.source(), &[]).await.unwrap().is_empty());
}

pub(crate) async fn null_and_empty_text_are_two_values(bed: Bed) {
    put_edges(&bed, &[(("a", "x"), None), (("a", "y"), Some(""))]).await;
    let batch = bed.target.scan(bed.layout.source(), None, None, NO_LIMIT).await.unwrap();
    assert_eq!(batch.row(0).value(2), Value::Null);
    assert_eq!(batch.row(1).value(2), Value::Text(""));
}

/// What [`Store::interval`] promises, from all keys.
fn interval(keys: &[Key], entity_columns: usize, rows: usize) -> Option<(Key, Key)> {
    let batch = keys.get(..rows)?;
    let (first, last) = (batch.first()?, batch.last()?);
    let entity = last.prefix(entity_columns).unwrap();
    let whole = batch.iter().take_while(|key| **key < entity).count();
    let is_enough = entity_columns < 2 && whole > rows / 2 + 1;
    Some((first.clone(), if is_enough { batch[whole - 1].clone() } else { last.clone() }))
}

pub(crate) async fn an_interval_ends_where_an_entity_ends_if_that_leaves_more_than_half(bed: Bed) {
    let names: Vec<String> = (0..60).map(|n| format!("{n:02}")).collect();
    // Entities of one record, of a few, and one that is larger than a batch.
    let owner = |n: usize| {
        if n < 10 {
            n
        } else if n < 30 {
            n / 4 + 20
        } else {
            n / 20 + 40
        }
    };
    let edges: Vec<_> =
        (0..60).map(|n| ((names[owner(n)].as_str(), names[n].as_str()), None)).collect();
    put_edges(&bed, &edges).await;
    let (schema, all) = (bed.layout.source_keys(), scan(&bed, None, None).await);
    let high = Key::new([Value::Text(names[45].as_str())]).unwrap();
    for after in std::iter::once(None).chain(all.iter().map(Some)) {
        for (until, entity_columns) in [(None, 1), (None, 2), (Some(&high), 1)] {
            let there = scan(&bed, after, until).await;
            for rows in [1, 2, 4, 7, 10, 16] {
                let found =
                    bed.target.interval(schema, after, until, entity_columns, rows).await.unwrap();
                // An engine may leave it to a scan.
                let Some(found) = found else { continue };
                let expected = interval(&there, entity_columns, rows);
                assert_eq!(Some(found), expected, "{rows} after {after:?} until {until:?}");
            }
        }
    }
}

/// Marks are as coarse as a second, and may come seconds late.
pub(crate) async fn a_write_moves_the_mark_of_its_table(bed: Bed) {
    let table = &bed.layout.source().table;
    let Some(before) = bed.target.write_mark(table).await.unwrap() else { return };
    let began = Instant::now();
    for number in 0.. {
        assert!(began.elapsed() < Duration::from_secs(30), "{number} writes, and no other mark");
        put_edges(&bed, &[((&number.to_string(), "x"), None)]).await;
        if bed.target.write_mark(table).await.unwrap() != Some(before) {
            break;
        }
    }
}

pub(crate) async fn split_points_cut_the_table_in_order(bed: Bed) {
    let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
    let edges: Vec<_> = names.iter().map(|name| ((name.as_str(), "x"), None)).collect();
    put_edges(&bed, &edges).await;
    let points = bed.target.split_points(bed.layout.source(), 8).await.unwrap();
    assert_eq!(points.len(), 7);
    assert!(points.is_sorted());
    let mut after = None;
    for until in points.iter().map(Some).chain([None]) {
        let part = scan(&bed, after, until).await.len();
        assert!((100..=150).contains(&part), "{part} records in one of 8 parts of 1,000");
        after = until;
    }
    assert_eq!(bed.target.estimate_rows(bed.layout.source()).await.unwrap(), 1000);
}

/// How many records lie in each part. The points are in order, keys of the table, and none is
/// twice.
async fn parts(bed: &Bed, points: &[Key]) -> Vec<usize> {
    assert!(points.is_sorted_by(|one, next| one < next), "{points:?}");
    let found = bed.target.read(bed.layout.source_keys(), points).await.unwrap();
    assert_eq!(found.len(), points.len(), "a point is a key of the table");
    let mut sizes = Vec::new();
    let mut after = None;
    for until in points.iter().map(Some).chain([None]) {
        sizes.push(scan(bed, after, until).await.len());
        after = until;
    }
    sizes
}

pub(crate) async fn lists_are_cut_too(bed: Bed) {
    let names: Vec<String> = (0..500).map(|n| format!("{n:03}")).collect();
    // All records but a few are of one list.
    let owner = |n: usize| if n < 5 { "a" } else { "b" };
    let edges: Vec<_> = (0..500).map(|n| ((owner(n), names[n].as_str()), None)).collect();
    put_edges(&bed, &edges).await;
    for count in [2, 7, 500] {
        let points = bed.target.split_points(bed.layout.source(), count).await.unwrap();
        let sizes = parts(&bed, &points).await;
        let part = 500 / count;
        assert_eq!((sizes.len(), sizes.iter().sum()), (count, 500), "{sizes:?}");
        assert!(sizes.iter().all(|size| (part..part + count).contains(size)), "{sizes:?}");
    }
}

pub(crate) async fn a_wrong_estimate_leaves_the_split_points_in_order(bed: Bed) {
    let is_misled = bed.database.mislead(1_500_000).await;
    let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
    let edges: Vec<_> = names.iter().map(|name| ((name.as_str(), "x"), None)).collect();
    put_edges(&bed, &edges).await;
    // Parts of 600 records, if the estimate were true, and of 6,000.
    for (count, expected) in [(2500, vec![400, 600]), (250, vec![1000])] {
        let points = bed.target.split_points(bed.layout.source(), count).await.unwrap();
        let mut sizes = parts(&bed, &points).await;
        sizes.sort_unstable();
        assert_eq!(sizes.iter().sum::<usize>(), 1000);
        assert!(!is_misled || sizes == expected, "{sizes:?}");
    }
}

pub(crate) async fn a_small_table_has_few_split_points(bed: Bed) {
    assert_eq!(bed.target.split_points(bed.layout.source(), 8).await.unwrap(), []);
    put_edges(&bed, &FOUR).await;
    assert!(bed.target.split_points(bed.layout.source(), 8).await.unwrap().len() < 4);
    assert_eq!(bed.target.split_points(bed.layout.source(), 1).await.unwrap(), []);
}

fn schema(table: &str, column: &str) -> Arc<Schema> {
    let column = Column { name: column.to_owned(), column_type: ColumnType::Text, nullable: false };
    Arc::new(Schema { table: table.to_owned(), columns: vec![column], key: vec![0] })
}

pub(crate) async fn a_table_that_is_not_there_is_refused(bed: Bed) {
    let error = bed.target.describe("no \"such\" table").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let schema = schema("no \"such\" table", "package");
    let error = bed.target.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("no \"such\" table"), "{error}");
}

pub(crate) async fn a_column_that_is_not_there_is_refused(bed: Bed) {
    let schema = schema("edges", "pakage");
    let error = bed.target.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
