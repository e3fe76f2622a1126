//! What is said to a `MariaDB`.

use super::{Dialect, Edge};

pub(super) const DIALECT: Dialect = Dialect {
    name: "mariadb",
    source: "
    CREATE TABLE followers (
        package VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        dependent VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        `constraint` VARCHAR(99) CHARACTER SET utf8mb4,
        section ENUM ('libs', 'admin', 'web') NOT NULL,
        installed_kib BIGINT UNSIGNED NOT NULL,
        price DECIMAL(65,30) NOT NULL,
        changed_at DATETIME(6) NOT NULL,
        PRIMARY KEY (package, dependent)) ENGINE = InnoDB;
    CREATE TABLE outbox (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, table_name VARCHAR(64) NOT NULL,
        op VARCHAR(9) NOT NULL, payload JSON NOT NULL, made_at BIGINT NOT NULL) ENGINE = InnoDB;
    INSERT INTO followers
        SELECT concat(if(seq % 2, 'lib', 'Lib'), seq % 61), concat('package-', seq),
            if(seq % 4, concat('>= ', seq, ' \u{1f600} '), NULL), 1 + seq % 3,
            18446744073709551615 - seq, seq / 1000000,
            '2024-02-29 12:00:00.000001' + INTERVAL seq SECOND
        FROM seq_1_to_2500",
    shard: "
    CREATE TABLE follower_of (
        followed VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        follower VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        requirement VARCHAR(99) CHARACTER SET utf8mb4, category VARCHAR(9) NOT NULL,
        size_kib BIGINT UNSIGNED NOT NULL, price DECIMAL(65,30) NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        PRIMARY KEY (followed, follower)) ENGINE = InnoDB;
    CREATE TABLE follows (
        follower VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        followed VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
        requirement VARCHAR(99) CHARACTER SET utf8mb4, category VARCHAR(9) NOT NULL,
        size_kib BIGINT UNSIGNED NOT NULL, price DECIMAL(65,30) NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
        PRIMARY KEY (follower, followed)) ENGINE = InnoDB",
    watch: "
    CREATE TABLE seen (
        id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, line VARCHAR(200) CHARACTER SET utf8mb4,
        price DECIMAL(65,30)) ENGINE = InnoDB;
    CREATE TRIGGER seen_new AFTER INSERT ON follower_of FOR EACH ROW
        INSERT INTO seen (line, price) VALUES (concat_ws('|', NEW.followed, NEW.follower), NEW.price);
    CREATE TRIGGER seen_again AFTER UPDATE ON follower_of FOR EACH ROW
        INSERT INTO seen (line, price) VALUES (concat_ws('|', NEW.followed, NEW.follower), NEW.price)",
    source_edges: "SELECT CAST(concat_ws('|', package, dependent, \
     coalesce(`constraint`, 'null'), section, installed_kib, price, \
     date_format(changed_at, '%Y-%m-%d %H:%i:%s.%f')) AS BINARY) FROM followers",
    tables: "SHOW TABLES",
    target_edges,
    put,
    emit_put,
    emit_delete,
};

fn target_edges(table: &str) -> String {
    format!(
        "SELECT CAST(concat_ws('|', followed, follower, coalesce(requirement, 'null'), category, \
         size_kib, price, date_format(changed_at, '%Y-%m-%d %H:%i:%s.%f')) AS BINARY) FROM {table}"
    )
}

fn put(edge: &Edge) -> String {
    format!(
        "REPLACE INTO followers (package, dependent, `constraint`, section, installed_kib, price, \
         changed_at) VALUES ('{}', '{}', {}, 'web', {}, {}, '{}')",
        edge.package,
        edge.dependent,
        edge.constraint(),
        edge.kib,
        edge.price(),
        edge.changed_at()
    )
}

const EMIT: &str = "INSERT INTO outbox (table_name, op, payload, made_at) ";

fn emit_put(edge: &Edge) -> String {
    format!(
        "{EMIT} SELECT 'followers', 'upsert', json_object('package', package, 'dependent', \
         dependent, 'constraint', `constraint`, 'section', section, 'installed_kib', installed_kib, \
         'price', price, 'changed_at', changed_at), unix_timestamp(now(6)) * 1000000 \
         FROM followers WHERE package = '{}' AND dependent = '{}'",
        edge.package, edge.dependent
    )
}

fn emit_delete(edge: &Edge) -> String {
    format!(
        "{EMIT} VALUES ('followers', 'delete', json_object('package', '{}', 'dependent', '{}'), \
         unix_timestamp(now(6)) * 1000000)",
        edge.package, edge.dependent
    )
}
