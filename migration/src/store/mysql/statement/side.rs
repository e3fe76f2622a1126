//! The side tables: what creates them, reads and locks their rows, and removes them.

use super::{placeholders, rows};
use crate::driver::mysql::quoted;

/// The side tables, in the order in which they are listed. Every key begins with the migration.
pub(in crate::store::mysql) const SIDE_TABLES: [&str; 4] =
    ["midflight_format", "midflight_guard", "midflight_partition", "midflight_range"];

/// Longest key of a range or a guard: with the names before and after it in the primary key it is
/// below InnoDB's 3,072 bytes.
pub(in crate::store::mysql) const RANGE_KEY_BYTES_MAX: usize = 2400;

/// What creates them. Bytes everywhere, which sort by bytes whatever the server's collation is.
pub(in crate::store::mysql) const CREATE_SIDE_TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS `midflight_format` (\
     `migration` VARBINARY(64) NOT NULL PRIMARY KEY, `version` INT UNSIGNED NOT NULL) \
     ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    // kind: 0 lease only, 1 present, 2 deleted, 3 dirty.
    "CREATE TABLE IF NOT EXISTS `midflight_guard` (\
     `migration` VARBINARY(64) NOT NULL, `source_table` VARBINARY(256) NOT NULL, \
     `range_key` VARBINARY(2400) NOT NULL, `target_table` VARBINARY(256) NOT NULL, \
     `version` VARBINARY(32) NOT NULL, `kind` TINYINT UNSIGNED NOT NULL, `lease` BINARY(16), \
     PRIMARY KEY (`migration`, `source_table`, `range_key`, `target_table`)) \
     ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS `midflight_partition` (\
     `migration` VARBINARY(64) NOT NULL, `partition` VARBINARY(512) NOT NULL, \
     `generation` BIGINT UNSIGNED NOT NULL, `owner` BINARY(16) NOT NULL, \
     `start` VARBINARY(32) NOT NULL, `next` VARBINARY(32) NOT NULL, \
     PRIMARY KEY (`migration`, `partition`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    // after: the exclusive lower bound, empty for none, names the range.
    "CREATE TABLE IF NOT EXISTS `midflight_range` (\
     `migration` VARBINARY(64) NOT NULL, `source_table` VARBINARY(256) NOT NULL, \
     `after` VARBINARY(2400) NOT NULL, `until` VARBINARY(2400), \
     `epoch` BIGINT UNSIGNED NOT NULL, `owner` BINARY(16) NOT NULL, \
     `state` VARBINARY(16) NOT NULL, `progress` VARBINARY(16) NOT NULL, \
     `reached` VARBINARY(2400), `batches` BIGINT UNSIGNED NOT NULL, \
     PRIMARY KEY (`migration`, `source_table`, `after`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
];

/// How many of the side tables are there.
pub(in crate::store::mysql) const HAS_SIDE_TABLES: &str = "SELECT count(*) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name IN \
     ('midflight_format', 'midflight_guard', 'midflight_partition', 'midflight_range')";

/// The format of a migration's side tables: binds the migration.
pub(in crate::store::mysql) const FORMAT: &str =
    "SELECT `version` FROM `midflight_format` WHERE `migration` = ?";

/// Marks a migration as set up, and locks the mark until the transaction ends, so that of two
/// set-ups one waits for the other: binds migration, version.
pub(in crate::store::mysql) const PUT_FORMAT: &str = "INSERT INTO `midflight_format` (`migration`, `version`) \
     VALUES (?, ?) ON DUPLICATE KEY UPDATE `migration` = `migration`";

/// How a row that is read is locked until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::mysql) enum Lock {
    None,
    /// MySQL 8 knows this form of `FOR SHARE` too.
    Shared,
    Exclusive,
}

impl Lock {
    fn clause(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Shared => " LOCK IN SHARE MODE",
            Self::Exclusive => " FOR UPDATE",
        }
    }
}

/// Binds migration, partition.
pub(in crate::store::mysql) fn partition(lock: Lock) -> String {
    format!(
        "SELECT `generation`, `owner`, `start`, `next` FROM `midflight_partition` \
         WHERE `migration` = ? AND `partition` = ?{}",
        lock.clause()
    )
}

/// Binds migration, partition, generation, owner, start, next.
pub(in crate::store::mysql) const PUT_PARTITION: &str = "INSERT INTO `midflight_partition` \
     (`migration`, `partition`, `generation`, `owner`, `start`, `next`) VALUES (?, ?, ?, ?, ?, ?) \
     ON DUPLICATE KEY UPDATE `generation` = VALUES(`generation`), `owner` = VALUES(`owner`), \
     `start` = VALUES(`start`), `next` = VALUES(`next`)";

const RANGE_COLUMNS: &str =
    "`after`, `until`, `epoch`, `owner`, `state`, `progress`, `reached`, `batches`";

/// Ranges by their lower bounds: binds migration, source table, `count` bounds. A lock on a whole
/// unique key touches that row and nothing beside it; an interval would wait for the next range
/// too.
pub(in crate::store::mysql) fn ranges(count: usize, lock: Lock) -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM `midflight_range` \
         WHERE `migration` = ? AND `source_table` = ? AND `after` IN {} ORDER BY `after`{}",
        placeholders(count),
        lock.clause()
    )
}

/// Ranges whose lower bound lies after another: binds migration, source table, bound, limit.
pub(in crate::store::mysql) fn ranges_after(is_first_page: bool) -> String {
    let compare = if is_first_page { ">=" } else { ">" };
    format!(
        "SELECT {RANGE_COLUMNS} FROM `midflight_range` WHERE `migration` = ? \
         AND `source_table` = ? AND `after` {compare} ? ORDER BY `after` LIMIT ?"
    )
}

/// The lower bounds of the ranges that hold keys of an interval: binds migration, source table,
/// first key, and then migration, source table, first key, last key. Ranges follow one another, so
/// the first of them is the last that begins before the interval.
pub(in crate::store::mysql) const RANGES_OF: &str = "(SELECT `after` FROM `midflight_range` \
     WHERE `migration` = ? AND `source_table` = ? AND `after` < ? ORDER BY `after` DESC LIMIT 1) \
     UNION ALL (SELECT `after` FROM `midflight_range` WHERE `migration` = ? \
     AND `source_table` = ? AND `after` >= ? AND `after` < ?) ORDER BY `after`";

/// Binds migration, source table and the columns of a range.
pub(in crate::store::mysql) const PUT_RANGE: &str = "INSERT INTO `midflight_range` (`migration`, `source_table`, \
     `after`, `until`, `epoch`, `owner`, `state`, `progress`, `reached`, `batches`) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE `until` = VALUES(`until`), \
     `epoch` = VALUES(`epoch`), `owner` = VALUES(`owner`), `state` = VALUES(`state`), \
     `progress` = VALUES(`progress`), `reached` = VALUES(`reached`), \
     `batches` = VALUES(`batches`)";

/// Guards by key: binds migration, source table, target table and `count` range keys.
pub(in crate::store::mysql) fn guards(count: usize, lock: Lock) -> String {
    format!(
        "SELECT `range_key`, `version`, `kind`, `lease` FROM `midflight_guard` \
         WHERE `migration` = ? AND `source_table` = ? AND `target_table` = ? \
         AND `range_key` IN {} ORDER BY `range_key`{}",
        placeholders(count),
        lock.clause()
    )
}

/// Guards of an interval: binds migration, source table, first key, last key, limit.
pub(in crate::store::mysql) const GUARDS_BETWEEN: &str = "SELECT `range_key`, `target_table`, `version`, `kind`, `lease` FROM `midflight_guard` \
     WHERE `migration` = ? AND `source_table` = ? AND `range_key` >= ? AND `range_key` <= ? \
     ORDER BY `range_key`, `target_table` LIMIT ?";

/// Writes guards that are not there: binds `count` times migration, source table, target table,
/// range key, version, kind, lease.
pub(in crate::store::mysql) fn insert_guards(count: usize) -> String {
    format!(
        "INSERT INTO `midflight_guard` (`migration`, `source_table`, `target_table`, `range_key`, \
         `version`, `kind`, `lease`) VALUES {}",
        rows(count, 7)
    )
}

/// Writes guards, new or not: binds as [`insert_guards`].
pub(in crate::store::mysql) fn put_guards(count: usize) -> String {
    format!(
        "{} ON DUPLICATE KEY UPDATE `version` = VALUES(`version`), `kind` = VALUES(`kind`), \
         `lease` = VALUES(`lease`)",
        insert_guards(count)
    )
}

/// Guards of a range: binds migration, source table, the lower bound, the upper one if there is
/// one.
fn guards_of_range(has_upper: bool) -> String {
    let upper = if has_upper { " AND `range_key` <= ?" } else { "" };
    format!("`migration` = ? AND `source_table` = ? AND `range_key` > ?{upper}")
}

/// Removes guards of a range that are not dirty: binds as [`guards_of_range`], then the highest
/// version and the limit.
pub(in crate::store::mysql) fn delete_guards(has_upper: bool) -> String {
    format!(
        "DELETE FROM `midflight_guard` WHERE {} AND `version` <= ? AND `kind` <> 3 \
         ORDER BY `range_key`, `target_table` LIMIT ?",
        guards_of_range(has_upper)
    )
}

/// Number of dirty guards of a range: binds as [`guards_of_range`].
pub(in crate::store::mysql) fn count_dirty(has_upper: bool) -> String {
    format!(
        "SELECT CAST(count(*) AS UNSIGNED) FROM `midflight_guard` WHERE {} AND `kind` = 3",
        guards_of_range(has_upper)
    )
}

/// A migration's rows in a side table, counted up to a number: binds the migration, the number.
pub(in crate::store::mysql) fn count_side(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} WHERE `migration` = ? LIMIT ?) AS found",
        quoted(table)
    )
}

/// Removes some of them: binds the migration. In parts, so that no transaction is huge.
pub(in crate::store::mysql) fn clear_side(table: &str) -> String {
    format!("DELETE FROM {} WHERE `migration` = ? LIMIT 10000", quoted(table))
}

/// Keeps everybody else away from the side tables.
pub(in crate::store::mysql) fn lock_side_tables() -> String {
    let tables = SIDE_TABLES.map(|table| format!("{} WRITE", quoted(table)));
    format!("LOCK TABLES {}", tables.join(", "))
}

/// Removes the side tables.
pub(in crate::store::mysql) fn drop_side_tables() -> String {
    format!("DROP TABLE IF EXISTS {}", SIDE_TABLES.map(quoted).join(", "))
}
