//! What a table is, as SQLite's catalogue tells it, and how its columns store values.

use super::error::failed;
use super::statement;
use super::value::Storage;
use crate::batch::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::value::ColumnType;
use sqlx::{Row, SqliteConnection};
use std::path::Path;

/// What SQLite turns a stored value into (<https://sqlite.org/datatype3.html#type_affinity>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Text,
    /// Values stay as they are.
    Blob,
    Real,
    Numeric,
}

#[derive(Debug)]
pub(super) struct ShapeColumn {
    pub(super) name: String,
    /// The type as it was declared, in upper case.
    pub(super) declared: String,
    pub(super) affinity: Affinity,
    pub(super) not_null: bool,
    /// Place in the primary key, from 1; 0 if it is not in it.
    pub(super) key_place: i64,
}

#[derive(Debug)]
pub(super) struct Unique {
    pub(super) is_primary: bool,
    /// Whether it leaves records out.
    pub(super) is_partial: bool,
    /// Its columns, `None` for an expression, with their collations.
    pub(super) columns: Vec<(Option<String>, String)>,
}

#[derive(Debug)]
pub(super) struct Shape {
    pub(super) table: String,
    pub(super) columns: Vec<ShapeColumn>,
    pub(super) unique: Vec<Unique>,
    /// The statement that created it.
    pub(super) sql: String,
}

impl Shape {
    /// Reads the catalogue.
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        path: &Path,
        table: &str,
    ) -> Result<Self> {
        let catalogue = |error| failed("read the catalogue", path, error).with("table", table);
        let row = sqlx::query(statement::TABLE)
            .bind(table)
            .fetch_optional(&mut *connection)
            .await
            .map_err(catalogue)?;
        let Some(row) = row.filter(|row| row.get::<&str, _>(0) == "table") else {
            return Err(refused("there is no such table", table).with("file", path.display()));
        };
        let is_strict: bool = row.get(1);
        let sql: String = row.get(2);
        let rows = sqlx::query(statement::TABLE_COLUMNS)
            .bind(table)
            .fetch_all(&mut *connection)
            .await
            .map_err(catalogue)?;
        // Generated columns cannot be written, hidden ones belong to virtual tables.
        let stored = rows.iter().filter(|row| row.get::<i64, _>(4) == 0);
        let columns = stored.map(|row| column(row, is_strict)).collect();
        let rows = sqlx::query(statement::TABLE_UNIQUE)
            .bind(table)
            .fetch_all(&mut *connection)
            .await
            .map_err(catalogue)?;
        let mut unique: Vec<(String, Unique)> = Vec::new();
        for row in &rows {
            let name: String = row.get(0);
            if unique.last().is_none_or(|(last, _)| *last != name) {
                let is_primary = row.get::<&str, _>(1) == "pk";
                let is_partial = row.get(2);
                unique.push((name, Unique { is_primary, is_partial, columns: Vec::new() }));
            }
            if let Some((_, index)) = unique.last_mut() {
                index.columns.push((row.get(3), row.get(4)));
            }
        }
        let unique = unique.into_iter().map(|(_, index)| index).collect();
        Ok(Self { table: table.to_owned(), columns, unique, sql })
    }

    /// Whether a column may hold null: not if it is declared so, nor if it stands for the row's
    /// number.
    pub(super) fn may_be_null(&self, name: &str) -> Result<bool> {
        let column = self.column(name)?;
        Ok(!column.not_null && !self.is_rowid(column))
    }

    /// Whether it is the alias of the row's number, which is never null whatever the declaration
    /// says.
    pub(super) fn is_rowid(&self, column: &ShapeColumn) -> bool {
        let alone = self.columns.iter().filter(|column| column.key_place > 0).count() == 1;
        alone && column.key_place > 0 && column.declared == "INTEGER"
    }

    /// How the columns of `schema` store their values.
    ///
    /// # Errors
    /// `Refused` if there is no such column, or the key does not sort by bytes.
    pub(super) fn storage(&self, schema: &Schema) -> Result<Vec<Storage>> {
        self.check_key(schema)?;
        schema
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                let found = self.column(&column.name)?;
                Ok(Storage {
                    column_type: column.column_type,
                    uuid_as_bytes: is_bytes(&found.declared),
                    is_key: schema.key.contains(&place),
                    turns_numbers: !matches!(found.affinity, Affinity::Text | Affinity::Blob),
                })
            })
            .collect()
    }

    /// Refuses columns that would change the values written to them.
    pub(super) fn check_write(&self, schema: &Schema) -> Result<()> {
        for column in &schema.columns {
            let found = self.column(&column.name)?;
            if !keeps(found.affinity, column.column_type) {
                return Err(refused("the column would change the values", &self.table)
                    .with("column", &column.name)
                    .with("type", column.column_type)
                    .with("declared", &found.declared)
                    .hint(format!(
                        "declare it {} instead",
                        match column.column_type {
                            ColumnType::Bool | ColumnType::Int | ColumnType::Unsigned => "INTEGER",
                            ColumnType::Float32 | ColumnType::Float64 => "REAL",
                            _ => "TEXT",
                        }
                    )));
            }
        }
        Ok(())
    }

    fn column(&self, name: &str) -> Result<&ShapeColumn> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            refused("there is no such column", &self.table)
                .with("column", name)
                .hint("compare the plan with the table, then run `check`")
        })
    }

    /// A key in another collation sorts and compares otherwise than the bytes that ranges, locks
    /// and guards are made of; a time below zero or beyond a day has no text that sorts.
    fn check_key(&self, schema: &Schema) -> Result<()> {
        let key: Vec<&str> =
            schema.key.iter().map(|&column| schema.columns[column].name.as_str()).collect();
        for &column in &schema.key {
            if schema.columns[column].column_type == ColumnType::Time {
                return Err(refused("a time cannot be a key in SQLite", &self.table)
                    .with("column", &schema.columns[column].name)
                    .hint("choose another unique key in the plan"));
            }
        }
        for (column, collation) in self.unique.iter().flat_map(|index| &index.columns) {
            if let Some(column) = column
                && key.contains(&column.as_str())
                && !collation.eq_ignore_ascii_case("BINARY")
            {
                return Err(refused("a key column does not sort by its bytes", &self.table)
                    .with("column", column)
                    .with("collation", collation)
                    .hint("rebuild the table with COLLATE BINARY, or choose another unique key"));
            }
        }
        Ok(())
    }
}

fn column(row: &sqlx::sqlite::SqliteRow, is_strict: bool) -> ShapeColumn {
    let declared = row.get::<String, _>(1).to_ascii_uppercase();
    let affinity =
        if is_strict && declared == "ANY" { Affinity::Blob } else { affinity(&declared) };
    ShapeColumn {
        name: row.get(0),
        declared,
        affinity,
        not_null: row.get(2),
        key_place: row.get(3),
    }
}

/// SQLite's own rules, in their order.
fn affinity(declared: &str) -> Affinity {
    let has = |part: &str| declared.contains(part);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || declared.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

fn is_bytes(declared: &str) -> bool {
    declared.contains("BLOB") || declared.contains("BINARY")
}

/// Whether a column keeps every value of a type as it was bound.
fn keeps(affinity: Affinity, column_type: ColumnType) -> bool {
    match column_type {
        ColumnType::Bool | ColumnType::Int | ColumnType::Unsigned => {
            matches!(affinity, Affinity::Integer | Affinity::Numeric | Affinity::Blob)
        }
        ColumnType::Float32 | ColumnType::Float64 => {
            matches!(affinity, Affinity::Real | Affinity::Blob)
        }
        ColumnType::Decimal | ColumnType::Text => {
            matches!(affinity, Affinity::Text | Affinity::Blob)
        }
        // Blobs are never converted; a day, a moment or a uuid does not look like a number; a JSON
        // document that does is refused when it is bound.
        ColumnType::Bytes
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Uuid
        | ColumnType::Json => true,
    }
}

fn refused(problem: &str, table: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("use table: {problem}")).with("table", table)
}

#[cfg(test)]
mod tests {
    use super::{Affinity, affinity, keeps};
    use crate::value::ColumnType;

    #[test]
    fn affinities_follow_sqlites_rules_in_their_order() {
        for (declared, expected) in [
            ("UNSIGNED BIG INT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("VARCHAR(255)", Affinity::Text),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("DECIMAL(10,2)", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
        ] {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }

    #[test]
    fn a_column_that_would_turn_decimals_into_floats_is_not_written() {
        assert!(!keeps(Affinity::Numeric, ColumnType::Decimal));
        assert!(keeps(Affinity::Text, ColumnType::Decimal));
        assert!(!keeps(Affinity::Text, ColumnType::Int));
    }
}
