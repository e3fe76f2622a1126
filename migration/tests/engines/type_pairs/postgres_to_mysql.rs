//! From PostgreSQL to MySQL and MariaDB.

use crate::type_pairs::Then::{Is, No};
use crate::type_pairs::{Case, Unfit, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "bigint",
        "BIGINT",
        &[("-9223372036854775808", Is("-9223372036854775808")), ("NULL", Is("NULL"))],
    ),
    case(
        "bigint",
        "INT UNSIGNED",
        &[("4294967295", Is("4294967295")), ("-1", No("out of its range"))],
    ),
    case(
        "numeric(20,0)",
        "BIGINT UNSIGNED",
        &[("18446744073709551615", Is("18446744073709551615"))],
    )
    .taken_for("unsigned"),
    case("boolean", "TINYINT(1)", &[("true", Is("1")), ("false", Is("0"))]),
    case("boolean", "BIT(1)", &[("true", Is("1")), ("false", Is("0"))]),
    case(
        "numeric(65,30)",
        "DECIMAL(65,30)",
        &[
            (
                "'-99999999999999999999999999999999999.999999999999999999999999999999'",
                Is("-99999999999999999999999999999999999.999999999999999999999999999999"),
            ),
            ("'NaN'", No("NaN")),
        ],
    ),
    case(
        "numeric",
        "DECIMAL(10,2)",
        &[("1.50", Is("1.50")), ("1.5", No("digits")), ("123456789.00", No("Out of range"))],
    ),
    case("real", "FLOAT", &[("'0.1'", Is("0.1")), ("'Infinity'", No("does not hold"))]),
    case(
        "double precision",
        "DOUBLE",
        &[
            ("'0.1'", Is("0.1")),
            ("'1.7976931348623157e308'", Is("1.7976931348623157e308")),
            ("'NaN'", No("does not hold")),
        ],
    ),
    case(
        "text",
        "LONGTEXT CHARACTER SET utf8mb4",
        &[
            ("'a'", Is("a")),
            ("'A '", Is("A ")),
            ("''", Is("")),
            ("'e\u{301} \u{e9} \u{1f600} \\'", Is("e\u{301} \u{e9} \u{1f600} \\")),
        ],
    ),
    case(
        "varchar(9)",
        "VARCHAR(9) CHARACTER SET latin1",
        &[("'\u{e9}'", Is("\u{e9}")), ("'\u{1f600}'", No("Incorrect"))],
    ),
    case("char(3)", "CHAR(3)", &[("'abc'", Is("abc")), ("'a'", No("blanks"))]),
    case("char(3)", "VARCHAR(3)", &[("'a'", Is("a  "))]),
    case("mood", "LONGTEXT", &[("'sad'", Is("sad"))]).taken_for("text"),
    case("interval", "LONGTEXT", &[("'1 day -00:00:01'", Is("1 day -00:00:01"))]).taken_for("text"),
    case("bytea", "LONGBLOB", &[("'\\x00ff5c27'", Is("00FF5C27")), ("''", Is(""))]),
    case(
        "date",
        "DATE",
        &[
            ("'2024-02-29'", Is("2024-02-29")),
            ("'4713-01-01 BC'", No("year")),
            ("'infinity'", No("infinity")),
        ],
    ),
    case(
        "time",
        "TIME(6)",
        &[("'24:00'", Is("24:00:00.000000")), ("'23:59:59.999999'", Is("23:59:59.999999"))],
    ),
    case("time", "TIME", &[("'23:59:59.5'", No("digits"))]),
    case(
        "timestamp",
        "DATETIME(6)",
        &[
            ("'1969-12-31 23:59:59.999999'", Is("1969-12-31 23:59:59.999999")),
            ("'infinity'", No("infinity")),
            ("'12000-01-01'", No("year")),
        ],
    ),
    case(
        "timestamptz",
        "TIMESTAMP(6) NULL",
        &[
            ("'2038-01-19 03:14:07.999999+00'", Is("2038-01-19 03:14:07.999999")),
            ("'1900-01-01 00:00+00'", No("Incorrect")),
        ],
    ),
    case(
        "timestamptz",
        "DATETIME(6)",
        &[("'1900-01-01 01:00+01'", Is("1900-01-01 00:00:00.000000"))],
    )
    .kept_as("timestamp_tz"),
    case("json", "JSON", &[("' {\"b\":1,  \"a\": 1e3} '", Is(" {\"b\":1,  \"a\": 1e3} "))]),
    case("jsonb", "LONGTEXT", &[("'{\"b\":1}'", Is("{\"b\": 1}"))]),
    case(
        "uuid",
        "UUID",
        &[
            ("'01234567-89ab-4def-8123-456789abcdef'", Is("01234567-89ab-4def-8123-456789abcdef")),
            ("'01234567-89ab-cdef-0123-456789abcdef'", No("Incorrect")),
        ],
    ),
    case(
        "uuid",
        "BINARY(16)",
        &[("'01234567-89ab-cdef-0123-456789abcdef'", Is("0123456789ABCDEF0123456789ABCDEF"))],
    )
    .kept_as("uuid"),
    case(
        "uuid",
        "CHAR(36)",
        &[("'01234567-89ab-cdef-0123-456789abcdef'", Is("01234567-89ab-cdef-0123-456789abcdef"))],
    )
    .kept_as("uuid"),
];

pub(crate) const UNFIT: &[Unfit] = &[
    ("text", "VARCHAR(100)", "narrower"),
    ("double precision", "FLOAT", "loses nothing"),
    ("numeric", "DOUBLE", "loses nothing"),
    ("timestamptz", "DATETIME(6)", "loses nothing"),
    ("timestamp", "TIMESTAMP NULL", "loses nothing"),
    ("timestamp", "DATE", "loses nothing"),
    ("bytea", "LONGTEXT", "loses nothing"),
    ("interval", "TIME", "type"),
];
