//! From MySQL and MariaDB to the same.

use crate::type_pairs::Then::{Is, No};
use crate::type_pairs::{Case, Unfit, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "BIGINT UNSIGNED",
        "BIGINT UNSIGNED",
        &[("18446744073709551615", Is("18446744073709551615"))],
    ),
    case(
        "BIGINT UNSIGNED",
        "BIGINT",
        &[("1", Is("1")), ("18446744073709551615", No("out of its range"))],
    ),
    case("BIGINT", "BIGINT UNSIGNED", &[("1", Is("1")), ("-1", No("out of its range"))]),
    case("INT", "TINYINT", &[("127", Is("127")), ("128", No("Out of range"))]),
    case(
        "BIGINT UNSIGNED",
        "DECIMAL(20,0)",
        &[("18446744073709551615", Is("18446744073709551615"))],
    ),
    case("BIT(10)", "BIT(10)", &[("513", Is("201"))]),
    case("YEAR", "YEAR", &[("2155", Is("2155")), ("'0000'", Is("0000"))]),
    case(
        "DECIMAL(65,30)",
        "DECIMAL(65,30)",
        &[(
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            Is("-99999999999999999999999999999999999.999999999999999999999999999999"),
        )],
    ),
    case("DECIMAL(10,3)", "DECIMAL(10,2)", &[("1.5", No("digits")), ("1.555", No("digits"))]),
    case("FLOAT", "FLOAT", &[("0.1", Is("0.1")), ("3.402823466e38", Is("3.40282e38"))]),
    case(
        "DOUBLE",
        "DOUBLE",
        &[("0.1", Is("0.1")), ("1.7976931348623157e308", Is("1.7976931348623157e308"))],
    ),
    case("ENUM('a','b')", "ENUM('b','a')", &[("'a'", Is("a"))]),
    case("ENUM('a','b')", "ENUM('a')", &[("'a'", Is("a")), ("'b'", No("label"))]),
    case("SET('x','y','z')", "SET('x','y','z')", &[("'z,x'", Is("x,z")), ("''", Is(""))]),
    case(
        "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        &[
            ("'a'", Is("a")),
            ("'A'", Is("A")),
            ("'a '", Is("a ")),
            ("'e\u{301} \u{e9} \u{1f600}'", Is("e\u{301} \u{e9} \u{1f600}")),
            ("X'610062'", Is("a\0b")),
            ("NULL", Is("NULL")),
        ],
    ),
    case(
        "VARCHAR(5) CHARACTER SET utf8mb4",
        "VARCHAR(5) CHARACTER SET latin1",
        &[("'\u{e9}'", Is("\u{e9}")), ("'\u{1f600}'", No("Incorrect string"))],
    ),
    case("VARCHAR(5)", "CHAR(5)", &[("'ab'", Is("ab")), ("'ab '", No("blanks"))]),
    case("BLOB", "LONGBLOB", &[("X'00FF27'", Is("00FF27"))]),
    case("VARBINARY(4)", "BINARY(4)", &[("X'00FF2700'", Is("00FF2700")), ("X'00'", No("fill"))]),
    case(
        "DATE",
        "DATE",
        &[
            ("'2024-02-29'", Is("2024-02-29")),
            ("'0000-00-00'", No("zero")),
            ("'2024-00-00'", No("partial")),
        ],
    ),
    case(
        "DATE",
        "DATE",
        &[
            ("'0000-00-00'", Is("0000-00-00")),
            ("'2024-00-00'", Is("2024-00-00")),
            ("'2024-02-30'", Is("2024-02-30")),
        ],
    )
    .taken_for("text")
    .kept_as("text"),
    case(
        "DATETIME(6)",
        "DATETIME(6)",
        &[("'1969-12-31 23:59:59.999999'", Is("1969-12-31 23:59:59.999999"))],
    ),
    case(
        "DATETIME(6)",
        "DATETIME",
        &[
            ("'2024-01-01 00:00:01'", Is("2024-01-01 00:00:01")),
            ("'2024-01-01 00:00:00.5'", No("digits")),
        ],
    ),
    case(
        "TIMESTAMP(6) NULL",
        "TIMESTAMP(6) NULL",
        &[("'2038-01-19 03:14:07.999999'", Is("2038-01-19 03:14:07.999999"))],
    ),
    case(
        "TIME(6)",
        "TIME(6)",
        &[("'-838:59:59.999999'", Is("-838:59:59.999999")), ("'25:00:01'", Is("25:00:01.000000"))],
    ),
    case("JSON", "JSON", &[("'{\"b\": 1,  \"a\":[1.10]}'", Is("{\"b\": 1,  \"a\":[1.10]}"))]),
    case(
        "UUID",
        "BINARY(16)",
        &[("'01234567-89ab-4def-8123-456789abcdef'", Is("0123456789AB4DEF8123456789ABCDEF"))],
    )
    .kept_as("uuid"),
];

pub(crate) const UNFIT: &[Unfit] = &[
    ("DOUBLE", "FLOAT", "loses nothing"),
    ("DOUBLE", "DECIMAL(65,30)", "loses nothing"),
    ("DATETIME", "DATE", "loses nothing"),
    ("DATETIME", "TIMESTAMP NULL", "loses nothing"),
    ("VARCHAR(20)", "VARCHAR(10)", "narrower"),
    ("TEXT", "VARCHAR(1000)", "narrower"),
];
