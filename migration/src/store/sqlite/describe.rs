//! From declared types to ours.

use super::shape::Shape;
use crate::batch::{Column, Schema};
use crate::store::{EXPRESSION, TableDescription};
use crate::value::ColumnType;

/// Describes a table. A type that SQLite lets anybody make up is left for the plan to state.
pub(super) fn describe(shape: &Shape) -> TableDescription {
    let mut key: Vec<(i64, usize)> = Vec::new();
    let mut columns = Vec::with_capacity(shape.columns.len());
    let mut lengths_max = Vec::with_capacity(shape.columns.len());
    let mut unknown_types = Vec::new();
    for (place, column) in shape.columns.iter().enumerate() {
        let (base, length) = split(&column.declared);
        let known = column_type(&base);
        if known.is_none() {
            unknown_types.push((column.name.clone(), column.declared.clone()));
        }
        let column_type = known.unwrap_or(ColumnType::Text);
        let has_length = matches!(column_type, ColumnType::Text | ColumnType::Bytes);
        lengths_max.push(length.filter(|_| has_length));
        if column.key_place > 0 {
            key.push((column.key_place, place));
        }
        columns.push(Column {
            name: column.name.clone(),
            column_type,
            nullable: !column.not_null && !shape.is_rowid(column),
        });
    }
    key.sort_unstable();
    let key = key.into_iter().map(|(_, column)| column).collect();
    TableDescription {
        schema: Schema { table: shape.table.clone(), columns, key },
        lengths_max,
        other_unique_keys: other_unique_keys(shape),
        key_never_reused: has_word(&shape.sql, "AUTOINCREMENT"),
        unknown_types,
    }
}

/// `VARCHAR(255)` is a `VARCHAR` of at most 255.
fn split(declared: &str) -> (String, Option<u32>) {
    let Some((base, rest)) = declared.split_once('(') else {
        return (declared.trim().to_owned(), None);
    };
    let (length, after) = rest.split_once(')').unwrap_or((rest, ""));
    let base = format!("{} {}", base.trim(), after.trim());
    (base.trim().to_owned(), length.trim().parse().ok())
}

fn column_type(base: &str) -> Option<ColumnType> {
    Some(match base {
        "BOOLEAN" | "BOOL" => ColumnType::Bool,
        "TEXT" | "CLOB" | "CHAR" | "CHARACTER" | "VARCHAR" | "VARYING CHARACTER" | "NCHAR"
        | "NVARCHAR" | "NATIVE CHARACTER" | "CHARACTER VARYING" => ColumnType::Text,
        "BLOB" | "BINARY" | "VARBINARY" | "BYTEA" => ColumnType::Bytes,
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => ColumnType::Float64,
        "DECIMAL" | "NUMERIC" => ColumnType::Decimal,
        "DATE" => ColumnType::Date,
        "TIME" => ColumnType::Time,
        "TIMESTAMP" | "DATETIME" => ColumnType::Timestamp,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => ColumnType::TimestampTz,
        "UUID" => ColumnType::Uuid,
        "JSON" => ColumnType::Json,
        _ if base.split(' ').any(|word| word == "UNSIGNED") && base.contains("INT") => {
            ColumnType::Unsigned
        }
        "INT" | "INTEGER" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "BIGINT" | "INT2" | "INT4"
        | "INT8" | "BIG INT" => ColumnType::Int,
        _ => return None,
    })
}

/// An index over an expression or over a part of the table cannot serve as a key; it is named so
/// that it matches none, and so that people know of it.
fn other_unique_keys(shape: &Shape) -> Vec<Vec<String>> {
    let others = shape.unique.iter().filter(|index| !index.is_primary);
    others
        .map(|index| {
            let name = |column: &Option<String>| column.clone().unwrap_or(EXPRESSION.to_owned());
            let partial = index.is_partial.then(|| "(partial)".to_owned());
            index.columns.iter().map(|(column, _)| name(column)).chain(partial).collect()
        })
        .collect()
}

/// Whether a word stands in a statement outside of names, strings and comments.
fn has_word(sql: &str, word: &str) -> bool {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => quoted(rest, first),
            '[' => quoted(rest, ']'),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            _ if is_word(first) => {
                let length = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
                if rest[..length].eq_ignore_ascii_case(word) {
                    return true;
                }
                length
            }
            _ => first.len_utf8(),
        };
        rest = &rest[length..];
    }
    false
}

/// A doubled quote ends one string and begins the next, which comes to the same here.
fn quoted(text: &str, end: char) -> usize {
    text[1..].find(end).map_or(text.len(), |at| at + 1 + end.len_utf8())
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::{column_type, has_word, split};
    use crate::value::ColumnType;

    #[test]
    fn declared_types_become_ours_and_invented_ones_do_not() {
        let of = |declared: &str| column_type(&split(declared).0);
        assert_eq!(of("VARCHAR(20)"), Some(ColumnType::Text));
        assert_eq!(split("VARCHAR(20)").1, Some(20));
        assert_eq!(of("BIGINT(20) UNSIGNED"), Some(ColumnType::Unsigned));
        assert_eq!(of("NUMERIC(10,2)"), Some(ColumnType::Decimal));
        assert_eq!(of("TIMESTAMP(6) WITH TIME ZONE"), Some(ColumnType::TimestampTz));
        assert_eq!(of("STRING"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn autoincrement_counts_only_where_it_is_a_word_of_the_statement() {
        let yes = "CREATE TABLE t (id INTEGER PRIMARY KEY /* x */ autoincrement)";
        let no = "CREATE TABLE t (\"AUTOINCREMENT\" TEXT DEFAULT 'AUTOINCREMENT', \
                  [AUTOINCREMENT x] TEXT, autoincrements INT -- AUTOINCREMENT\n)";
        assert!(has_word(yes, "AUTOINCREMENT"));
        assert!(!has_word(no, "AUTOINCREMENT"));
    }
}
