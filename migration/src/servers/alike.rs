//! Whether two instances have the same table.

use crate::batch::Column;
use crate::error::Result;
use crate::store::{Store, TableDescription};

/// The first thing in which `other`'s table is not that of `first`; `None` if they are alike.
pub(crate) async fn difference(
    table: &str,
    first: &dyn Store,
    other: &dyn Store,
) -> Result<Option<String>> {
    Ok(between(&first.describe(table).await?, &other.describe(table).await?))
}

fn between(first: &TableDescription, other: &TableDescription) -> Option<String> {
    for column in &other.schema.columns {
        if first.schema.column(&column.name).is_none() {
            return Some(format!("column {} is there", column.name));
        }
    }
    for (i, column) in first.schema.columns.iter().enumerate() {
        let Some(at) = other.schema.column(&column.name) else {
            return Some(format!("column {} is missing", column.name));
        };
        let (here, there) = (shown(first, i, column), shown(other, at, &other.schema.columns[at]));
        if here != there {
            return Some(format!("column {} is {there} instead of {here}", column.name));
        }
    }
    let (here, there) = (key(first), key(other));
    if here != there {
        return Some(format!("the primary key is ({there}) instead of ({here})"));
    }
    let (here, there) = (other_keys(first), other_keys(other));
    (here != there).then(|| format!("its other unique keys are [{there}] instead of [{here}]"))
}

fn shown(description: &TableDescription, at: usize, column: &Column) -> String {
    let length = description.lengths_max.get(at).copied().flatten();
    let length = length.map_or_else(String::new, |length| format!("({length})"));
    format!("{}{length}{}", column.column_type, if column.nullable { "" } else { " not null" })
}

fn key(description: &TableDescription) -> String {
    let schema = &description.schema;
    let names: Vec<&str> =
        schema.key.iter().map(|&column| schema.columns[column].name.as_str()).collect();
    names.join(", ")
}

fn other_keys(description: &TableDescription) -> String {
    let mut keys: Vec<String> =
        description.other_unique_keys.iter().map(|key| format!("({})", key.join(", "))).collect();
    keys.sort();
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::between;
    use crate::batch::{Column, Schema};
    use crate::store::TableDescription;
    use crate::value::ColumnType;

    fn edges() -> TableDescription {
        let column = |name: &str, nullable| Column {
            name: name.into(),
            column_type: ColumnType::Text,
            nullable,
        };
        TableDescription {
            schema: Schema {
                table: "edges".into(),
                columns: vec![column("a", false), column("b", false), column("c", true)],
                key: vec![0, 1],
            },
            lengths_max: vec![None, None, Some(40)],
            other_unique_keys: vec![vec!["c".into()], vec!["b".into(), "a".into()]],
            key_never_reused: false,
            unknown_types: Vec::new(),
        }
    }

    #[test]
    fn tables_made_in_another_order_are_alike() {
        let mut other = edges();
        other.schema.columns.swap(0, 2);
        other.lengths_max.swap(0, 2);
        other.schema.key = vec![2, 1];
        other.other_unique_keys.swap(0, 1);
        assert_eq!(between(&edges(), &other), None);
    }

    #[test]
    fn every_difference_that_matters_is_named() {
        let differs = |change: fn(&mut TableDescription)| {
            let mut other = edges();
            change(&mut other);
            between(&edges(), &other).unwrap()
        };
        assert_eq!(
            differs(|table| table.schema.columns[2].column_type = ColumnType::Int),
            "column c is int(40) instead of text(40)"
        );
        assert_eq!(
            differs(|table| table.lengths_max[2] = Some(20)),
            "column c is text(20) instead of text(40)"
        );
        assert_eq!(
            differs(|table| table.schema.columns[2].nullable = false),
            "column c is text(40) not null instead of text(40)"
        );
        assert_eq!(
            differs(|table| table.schema.key = vec![0]),
            "the primary key is (a) instead of (a, b)"
        );
        assert_eq!(
            differs(|table| table.other_unique_keys.clear()),
            "its other unique keys are [] instead of [(b, a), (c)]"
        );
        assert_eq!(
            differs(|table| {
                table.schema.columns[2].name = "d".into();
            }),
            "column d is there"
        );
        assert_eq!(
            differs(|table| {
                table.schema.columns.pop();
            }),
            "column c is missing"
        );
    }
}
