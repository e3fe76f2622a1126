//! What the server makes of our statements: every one over a large table walks an index, whatever
//! the planner knows.

mod copy;

use super::statement::{self, Edge};
use super::{PostgresStore, Shape};
use crate::driver::pool::bounded;
use crate::plan::ServerUrl;
use crate::store::{OpenMode, Store as _};
use servers::shared::{Database, postgres_database};
use sqlx::AssertSqlSafe;

/// A table whose key is a number and a text, with an index by bytes only beside its primary key.
const TABLE: &str = "CREATE TABLE t (a bigint, b text, v text, PRIMARY KEY (a, b)); \
     CREATE INDEX by_bytes ON t (a, b COLLATE \"C\"); \
     INSERT INTO t SELECT n / 10, 'b' || n, 'some value' FROM generate_series(1, 60000) AS n";

async fn open(database: &Database) -> PostgresStore {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), database.url()).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    PostgresStore::open("t", &url, "m", OpenMode::ReadWrite).await.unwrap()
}

/// The plan of a prepared statement, with arguments that the planner sees or not.
async fn plan(store: &PostgresStore, mode: &str, sql: &str, arguments: &str) -> String {
    let mut session = store.pool.session().await.unwrap();
    let prepare = format!("SET plan_cache_mode = {mode}; DEALLOCATE ALL; PREPARE p AS {sql}");
    let prepared = sqlx::raw_sql(AssertSqlSafe(prepare)).execute(session.connection().unwrap());
    let prepared = bounded(prepared).await;
    session.settle("prepare", prepared).unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE p{arguments}"));
    let rows = sqlx::query_scalar(explain).persistent(false);
    let rows = bounded(rows.fetch_all(session.connection().unwrap())).await;
    let rows: Vec<String> = session.settle("explain", rows).unwrap();
    rows.join("\n")
}

#[tokio::test]
async fn every_statement_over_a_large_table_walks_the_index() {
    let database = postgres_database("migration").unwrap();
    database.run(TABLE).unwrap();
    let store = open(&database).await;
    let schema = store.describe("t").await.unwrap().schema;
    let mut session = store.pool.session().await.unwrap();
    let form = Shape::load(&mut session, "t").await.unwrap().form(&schema).unwrap();
    drop(session);
    let whole = Some(Edge::After(2));
    let keys = "(ARRAY[7, 8], ARRAY['b70', 'b80'])";
    let statements = [
        (statement::scan(&form, None, None, 2000), ""),
        (statement::scan(&form, whole, None, 2000), "(70, 'b700')"),
        (statement::scan(&form, whole, whole, 2000), "(70, 'b700', 5000, 'b5')"),
        (statement::scan(&form, Some(Edge::Before(1)), Some(Edge::Before(1)), 2000), "(7, 8)"),
        (statement::key_after(&form, None, None), "(999)"),
        (statement::key_after(&form, whole, whole), "(70, 'b700', 5000, 'b5', 999)"),
        (statement::last_key(&form, whole, Some(Edge::Before(1))), "(70, 'b700', 5000)"),
        (statement::read(&form), keys),
        (statement::delete(&form), keys),
    ];
    // Before and after the planner has seen the table.
    for analyzed in [false, true] {
        if analyzed {
            database.run("ANALYZE t").unwrap();
        }
        for mode in ["force_generic_plan", "force_custom_plan"] {
            for (sql, arguments) in &statements {
                let plan = plan(&store, mode, sql, arguments).await;
                let walks = plan.contains("using by_bytes") || plan.contains("on by_bytes");
                let sorts = plan.contains("Sort") || plan.contains("Seq Scan");
                assert!(walks && !sorts, "{mode}, analyzed {analyzed}: {sql}\n{plan}");
            }
        }
    }
}
