//! The text of every statement. Names and keys are bytes, which sort by bytes whatever the server's
//! collation is.

/// What creates the tables, each by itself: a crash in between leaves some of them, which the next
/// one completes. The row of the format says that all are there.
pub(super) const CREATE: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS `midflight_checkpoint` (\
     `migration` VARBINARY(64) NOT NULL, `key` VARBINARY(1024) NOT NULL, \
     `value` LONGBLOB NOT NULL, `revision` BIGINT UNSIGNED NOT NULL, \
     PRIMARY KEY (`migration`, `key`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS `midflight_checkpoint_log` (\
     `migration` VARBINARY(64) NOT NULL, `log` VARBINARY(1024) NOT NULL, \
     `number` BIGINT UNSIGNED NOT NULL, `value` LONGBLOB NOT NULL, \
     PRIMARY KEY (`migration`, `log`, `number`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    // Whoever appends locks this row first.
    "CREATE TABLE IF NOT EXISTS `midflight_checkpoint_log_end` (\
     `migration` VARBINARY(64) NOT NULL, `log` VARBINARY(1024) NOT NULL, \
     `number` BIGINT UNSIGNED NOT NULL, \
     PRIMARY KEY (`migration`, `log`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS `midflight_checkpoint_format` (\
     `id` TINYINT NOT NULL PRIMARY KEY, `version` BIGINT NOT NULL, \
     `made_by` VARBINARY(64) NOT NULL) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
];

/// The format of the tables.
pub(super) const FORMAT: &str = "SELECT `version`, `made_by` FROM `midflight_checkpoint_format`";

/// Binds version, program.
pub(super) const PUT_FORMAT: &str = "INSERT INTO `midflight_checkpoint_format` \
     (`id`, `version`, `made_by`) VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE `id` = `id`";

/// Binds migration, key.
pub(super) const GET: &str =
    "SELECT `value`, `revision` FROM `midflight_checkpoint` WHERE `migration` = ? AND `key` = ?";

/// Binds value, revision, migration, key.
pub(super) const PUT_NEW: &str = "INSERT INTO `midflight_checkpoint` \
     (`value`, `revision`, `migration`, `key`) VALUES (?, ?, ?, ?)";

/// Binds value, revision, migration, key, the revision that is there.
pub(super) const PUT: &str = "UPDATE `midflight_checkpoint` SET `value` = ?, `revision` = ? \
     WHERE `migration` = ? AND `key` = ? AND `revision` = ?";

/// Binds migration, key, the revision that is there.
pub(super) const REMOVE: &str = "DELETE FROM `midflight_checkpoint` \
     WHERE `migration` = ? AND `key` = ? AND `revision` = ?";

/// Binds migration, prefix, the key to begin after, prefix twice, limit.
pub(super) const LIST: &str = "SELECT `key`, `value`, `revision` FROM `midflight_checkpoint` \
     WHERE `migration` = ? AND `key` >= ? AND `key` > ? AND LEFT(`key`, LENGTH(?)) = ? \
     ORDER BY `key` LIMIT ?";

/// Binds as [`LIST`].
pub(super) const LIST_KEYS: &str = "SELECT `key` FROM `midflight_checkpoint` \
     WHERE `migration` = ? AND `key` >= ? AND `key` > ? AND LEFT(`key`, LENGTH(?)) = ? \
     ORDER BY `key` LIMIT ?";

/// Binds migration, log.
pub(super) const LOG_END: &str =
    "SELECT `number` FROM `midflight_checkpoint_log_end` WHERE `migration` = ? AND `log` = ?";

/// Locks the end of a log, which need not have one: binds migration, log.
pub(super) const LOCK_END: &str = "INSERT INTO `midflight_checkpoint_log_end` \
     (`migration`, `log`, `number`) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE `number` = `number`";

/// Binds number, migration, log.
pub(super) const MOVE_END: &str = "UPDATE `midflight_checkpoint_log_end` SET `number` = ? \
     WHERE `migration` = ? AND `log` = ?";

/// Binds migration, log, number, limit.
pub(super) const READ_LOG: &str = "SELECT `number`, `value` FROM `midflight_checkpoint_log` \
     WHERE `migration` = ? AND `log` = ? AND `number` > ? ORDER BY `number` LIMIT ?";

/// Removes a migration's rows, some at a time: each binds migration.
pub(super) const CLEAR: [&str; 3] = [
    "DELETE FROM `midflight_checkpoint` WHERE `migration` = ? LIMIT 1000",
    "DELETE FROM `midflight_checkpoint_log` WHERE `migration` = ? LIMIT 1000",
    "DELETE FROM `midflight_checkpoint_log_end` WHERE `migration` = ? LIMIT 1000",
];

/// Lines per statement. A few fixed sizes, so that every statement is prepared once.
const SIZES: [usize; 3] = [100, 10, 1];

/// How many of the first lines one statement takes.
pub(super) fn lines_within(lines: &[Vec<u8>], bytes_max: usize) -> usize {
    let mut bytes = 0_usize;
    let fit = lines.iter().take_while(|line| {
        bytes = bytes.saturating_add(line.len());
        bytes <= bytes_max
    });
    let fit = fit.count();
    // One line always goes: its size was checked before.
    SIZES.into_iter().find(|&size| size <= fit).unwrap_or(1).min(lines.len())
}

/// Appends lines: binds `count` times migration, log, number, value.
pub(super) fn append(count: usize) -> String {
    format!(
        "INSERT INTO `midflight_checkpoint_log` (`migration`, `log`, `number`, `value`) VALUES {}",
        vec!["(?, ?, ?, ?)"; count].join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::lines_within;

    #[test]
    fn lines_are_appended_in_few_sizes_within_the_bytes() {
        let lines = |count: usize, bytes: usize| vec![vec![0; bytes]; count];
        assert_eq!(lines_within(&lines(250, 1), 1000), 100);
        assert_eq!(lines_within(&lines(250, 50), 1000), 10);
        assert_eq!(lines_within(&lines(3, 2000), 1000), 1);
        assert_eq!(lines_within(&lines(9, 1), 1000), 1);
    }
}
