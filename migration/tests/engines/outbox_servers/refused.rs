//! What is no outbox, or may not be read as one.

use super::{Kind, Source};
use migration::error::ErrorKind;
use servers::shared::unique_name;

#[tokio::test]
async fn a_user_who_may_not_see_transactions_is_refused_with_the_grant() {
    let source = Source::new(Kind::Mysql).await;
    let mut root = source.session().await;
    let (user, database) = (unique_name("u"), source.database.name());
    root.run(&format!("CREATE USER {user}@'%' IDENTIFIED BY 'p'")).await;
    root.run(&format!("GRANT ALL ON {database}.* TO {user}@'%'")).await;
    let url = source.database.url();
    let place = url.rsplit_once('@').unwrap().1;
    let url = format!("mysql://{user}:p@{place}");
    let error = source.open_at(&url, "m1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().unwrap().contains("GRANT PROCESS"), "{error:?}");
    root.run(&format!("GRANT PROCESS ON *.* TO {user}@'%'")).await;
    drop(source.open_at(&url, "m1").await.unwrap());
    root.run(&format!("DROP USER {user}@'%'")).await;
}

const MYSQL_COLUMNS: &str = "table_name varchar(99), op varchar(9), payload text, made_at bigint";
const POSTGRES_COLUMNS: &str = "table_name text, op text, payload text, made_at bigint";

/// What makes a table that is no outbox, and what is said of it.
type Case = (String, &'static str);

fn no_mysql_outboxes() -> Vec<Case> {
    let columns = MYSQL_COLUMNS;
    let id = "id BIGINT AUTO_INCREMENT";
    let table = |columns: String, words| (format!("CREATE TABLE outbox ({columns})"), words);
    vec![
        ("CREATE TABLE other (id INT)".to_owned(), "no such table"),
        table(format!("id BIGINT PRIMARY KEY, {columns}"), "not AUTO_INCREMENT"),
        (
            format!("CREATE TABLE outbox ({id} PRIMARY KEY, {columns}) ENGINE = Aria"),
            "no InnoDB table",
        ),
        table(format!("{id}, {columns}, PRIMARY KEY (id, op)"), "not the primary key"),
        table(format!("{id} PRIMARY KEY, {}", columns.replace("op ", "kind ")), "column op"),
        table(
            format!("{id} PRIMARY KEY, {}", columns.replace("bigint", "datetime")),
            "another type",
        ),
    ]
}

fn no_postgres_outboxes() -> Vec<Case> {
    let columns = POSTGRES_COLUMNS;
    let id = "id bigint GENERATED ALWAYS AS IDENTITY";
    let table = |columns: String, words| (format!("CREATE TABLE outbox ({columns})"), words);
    vec![
        ("CREATE TABLE other (id int)".to_owned(), "no such table"),
        table(format!("id bigint PRIMARY KEY, {columns}"), "no sequence"),
        table(format!("{id}, {columns}"), "not its primary key"),
        table(format!("{id} (CACHE 50) PRIMARY KEY, {columns}"), "in advance"),
        table(format!("{id} (INCREMENT 2) PRIMARY KEY, {columns}"), "one by one"),
        (format!("CREATE UNLOGGED TABLE outbox ({id} PRIMARY KEY, {columns})"), "unlogged"),
        (
            format!("CREATE TABLE outbox ({id} PRIMARY KEY, {columns}) PARTITION BY RANGE (id)"),
            "no plain table",
        ),
        table(
            format!("{id} PRIMARY KEY, {}", columns.replace("made_at bigint", "made_at date")),
            "another type",
        ),
    ]
}

#[tokio::test]
async fn a_table_that_is_no_outbox_is_refused_with_the_statement_that_makes_one() {
    for (kind, cases) in
        [(Kind::Mysql, no_mysql_outboxes()), (Kind::Postgres, no_postgres_outboxes())]
    {
        for (statement, words) in cases {
            let source = Source::empty(kind);
            source.session().await.run(&statement).await;
            let error = source.open().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{statement}: {error:?}");
            assert!(error.to_string().contains(words), "{statement}: {error:?}");
            assert!(error.next_step().unwrap().contains("CREATE TABLE"), "{error:?}");
        }
    }
}
