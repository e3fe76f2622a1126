//! From MySQL and MariaDB to PostgreSQL.

use crate::type_pairs::Then::{Is, No};
use crate::type_pairs::{Case, Unfit, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "BIGINT UNSIGNED",
        "numeric(20,0)",
        &[
            ("18446744073709551615", Is("18446744073709551615")),
            ("0", Is("0")),
            ("NULL", Is("NULL")),
        ],
    ),
    case(
        "BIGINT UNSIGNED",
        "bigint",
        &[
            ("9223372036854775807", Is("9223372036854775807")),
            ("18446744073709551615", No("out of its range")),
        ],
    ),
    case(
        "INT UNSIGNED",
        "integer",
        &[("2147483647", Is("2147483647")), ("4294967295", No("does not fit"))],
    ),
    case("BIGINT UNSIGNED", "text", &[("18446744073709551615", Is("18446744073709551615"))]),
    case("TINYINT(1)", "smallint", &[("-128", Is("-128")), ("2", Is("2"))]),
    case(
        "TINYINT(1)",
        "boolean",
        &[("1", Is("true")), ("0", Is("false")), ("2", No("no exact counterpart"))],
    ),
    case("BIT(1)", "boolean", &[("b'1'", Is("true")), ("b'0'", Is("false"))]),
    case("BIT(64)", "numeric(20,0)", &[("18446744073709551615", Is("18446744073709551615"))]),
    case("YEAR", "smallint", &[("2155", Is("2155")), ("'0000'", Is("0"))]),
    case(
        "DECIMAL(65,30)",
        "numeric(65,30)",
        &[
            (
                "-99999999999999999999999999999999999.999999999999999999999999999999",
                Is("-99999999999999999999999999999999999.999999999999999999999999999999"),
            ),
            ("0", Is("0.000000000000000000000000000000")),
        ],
    ),
    case("DECIMAL(10,2)", "numeric", &[("1.5", Is("1.50"))]),
    case("DECIMAL(10,2)", "numeric(10,3)", &[("1.5", No("scale"))]),
    case("FLOAT", "real", &[("0.1", Is("0.1")), ("16777217", Is("1.6777216e+07"))]),
    case("FLOAT", "double precision", &[("0.1", Is("0.10000000149011612"))]).taken_for("float64"),
    case(
        "DOUBLE",
        "double precision",
        &[("0.1", Is("0.1")), ("1.7976931348623157e308", Is("1.7976931348623157e+308"))],
    ),
    case("ENUM('a','it''s','')", "text", &[("'it''s'", Is("it's")), ("''", Is(""))]),
    case("ENUM('sad','ok')", "mood", &[("'ok'", Is("ok"))]).kept_as("text"),
    case("SET('x','y','z')", "text", &[("'z,x'", Is("x,z")), ("''", Is(""))]),
    case(
        "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "text",
        &[
            ("'a'", Is("a")),
            ("'A'", Is("A")),
            ("'a '", Is("a ")),
            ("''", Is("")),
            ("'e\u{301} \u{e9} \u{1f600}'", Is("e\u{301} \u{e9} \u{1f600}")),
            ("X'610062'", No("zero byte")),
            ("NULL", Is("NULL")),
        ],
    ),
    case(
        "VARCHAR(5) CHARACTER SET latin1",
        "varchar(5)",
        &[("'\u{e9}\u{20ac}'", Is("\u{e9}\u{20ac}"))],
    ),
    case("CHAR(5)", "varchar(5)", &[("'ab  '", Is("ab"))]),
    case("CHAR(5)", "char(5)", &[("'abcde'", Is("abcde")), ("'ab'", No("pad"))]),
    case("BLOB", "bytea", &[("X'00FF5C27'", Is("\\x00ff5c27")), ("''", Is("\\x"))]),
    case("BINARY(4)", "bytea", &[("X'00FF'", Is("\\x00ff0000"))]),
    case(
        "DATE",
        "date",
        &[
            ("'2024-02-29'", Is("2024-02-29")),
            ("'9999-12-31'", Is("9999-12-31")),
            ("'0000-00-00'", No("zero")),
            ("'2024-00-00'", No("partial")),
            ("'2024-02-30'", No("invalid")),
        ],
    ),
    case(
        "DATE",
        "text",
        &[
            ("'0000-00-00'", Is("0000-00-00")),
            ("'2024-00-00'", Is("2024-00-00")),
            ("'2024-02-29'", Is("2024-02-29")),
        ],
    )
    .taken_for("text"),
    case(
        "DATETIME(6)",
        "timestamp",
        &[
            ("'1969-12-31 23:59:59.999999'", Is("1969-12-31 23:59:59.999999")),
            ("'0000-00-00 00:00:00'", No("zero")),
        ],
    ),
    case(
        "DATETIME(6)",
        "timestamp(3)",
        &[
            ("'2024-01-01 00:00:00.5'", Is("2024-01-01 00:00:00.5")),
            ("'2024-01-01 00:00:00.0005'", No("round")),
        ],
    ),
    case("DATETIME(6)", "timestamptz", &[("'2024-01-01 00:00:00'", Is("2024-01-01 00:00:00+00"))])
        .taken_for("timestamp_tz"),
    case(
        "TIMESTAMP(6) NULL",
        "timestamptz",
        &[
            ("'2038-01-19 03:14:07.999999'", Is("2038-01-19 03:14:07.999999+00")),
            ("NULL", Is("NULL")),
        ],
    ),
    case(
        "TIME(6)",
        "time",
        &[
            ("'23:59:59.999999'", Is("23:59:59.999999")),
            ("'25:00:01'", No("between 0 and 24")),
            ("'-00:00:00.000001'", No("between 0 and 24")),
        ],
    ),
    case(
        "TIME(6)",
        "text",
        &[("'-838:59:59.999999'", Is("-838:59:59.999999")), ("'25:00:01'", Is("25:00:01.000000"))],
    )
    .taken_for("text"),
    case("JSON", "json", &[("'{\"b\": 1,  \"a\":[1.10]}'", Is("{\"b\": 1,  \"a\":[1.10]}"))]),
    case("JSON", "jsonb", &[("'{\"a\": 1}'", Is("{\"a\": 1}")), ("'{\"b\":1}'", No("rewrite"))]),
    case("JSON", "text", &[("'[1, 2]'", Is("[1, 2]"))]),
    case(
        "UUID",
        "uuid",
        &[("'01234567-89ab-4def-8123-456789abcdef'", Is("01234567-89ab-4def-8123-456789abcdef"))],
    ),
    case(
        "BINARY(16)",
        "uuid",
        &[("X'0123456789ABCDEF0123456789ABCDEF'", Is("01234567-89ab-cdef-0123-456789abcdef"))],
    )
    .taken_for("uuid"),
    case(
        "CHAR(36)",
        "uuid",
        &[
            ("'01234567-89ab-cdef-0123-456789abcdef'", Is("01234567-89ab-cdef-0123-456789abcdef")),
            ("'0123'", No("no uuid")),
        ],
    )
    .taken_for("uuid"),
    case(
        "VARCHAR(20) CHARACTER SET utf8mb4",
        "text",
        &[("X'610062'", Is("ab")), ("'x '", Is("x ")), ("NULL", Is("NULL"))],
    )
    .losing("nul"),
    case(
        "DATE",
        "date",
        &[
            ("'0000-00-00'", Is("NULL")),
            ("'2024-00-00'", Is("NULL")),
            ("'2024-02-30'", Is("NULL")),
            ("'2024-02-29'", Is("2024-02-29")),
        ],
    )
    .taken_for("text")
    .losing("zero-date"),
    case(
        "DATETIME(6)",
        "timestamp",
        &[
            ("'0000-00-00 00:00:00'", Is("NULL")),
            ("'1969-12-31 23:59:59.999999'", Is("1969-12-31 23:59:59.999999")),
        ],
    )
    .taken_for("text")
    .losing("zero-date"),
];

pub(crate) const UNFIT: &[Unfit] = &[
    ("DOUBLE", "numeric", "loses nothing"),
    ("DOUBLE", "real", "loses nothing"),
    ("DECIMAL(10,2)", "double precision", "loses nothing"),
    ("DATETIME", "timestamptz", "loses nothing"),
    ("TIMESTAMP NULL", "timestamp", "loses nothing"),
    ("DATETIME", "date", "loses nothing"),
    ("TEXT", "bytea", "loses nothing"),
    ("BLOB", "text", "loses nothing"),
    ("TEXT", "json", "loses nothing"),
    ("VARCHAR(20)", "varchar(10)", "narrower"),
    ("POINT", "text", "type"),
    ("ENUM('sad','ok')", "mood", "type"),
];
