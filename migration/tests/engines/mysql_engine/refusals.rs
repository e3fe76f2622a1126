//! Values and tables that cannot be moved exactly: refused with a reason, and nothing is stored.

use crate::mysql_engine::table::{NO_LIMIT, Table, record};
use migration::error::ErrorKind;
use migration::store::Store as _;
use migration::value::{ColumnType, Value};

/// A column, the type that the plan states, a value, and a part of the reason.
const UNWRITABLE: &[(&str, Option<ColumnType>, Value<'static>, &str)] = &[
    ("DECIMAL(10,2)", None, Value::Decimal("1.5"), "digits after the point"),
    ("DECIMAL(10,2)", None, Value::Decimal("1.234"), "digits after the point"),
    ("DECIMAL(10,2)", None, Value::Decimal("123456789.00"), "does not take the value"),
    ("TINYINT", None, Value::Int(300), "does not take the value"),
    ("INT UNSIGNED", None, Value::Int(4_294_967_296), "does not take the value"),
    ("BIT(4)", None, Value::Int(16), "does not take the value"),
    ("YEAR", None, Value::Int(70), "1901"),
    ("FLOAT", Some(ColumnType::Float64), Value::Float64(0.1), "precision"),
    ("DOUBLE", None, Value::Float64(f64::NAN), "precision"),
    ("CHAR(3)", None, Value::Text("a "), "blanks at the end"),
    ("VARCHAR(3)", None, Value::Text("abc "), "blanks at the end"),
    ("VARCHAR(3)", None, Value::Text("abcd"), "does not take the value"),
    ("VARCHAR(3) CHARACTER SET latin1", None, Value::Text("😀"), "does not take the value"),
    ("VARCHAR(3) CHARACTER SET utf8mb3", None, Value::Text("😀"), "does not take the value"),
    ("ENUM('a','b')", None, Value::Text("c"), "labels"),
    ("ENUM('a','b')", None, Value::Text("A"), "labels"),
    ("ENUM('a','b')", None, Value::Text("1"), "labels"),
    ("SET('a','b')", None, Value::Text("b,a"), "labels"),
    ("SET('a','b')", None, Value::Text("3"), "labels"),
    ("BINARY(4)", None, Value::Bytes(&[1, 2, 3]), "fill up"),
    ("VARBINARY(2)", None, Value::Bytes(&[1, 2, 3]), "does not take the value"),
    ("DATETIME(3)", None, Value::Timestamp(1), "digits of a second"),
    ("TIME", None, Value::Time(1), "digits of a second"),
    ("TIME", None, Value::Time(4_000_000_000_000), "does not take the value"),
    ("DATE", None, Value::Date(-800_000), "a year outside"),
    ("DATETIME", None, Value::Timestamp(253_402_300_800_000_000), "a year outside"),
    ("TIMESTAMP NULL", None, Value::TimestampTz(0), "does not take the value"),
    ("TIMESTAMP NULL", None, Value::TimestampTz(4_000_000_000_000_000), "does not take the value"),
    ("DATE", Some(ColumnType::Text), Value::Text("2024-2-9"), "text of another form"),
    ("JSON", None, Value::Json("{"), "constraint"),
    ("INT NOT NULL", None, Value::Null, ""),
];

#[tokio::test]
async fn what_a_column_would_change_is_refused_and_nothing_is_stored() {
    for (declaration, stated, value, reason) in UNWRITABLE {
        let table = Table::of(declaration).await;
        let mut schema = (*table.schema("t", *stated).await).clone();
        schema.columns[1].nullable = true;
        let batch = record(&schema.clone().into(), 7, *value);
        let error = table.write(&schema, &batch).await.unwrap_err();
        let shown = format!("{error:?}");
        assert!(
            matches!(error.kind(), ErrorKind::Unreadable | ErrorKind::Refused),
            "{declaration}: {shown}"
        );
        assert!(shown.contains(reason) && shown.contains("table t"), "{declaration}: {shown}");
        assert_eq!(table.database.run("SELECT count(*) FROM t").trim(), "0", "{declaration}");
    }
}

#[tokio::test]
async fn the_record_that_the_server_refuses_is_named_by_its_key_and_its_value_is_not_shown() {
    let table = Table::of("VARCHAR(5)").await;
    let schema = table.schema("t", None).await;
    let mut batch = record(&schema, 1, Value::Text("short"));
    batch.push_row(record(&schema, 42, Value::Text("much too long")).row(0));
    let error = table.write(&schema, &batch).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("key 42") && shown.contains("column 'v'"), "{shown}");
    assert!(!shown.contains("much"), "{shown}");
}

/// A column, a literal that is stored in it, and the type that it is not of.
const UNREADABLE: &[(&str, &str, Option<ColumnType>)] = &[
    ("DATE", "'0000-00-00'", None),
    ("DATE", "'2024-00-00'", None),
    ("DATE", "'2023-02-30'", None),
    ("DATETIME", "'0000-00-00 00:00:00'", None),
    ("DATETIME(6)", "'2024-01-00 00:00:00'", None),
    ("TIMESTAMP NULL", "'0000-00-00 00:00:00'", None),
    ("TINYINT(1)", "2", Some(ColumnType::Bool)),
    ("CHAR(36)", "'00010203-0405-0607-0809-0A0B0C0D0E0F'", Some(ColumnType::Uuid)),
    ("BINARY(16)", "NULL", None),
];

#[tokio::test]
async fn a_value_that_is_not_of_its_type_is_never_read_as_null() {
    for (declaration, literal, stated) in &UNREADABLE[..UNREADABLE.len() - 1] {
        let table = Table::of(declaration).await;
        table.store_sql(&[literal]);
        let schema = table.schema("t", *stated).await;
        let error = table.scan(&schema).await.unwrap_err();
        let shown = format!("{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{declaration}: {shown}");
        for part in ["table t", "column v", "key 0"] {
            assert!(shown.contains(part), "{declaration}: {shown}");
        }
        assert!(error.next_step().is_some_and(|hint| hint.contains("types")), "{shown}");
    }
    let (declaration, literal, _) = UNREADABLE[UNREADABLE.len() - 1];
    let table = Table::of(declaration).await;
    table.store_sql(&[literal]);
    let batch = table.scan(&table.schema("t", None).await).await.unwrap();
    assert_eq!(batch.row(0).value(1), Value::Null, "null alone is null");
}

#[tokio::test]
async fn a_column_whose_values_cannot_be_of_the_plans_type_is_refused() {
    for (declaration, stated) in [
        ("FLOAT(7,2)", ColumnType::Float32),
        ("POINT", ColumnType::Bytes),
        ("INET6", ColumnType::Text),
        ("VARCHAR(9)", ColumnType::Int),
        ("DATETIME", ColumnType::Date),
    ] {
        let table = Table::of(declaration).await;
        let schema = table.schema("t", Some(stated)).await;
        let error = table.store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{declaration}");
        assert!(error.to_string().contains("column v"), "{declaration}: {error}");
    }
    let table = Table::of("POINT").await;
    let described = table.store.describe("t").await.unwrap();
    assert_eq!(described.unknown_types, [("v".to_owned(), "point".to_owned())]);
}

#[tokio::test]
async fn a_table_without_transactions_is_not_written_to() {
    let table = Table::of("INT").await;
    table.database.run("ALTER TABLE t ENGINE = MyISAM");
    let schema = table.schema("t", None).await;
    let error = table.write(&schema, &record(&schema, 1, Value::Int(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("InnoDB"), "{error:?}");
}

#[tokio::test]
async fn zero_is_a_key_like_any_other() {
    let table = Table::of("INT").await;
    table.database.run("ALTER TABLE t MODIFY id INT AUTO_INCREMENT");
    let schema = table.schema("t", None).await;
    table.write(&schema, &record(&schema, 0, Value::Int(5))).await.unwrap();
    assert_eq!(table.database.run("SELECT id, v FROM t").trim(), "0\t5");
}

#[tokio::test]
async fn a_view_is_no_table() {
    let table = Table::of("INT").await;
    table.database.run("CREATE VIEW w AS SELECT * FROM t");
    assert_eq!(table.store.describe("w").await.unwrap_err().kind(), ErrorKind::Refused);
    // The server may find a table under another case of its name; we do not.
    assert_eq!(table.store.describe("T").await.unwrap_err().kind(), ErrorKind::Refused);
}
