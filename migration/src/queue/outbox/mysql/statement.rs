//! The statements, and the one place that puts the outbox's name into them.

use crate::driver::mysql::quoted;

/// The row without a name is nobody's: whoever changes marks locks it first.
pub(super) const MAKE_MARKS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS `midflight_outbox_mark` (\
     `migration` VARBINARY(64) NOT NULL, `outbox` VARBINARY(256) NOT NULL, \
     `source_epoch` INT UNSIGNED NOT NULL, `position` VARBINARY(32) NOT NULL, \
     `written_at` BIGINT NOT NULL, PRIMARY KEY (`migration`, `outbox`)) ENGINE = InnoDB",
    "INSERT IGNORE INTO `midflight_outbox_mark` VALUES ('', '', 0, '', 0)",
];

pub(super) const LOCK: &str = "SELECT 1 FROM `midflight_outbox_mark` \
     WHERE `migration` = '' AND `outbox` = '' FOR UPDATE";

pub(super) const MARKS: &str = "SELECT `migration`, `source_epoch`, `position` \
     FROM `midflight_outbox_mark` WHERE `outbox` = ? AND `migration` <> ''";

pub(super) const PUT_MARK: &str = "REPLACE INTO `midflight_outbox_mark` \
     (`migration`, `outbox`, `source_epoch`, `position`, `written_at`) VALUES (?, ?, ?, ?, ?)";

pub(super) const REMOVE_MARK: &str =
    "DELETE FROM `midflight_outbox_mark` WHERE `migration` = ? AND `outbox` = ?";

pub(super) const LOCK_TABLE: &str = "LOCK TABLES `midflight_outbox_mark` WRITE";

pub(super) const ANY_MARK: &str =
    "SELECT 1 FROM `midflight_outbox_mark` WHERE `migration` <> '' LIMIT 1";

pub(super) const DROP_MARKS: &str = "DROP TABLE `midflight_outbox_mark`";

pub(super) const NEXT_ID: &str = "SELECT CAST(`AUTO_INCREMENT` AS UNSIGNED) \
     FROM `information_schema`.`TABLES` WHERE `TABLE_SCHEMA` = DATABASE() AND `TABLE_NAME` = ?";

/// The statements on one outbox.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) from: String,
    pub(super) one: String,
    pub(super) last: String,
    pub(super) backlog: String,
    pub(super) delete_below: String,
    /// Whether payloads are bytes rather than text.
    pub(super) has_bytes: bool,
}

impl Statements {
    pub(super) fn new(table: &str, has_bytes: bool) -> Self {
        let table = quoted(table);
        let select = format!(
            "SELECT CAST(o.`id` AS SIGNED), o.`table_name`, o.`op`, o.`payload`, \
             CAST(o.`made_at` AS SIGNED) FROM {table} o"
        );
        Self {
            from: format!("{select} WHERE o.`id` >= ? ORDER BY o.`id` LIMIT ?"),
            one: format!("{select} WHERE o.`id` = ?"),
            last: format!("{select} ORDER BY o.`id` DESC LIMIT 1"),
            backlog: format!(
                "SELECT (SELECT CAST(max(`id`) AS SIGNED) FROM {table}), \
                 (SELECT CAST(o.`made_at` AS SIGNED) FROM {table} o WHERE o.`id` >= ? \
                 AND o.`made_at` IS NOT NULL ORDER BY o.`id` LIMIT 1)"
            ),
            delete_below: format!("DELETE FROM {table} WHERE `id` < ? ORDER BY `id` LIMIT ?"),
            has_bytes,
        }
    }
}
