//! What a table is, as PostgreSQL's catalogue tells it, and how its columns store values.

use super::error::refused;
use super::statement;
use super::value::{Storage, Wire};
use crate::batch::Schema;
use crate::driver::pool::{Session, bounded};
use crate::driver::postgres::{quoted, quoted_table};
use crate::error::{Error, ErrorKind, Result};
use crate::store::width::Width;
use crate::value::ColumnType;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use std::time::Instant;

#[derive(Debug)]
pub(super) struct ShapeColumn {
    pub(super) name: String,
    /// The type as it is declared: `numeric(10,2)`.
    pub(super) declared: String,
    /// How its values pass; `None` for a type that we know nothing of.
    pub(super) wire: Option<Wire>,
    pub(super) not_null: bool,
    /// Whether it is `char(n)`.
    pub(super) is_padded: bool,
    /// Most characters, where the declaration bounds them.
    pub(super) length_max: Option<u32>,
    /// Digits in all and after the point, where the declaration bounds them; of a moment only the
    /// latter.
    pub(super) digits: Option<(u32, u32)>,
    pub(super) collation: Collation,
    /// The collation's oid; 0 where there is nothing to sort by.
    pub(super) collation_oid: i64,
}

/// The oid of the collation `"C"`.
const C: i64 = 950;

/// How text sorts and compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    /// By its bytes, or there is nothing to sort by.
    Bytes,
    /// By a language, and two texts are equal only if their bytes are.
    Language,
    /// Two texts may be equal whose bytes are not.
    Loose,
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) is_primary: bool,
    pub(super) is_unique: bool,
    /// Whether it leaves records out, or checks only at the end of a transaction.
    pub(super) is_partial: bool,
    /// Its columns.
    pub(super) columns: Vec<IndexColumn>,
}

#[derive(Debug)]
pub(super) struct IndexColumn {
    /// `None` for an expression.
    pub(super) name: Option<String>,
    /// Whether the index can be walked in the order of its values.
    is_ordered: bool,
    collation_oid: i64,
}

#[derive(Debug)]
pub(super) struct Shape {
    /// As the plan calls it.
    pub(super) table: String,
    /// As SQL writes it, with its schema.
    pub(super) quoted: String,
    pub(super) columns: Vec<ShapeColumn>,
    pub(super) indexes: Vec<Index>,
    /// Whether an `INSERT` is more than a `COPY`: there are rules, or policies for single rows.
    has_rules: bool,
    /// When it was read.
    pub(super) loaded: Instant,
    pub(super) width: Width,
}

/// How the records of one schema are read and written.
#[derive(Debug)]
pub(super) struct Form {
    /// The table, as SQL writes it.
    pub(super) table: String,
    /// Its columns, in the schema's order.
    pub(super) columns: Vec<Storage>,
    /// Indices of the key columns, in key order.
    pub(super) key: Vec<usize>,
}

impl Form {
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Storage> + Clone {
        self.key.iter().map(|&column| &self.columns[column])
    }
}

impl Shape {
    /// Reads the catalogue.
    pub(super) async fn load(session: &mut Session<PgConnection>, table: &str) -> Result<Self> {
        let of_table = |error: Error| error.with("table", table);
        let found = sqlx::query(statement::catalogue::TABLE).bind(quoted_table(table));
        let found = bounded(found.fetch_optional(session.connection()?)).await;
        let found = session.settle("read the catalogue", found).map_err(of_table)?;
        let row = found.ok_or_else(|| {
            refused("there is no such table", table)
                .hint("check its name, and its schema: write schema.table where it is not on the search path")
        })?;
        let oid: i64 = get(&row, 0)?;
        let kind: String = get(&row, 1)?;
        if !matches!(kind.as_str(), "r" | "p") {
            return Err(refused("it is no table", table).with("relkind", kind));
        }
        let quoted = format!("{}.{}", quoted(get(&row, 2)?), quoted(get(&row, 3)?));
        let rows = sqlx::query(statement::catalogue::TABLE_COLUMNS).bind(oid);
        let rows = bounded(rows.fetch_all(session.connection()?)).await;
        let rows = session.settle("read the catalogue", rows).map_err(of_table)?;
        let columns = rows.iter().map(column).collect::<Result<_>>()?;
        let rows = sqlx::query(statement::catalogue::TABLE_INDEXES).bind(oid);
        let rows = bounded(rows.fetch_all(session.connection()?)).await;
        let rows = session.settle("read the catalogue", rows).map_err(of_table)?;
        let indexes = indexes(&rows)?;
        Ok(Self {
            table: table.to_owned(),
            quoted,
            columns,
            indexes,
            has_rules: get(&row, 4)?,
            loaded: Instant::now(),
            width: Width::default(),
        })
    }

    /// How the columns of `schema` store their values.
    ///
    /// # Errors
    /// `Refused` if there is no such column, it cannot hold values of the type, or the key does not
    /// sort by bytes.
    pub(super) fn form(&self, schema: &Schema) -> Result<Form> {
        let mut columns = Vec::with_capacity(schema.columns.len());
        for column in &schema.columns {
            let found = self.column(&column.name)?;
            let storage = storage(found, column.column_type).ok_or_else(|| {
                refused("the column does not hold values of this type", &self.table)
                    .with("column", &column.name)
                    .with("type", column.column_type)
                    .with("declared", &found.declared)
                    .hint("compare the plan's types with the table, then run `check`")
            })?;
            columns.push(storage);
        }
        self.sort_by_bytes(schema, &mut columns)?;
        Ok(Form { table: self.quoted.clone(), columns, key: schema.key.clone() })
    }

    /// Whether a `COPY` into it does what an `INSERT` would, and fails where a key is there.
    pub(super) fn takes_copy(&self, schema: &Schema, form: &Form) -> bool {
        let key: Vec<&str> =
            schema.key.iter().map(|&column| schema.columns[column].name.as_str()).collect();
        let is_of_key = |index: &Index| {
            let has = |name: &&str| index.columns.iter().any(|c| c.name.as_deref() == Some(*name));
            index.is_unique
                && !index.is_partial
                && index.columns.len() == key.len()
                && key.iter().all(has)
        };
        !self.has_rules
            && form.columns.iter().all(|column| column.cast.is_none())
            && self.indexes.iter().any(is_of_key)
    }

    fn column(&self, name: &str) -> Result<&ShapeColumn> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            refused("there is no such column", &self.table)
                .with("column", name)
                .hint("compare the plan with the table, then run `check`")
        })
    }

    /// Makes the key's text compare by its bytes, which ranges, locks and guards are made of, and
    /// refuses a key for which no index does so too.
    fn sort_by_bytes(&self, schema: &Schema, columns: &mut [Storage]) -> Result<()> {
        let mut needs_index = None;
        let mut key = Vec::with_capacity(schema.key.len());
        for &place in &schema.key {
            let storage = &mut columns[place];
            let name = &schema.columns[place].name;
            let found = self.column(name)?;
            if storage.cast.is_some() || storage.is_padded {
                return Err(refused("a column of this type cannot be a key", &self.table)
                    .with("column", name)
                    .with("declared", &found.declared)
                    .hint("choose another unique key in the plan"));
            }
            match found.collation {
                Collation::Bytes => key.push((name.as_str(), found.collation_oid)),
                Collation::Language => {
                    storage.collate = " COLLATE \"C\"";
                    needs_index = Some(name);
                    key.push((name.as_str(), C));
                }
                Collation::Loose => {
                    return Err(refused(
                        "a key column takes different texts for equal",
                        &self.table,
                    )
                    .with("column", name)
                    .hint("give the column a deterministic collation, or choose another key"));
                }
            }
        }
        let Some(column) = needs_index else { return Ok(()) };
        if self.indexes.iter().any(|index| index.sorts_by_bytes(&key)) {
            return Ok(());
        }
        let parts: Vec<String> = schema
            .key
            .iter()
            .map(|&place| format!("{}{}", columns[place].name, columns[place].collate))
            .collect();
        Err(refused("no index sorts the key by its bytes", &self.table)
            .with("column", column)
            .hint(format!(
                "CREATE INDEX CONCURRENTLY ON {} ({}) and drop it after the migration",
                self.quoted,
                parts.join(", ")
            )))
    }
}

impl Index {
    fn sorts_by_bytes(&self, key: &[(&str, i64)]) -> bool {
        let is_of = |column: &IndexColumn, (name, collation_oid): &(&str, i64)| {
            column.is_ordered
                && column.name.as_deref() == Some(*name)
                && column.collation_oid == *collation_oid
        };
        !self.is_partial
            && self.columns.len() == key.len()
            && self.columns.iter().zip(key).all(|(column, part)| is_of(column, part))
    }
}

/// How a column stores values of a type; `None` if it cannot.
fn storage(found: &ShapeColumn, column_type: ColumnType) -> Option<Storage> {
    let plain = found.wire.filter(|&wire| holds(wire, found.digits, column_type));
    // What we know nothing of passes as its text, which PostgreSQL reads back as the same value.
    let is_text = matches!(column_type, ColumnType::Text);
    let (wire, cast) = match plain {
        Some(wire) => (wire, None),
        None if found.wire.is_none() && is_text => (Wire::Text, Some(found.declared.clone())),
        None => return None,
    };
    Some(Storage {
        name: quoted(&found.name),
        column_type,
        wire,
        cast,
        length_max: found.length_max,
        is_padded: found.is_padded,
        digits: found.digits,
        collate: "",
    })
}

/// Whether values of a type pass in a format.
fn holds(wire: Wire, digits: Option<(u32, u32)>, column_type: ColumnType) -> bool {
    match column_type {
        ColumnType::Bool => wire == Wire::Bool,
        ColumnType::Int | ColumnType::Unsigned => match wire {
            Wire::Int2 | Wire::Int4 | Wire::Int8 => true,
            // What MySQL's BIGINT UNSIGNED becomes.
            Wire::Numeric => digits.is_some_and(|(_, scale)| scale == 0),
            _ => false,
        },
        ColumnType::Decimal => wire == Wire::Numeric,
        ColumnType::Float32 => wire == Wire::Float4,
        ColumnType::Float64 => wire == Wire::Float8,
        ColumnType::Text | ColumnType::Json => {
            matches!(wire, Wire::Text | Wire::Json | Wire::Jsonb)
        }
        ColumnType::Bytes => wire == Wire::Bytes,
        ColumnType::Date => wire == Wire::Date,
        ColumnType::Time => wire == Wire::Time,
        ColumnType::Timestamp => wire == Wire::Timestamp,
        ColumnType::TimestampTz => wire == Wire::TimestampTz,
        ColumnType::Uuid => wire == Wire::Uuid,
    }
}

fn column(row: &PgRow) -> Result<ShapeColumn> {
    let type_oid: i64 = get(row, 1)?;
    let modifier: i32 = get(row, 2)?;
    let type_oid = u32::try_from(type_oid).unwrap_or(0);
    let wire = Wire::of(type_oid);
    let digits = match wire {
        Some(Wire::Numeric) => numeric_digits(modifier),
        Some(Wire::Time | Wire::Timestamp | Wire::TimestampTz) => {
            u32::try_from(modifier).ok().map(|digits| (0, digits))
        }
        _ => None,
    };
    let rounds_to_tens = wire == Some(Wire::Numeric) && modifier >= 0 && digits.is_none();
    Ok(ShapeColumn {
        name: get(row, 0)?,
        declared: get(row, 3)?,
        wire: wire.filter(|_| !rounds_to_tens),
        not_null: get(row, 4)?,
        is_padded: type_oid == 1042,
        // Four of every modifier stand for its own length.
        length_max: u32::try_from(modifier - 4).ok().filter(|_| wire == Some(Wire::Text)),
        digits,
        collation: match (get::<bool>(row, 5)?, get::<bool>(row, 6)?) {
            (true, _) => Collation::Bytes,
            (false, true) => Collation::Language,
            (false, false) => Collation::Loose,
        },
        collation_oid: get(row, 7)?,
    })
}

/// Precision and scale of a numeric. A negative scale, which rounds to tens, is not taken for one.
fn numeric_digits(modifier: i32) -> Option<(u32, u32)> {
    let packed = u32::try_from(modifier - 4).ok()?;
    let scale = packed & 0x7ff;
    (scale < 0x400).then_some((packed >> 16, scale))
}

fn indexes(rows: &[PgRow]) -> Result<Vec<Index>> {
    let mut indexes: Vec<(String, Index)> = Vec::new();
    for row in rows {
        let name: String = get(row, 0)?;
        if indexes.last().is_none_or(|(last, _)| *last != name) {
            let index = Index {
                is_primary: get(row, 1)?,
                is_unique: get(row, 2)?,
                is_partial: get(row, 3)?,
                columns: Vec::new(),
            };
            indexes.push((name, index));
        }
        if let Some((_, index)) = indexes.last_mut() {
            index.columns.push(IndexColumn {
                name: get(row, 4)?,
                is_ordered: get(row, 5)?,
                collation_oid: get(row, 6)?,
            });
        }
    }
    Ok(indexes.into_iter().map(|(_, index)| index).collect())
}

fn get<'r, T>(row: &'r PgRow, column: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column)
        .map_err(|error| Error::new(ErrorKind::Unreadable, "read the catalogue").because(error))
}

#[cfg(test)]
mod tests {
    use super::numeric_digits;

    #[test]
    fn a_numerics_modifier_holds_its_digits() {
        assert_eq!(numeric_digits(-1), None);
        assert_eq!(numeric_digits((10 << 16) + 2 + 4), Some((10, 2)));
        assert_eq!(numeric_digits((65 << 16) + 30 + 4), Some((65, 30)));
        // numeric(5, -2): eleven bits of two's complement.
        assert_eq!(numeric_digits((5 << 16) + 0x7fe + 4), None);
    }
}
