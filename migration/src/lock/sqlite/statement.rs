//! The statements.

/// Marks a file as a lock file ("MFlk"), so that no other file is ever taken for one.
pub(super) const APPLICATION_ID: u32 = 0x4d46_6c6b;

/// The same number.
pub(super) const MARK_FILE: &str = "PRAGMA application_id = 1296460907";

pub(super) const CREATE: &str = "CREATE TABLE IF NOT EXISTS key_lock (\
     migration TEXT NOT NULL, \
     source_table TEXT NOT NULL, \
     token BLOB NOT NULL, \
     first BLOB NOT NULL, \
     last BLOB NOT NULL, \
     expires_at INTEGER NOT NULL, \
     PRIMARY KEY (migration, source_table, token)) WITHOUT ROWID";

/// Stays with the file; does nothing where it is so already.
pub(super) const WAL: &str = "PRAGMA journal_mode = WAL";

pub(super) const LIVE: &str = "SELECT token, first, last FROM key_lock \
     WHERE migration = ?1 AND source_table = ?2 AND expires_at > ?3";

pub(super) const REMOVE_EXPIRED: &str =
    "DELETE FROM key_lock WHERE migration = ?1 AND source_table = ?2 AND expires_at <= ?3";

pub(super) const PUT: &str = "INSERT INTO key_lock \
     (migration, source_table, token, first, last, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (migration, source_table, token) DO UPDATE \
     SET first = excluded.first, last = excluded.last, expires_at = excluded.expires_at";

pub(super) const IS_HELD: &str = "SELECT EXISTS (SELECT 1 FROM key_lock \
     WHERE migration = ?1 AND source_table = ?2 AND token = ?3 AND expires_at > ?4)";

pub(super) const REMOVE: &str =
    "DELETE FROM key_lock WHERE migration = ?1 AND source_table = ?2 AND token = ?3";

pub(super) const COUNT: &str = "SELECT count(*) FROM key_lock WHERE migration = ?1";

pub(super) const CLEAR: &str = "DELETE FROM key_lock WHERE migration = ?1";

#[cfg(test)]
mod tests {
    #[test]
    fn the_mark_of_a_lock_file_is_one_number() {
        assert!(super::MARK_FILE.ends_with(&super::APPLICATION_ID.to_string()));
    }
}
