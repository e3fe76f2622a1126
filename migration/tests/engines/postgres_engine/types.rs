//! Every type there and back, and what no type takes.

use crate::databases::PostgresDatabase;
use crate::postgres_engine::open;
use migration::batch::{Batch, Column, Schema};
use migration::error::{Error, ErrorKind};
use migration::key::Key;
use migration::store::{Access, PostgresStore, ReadLimit, Store as _, Transactional as _};
use migration::value::{ColumnType, Value};
use std::sync::Arc;

const NO_LIMIT: ReadLimit = ReadLimit { rows_max: 100, bytes_max: usize::MAX };
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Declared type, literal, value.
type Case = (&'static str, &'static str, Value<'static>);

/// Values that are read as they are and come out of another table as they went in.
const EXACT: &[Case] = &[
    ("boolean", "true", Value::Bool(true)),
    ("smallint", "-32768", Value::Int(-32_768)),
    ("integer", "2147483647", Value::Int(2_147_483_647)),
    ("bigint", "-9223372036854775808", Value::Int(i64::MIN as i128)),
    ("numeric", "'0'", Value::Decimal("0")),
    (
        "numeric",
        "'-0.000000000000000000000000000001'",
        Value::Decimal("-0.000000000000000000000000000001"),
    ),
    (
        "numeric",
        "'123456789012345678901234567890123456789012345678901234567890.12345'",
        Value::Decimal("123456789012345678901234567890123456789012345678901234567890.12345"),
    ),
    (
        "numeric(65,30)",
        "'99999999999999999999999999999999999.000000000000000000000000000001'",
        Value::Decimal("99999999999999999999999999999999999.000000000000000000000000000001"),
    ),
    ("numeric(10,2)", "10.5", Value::Decimal("10.50")),
    ("numeric(20,0)", "18446744073709551615", Value::Decimal("18446744073709551615")),
    ("real", "'0.1'", Value::Float32(0.1)),
    ("real", "'1e-45'", Value::Float32(f32::from_bits(1))),
    ("real", "'Infinity'", Value::Float32(f32::INFINITY)),
    ("double precision", "'0.1'", Value::Float64(0.1)),
    ("double precision", "'1.7976931348623157e308'", Value::Float64(f64::MAX)),
    ("double precision", "'-Infinity'", Value::Float64(f64::NEG_INFINITY)),
    ("text", "''", Value::Text("")),
    ("text", "'a A  é e\u{301} 😀 \u{1}'", Value::Text("a A  é e\u{301} 😀 \u{1}")),
    ("varchar(3)", "'ab '", Value::Text("ab ")),
    ("varchar", "'😀😀'", Value::Text("😀😀")),
    ("char(3)", "'abc'", Value::Text("abc")),
    ("char(3)", "'a  '", Value::Text("a  ")),
    ("bytea", "'\\x'", Value::Bytes(b"")),
    ("bytea", "'\\x00ff5c27'", Value::Bytes(b"\x00\xff\\'")),
    ("date", "'1970-01-01'", Value::Date(0)),
    ("date", "'4713-01-01 BC'", Value::Date(-2_440_550)),
    ("date", "'5874897-12-31'", Value::Date(2_145_042_905)),
    ("time", "'00:00'", Value::Time(0)),
    ("time", "'24:00'", Value::Time(MICROS_PER_DAY)),
    ("time", "'23:59:59.999999'", Value::Time(MICROS_PER_DAY - 1)),
    ("time(3)", "'00:00:00.001'", Value::Time(1_000)),
    ("timestamp", "'1970-01-01 00:00:00.000001'", Value::Timestamp(1)),
    ("timestamp", "'0001-01-01'", Value::Timestamp(-62_135_596_800_000_000)),
    ("timestamp(0)", "'1999-12-31 23:59:59'", Value::Timestamp(946_684_799_000_000)),
    ("timestamptz", "'1970-01-01 01:00:00.5+01'", Value::TimestampTz(500_000)),
    (
        "uuid",
        "'00112233-4455-6677-8899-aabbccddeeff'",
        Value::Uuid([
            0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
            0xff,
        ]),
    ),
    ("json", "' {\"b\":1,  \"a\": 1e3} '", Value::Json(" {\"b\":1,  \"a\": 1e3} ")),
    (
        "jsonb",
        "'{\"bb\":1, \"a\": [1.50, \"\\u00e9\"]}'",
        Value::Json("{\"a\": [1.50, \"é\"], \"bb\": 1}"),
    ),
    ("bigint", "NULL", Value::Null),
    ("text", "NULL", Value::Null),
    ("jsonb", "NULL", Value::Null),
];

/// A table `name` with a column `v`, and its schema; a type that is not known is taken as text.
async fn table(
    database: &PostgresDatabase,
    store: &PostgresStore,
    name: &str,
    declared: &str,
) -> Arc<Schema> {
    database.run(&format!("CREATE TABLE {name} (id bigint PRIMARY KEY, v {declared})"));
    Arc::new(store.describe(name).await.unwrap().schema)
}

/// Writes a record past every fence.
async fn write(store: &PostgresStore, records: &Batch) -> Result<(), Error> {
    let mut transaction = store.begin(Access::SetUp).await?;
    transaction.upsert(records.schema(), &records.rows().collect::<Vec<_>>()).await?;
    transaction.commit().await
}

fn record(schema: &Arc<Schema>, value: Value<'_>) -> Batch {
    let mut batch = Batch::new(Arc::clone(schema));
    batch.push(Value::Int(1)).unwrap();
    batch.push(value).unwrap();
    batch
}

#[tokio::test]
async fn every_value_is_read_as_it_is_and_written_as_it_was() {
    let database = PostgresDatabase::create();
    let store = open(&database.url()).await;
    for (place, (declared, literal, expected)) in EXACT.iter().enumerate() {
        let from = table(&database, &store, &format!("from_{place}"), declared).await;
        let to = table(&database, &store, &format!("to_{place}"), declared).await;
        database.run(&format!("INSERT INTO from_{place} VALUES (1, {literal})"));
        let found = store.scan(&from, None, None, NO_LIMIT).await.unwrap();
        assert_eq!(found.row(0).value(1), *expected, "{declared} {literal}");
        write(&store, &record(&to, found.row(0).value(1))).await.unwrap();
        let written = store.scan(&to, None, None, NO_LIMIT).await.unwrap();
        assert_eq!(written.row(0).bytes(), found.row(0).bytes(), "{declared} {literal}");
        let same = format!(
            "SELECT f.v::text IS NOT DISTINCT FROM t.v::text FROM from_{place} f, to_{place} t"
        );
        assert_eq!(database.run(&same), "t\n", "{declared} {literal}");
    }
}

#[tokio::test]
async fn what_has_no_exact_value_is_said_to_be_unreadable_with_its_key() {
    let database = PostgresDatabase::create();
    let store = open(&database.url()).await;
    for (place, (declared, literal, found)) in [
        ("numeric", "'NaN'", "NaN"),
        ("numeric", "'Infinity'", "infinity"),
        ("date", "'infinity'", "infinity"),
        ("timestamp", "'-infinity'", "infinity"),
        ("timestamptz", "'infinity'", "infinity"),
        ("timestamp", "'294247-02-01'", "a moment after the year 294246"),
    ]
    .into_iter()
    .enumerate()
    {
        let schema = table(&database, &store, &format!("t_{place}"), declared).await;
        database.run(&format!("INSERT INTO t_{place} VALUES (7, {literal})"));
        let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{declared} {literal}");
        let text = error.to_string();
        assert!(text.contains(&format!("found {found}")) && text.contains("key 7"), "{text}");
    }
}

#[tokio::test]
async fn what_a_column_would_change_is_refused_before_it_is_written() {
    let database = PostgresDatabase::create();
    let store = open(&database.url()).await;
    for (place, (declared, value, problem)) in [
        ("text", Value::Text("a\0b"), "zero byte"),
        ("varchar(3)", Value::Text("abc "), "longer"),
        ("char(3)", Value::Text("ab"), "pad"),
        ("smallint", Value::Int(32_768), "does not fit"),
        ("numeric(10,2)", Value::Decimal("1.5"), "scale"),
        ("numeric(10,2)", Value::Decimal("1.555"), "scale"),
        ("numeric(4,2)", Value::Decimal("100.00"), "more digits"),
        ("numeric", Value::Decimal("007"), "leading zeros"),
        ("numeric", Value::Decimal("-0"), "negative zero"),
        ("time", Value::Time(-1), "between 0 and 24"),
        ("time", Value::Time(30 * 3_600_000_000), "between 0 and 24"),
        ("timestamp(3)", Value::Timestamp(1), "round"),
        ("date", Value::Date(i32::MAX), "out of range"),
        ("timestamp", Value::Timestamp(i64::MIN), "out of range"),
        ("jsonb", Value::Json("{\"b\":1}"), "rewrite"),
    ]
    .into_iter()
    .enumerate()
    {
        let schema = table(&database, &store, &format!("t_{place}"), declared).await;
        let error = write(&store, &record(&schema, value)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{declared}: {error}");
        let text = error.to_string();
        assert!(text.contains(problem) && text.contains("column v, key 1"), "{text}");
        assert_eq!(database.run(&format!("SELECT count(*) FROM t_{place}")), "0\n");
    }
}

#[tokio::test]
async fn a_type_that_is_not_known_passes_as_its_text_once_the_plan_says_so() {
    let database = PostgresDatabase::create();
    database.run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(8,2)");
    let store = open(&database.url()).await;
    for (place, (declared, literal, text)) in [
        ("mood", "'ok'", "ok"),
        ("interval", "'1 year -2 days 03:04:05.000006'", "1 year -2 days +03:04:05.000006"),
        ("time with time zone", "'12:00+02'", "12:00:00+02"),
        ("text[]", "ARRAY['a', NULL, 'b,c']", "{a,NULL,\"b,c\"}"),
        ("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
        ("bit(3)", "B'101'", "101"),
        ("int4range", "'[1,5)'", "[1,5)"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = table(&database, &store, &format!("from_{place}"), declared).await;
        let to = table(&database, &store, &format!("to_{place}"), declared).await;
        let described = store.describe(&format!("from_{place}")).await.unwrap();
        assert_eq!(described.unknown_types, [("v".to_owned(), declared.to_owned())]);
        database.run(&format!("INSERT INTO from_{place} VALUES (1, {literal})"));
        let found = store.scan(&from, None, None, NO_LIMIT).await.unwrap();
        assert_eq!(found.row(0).value(1), Value::Text(text), "{declared}");
        write(&store, &record(&to, found.row(0).value(1))).await.unwrap();
        let same = format!("SELECT f.v::text = t.v::text FROM from_{place} f, to_{place} t");
        assert_eq!(database.run(&same), "t\n", "{declared}");
    }
    // A domain is what it is made of.
    let schema = table(&database, &store, "priced", "price").await;
    assert_eq!(schema.columns[1].column_type, ColumnType::Decimal);
    write(&store, &record(&schema, Value::Decimal("1.50"))).await.unwrap();
}

#[tokio::test]
async fn mysqls_unsigned_keys_lie_in_numeric_without_fraction() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id numeric(20,0) PRIMARY KEY)");
    let store = open(&database.url()).await;
    let column =
        Column { name: "id".to_owned(), column_type: ColumnType::Unsigned, nullable: false };
    let schema = Arc::new(Schema { table: "t".to_owned(), columns: vec![column], key: vec![0] });
    let mut batch = Batch::new(Arc::clone(&schema));
    let numbers = [0, 9, 10, i128::from(i64::MAX) + 1, i128::from(u64::MAX)];
    for number in numbers {
        batch.push(Value::Int(number)).unwrap();
    }
    write(&store, &batch).await.unwrap();
    let found = store.scan(&schema, None, None, NO_LIMIT).await.unwrap();
    let found: Vec<Value<'_>> = found.rows().map(|row| row.value(0)).collect();
    assert_eq!(found, numbers.map(Value::Int));
    let last = Key::new([Value::Int(u64::MAX.into())]).unwrap();
    assert_eq!(store.read(&schema, &[last]).await.unwrap().len(), 1);
}

/// Range keys are the source's: they may lie where no key of this table can.
#[tokio::test]
async fn a_bound_that_the_column_cannot_hold_cuts_where_it_lies() {
    let database = PostgresDatabase::create();
    database.run(
        "CREATE TABLE i (k smallint PRIMARY KEY); INSERT INTO i VALUES (-32768), (0), (32767); \
         CREATE TABLE t (k text COLLATE \"C\", n int, PRIMARY KEY (k, n)); \
         INSERT INTO t VALUES ('a', 1), ('a', 2), ('a!', 1), ('b', 1)",
    );
    let store = open(&database.url()).await;
    let ints = Arc::new(store.describe("i").await.unwrap().schema);
    let key = |value| Key::new([Value::Int(value)]).unwrap();
    for (after, until, count) in [
        (Some(-40_000), Some(40_000), 3),
        (Some(40_000), None, 0),
        (None, Some(-40_000), 0),
        (Some(-1), Some(40_000), 2),
    ] {
        let (after, until) = (after.map(key), until.map(key));
        let found = store.scan(&ints, after.as_ref(), until.as_ref(), NO_LIMIT).await.unwrap();
        assert_eq!(found.len(), count, "{after:?} {until:?}");
    }
    assert!(store.read(&ints, &[key(40_000)]).await.unwrap().is_empty());
    let texts = Arc::new(store.describe("t").await.unwrap().schema);
    let edge = |text, number| Key::new([Value::Text(text), Value::Int(number)]).unwrap();
    for (bound, above) in [(edge("a\0z", 5), 2), (edge("a", 1), 3), (edge("\0", 1), 4)] {
        let found = store.scan(&texts, Some(&bound), None, NO_LIMIT).await.unwrap();
        assert_eq!(found.len(), above, "after {bound}");
        let found = store.scan(&texts, None, Some(&bound), NO_LIMIT).await.unwrap();
        assert_eq!(found.len(), 4 - above, "until {bound}");
    }
    assert!(store.read(&texts, &[edge("a\0", 1)]).await.unwrap().is_empty());
}
