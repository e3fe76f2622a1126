//! The tables that move between servers: one narrow, one wide, each filled by the server itself.

use crate::child::Failure;

/// Records in a table, unless asked for otherwise.
pub(crate) const ROWS: u64 = 2_000_000;

/// Records that one statement fills in: seconds of work.
pub(crate) const FILL_ROWS: u64 = 250_000;

/// A table of the benchmark.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its columns with the types that every engine here knows.
    pub(crate) columns: &'static [(&'static str, &'static str)],
    /// A number in it that live updates count up.
    pub(crate) counter: &'static str,
    /// The values of the record `i`, in MariaDB's words and in PostgreSQL's, in which md5 and left
    /// are the same.
    pub(crate) values: &'static str,
}

/// Three numbers and a short text.
const NARROW: Table = Table {
    name: "narrow",
    columns: &[
        ("id", "BIGINT"),
        ("owner", "BIGINT"),
        ("amount", "BIGINT"),
        ("label", "VARCHAR(20)"),
    ],
    counter: "amount",
    values: "i, i * 7919 % 1000003, i * 31 % 65521, concat('label-', i % 100003)",
};

/// What sysbench makes: 190 bytes of text in two columns.
const WIDE: Table = Table {
    name: "wide",
    columns: &[("id", "BIGINT"), ("k", "BIGINT"), ("c", "VARCHAR(120)"), ("pad", "VARCHAR(60)")],
    counter: "k",
    values: "i, i * 7919 % 1000003, \
             left(concat(md5(concat('a', i)), '-', md5(concat('b', i)), '-', md5(concat('c', i)), \
             '-', md5(concat('d', i))), 119), \
             left(concat(md5(concat('e', i)), '-', md5(concat('f', i))), 59)",
};

impl Table {
    /// The table of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self, Failure> {
        match name {
            "narrow" => Ok(&NARROW),
            "wide" => Ok(&WIDE),
            _ => Err(format!("no table `{name}`; there are: narrow, wide").into()),
        }
    }

    /// What creates it.
    pub(crate) fn create(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, kind)| format!("{name} {kind} NOT NULL")).collect();
        format!("CREATE TABLE {} ({}, PRIMARY KEY (id))", self.name, columns.join(", "))
    }

    /// `id, k, c, pad`.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}
