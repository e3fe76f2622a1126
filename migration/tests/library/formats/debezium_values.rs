//! Values as Debezium's settings write them.

use crate::formats::capture::{days, micros, table};
use crate::formats::items::{decoder_of, message, refused};
use migration::decode::{ColumnTraits, FormatName as F, Versions};
use migration::value::{ColumnType as T, Value as V};

/// Decodes one value of a column with these options, with the schema of its field if there is one.
fn value(
    (column_type, traits): (T, ColumnTraits),
    options: &str,
    raw: &str,
    field: Option<&str>,
    expected: Option<V<'_>>,
) {
    let id = ("id", T::Int, ColumnTraits::default());
    let items = table("items", &["id"], &[id, ("v", column_type, traits)]);
    let name = if field.is_some() { F::DebeziumSchema } else { F::Debezium };
    let decoder = decoder_of(&[items], name, options, Versions::Queue, Some("items"));
    let envelope = format!(r#"{{"op":"c","after":{{"id":1,"v":{raw}}}}}"#);
    let text = match field {
        None => envelope,
        Some(field) => format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"type":"struct","field":"after","fields":
                [{{"type":"int64","field":"id"}},{{{field},"field":"v"}}]}}]}},
                "payload":{envelope}}}"#
        ),
    };
    let message = message(None, Some(&text));
    let Some(expected) = expected else {
        assert!(refused(&decoder, &message).0.contains("column v"), "{raw}");
        return;
    };
    let decoded = decoder.decode(&[message]);
    assert!(decoded.undecodable.is_empty(), "{raw}: {:?}", decoded.undecodable);
    assert_eq!(decoded.tables[0].records.row(0).value(1), expected, "{raw} {options}");
}

fn mysql(column_type: T, declared: &str) -> (T, ColumnTraits) {
    (column_type, ColumnTraits::mysql(declared))
}

fn pg(column_type: T, declared: &str) -> (T, ColumnTraits) {
    (column_type, ColumnTraits::postgres(declared))
}

/// What no database tells of, so that only a schema in the message can.
fn unknown(column_type: T) -> (T, ColumnTraits) {
    (column_type, ColumnTraits::default())
}

#[test]
fn decimals_are_exact_in_every_mode() {
    let column = || mysql(T::Decimal, "decimal(10,2)");
    value(column(), "", "\"AeJA\"", None, Some(V::Decimal("1234.56")));
    value(column(), "decimals = \"string\"", "\"1234.56\"", None, Some(V::Decimal("1234.56")));
    value(column(), "decimals = \"double\"", "1234.5", None, Some(V::Decimal("1234.50")));
    value(column(), "decimals = \"double\"", "1.2345E3", None, Some(V::Decimal("1234.50")));
    // `decimal.format=NUMERIC` of the converter.
    value(column(), "", "1234.56", None, Some(V::Decimal("1234.56")));
    value(column(), "", "\"1234.56\"", None, None);
    value(column(), "", "1234.567", None, None);
    value(unknown(T::Decimal), "", "\"AeJA\"", None, None);
    let struct_of = r#"{"scale":3,"value":"AeJA"}"#;
    value(pg(T::Decimal, "numeric"), "", struct_of, None, Some(V::Decimal("123.456")));
    value(pg(T::Text, "numeric"), "", struct_of, None, Some(V::Text("123.456")));
    value(mysql(T::Text, "decimal(10,2)"), "", "\"AeJA\"", None, Some(V::Text("1234.56")));
    let field = r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1"}"#;
    value(unknown(T::Decimal), "", "\"AeJA\"", Some(field), Some(V::Decimal("12345.6")));
    let text = r#""type":"string""#;
    value(unknown(T::Decimal), "", "\"1.50\"", Some(text), Some(V::Decimal("1.50")));
}

#[test]
fn unsigned_numbers_above_the_signed_range_come_back() {
    let column = || mysql(T::Unsigned, "bigint(20) unsigned");
    value(column(), "", "-1", None, Some(V::Int(u64::MAX.into())));
    value(column(), "", "-9223372036854775808", None, Some(V::Int(1 << 63)));
    value(column(), "", "7", None, Some(V::Int(7)));
    // `bigint.unsigned.handling.mode=precise`.
    value(column(), "", "\"AP//////////\"", None, Some(V::Int(u64::MAX.into())));
    value(column(), "", "-9223372036854775809", None, None);
    value(column(), "", "1.0", None, None);
}

#[test]
fn columns_that_the_plan_takes_for_another_type_are_read_as_that() {
    value(
        pg(T::Unsigned, "numeric(20,0)"),
        "",
        "\"AP//////////\"",
        None,
        Some(V::Int(u64::MAX.into())),
    );
    value(pg(T::Int, "numeric"), "", r#"{"scale":0,"value":"/w=="}"#, None, Some(V::Int(-1)));
    value(pg(T::Int, "numeric"), "", r#"{"scale":1,"value":"Cg=="}"#, None, None);
    let uuid = V::Uuid(*b"0123456789abcd\0\0");
    value(mysql(T::Uuid, "binary(16)"), "", "\"MDEyMzQ1Njc4OWFiY2Q=\"", None, Some(uuid));
    value(mysql(T::Uuid, "varbinary(16)"), "", "\"MDEyMzQ1Njc4OWFiY2Q=\"", None, None);
    value(mysql(T::Text, "date"), "", "20512", None, None);
    value(mysql(T::Text, "timestamp"), "", "\"2026-02-28T23:59:59Z\"", None, None);
}

#[test]
fn times_are_what_the_mode_and_the_columns_digits_say() {
    let second = V::Timestamp(1_000_000);
    let stamp = |digits: u32| mysql(T::Timestamp, &format!("datetime({digits})"));
    for digits in 0..=3 {
        value(stamp(digits), "", "1000", None, Some(second));
    }
    for digits in 4..=6 {
        value(stamp(digits), "", "1000000", None, Some(second));
    }
    let mode = |mode: &str| format!("time_precision = \"{mode}\"");
    value(stamp(6), &mode("connect"), "1000", None, Some(second));
    value(stamp(0), &mode("microseconds"), "1000000", None, Some(second));
    value(stamp(0), &mode("nanoseconds"), "1000000000", None, Some(second));
    value(stamp(0), &mode("nanoseconds"), "1000000001", None, None);
    value(stamp(6), &mode("isostring"), "\"1970-01-01T00:00:01Z\"", None, Some(second));
    value(stamp(6), &mode("isostring"), "\"1970-01-01T00:00:01\"", None, Some(second));
    value(unknown(T::Timestamp), "", "1000", None, None);
    value(stamp(0), "", "9223372036854775807", None, None);
    let time = V::Time(-1_000_000);
    value(mysql(T::Time, "time"), "", "-1000000", None, Some(time));
    value(pg(T::Time, "time(3) without time zone"), "", "-1000", None, Some(time));
    value(pg(T::Time, "time without time zone"), "", "-1000000", None, Some(time));
    value(mysql(T::Time, "time"), &mode("adaptive"), "-1000", None, Some(time));
    value(
        mysql(T::Time, "time"),
        &mode("isostring"),
        "\"12:00:00Z\"",
        None,
        Some(V::Time(43_200_000_000)),
    );
    value(mysql(T::Date, "date"), "", "20512", None, Some(V::Date(days("2026-02-28"))));
    value(
        mysql(T::Date, "date"),
        &mode("isostring"),
        "\"2026-02-28Z\"",
        None,
        Some(V::Date(20_512)),
    );
    value(mysql(T::Date, "date"), "", "99999999999", None, None);
    let moment = V::TimestampTz(micros("2026-02-28T23:59:59.5Z"));
    let zoned = mysql(T::TimestampTz, "timestamp(1)");
    value(zoned.clone(), "", "\"2026-02-28T23:59:59.5Z\"", None, Some(moment));
    value(zoned.clone(), "", "\"2026-03-01T01:59:59.5+02:00\"", None, Some(moment));
    value(zoned, "", "1000", None, None);
    value(mysql(T::Int, "year(4)"), "", "2026", None, Some(V::Int(2026)));
}

#[test]
fn the_schema_in_the_message_decides_over_the_plan() {
    for (name, raw, column_type, expected) in [
        ("io.debezium.time.Timestamp", "1000", T::Timestamp, V::Timestamp(1_000_000)),
        ("io.debezium.time.MicroTimestamp", "1000", T::Timestamp, V::Timestamp(1_000)),
        ("io.debezium.time.NanoTimestamp", "1000", T::Timestamp, V::Timestamp(1)),
        ("org.apache.kafka.connect.data.Timestamp", "1", T::Timestamp, V::Timestamp(1_000)),
        ("io.debezium.time.Time", "1", T::Time, V::Time(1_000)),
        ("io.debezium.time.MicroTime", "1", T::Time, V::Time(1)),
        ("io.debezium.time.NanoTime", "1000", T::Time, V::Time(1)),
        ("org.apache.kafka.connect.data.Time", "1", T::Time, V::Time(1_000)),
        ("org.apache.kafka.connect.data.Date", "1", T::Date, V::Date(1)),
    ] {
        let field = format!(r#""type":"int64","name":"{name}""#);
        value(unknown(column_type), "", raw, Some(&field), Some(expected));
    }
    let bits = r#""type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"10"}"#;
    value(unknown(T::Unsigned), "", "\"AQI=\"", Some(bits), Some(V::Int(513)));
    let zoned = r#""type":"string","name":"io.debezium.time.ZonedTime""#;
    value(unknown(T::Text), "", "\"21:00:00Z\"", Some(zoned), None);
}

#[test]
fn bytes_and_bits_are_read_in_every_form() {
    let bytes = || mysql(T::Bytes, "varbinary(9)");
    let expected = V::Bytes(&[0xfb, 0xff]);
    value(bytes(), "", "\"+/8=\"", None, Some(expected));
    value(bytes(), "binary = \"base64-url-safe\"", "\"-_8=\"", None, Some(expected));
    value(bytes(), "binary = \"hex\"", "\"fbff\"", None, Some(expected));
    value(bytes(), "", "\"fbff!\"", None, None);
    let fixed = V::Bytes(&[1, 0, 0, 0]);
    value(mysql(T::Bytes, "binary(4)"), "", "\"AQ==\"", None, Some(fixed));
    value(mysql(T::Bool, "bit(1)"), "", "true", None, Some(V::Bool(true)));
    value(mysql(T::Unsigned, "bit(1)"), "", "true", None, Some(V::Int(1)));
    value(mysql(T::Bytes, "bit(1)"), "", "true", None, Some(V::Bytes(&[1])));
    value(mysql(T::Bytes, "bit(10)"), "", "\"AQI=\"", None, Some(V::Bytes(&[2, 1])));
    value(
        mysql(T::Unsigned, "bit(64)"),
        "",
        "\"/v////////8=\"",
        None,
        Some(V::Int(0xFFFF_FFFF_FFFF_FFFE)),
    );
    value(pg(T::Text, "bit(1)"), "", "true", None, Some(V::Text("1")));
    value(pg(T::Text, "bit varying(8)"), "", "\"BQ==\"", None, None);
}

#[test]
fn text_of_other_kinds_is_what_the_database_shows() {
    let member = mysql(T::Text, r"enum('a','c,d','e\\,f')");
    value(member.clone(), "", r#""c\\,d""#, None, Some(V::Text("c,d")));
    value(member.clone(), "", r#""a""#, None, Some(V::Text("a")));
    value(member, "", r#""e\\\\,f""#, None, Some(V::Text(r"e\,f")));
    value(mysql(T::Text, "set('x','y')"), "", r#""x,y""#, None, Some(V::Text("x,y")));
    value(pg(T::Text, "mood"), "", r#""a\\,b""#, None, Some(V::Text(r"a\,b")));
    value(unknown(T::Json), "", r#""{\"a\":1}""#, None, Some(V::Json(r#"{"a":1}"#)));
    value(pg(T::Text, "money"), "", "\"BNI=\"", None, None);
    value(pg(T::Text, "interval"), "", "1", None, None);
    value(pg(T::Text, "interval"), "", "\"P1D\"", None, None);
    value(pg(T::Text, "timestamp(3)[]"), "", "[1]", None, None);
    value(
        pg(T::Float64, "double precision"),
        "",
        "\"-Infinity\"",
        None,
        Some(V::Float64(f64::NEG_INFINITY)),
    );
    value(pg(T::Float32, "real"), "", "\"Infinity\"", None, Some(V::Float32(f32::INFINITY)));
    value(mysql(T::Float32, "float"), "", "1e40", None, None);
}

#[test]
fn infinities_that_arrive_as_numbers_are_refused() {
    let of = |digits: u32| pg(T::Timestamp, &format!("timestamp({digits}) without time zone"));
    value(of(6), "", "9223372036825200000", None, None);
    value(of(6), "", "-9223372036832400000", None, None);
    value(of(3), "", "9223372036825200", None, None);
    value(pg(T::Date, "date"), "", "-2147472692", None, None);
    value(pg(T::Date, "date"), "", "2147483647", None, None);
    value(pg(T::TimestampTz, "timestamp with time zone"), "", "\"infinity\"", None, None);
    // The first and the last day that the database has are days.
    value(pg(T::Date, "date"), "", "-2440588", None, Some(V::Date(-2_440_588)));
    value(pg(T::Date, "date"), "", "2145031948", None, Some(V::Date(2_145_031_948)));
}

/// `time.precision.mode` of connectors that write days and times as objects.
#[test]
fn structured_days_and_times_are_refused_with_the_setting_to_change() {
    let day = r#"{"year":2026,"month":2,"day":28}"#;
    let moment = r#"{"seconds":1772236800,"nanos":1000}"#;
    for (column_type, declared, raw) in [
        (T::Date, "date", day),
        (T::Time, "time(6)", moment),
        (T::Timestamp, "datetime(6)", moment),
        (T::TimestampTz, "timestamp(6)", moment),
    ] {
        let column = ("v", column_type, ColumnTraits::mysql(declared));
        let id = ("id", T::Int, ColumnTraits::default());
        let items = table("items", &["id"], &[id, column]);
        let decoder = decoder_of(&[items], F::Debezium, "", Versions::Queue, Some("items"));
        let text = format!(r#"{{"op":"c","after":{{"id":1,"v":{raw}}}}}"#);
        let (why, has_key) = refused(&decoder, &message(None, Some(&text)));
        assert!(why.contains("time.precision.mode") && has_key, "{why}");
        assert!(why.contains("column v") && !why.contains("1772236800"), "{why}");
    }
}
