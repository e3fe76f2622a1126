//! What one table of a plan must fulfil in itself, before any database is asked.
//!
//! In one place, because the plan is refused for it with the field's path, and a layout that is
//! resolved from a table made by hand rests on the same.

use super::{IntoPlan, ShardPlan, TablePlan};
use crate::layout::ShardFunction;

/// What is wrong with a table of the plan.
#[derive(Debug)]
pub(crate) struct Violation {
    /// The field, as a path from the table: `into[1].shard.by`.
    pub(crate) field: String,
    /// What it must do.
    pub(crate) must: String,
    /// What was written.
    pub(crate) found: String,
}

impl Violation {
    fn new(field: impl Into<String>, must: impl Into<String>, found: impl Into<String>) -> Self {
        Self { field: field.into(), must: must.into(), found: found.into() }
    }
}

impl TablePlan {
    /// Finds the first rule that this table breaks, given the number of target instances.
    pub(crate) fn check(&self, instances: usize) -> Result<(), Violation> {
        named_once("key", &self.key)?;
        named_once("entity", &self.entity)?;
        if !self.key.starts_with(&self.entity) {
            return Err(Violation::new(
                "entity",
                format!("be the leading columns of the key, {}", list(&self.key)),
                list(&self.entity),
            ));
        }
        if self.into.is_empty() {
            return Err(Violation::new("into", "name at least one target table", "none"));
        }
        self.into.iter().enumerate().try_for_each(|(j, into)| {
            into.check(&self.key, instances).map_err(|violation| Violation {
                field: format!("into[{j}].{}", violation.field),
                ..violation
            })
        })
    }
}

impl IntoPlan {
    fn check(&self, source_key: &[String], instances: usize) -> Result<(), Violation> {
        if self.columns.is_empty() {
            return Err(Violation::new("columns", "map at least one column", "none"));
        }
        named_once("key", &self.key)?;
        let mut unmatched: Vec<&String> = source_key.iter().collect();
        for column in &self.key {
            let Some(mapped) = self.columns.iter().find(|mapped| mapped.name == *column) else {
                return Err(Violation::new("key", "be among `columns`", quoted(column)));
            };
            if mapped.loses.is_some() {
                return Err(Violation::new(
                    format!("columns.{column}.loses"),
                    "not be said of a key: two records could become one",
                    quoted(column),
                ));
            }
            match unmatched.iter().position(|from| **from == mapped.from) {
                Some(place) => {
                    unmatched.swap_remove(place);
                }
                None => return Err(self.not_the_source_key(source_key)),
            }
        }
        if !unmatched.is_empty() {
            return Err(self.not_the_source_key(source_key));
        }
        self.check_shard(instances)
    }

    // A delete on the queue carries the source's key and nothing else, so a target key made of
    // anything else could not be found by it.
    fn not_the_source_key(&self, source_key: &[String]) -> Violation {
        let made_of = self.key.iter().map(|column| {
            let from = self.columns.iter().find(|mapped| mapped.name == *column);
            from.map_or(column, |mapped| &mapped.from)
        });
        Violation::new(
            "key",
            format!(
                "come from the source's key {}, each column once: a delete carries nothing else",
                list(source_key)
            ),
            format!("{} from {}", list(&self.key), list(made_of)),
        )
    }

    fn check_shard(&self, instances: usize) -> Result<(), Violation> {
        match &self.shard {
            Some(shard) if !self.key.contains(&shard.by) => Err(Violation::new(
                "shard.by",
                format!("be one of the target table's key columns, {}", list(&self.key)),
                quoted(&shard.by),
            )),
            None if instances > 1 => Err(Violation::new(
                "shard",
                format!("say which of the {instances} targets holds a record"),
                "nothing",
            )),
            Some(shard) => shard.check_bounds(instances),
            None => Ok(()),
        }
    }
}

impl ShardPlan {
    fn check_bounds(&self, instances: usize) -> Result<(), Violation> {
        let violation =
            |must: String, found: String| Err(Violation::new("shard.bounds", must, found));
        let count = self.bounds.len();
        if self.function != ShardFunction::Ranges {
            return match count {
                0 => Ok(()),
                _ => violation("go with the function ranges".into(), format!("{count} bounds")),
            };
        }
        if count + 1 != instances {
            return violation(
                format!("be the lowest key of every target but the first: {}", instances - 1),
                count.to_string(),
            );
        }
        match self.bounds.windows(2).position(|pair| !pair[1].is_above(&pair[0])) {
            Some(place) => violation(
                "ascend, all numbers or all texts".into(),
                format!("bound {} no higher than the one before", place + 2),
            ),
            None => Ok(()),
        }
    }
}

fn named_once(field: &str, columns: &[String]) -> Result<(), Violation> {
    if columns.is_empty() {
        return Err(Violation::new(field, "name at least one column", "none"));
    }
    for (i, column) in columns.iter().enumerate() {
        if columns[..i].contains(column) {
            return Err(Violation::new(
                field,
                "name each column once",
                format!("{} twice", quoted(column)),
            ));
        }
    }
    Ok(())
}

/// Names in brackets, as TOML writes them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// A name in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("{name:?}")
}
