//! What a table is, as the server's catalogue tells it, and how its columns store values.

use super::statement;
use super::value::Storage;
use crate::batch::Schema;
use crate::driver::mysql::{Database, Failure, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::store::transactional::SHAPE_AGE_MAX;
use crate::store::width::Width;
use crate::value::ColumnType;
use sqlx::Row;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use std::time::Instant;

/// A column as the server declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Native {
    Int,
    Bit,
    /// One that rounds, FLOAT(m,d), is [`Self::Other`].
    Float,
    Double,
    Decimal {
        scale: usize,
    },
    Year,
    Text(TextColumn),
    /// MySQL's own JSON, which stores another text than it is given.
    Json,
    Enum(Vec<String>),
    Set(Vec<String>),
    Bytes {
        /// The length of BINARY, which is filled up with zeros.
        fixed: Option<usize>,
    },
    Date,
    Datetime {
        digits: u8,
    },
    Timestamp {
        digits: u8,
    },
    Time {
        digits: u8,
    },
    Uuid,
    Other,
}

/// A column of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextColumn {
    /// Whether it is CHAR, which drops blanks at the end.
    pub(super) is_fixed: bool,
    /// Whether it is MariaDB's JSON: text that must be a document.
    pub(super) is_json: bool,
    /// Most characters of CHAR and VARCHAR; most bytes of TEXT.
    pub(super) length_max: u64,
    pub(super) order: Order,
}

impl TextColumn {
    /// Whether blanks at the end stay. The server drops those that do not fit without an error.
    pub(super) fn keeps_blanks(&self, text: &str) -> bool {
        if !text.ends_with(' ') {
            return true;
        }
        let fits = || u64::try_from(text.chars().count()).is_ok_and(|n| n <= self.length_max);
        !self.is_fixed && fits()
    }
}

/// How text is compared and sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By the bytes of its UTF-8.
    Bytes,
    /// By code, as if it were filled up with blanks: by bytes as long as no text ends with a blank
    /// and none has a control character. Both are noticed where they matter.
    PadSpace,
    /// Otherwise.
    Other,
}

impl Order {
    fn of(collation: &str) -> Self {
        // In these character sets the order of the codes is that of UTF-8, where latin1 has a few
        // codes of Windows in the place of control characters; they are noticed too.
        let Some((charset, rest)) = collation.split_once('_') else { return Self::Other };
        match (charset, rest) {
            ("utf8mb4" | "utf8mb3" | "utf8" | "ascii", "nopad_bin" | "0900_bin") => Self::Bytes,
            ("utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "latin1", "bin")
            | ("latin1", "nopad_bin") => Self::PadSpace,
            _ => Self::Other,
        }
    }
}

impl Native {
    /// Whether values of a type can be read from it and written to it.
    fn takes(&self, column_type: ColumnType) -> bool {
        use ColumnType as T;
        match self {
            Self::Int | Self::Bit => matches!(column_type, T::Int | T::Unsigned | T::Bool),
            Self::Year => matches!(column_type, T::Int | T::Unsigned),
            Self::Float => matches!(column_type, T::Float32 | T::Float64),
            Self::Double => column_type == T::Float64,
            Self::Decimal { .. } => column_type == T::Decimal,
            Self::Text(_) => matches!(column_type, T::Text | T::Json | T::Uuid),
            Self::Json => matches!(column_type, T::Text | T::Json),
            Self::Enum(_) | Self::Set(_) => column_type == T::Text,
            Self::Bytes { .. } => matches!(column_type, T::Bytes | T::Uuid),
            Self::Date => matches!(column_type, T::Date | T::Text),
            Self::Datetime { .. } | Self::Timestamp { .. } => {
                matches!(column_type, T::Timestamp | T::TimestampTz | T::Text)
            }
            Self::Time { .. } => matches!(column_type, T::Time | T::Text),
            Self::Uuid => column_type == T::Uuid,
            Self::Other => false,
        }
    }

    /// Why it does not sort by the bytes of the keys that are made of its values, if it does not.
    fn unsorted(&self, column_type: ColumnType) -> Option<&'static str> {
        match self {
            Self::Text(TextColumn { order: Order::Other, .. }) => {
                Some("its collation does not sort by bytes")
            }
            Self::Enum(_) | Self::Set(_) => Some("it sorts by the place of its labels"),
            Self::Uuid => Some("UUID sorts by other bytes first; use BINARY(16)"),
            Self::Time { .. } if column_type == ColumnType::Text => {
                Some("the text of a time does not sort as the time does")
            }
            _ => None,
        }
    }

    /// What it would do to a value that it does not keep as it is.
    pub(super) fn changes(&self) -> &'static str {
        match self {
            Self::Decimal { .. } => "not as many digits after the point as the column has",
            Self::Float | Self::Double => "a number that the column's precision does not hold",
            Self::Text(_) => "blanks at the end, which the column drops",
            Self::Enum(_) => "text that is none of the column's labels",
            Self::Set(_) => "text that is not a list of the column's labels in their order",
            Self::Bytes { .. } => "bytes that the column would fill up",
            Self::Year => "a year outside 1901 to 2155",
            Self::Date | Self::Datetime { .. } | Self::Timestamp { .. } | Self::Time { .. } => {
                "more digits of a second than the column keeps, or text of another form"
            }
            _ => "a value of another type than the column's",
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShapeColumn {
    pub(super) name: String,
    /// The type as it is declared.
    pub(super) declared: String,
    pub(super) native: Native,
    pub(super) collation: Option<String>,
    pub(super) is_unsigned: bool,
    pub(super) is_auto_increment: bool,
    pub(super) nullable: bool,
    /// Most characters or bytes, where it is bounded.
    pub(super) length_max: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Unique {
    pub(super) name: String,
    /// Its columns; `None` for an expression or the beginning of a column.
    pub(super) columns: Vec<Option<String>>,
}

#[derive(Debug)]
pub(super) struct Shape {
    pub(super) table: String,
    pub(super) engine: String,
    pub(super) columns: Vec<ShapeColumn>,
    pub(super) unique: Vec<Unique>,
    pub(super) loaded: Instant,
    pub(super) width: Width,
}

impl Shape {
    /// Reads the catalogue.
    pub(super) async fn load(
        session: &mut Session,
        database: &Database,
        table: &str,
    ) -> Result<Self> {
        let catalogue =
            |failure: Failure| database.failed("read the catalogue", failure).with("table", table);
        let decoded = |error: sqlx::Error| catalogue(Failure::Driver(error));
        let name = || -> Result<MySqlArguments> {
            let mut arguments = MySqlArguments::default();
            super::value::add(&mut arguments, table)?;
            Ok(arguments)
        };
        let rows = session.fetch(statement::catalogue::TABLE, name()?).await.map_err(catalogue)?;
        // The catalogue compares names without case, where the server's file system does not.
        let mut found = None;
        for row in &rows {
            if row.try_get::<String, _>(0).map_err(decoded)? == table {
                found = Some(row.try_get::<String, _>(1).map_err(decoded)?);
            }
        }
        let Some(engine) = found else {
            return Err(refused("there is no such table", table).with("server", database.address()));
        };
        let mut json = Vec::new();
        if database.is_mariadb {
            let rows = session
                .fetch(statement::catalogue::TABLE_JSON, name()?)
                .await
                .map_err(catalogue)?;
            for row in &rows {
                json.push(row.try_get::<String, _>(0).map_err(decoded)?);
            }
        }
        let rows =
            session.fetch(statement::catalogue::TABLE_COLUMNS, name()?).await.map_err(catalogue)?;
        let columns: sqlx::Result<_> = rows.iter().map(|row| column(row, &json)).collect();
        let rows =
            session.fetch(statement::catalogue::TABLE_UNIQUE, name()?).await.map_err(catalogue)?;
        Ok(Self {
            table: table.to_owned(),
            engine,
            columns: columns.map_err(decoded)?,
            unique: unique(&rows).map_err(decoded)?,
            loaded: Instant::now(),
            width: Width::default(),
        })
    }

    /// Whether it was looked up a moment ago.
    pub(super) fn is_fresh(&self) -> bool {
        self.loaded.elapsed() < SHAPE_AGE_MAX
    }

    /// How the columns of `schema` store their values.
    ///
    /// # Errors
    /// `Refused` if there is no such column, its values cannot be of the plan's type, or the key
    /// does not sort by bytes.
    pub(super) fn storage<'a>(&'a self, schema: &Schema) -> Result<Vec<Storage<'a>>> {
        let mut storage = Vec::with_capacity(schema.columns.len());
        for (place, column) in schema.columns.iter().enumerate() {
            let found = self.column(&column.name)?;
            let (native, column_type) = (&found.native, column.column_type);
            if !native.takes(column_type) {
                return Err(self.mismatch(found, column_type));
            }
            let is_key = schema.key.contains(&place);
            if let Some(reason) = native.unsorted(column_type).filter(|_| is_key) {
                return Err(self.key_refused(found, reason));
            }
            storage.push(Storage { column_type, native, is_key });
        }
        Ok(storage)
    }

    /// Refuses tables and columns that would change or lose what is written to them.
    pub(super) fn check_write(&self, schema: &Schema) -> Result<()> {
        if !self.engine.eq_ignore_ascii_case("InnoDB") {
            return Err(refused("its engine has no transactions", &self.table)
                .with("engine", &self.engine)
                .hint(format!("ALTER TABLE {} ENGINE = InnoDB", self.table)));
        }
        for column in &schema.columns {
            let found = self.column(&column.name)?;
            if found.native == Native::Json {
                return Err(refused("the column would change the values", &self.table)
                    .with("column", &column.name)
                    .with("declared", &found.declared)
                    .hint(
                        "MySQL's JSON stores documents in a form of its own: declare it LONGTEXT",
                    ));
            }
        }
        Ok(())
    }

    /// The index whose order is that of the key.
    pub(super) fn index_of(&self, schema: &Schema) -> Option<&str> {
        let key = || schema.key.iter().map(|&column| Some(schema.columns[column].name.as_str()));
        let found =
            self.unique.iter().find(|unique| unique.columns.iter().map(Option::as_deref).eq(key()));
        found.map(|unique| unique.name.as_str())
    }

    /// Whether there are unique keys beside the key of `schema`.
    pub(super) fn has_other_unique(&self, schema: &Schema) -> bool {
        let is_key = |column: &Option<String>| {
            schema.key.iter().any(|&key| column.as_ref() == Some(&schema.columns[key].name))
        };
        self.unique.iter().any(|unique| {
            unique.columns.len() != schema.key.len() || !unique.columns.iter().all(is_key)
        })
    }

    pub(super) fn column(&self, name: &str) -> Result<&ShapeColumn> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            refused("there is no such column", &self.table)
                .with("column", name)
                .hint("compare the plan with the table, then run `check`")
        })
    }

    fn mismatch(&self, column: &ShapeColumn, column_type: ColumnType) -> Error {
        refused("the column's values cannot be of this type", &self.table)
            .with("column", &column.name)
            .with("declared", &column.declared)
            .with("type", column_type)
            .hint("leave the type to the database, or leave the column out of the plan")
    }

    fn key_refused(&self, column: &ShapeColumn, reason: &'static str) -> Error {
        let error = refused("a key column does not sort by its bytes", &self.table)
            .with("column", &column.name)
            .with("declared", &column.declared)
            .with("because", reason);
        match (&column.native, &column.collation) {
            (Native::Text(_), Some(collation)) => error.with("collation", collation).hint(format!(
                "ALTER TABLE {} MODIFY {} {} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin \
                     NOT NULL, or choose another unique key in the plan",
                self.table, column.name, column.declared
            )),
            _ => error.hint("choose another unique key in the plan"),
        }
    }
}

fn column(row: &MySqlRow, json: &[String]) -> sqlx::Result<ShapeColumn> {
    let name: String = row.try_get(0)?;
    let data_type: String = row.try_get(1)?;
    let declared: String = row.try_get(2)?;
    let length: Option<u64> = row.try_get(4)?;
    let collation: Option<String> = row.try_get(5)?;
    let scale: Option<u64> = row.try_get(6)?;
    let digits: Option<u64> = row.try_get(7)?;
    let extra: String = row.try_get(8)?;
    let is_json = json.contains(&name);
    let native = native(&Declared {
        data_type: &data_type,
        declared: &declared,
        length,
        collation: collation.as_deref(),
        scale,
        digits: digits.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(0),
        is_json,
    });
    Ok(ShapeColumn {
        name,
        is_unsigned: declared.to_ascii_lowercase().contains("unsigned"),
        declared,
        native,
        collation,
        is_auto_increment: extra.to_ascii_lowercase().contains("auto_increment"),
        nullable: row.try_get::<i64, _>(3)? != 0,
        // 4 GiB is no bound: no other column takes more.
        length_max: length.and_then(|length| u32::try_from(length).ok()).filter(|&n| n < u32::MAX),
    })
}

/// What the catalogue says of a column.
struct Declared<'a> {
    data_type: &'a str,
    declared: &'a str,
    length: Option<u64>,
    collation: Option<&'a str>,
    scale: Option<u64>,
    digits: u8,
    is_json: bool,
}

fn native(column: &Declared<'_>) -> Native {
    let Declared { data_type, declared, length, scale, digits, .. } = *column;
    match data_type.to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => Native::Int,
        "bit" => Native::Bit,
        "float" if scale.is_none() => Native::Float,
        "double" if scale.is_none() => Native::Double,
        "decimal" | "numeric" => Native::Decimal {
            scale: scale.and_then(|scale| usize::try_from(scale).ok()).unwrap_or(0),
        },
        "year" => Native::Year,
        name @ ("char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext") => {
            Native::Text(TextColumn {
                is_fixed: name == "char",
                is_json: column.is_json,
                length_max: length.unwrap_or(u64::MAX),
                order: column.collation.map_or(Order::Other, Order::of),
            })
        }
        "json" => Native::Json,
        "enum" => Native::Enum(labels(declared)),
        "set" => Native::Set(labels(declared)),
        "binary" => Native::Bytes { fixed: length.and_then(|length| usize::try_from(length).ok()) },
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            Native::Bytes { fixed: None }
        }
        "date" => Native::Date,
        "datetime" => Native::Datetime { digits },
        "timestamp" => Native::Timestamp { digits },
        "time" => Native::Time { digits },
        "uuid" => Native::Uuid,
        _ => Native::Other,
    }
}

/// The labels of `enum('a','it''s')`.
fn labels(declared: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = declared;
    while let Some(start) = rest.find('\'') {
        let mut label = String::new();
        rest = &rest[start + 1..];
        while let Some(end) = rest.find('\'') {
            label.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            if !rest.starts_with('\'') {
                break;
            }
            label.push('\'');
            rest = &rest[1..];
        }
        labels.push(label);
    }
    labels
}

/// Rows of (index, column), in the order of both.
fn unique(rows: &[MySqlRow]) -> sqlx::Result<Vec<Unique>> {
    let mut indexes: Vec<Unique> = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(Unique { name, columns: Vec::new() });
        }
        if let Some(index) = indexes.last_mut() {
            index.columns.push(row.try_get(1)?);
        }
    }
    Ok(indexes)
}

fn refused(problem: &str, table: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("use table: {problem}")).with("table", table)
}

#[cfg(test)]
mod tests {
    use super::{Order, TextColumn, labels};

    #[test]
    fn labels_are_read_with_their_quotes_and_commas() {
        assert_eq!(labels("enum('a','it''s','x,y','')"), ["a", "it's", "x,y", ""]);
        assert_eq!(labels("set('é')"), ["é"]);
    }

    #[test]
    fn only_binary_collations_sort_by_bytes() {
        assert_eq!(Order::of("utf8mb4_nopad_bin"), Order::Bytes);
        assert_eq!(Order::of("utf8mb4_0900_bin"), Order::Bytes);
        assert_eq!(Order::of("utf8mb4_bin"), Order::PadSpace);
        assert_eq!(Order::of("latin1_nopad_bin"), Order::PadSpace);
        for other in ["utf8mb4_general_ci", "utf8mb4_unicode_nopad_ci", "ucs2_bin", "sjis_bin"] {
            assert_eq!(Order::of(other), Order::Other, "{other}");
        }
    }

    #[test]
    fn blanks_at_the_end_stay_where_there_is_room() {
        let column =
            TextColumn { is_fixed: false, is_json: false, length_max: 3, order: Order::Bytes };
        assert!(column.keeps_blanks("é  ") && column.keeps_blanks("too long, which is refused"));
        assert!(!column.keeps_blanks("abc "));
        assert!(!TextColumn { is_fixed: true, ..column }.keeps_blanks("a "));
    }
}
