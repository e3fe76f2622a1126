//! Every type, both ways: what other programs stored is read as it is, and what we write is what
//! was read.

use crate::mysql_engine::table::Table;
use migration::batch::Schema;
use migration::value::{ColumnType, Value};

const DAY: i64 = 86_400 * 1_000_000;

/// A column, and literals with the values that they are.
type Case = (&'static str, &'static [(&'static str, Value<'static>)]);

const INTEGERS: &[Case] = &[
    ("TINYINT", &[("-128", Value::Int(-128)), ("127", Value::Int(127)), ("NULL", Value::Null)]),
    ("TINYINT UNSIGNED", &[("255", Value::Int(255))]),
    ("TINYINT(1)", &[("2", Value::Int(2)), ("-1", Value::Int(-1)), ("0", Value::Int(0))]),
    ("TINYINT(1) UNSIGNED", &[("255", Value::Int(255))]),
    ("SMALLINT", &[("-32768", Value::Int(-32_768))]),
    ("SMALLINT UNSIGNED", &[("65535", Value::Int(65_535))]),
    ("MEDIUMINT", &[("-8388608", Value::Int(-8_388_608)), ("8388607", Value::Int(8_388_607))]),
    ("MEDIUMINT UNSIGNED", &[("16777215", Value::Int(16_777_215))]),
    ("INT", &[("-2147483648", Value::Int(-2_147_483_648))]),
    ("INT UNSIGNED", &[("4294967295", Value::Int(4_294_967_295))]),
    ("INT(6) ZEROFILL", &[("42", Value::Int(42))]),
    (
        "BIGINT",
        &[
            ("-9223372036854775808", Value::Int(-9_223_372_036_854_775_808)),
            ("9223372036854775807", Value::Int(9_223_372_036_854_775_807)),
        ],
    ),
    (
        "BIGINT UNSIGNED",
        &[("18446744073709551615", Value::Int(18_446_744_073_709_551_615)), ("0", Value::Int(0))],
    ),
    ("BIT(1)", &[("b'1'", Value::Bool(true)), ("b'0'", Value::Bool(false))]),
    ("BIT(10)", &[("513", Value::Int(513)), ("0", Value::Int(0))]),
    ("BIT(64)", &[("18446744073709551615", Value::Int(18_446_744_073_709_551_615))]),
    ("YEAR", &[("2024", Value::Int(2024)), ("'0000'", Value::Int(0)), ("2155", Value::Int(2155))]),
];

const NUMBERS: &[Case] = &[
    (
        "DECIMAL(65,30)",
        &[
            (
                "99999999999999999999999999999999999.999999999999999999999999999999",
                Value::Decimal(
                    "99999999999999999999999999999999999.999999999999999999999999999999",
                ),
            ),
            (
                "-0.000000000000000000000000000001",
                Value::Decimal("-0.000000000000000000000000000001"),
            ),
        ],
    ),
    (
        "DECIMAL(38,10)",
        &[(
            "1234567890123456789012345678.0123456789",
            Value::Decimal("1234567890123456789012345678.0123456789"),
        )],
    ),
    ("DECIMAL(10,2)", &[("-0.5", Value::Decimal("-0.50")), ("0", Value::Decimal("0.00"))]),
    ("DECIMAL(5,0)", &[("99999", Value::Decimal("99999"))]),
    ("DECIMAL(10,2) ZEROFILL", &[("12.5", Value::Decimal("12.50")), ("0", Value::Decimal("0.00"))]),
    (
        "FLOAT",
        &[
            ("0.1", Value::Float32(0.1)),
            ("1.2345678", Value::Float32(1.234_567_8)),
            ("3.402823466e38", Value::Float32(f32::MAX)),
            ("16777217", Value::Float32(16_777_216.0)),
        ],
    ),
    (
        "DOUBLE",
        &[
            ("0.1", Value::Float64(0.1)),
            ("1.7976931348623157e308", Value::Float64(f64::MAX)),
            ("-2.2250738585072014e-308", Value::Float64(-f64::MIN_POSITIVE)),
        ],
    ),
];

const TEXTS: &[Case] = &[
    ("CHAR(5)", &[("'ab  '", Value::Text("ab")), ("'é😀'", Value::Text("é😀"))]),
    (
        "VARCHAR(20) COLLATE utf8mb4_general_ci",
        &[
            ("'a'", Value::Text("a")),
            ("'A'", Value::Text("A")),
            ("'a '", Value::Text("a ")),
            ("''", Value::Text("")),
            ("'it''s \\\\'", Value::Text("it's \\")),
            ("_utf8mb4 X'610062'", Value::Text("a\0b")),
            ("NULL", Value::Null),
        ],
    ),
    ("VARCHAR(5) CHARACTER SET latin1", &[("'é€'", Value::Text("é€"))]),
    ("VARCHAR(5) CHARACTER SET utf16", &[("'é😀'", Value::Text("é😀"))]),
    ("TINYTEXT", &[("'x'", Value::Text("x"))]),
    ("TEXT COLLATE utf8mb4_bin", &[("'x  '", Value::Text("x  "))]),
    ("LONGTEXT", &[("'x'", Value::Text("x"))]),
    ("ENUM('a','it''s','')", &[("'it''s'", Value::Text("it's")), ("''", Value::Text(""))]),
    (
        "SET('x','y','z')",
        &[("'z,x'", Value::Text("x,z")), ("''", Value::Text("")), ("7", Value::Text("x,y,z"))],
    ),
    ("JSON", &[("'{\"b\": 1,  \"a\":[1.10]}'", Value::Json("{\"b\": 1,  \"a\":[1.10]}"))]),
    ("BINARY(4)", &[("X'00FF00'", Value::Bytes(&[0, 255, 0, 0]))]),
    ("VARBINARY(4)", &[("X''", Value::Bytes(&[])), ("X'00'", Value::Bytes(&[0]))]),
    ("BLOB", &[("X'FFFE00'", Value::Bytes(&[255, 254, 0]))]),
    (
        "UUID",
        &[(
            // MariaDB takes none whose version and variant RFC 9562 does not know.
            "'01234567-89AB-4def-8123-456789abcdef'",
            Value::Uuid([
                0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab,
                0xcd, 0xef,
            ]),
        )],
    ),
];

const TIMES: &[Case] = &[
    (
        "DATE",
        &[
            ("'1970-01-01'", Value::Date(0)),
            ("'2024-02-29'", Value::Date(19_782)),
            ("'9999-12-31'", Value::Date(2_932_896)),
            ("'0000-01-01'", Value::Date(-719_528)),
        ],
    ),
    ("DATETIME", &[("'1970-01-02 00:00:00'", Value::Timestamp(DAY))]),
    ("DATETIME(3)", &[("'1970-01-01 00:00:00.120'", Value::Timestamp(120_000))]),
    (
        "DATETIME(6)",
        &[
            ("'1969-12-31 23:59:59.999999'", Value::Timestamp(-1)),
            ("'9999-12-31 23:59:59.999999'", Value::Timestamp(2_932_897 * DAY - 1)),
        ],
    ),
    (
        "TIMESTAMP(6) NULL",
        &[
            ("'1970-01-01 00:00:01'", Value::TimestampTz(1_000_000)),
            ("'2038-01-19 03:14:07.999999'", Value::TimestampTz(2_147_483_647_999_999)),
            ("NULL", Value::Null),
        ],
    ),
    (
        "TIME(6)",
        &[
            ("'-838:59:59.999999'", Value::Time(-3_020_399_999_999)),
            ("'838:59:59.999999'", Value::Time(3_020_399_999_999)),
            ("'-00:00:00.000001'", Value::Time(-1)),
            ("'00:00:00'", Value::Time(0)),
        ],
    ),
    ("TIME", &[("'25:00:01'", Value::Time(90_001_000_000))]),
];

/// A column of which the plan says that it is of another type than the server does.
type Stated = (&'static str, ColumnType, &'static [(&'static str, Value<'static>)]);

const STATED: &[Stated] = &[
    (
        "DATE",
        ColumnType::Text,
        &[
            ("'0000-00-00'", Value::Text("0000-00-00")),
            ("'2024-00-00'", Value::Text("2024-00-00")),
            ("'2023-02-30'", Value::Text("2023-02-30")),
            ("'2024-02-29'", Value::Text("2024-02-29")),
        ],
    ),
    (
        "DATETIME(3)",
        ColumnType::Text,
        &[
            ("'0000-00-00 00:00:00'", Value::Text("0000-00-00 00:00:00.000")),
            ("'2024-00-00 12:00:00.5'", Value::Text("2024-00-00 12:00:00.500")),
        ],
    ),
    (
        "TIMESTAMP NULL",
        ColumnType::Text,
        &[
            ("'0000-00-00 00:00:00'", Value::Text("0000-00-00 00:00:00")),
            ("'2024-02-29 12:00:00'", Value::Text("2024-02-29 12:00:00")),
        ],
    ),
    ("TIME(2)", ColumnType::Text, &[("'-100:00:00.25'", Value::Text("-100:00:00.25"))]),
    ("DATETIME", ColumnType::TimestampTz, &[("'1970-01-02 00:00:00'", Value::TimestampTz(DAY))]),
    ("TINYINT(1)", ColumnType::Bool, &[("1", Value::Bool(true)), ("0", Value::Bool(false))]),
    ("FLOAT", ColumnType::Float64, &[("0.5", Value::Float64(0.5))]),
    (
        "BINARY(16)",
        ColumnType::Uuid,
        &[(
            "X'000102030405060708090A0B0C0D0E0F'",
            Value::Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        )],
    ),
    (
        "CHAR(36)",
        ColumnType::Uuid,
        &[(
            "'00010203-0405-0607-0809-0a0b0c0d0e0f'",
            Value::Uuid([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        )],
    ),
    ("LONGTEXT", ColumnType::Json, &[("'[1]'", Value::Json("[1]"))]),
];

#[tokio::test]
async fn integers_bits_and_years_are_the_same_both_ways() {
    both_ways(INTEGERS).await;
}

#[tokio::test]
async fn decimals_and_floats_are_the_same_both_ways() {
    both_ways(NUMBERS).await;
}

#[tokio::test]
async fn text_bytes_documents_and_uuids_are_the_same_both_ways() {
    both_ways(TEXTS).await;
}

#[tokio::test]
async fn days_times_and_moments_are_the_same_both_ways() {
    both_ways(TIMES).await;
}

#[tokio::test]
async fn a_column_may_be_taken_for_another_type_that_loses_nothing() {
    for (declaration, stated, values) in STATED {
        one_both_ways(declaration, Some(*stated), values).await;
    }
}

async fn both_ways(cases: &[Case]) {
    for (declaration, values) in cases {
        one_both_ways(declaration, None, values).await;
    }
}

async fn one_both_ways(
    declaration: &str,
    stated: Option<ColumnType>,
    values: &[(&str, Value<'static>)],
) {
    let table = Table::of(declaration).await;
    let literals: Vec<&str> = values.iter().map(|(literal, _)| *literal).collect();
    table.store_sql(&literals);
    let schema = table.schema("t", stated).await;
    let batch = table.scan(&schema).await.unwrap();
    let read: Vec<Value<'_>> = batch.rows().map(|row| row.value(1)).collect();
    let expected: Vec<Value<'_>> = values.iter().map(|(_, value)| *value).collect();
    assert_eq!(read, expected, "{declaration}");

    table.create("twin", declaration);
    let twin = std::sync::Arc::new(Schema { table: "twin".to_owned(), ..(*schema).clone() });
    table.write(&twin, &batch).await.unwrap();
    // As the server sees it, by value and byte by byte.
    let differing = table.database.run(
        "SELECT count(*) FROM t LEFT JOIN twin USING (id) \
         WHERE NOT (t.v <=> twin.v AND CAST(t.v AS BINARY) <=> CAST(twin.v AS BINARY))",
    );
    assert_eq!(differing.trim(), "0", "{declaration}");
    let again = table.scan(&twin).await.unwrap();
    assert!(batch.rows().map(|row| row.bytes()).eq(again.rows().map(|row| row.bytes())));
}
