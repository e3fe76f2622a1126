//! From PostgreSQL to PostgreSQL.

use crate::type_pairs::Then::{Is, No};
use crate::type_pairs::{Case, Unfit, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "bigint",
        "bigint",
        &[("-9223372036854775808", Is("-9223372036854775808")), ("NULL", Is("NULL"))],
    ),
    case("bigint", "integer", &[("1", Is("1")), ("2147483648", No("does not fit"))]),
    case("bigint", "numeric(20,0)", &[("-1", Is("-1"))]),
    case("bigint", "boolean", &[("1", Is("true")), ("2", No("no exact counterpart"))]),
    case("boolean", "boolean", &[("true", Is("true"))]),
    case(
        "numeric",
        "numeric",
        &[
            ("'-0.000000000000000000000000000001'", Is("-0.000000000000000000000000000001")),
            ("1.50", Is("1.50")),
            ("'NaN'", No("NaN")),
        ],
    ),
    case("numeric", "numeric(10,2)", &[("1.50", Is("1.50")), ("1.5", No("scale"))]),
    case(
        "real",
        "real",
        &[("'0.1'", Is("0.1")), ("'NaN'", Is("NaN")), ("'-Infinity'", Is("-Infinity"))],
    ),
    case(
        "double precision",
        "double precision",
        &[("'0.1'", Is("0.1")), ("'Infinity'", Is("Infinity"))],
    ),
    case(
        "text",
        "text",
        &[
            ("'a A  \u{e9} e\u{301} \u{1f600}'", Is("a A  \u{e9} e\u{301} \u{1f600}")),
            ("''", Is("")),
        ],
    ),
    case("varchar(3)", "varchar(5)", &[("'ab '", Is("ab "))]),
    case("char(3)", "text", &[("'a'", Is("a  "))]),
    case("mood", "mood", &[("'ok'", Is("ok"))]).taken_for("text").kept_as("text"),
    case("interval", "interval", &[("'1 day -00:00:01'", Is("1 day -00:00:01"))])
        .taken_for("text")
        .kept_as("text"),
    case("bytea", "bytea", &[("'\\x00ff5c27'", Is("\\x00ff5c27"))]),
    case(
        "date",
        "date",
        &[("'4713-01-01 BC'", Is("4713-01-01 BC")), ("'infinity'", No("infinity"))],
    ),
    case("time", "time", &[("'24:00'", Is("24:00:00"))]),
    case(
        "timestamp",
        "timestamp",
        &[("'0001-01-01 00:00:00.000001'", Is("0001-01-01 00:00:00.000001"))],
    ),
    case("timestamp", "timestamp(3)", &[("'2024-01-01 00:00:00.0005'", No("round"))]),
    case("timestamptz", "timestamptz", &[("'1900-01-01 01:00+01'", Is("1900-01-01 00:00:00+00"))]),
    case("json", "json", &[("' {\"b\":1,  \"a\": 1e3} '", Is(" {\"b\":1,  \"a\": 1e3} "))]),
    case("json", "jsonb", &[("'{\"a\": 1}'", Is("{\"a\": 1}")), ("'{\"b\":1}'", No("rewrite"))]),
    case("jsonb", "json", &[("'{\"b\":1}'", Is("{\"b\": 1}"))]),
    case(
        "uuid",
        "uuid",
        &[("'01234567-89ab-cdef-0123-456789abcdef'", Is("01234567-89ab-cdef-0123-456789abcdef"))],
    ),
];

pub(crate) const UNFIT: &[Unfit] = &[
    ("double precision", "real", "loses nothing"),
    ("timestamp", "timestamptz", "loses nothing"),
    ("varchar(5)", "varchar(3)", "narrower"),
    ("text", "uuid", "loses nothing"),
    ("mood", "text", "type"),
];
