//! The tables: names that are unique, and the rules of each.

use super::{Result, invalid};
use crate::plan::raw::{RawInto, RawTable};
use crate::plan::{
    ColumnPlan, Engine, InstancePlan, IntoPlan, QueuePlan, ShardPlan, TablePlan, nearest,
};

/// Resolves the tables of a plan with this many target instances.
pub(super) fn resolve(
    raw: Vec<RawTable>,
    queue: &QueuePlan,
    instances: usize,
) -> Result<Vec<TablePlan>> {
    if raw.is_empty() {
        return Err(invalid("table", "hold at least one table", "none")
            .hint("write one [[table]] per source table, with [[table.into]] below it"));
    }
    let outbox = queue.outbox();
    let mut tables: Vec<TablePlan> = Vec::with_capacity(raw.len());
    for (i, raw) in raw.into_iter().enumerate() {
        let field = format!("table[{i}]");
        not_empty(&format!("{field}.name"), &raw.name)?;
        if let Some(twin) = tables.iter().position(|other| other.name == raw.name) {
            return Err(twice(&format!("{field}.name"), &raw.name, &format!("table[{twin}]")));
        }
        if outbox == Some(&*raw.name) {
            return Err(twice(&format!("{field}.name"), &raw.name, "queue.table"));
        }
        for (j, into) in raw.into.iter().enumerate() {
            let place = format!("{field}.into[{j}].name");
            not_empty(&place, &into.name)?;
            unique_target(&place, &into.name, &tables, &raw.into[..j], i)?;
        }
        let table = table(raw);
        table.check(instances).map_err(|violation| {
            invalid(format!("{field}.{}", violation.field), violation.must, violation.found)
        })?;
        tables.push(table);
    }
    Ok(tables)
}

/// One guard stands for one target record, so no two source tables may meet in a target table.
fn unique_target(
    field: &str,
    name: &str,
    before: &[TablePlan],
    here: &[RawInto],
    table: usize,
) -> Result<()> {
    if let Some(twin) = here.iter().position(|into| into.name == name) {
        return Err(twice(field, name, &format!("table[{table}].into[{twin}]")));
    }
    for (k, other) in before.iter().enumerate() {
        if let Some(twin) = other.into.iter().position(|into| into.name == name) {
            return Err(twice(field, name, &format!("table[{k}].into[{twin}]")));
        }
    }
    Ok(())
}

/// Within one database, target tables must not be what the migration reads from.
pub(super) fn check_same_database(
    source: &Engine,
    targets: &[InstancePlan],
    tables: &[TablePlan],
    queue: &QueuePlan,
) -> Result<()> {
    if targets.iter().all(|target| target.engine != *source) {
        return Ok(());
    }
    let outbox = queue.outbox();
    for (i, table) in tables.iter().enumerate() {
        for (j, into) in table.into.iter().enumerate() {
            let read =
                outbox == Some(&*into.name) || tables.iter().any(|other| other.name == into.name);
            if read {
                return Err(invalid(
                    format!("table[{i}].into[{j}].name"),
                    "not be a table that the migration reads, in a target that is the source",
                    format!("{:?}", into.name),
                ));
            }
        }
    }
    Ok(())
}

/// Permission to write over records is given to tables that exist, or it was meant for another.
pub(super) fn check_may_hold_rows(names: &[String], tables: &[TablePlan]) -> Result<()> {
    let targets = || tables.iter().flat_map(|table| &table.into).map(|into| into.name.as_str());
    for (i, name) in names.iter().enumerate() {
        if !targets().any(|target| target == name) {
            let error = invalid(
                format!("target_may_hold_rows[{i}]"),
                "name a target table of this plan",
                format!("{name:?}"),
            );
            return Err(match nearest(name, targets()) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error,
            });
        }
    }
    Ok(())
}

fn table(raw: RawTable) -> TablePlan {
    let entity = raw.entity.unwrap_or_else(|| raw.key.clone());
    TablePlan {
        name: raw.name,
        key: raw.key,
        entity,
        types: raw.types.into_iter().collect(),
        into: raw.into.into_iter().map(into).collect(),
    }
}

fn into(raw: RawInto) -> IntoPlan {
    let columns = raw.columns.0.into_iter().map(|(name, column)| ColumnPlan {
        name,
        from: column.from,
        column_type: column.column_type,
        loses: column.loses,
    });
    IntoPlan {
        name: raw.name,
        key: raw.key,
        shard: raw.shard.map(|shard| ShardPlan {
            by: shard.by,
            function: shard.function,
            bounds: shard.bounds,
        }),
        columns: columns.collect(),
    }
}

fn not_empty(field: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(invalid(field, "not be empty", "\"\""));
    }
    Ok(())
}

fn twice(field: &str, name: &str, other: &str) -> crate::error::Error {
    invalid(field, "be unique", format!("{name:?}, which {other} has too"))
}
