//! Holds the two sides against each other, with nothing of the programs under test.

use crate::bed::Bed;
use sqlx::{AssertSqlSafe, Connection, Row};
use std::collections::BTreeMap;

/// One record that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The copy: a target table.
    pub table: &'static str,
    /// The edge.
    pub edge: (String, String),
    /// What the source says it should be.
    pub expected: Option<String>,
    /// What the target holds, with the shard.
    pub found: Option<String>,
}

type Edges = BTreeMap<(String, String), String>;

/// Every difference between the source and either copy in the target.
pub async fn differences(bed: &Bed) -> Vec<Difference> {
    let stamp = "strftime('%Y-%m-%d %H:%M:%S', changed_at / 1000000, 'unixepoch')
                 || printf('.%06d', changed_at % 1000000)";
    let source = edges(
        bed,
        "source.db",
        &format!(
            r#"SELECT package, dependent, quote("constraint") || '|' || section || '|' ||
               CAST(installed_kib AS TEXT) || '|' || {stamp} FROM followers"#
        ),
    )
    .await;
    let mut all = Vec::new();
    for table in ["follower_of", "follows"] {
        let mut target = Edges::new();
        for shard in ["shard-0.db", "shard-1.db"] {
            let select = format!(
                "SELECT followed, follower, quote(requirement) || '|' || category || '|' ||
                 CAST(size_kib AS TEXT) || '|' || replace(rtrim(changed_at, 'Z'), 'T', ' ')
                 FROM {table}"
            );
            for (edge, record) in edges(bed, shard, &select).await {
                let twice = target.insert(edge.clone(), record);
                assert_eq!(twice, None, "{edge:?} of {table} lies on both shards");
            }
        }
        all.extend(compare(table, &source, &target));
    }
    all
}

fn compare(table: &'static str, source: &Edges, target: &Edges) -> Vec<Difference> {
    let mut keys: Vec<_> = source.keys().chain(target.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|edge| source.get(*edge) != target.get(*edge))
        .map(|edge| Difference {
            table,
            edge: edge.clone(),
            expected: source.get(edge).cloned(),
            found: target.get(edge).cloned(),
        })
        .collect()
}

async fn edges(bed: &Bed, database: &str, select: &str) -> Edges {
    let mut connection = bed.open(database).await;
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}
