//! What an outbox table must look like.

use crate::driver::pool::{Session, bounded};
use crate::driver::postgres::{quoted, quoted_table};
use crate::error::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

/// The columns that are read, by name, and the types that they may have. There may be others.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("id", &["int8", "int4"]),
    ("table_name", &["text", "varchar"]),
    ("op", &["text", "varchar"]),
    ("payload", &["text", "varchar", "json", "jsonb", "bytea"]),
    ("made_at", &["int8"]),
];

const TABLE: &str = "SELECT c.oid::bigint AS oid, \
     CASE WHEN n.nspname = current_schema() THEN c.relname::text ELSE n.nspname || '.' || c.relname END \
     AS name, \
     n.nspname::text AS schema_name, c.relname::text AS table_name, c.relkind::text AS kind, \
     c.relpersistence::text AS persistence, \
     pg_is_in_recovery() AS is_replica, current_setting('server_encoding') AS encoding, \
     (SELECT s.oid::bigint FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass \
      AND d.refobjid = c.oid AND a.attname = 'id' AND d.deptype IN ('a', 'i') LIMIT 1) AS sequence, \
     EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid \
      AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 \
      AND i.indpred IS NULL AND i.indisvalid AND a.attname = 'id') AS is_unique, \
     EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = c.oid) AS has_children \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";

const COLUMN_TYPES: &str = "SELECT a.attname::text, t.typname::text, a.attnotnull FROM pg_attribute a \
     JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 \
     AND NOT a.attisdropped";

const SEQUENCE: &str = "SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqcache, s.seqcycle \
     FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid \
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE s.seqrelid = $1::oid";

/// The statement that makes an outbox of this name in PostgreSQL, for people to run.
#[must_use]
pub fn postgres_outbox_ddl(table: &str) -> String {
    format!(
        "CREATE TABLE {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         table_name text NOT NULL, op text NOT NULL, payload text NOT NULL, made_at bigint NOT NULL)",
        quoted_table(table)
    )
}

/// An outbox that can be read.
#[derive(Debug)]
pub(super) struct Table {
    /// The name that every plan's spelling of it comes to.
    pub(super) name: String,
    pub(super) quoted: String,
    pub(super) oid: i64,
    /// What gives the ids out, quoted.
    pub(super) sequence: String,
    pub(super) has_bytes: bool,
}

/// What the catalogue says of it.
struct Found {
    oid: i64,
    name: String,
    schema_name: String,
    table_name: String,
    kind: String,
    persistence: String,
    is_replica: bool,
    encoding: String,
    sequence: Option<i64>,
    is_unique: bool,
    has_children: bool,
}

impl Found {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            oid: row.try_get("oid")?,
            name: row.try_get("name")?,
            schema_name: row.try_get("schema_name")?,
            table_name: row.try_get("table_name")?,
            kind: row.try_get("kind")?,
            persistence: row.try_get("persistence")?,
            is_replica: row.try_get("is_replica")?,
            encoding: row.try_get("encoding")?,
            sequence: row.try_get("sequence")?,
            is_unique: row.try_get("is_unique")?,
            has_children: row.try_get("has_children")?,
        })
    }
}

impl Table {
    /// Checks that a table of a source can be read as an outbox: the columns are there, ids are
    /// given out one by one and never twice, and none lies below one.
    pub(super) async fn check(session: &mut Session<PgConnection>, table: &str) -> Result<Self> {
        const OPERATION: &str = "describe outbox";
        let refused = |reason: &str| {
            Error::new(ErrorKind::Refused, format!("read outbox: {reason}"))
                .with("outbox", table)
                .hint(format!("create it as: {}", postgres_outbox_ddl(table)))
        };
        let found = sqlx::query(TABLE).bind(quoted_table(table));
        let connection = session.connection()?;
        let found = bounded(async {
            found.fetch_optional(connection).await?.map(|row| Found::read(&row)).transpose()
        })
        .await;
        let Some(found) = session.settle(OPERATION, found)? else {
            return Err(refused("there is no such table"));
        };
        check_kind(&found).map_err(refused)?;
        if found.is_replica {
            return Err(Error::new(ErrorKind::Refused, "read outbox: the server is a replica")
                .with("outbox", table)
                .hint("name the primary: a replica does not know who may still write a lower id"));
        }
        let columns = sqlx::query_as(COLUMN_TYPES).bind(quoted_table(table));
        let columns = bounded(columns.fetch_all(session.connection()?)).await;
        let columns: Vec<(String, String, bool)> = session.settle(OPERATION, columns)?;
        for (needed, types) in COLUMNS {
            let Some((_, found, _)) = columns.iter().find(|(name, ..)| name == needed) else {
                return Err(refused("a column is missing").with("column", needed));
            };
            if !types.contains(&found.as_str()) {
                return Err(refused("a column has another type")
                    .with("column", needed)
                    .with("type", found)
                    .with("known", types.join(", ")));
            }
        }
        let Some(sequence) = found.sequence else {
            return Err(refused("`id` has no sequence of its own that gives it out"));
        };
        let sequence = sequence_of(session, sequence).await?.map_err(refused)?;
        let quoted = format!("{}.{}", quoted(&found.schema_name), quoted(&found.table_name));
        check_lowest(session, table, &quoted).await?;
        let has_bytes = columns.iter().any(|(name, kind, _)| name == "payload" && kind == "bytea");
        Ok(Self { name: found.name, quoted, oid: found.oid, sequence, has_bytes })
    }
}

fn check_kind(found: &Found) -> std::result::Result<(), &'static str> {
    if found.kind != "r" || found.has_children {
        return Err("it is no plain table");
    }
    if found.persistence != "p" {
        return Err("it is unlogged, so a crash empties it");
    }
    if !found.is_unique {
        return Err("`id` is not its primary key");
    }
    if found.encoding != "UTF8" {
        return Err("the source's text is not UTF-8");
    }
    Ok(())
}

/// The sequence's name, quoted, if it gives ids out in their order.
async fn sequence_of(
    session: &mut Session<PgConnection>,
    oid: i64,
) -> Result<std::result::Result<String, &'static str>> {
    let found = sqlx::query_as::<_, (String, String, i64, i64, bool)>(SEQUENCE).bind(oid);
    let found = bounded(found.fetch_one(session.connection()?)).await;
    let (schema, name, increment, cache, cycles) = session.settle("describe outbox", found)?;
    if cache != 1 {
        return Ok(Err("the sequence of `id` gives each session ids in advance: set CACHE 1"));
    }
    if increment != 1 || cycles {
        return Ok(Err("the sequence of `id` does not count up one by one: INCREMENT 1 NO CYCLE"));
    }
    Ok(Ok(format!("{}.{}", quoted(&schema), quoted(&name))))
}

async fn check_lowest(
    session: &mut Session<PgConnection>,
    table: &str,
    quoted: &str,
) -> Result<()> {
    let sql = AssertSqlSafe(format!("SELECT min(id)::bigint FROM {quoted}"));
    let lowest = sqlx::query_scalar::<_, Option<i64>>(sql).fetch_one(session.connection()?);
    let lowest = bounded(lowest).await;
    match session.settle("read lowest outbox id", lowest)? {
        Some(id) if id < 1 => Err(Error::new(
            ErrorKind::Refused,
            "read outbox: an id is below one",
        )
        .with("outbox", table)
        .with("id", id)
        .hint("ids must be given out by the server, never by the application: remove that row")),
        _ => Ok(()),
    }
}
