//! Databases in shared servers.

use servers::shared::{mariadb_database, postgres_database, redis_database};

#[test]
fn each_test_has_a_mariadb_database_of_its_own() {
    let databases = [mariadb_database("own").unwrap(), mariadb_database("own").unwrap()];
    databases[0].run("CREATE TABLE t (id INT); INSERT INTO t VALUES (5)").unwrap();
    assert_eq!(databases[0].run("SELECT id FROM t").unwrap(), "5\n");
    databases[1].run("SELECT id FROM t").unwrap_err();
    assert_eq!(databases[0].run("SELECT @@log_bin, @@binlog_format").unwrap(), "1\tROW\n");
}

#[test]
fn each_test_has_a_postgres_database_of_its_own() {
    let databases = [postgres_database("own").unwrap(), postgres_database("own").unwrap()];
    databases[0].run("CREATE TABLE t (id INT); INSERT INTO t VALUES (5)").unwrap();
    assert_eq!(databases[0].run("SELECT id FROM t").unwrap(), "5\n");
    databases[1].run("SELECT id FROM t").unwrap_err();
    assert_eq!(databases[0].run("SHOW wal_level").unwrap(), "logical\n");
}

#[test]
fn each_test_has_a_redis_database_of_its_own() {
    let databases = [redis_database().unwrap(), redis_database().unwrap()];
    databases[0].run("SET key 5").unwrap();
    assert_eq!(databases[0].run("GET key").unwrap(), "5\n");
    assert_eq!(databases[1].run("GET key").unwrap(), "\n");
}

#[test]
fn a_database_is_gone_when_it_is_not_needed_any_more() {
    let database = postgres_database("gone").unwrap();
    let other = postgres_database("other").unwrap();
    let name = database.name().to_owned();
    let listed = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(other.run(&listed).unwrap(), "1\n");
    drop(database);
    assert_eq!(other.run(&listed).unwrap(), "0\n");
}
