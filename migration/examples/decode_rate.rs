//! How many messages one core decodes in a second: Debezium updates of a table with seven columns.
//!
//! `cargo run --release -p migration --example decode_rate
//! [debezium|debezium-schema|canal|maxwell]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use migration::batch::{Column, Schema};
use migration::clock::Timestamp;
use migration::decode::{
    ColumnTraits, Decoder, Format, FormatName, FormatOptions, SourceTable, TopicFormat, Truncates,
    Versions,
};
use migration::layout::Layout;
use migration::plan::{ColumnPlan, IntoPlan, TablePlan};
use migration::position::{Position, Version};
use migration::queue::Message;
use migration::store::TableDescription;
use migration::value::ColumnType as T;
use std::sync::Arc;
use std::time::Instant;

const COLUMNS: [(&str, T, &str); 7] = [
    ("id", T::Int, "bigint(20)"),
    ("user_id", T::Int, "int(11)"),
    ("title", T::Text, "varchar(120)"),
    ("price", T::Decimal, "decimal(12,2)"),
    ("is_open", T::Bool, "tinyint(1)"),
    ("created", T::Timestamp, "datetime(6)"),
    ("changed", T::TimestampTz, "timestamp"),
];

/// Batches of this size, as the live path takes them.
const BATCH: usize = 1_000;

fn main() {
    let name = std::env::args().nth(1).unwrap_or_else(|| "debezium".to_owned());
    let format: FormatName = serde_json::from_value(name.clone().into()).unwrap();
    let topic = TopicFormat {
        topic: "shop.items".to_owned(),
        format: Format::resolve(format, &FormatOptions::default()).unwrap(),
        versions: if name == "canal" { Versions::Queue } else { Versions::Source },
        truncates: Truncates::Stop,
        table: None,
        database: None,
    };
    let decoder = Decoder::with_topics(&[items()], vec![topic], 0).unwrap();
    let messages: Vec<Message> = (0..100_000).map(|number| message(&name, number)).collect();
    let bytes: usize = messages.iter().filter_map(|m| m.payload.as_ref()).map(Vec::len).sum();
    let mut rates = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        let mut changes = 0;
        for batch in messages.chunks(BATCH) {
            let decoded = decoder.decode(batch);
            assert!(decoded.undecodable.is_empty(), "{:?}", decoded.undecodable);
            changes += decoded.tables[0].changes.len();
        }
        assert_eq!(changes, messages.len());
        let seconds = start.elapsed().as_secs_f64();
        rates.push((100_000.0 / seconds, bytes as f64 / seconds / 1e6));
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rate, megabytes) = rates[rates.len() / 2];
    println!("{name}: {rate:.0} messages/s, {megabytes:.0} MB/s, {} bytes each", bytes / 100_000);
}

fn message(format: &str, number: i64) -> Message {
    let row = |title: &str| {
        format!(
            "{{\"id\":{number},\"user_id\":{},\"title\":\"{title} {number}\",\"price\":\"AeJA\",\
             \"is_open\":1,\"created\":{},\"changed\":\"2026-02-28T23:59:59Z\"}}",
            number % 5_000,
            1_772_323_199_123_456_i64 + number
        )
    };
    let envelope = format!(
        "{{\"before\":{},\"after\":{},\"source\":{{\"version\":\"3.5.0.Final\",\"connector\":\
         \"mysql\",\"name\":\"shop\",\"ts_ms\":1795222601000,\"snapshot\":\"false\",\"db\":\"shop\",\
         \"sequence\":null,\"ts_us\":1795222601000000,\"ts_ns\":1795222601000000000,\"table\":\
         \"items\",\"server_id\":7,\"gtid\":\"0-7-15\",\"file\":\"bin.000001\",\"pos\":{},\
         \"row\":0,\"thread\":null,\"query\":null}},\"transaction\":null,\"op\":\"u\",\"ts_ms\":\
         1795222601551,\"ts_us\":1795222601551130,\"ts_ns\":1795222601551130723}}",
        row("before"),
        row("after"),
        1_000 + number
    );
    let payload = match format {
        "debezium-schema" => format!("{{\"schema\":{},\"payload\":{envelope}}}", schema()),
        "maxwell" => format!(
            "{{\"database\":\"shop\",\"table\":\"items\",\"type\":\"update\",\"ts\":1795222298,\
             \"xid\":{number},\"commit\":true,\"position\":\"bin.000001:{}\",\"server_id\":7,\
             \"thread_id\":0,\"primary_key\":[{number}],\"primary_key_columns\":[\"id\"],\"data\":\
             {{\"id\":{number},\"user_id\":7,\"title\":\"after {number}\",\"price\":1234.56,\
             \"is_open\":1,\"created\":\"2026-02-28 23:59:59.123456\",\"changed\":\
             \"2026-02-28 23:59:59\"}},\"old\":{{\"title\":\"before {number}\"}}}}",
            1_000 + number
        ),
        "canal" => format!(
            "{{\"id\":1,\"database\":\"shop\",\"table\":\"items\",\"pkNames\":[\"id\"],\"isDdl\":\
             false,\"type\":\"UPDATE\",\"es\":1795222298000,\"ts\":1795222298100,\"sql\":\"\",\
             \"sqlType\":{{\"id\":-5,\"user_id\":4,\"title\":12,\"price\":3,\"is_open\":-6,\
             \"created\":93,\"changed\":93}},\"mysqlType\":{{\"id\":\"bigint(20)\",\"user_id\":\
             \"int(11)\",\"title\":\"varchar(120)\",\"price\":\"decimal(12,2)\",\"is_open\":\
             \"tinyint(1)\",\"created\":\"datetime(6)\",\"changed\":\"timestamp\"}},\"data\":[{{\
             \"id\":\"{number}\",\"user_id\":\"7\",\"title\":\"after {number}\",\"price\":\
             \"1234.56\",\"is_open\":\"1\",\"created\":\"2026-02-28 23:59:59.123456\",\"changed\":\
             \"2026-02-28 23:59:59\"}}],\"old\":[{{\"title\":\"before {number}\"}}]}}"
        ),
        _ => envelope,
    };
    let key = match format {
        "debezium-schema" => format!("{{\"schema\":{{}},\"payload\":{{\"id\":{number}}}}}"),
        _ => format!("{{\"id\":{number}}}"),
    };
    Message {
        position: Position::new(&number.to_be_bytes()).unwrap(),
        next: Position::new(&(number + 1).to_be_bytes()).unwrap(),
        version: Some(Version::new(&number.to_be_bytes()).unwrap()),
        made_at: Timestamp(0),
        key: Some(key.into_bytes()),
        headers: Vec::new(),
        topic: "shop.items".into(),
        payload: Some(payload.into_bytes()),
        offset: number,
    }
}

/// As Kafka Connect writes it with every message, before and after alike.
fn schema() -> String {
    let fields = r#"[{"type":"int64","optional":false,"field":"id"},{"type":"int32","optional":true,"field":"user_id"},{"type":"string","optional":true,"field":"title"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"},"field":"price"},{"type":"int16","optional":true,"field":"is_open"},{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"field":"created"},{"type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp","version":1,"field":"changed"}]"#;
    format!(
        "{{\"type\":\"struct\",\"fields\":[{{\"type\":\"struct\",\"fields\":{fields},\"optional\":\
         true,\"name\":\"shop.items.Value\",\"field\":\"before\"}},{{\"type\":\"struct\",\
         \"fields\":{fields},\"optional\":true,\"name\":\"shop.items.Value\",\"field\":\"after\"}}],\
         \"optional\":false,\"name\":\"shop.items.Envelope\",\"version\":2}}"
    )
}

fn items() -> SourceTable {
    let described = |table: &str| TableDescription {
        schema: Schema {
            table: table.to_owned(),
            columns: COLUMNS
                .map(|(name, column_type, _)| Column {
                    name: name.to_owned(),
                    column_type,
                    nullable: name != "id",
                })
                .into(),
            key: vec![0],
        },
        lengths_max: vec![None; COLUMNS.len()],
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    };
    let plan = TablePlan {
        name: "items".to_owned(),
        key: vec!["id".to_owned()],
        entity: vec!["id".to_owned()],
        types: Vec::new(),
        into: vec![IntoPlan {
            name: "goods".to_owned(),
            key: vec!["id".to_owned()],
            shard: None,
            columns: COLUMNS
                .map(|(name, ..)| ColumnPlan {
                    name: name.to_owned(),
                    from: name.to_owned(),
                    column_type: None,
                    loses: None,
                })
                .into(),
        }],
    };
    let layout = Layout::resolve(&plan, &described("items"), &[described("goods")], 1).unwrap();
    let traits = COLUMNS.map(|(.., declared)| ColumnTraits::mysql(declared));
    SourceTable { layout: Arc::new(layout), traits: traits.into() }
}
