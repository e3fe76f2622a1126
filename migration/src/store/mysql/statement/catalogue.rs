//! What the server knows of a table.

/// Tables of a name, in whatever case, with their engine: binds the name.
pub(in crate::store::mysql) const TABLE: &str = "SELECT CAST(table_name AS CHAR), \
     CAST(coalesce(engine, '') AS CHAR) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name = ? AND engine IS NOT NULL";

/// About how many records a table has: binds its name.
pub(in crate::store::mysql) const TABLE_ROWS: &str = "SELECT CAST(coalesce(max(table_rows), 0) AS UNSIGNED) \
     FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";

/// The second in which a table was last written to, as long as it is in the server's memory: binds
/// its name.
pub(in crate::store::mysql) const TABLE_WRITTEN: &str = "SELECT \
     CAST(coalesce(max(unix_timestamp(update_time)), 0) AS UNSIGNED) \
     FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";

/// Its columns but those that the server computes: binds its name.
pub(in crate::store::mysql) const TABLE_COLUMNS: &str = "SELECT CAST(column_name AS CHAR), \
     CAST(data_type AS CHAR), CAST(column_type AS CHAR), \
     CAST(is_nullable = 'YES' AS SIGNED), \
     CAST(character_maximum_length AS UNSIGNED), CAST(collation_name AS CHAR), \
     CAST(numeric_scale AS UNSIGNED), CAST(datetime_precision AS UNSIGNED), \
     CAST(extra AS CHAR) FROM information_schema.columns \
     WHERE table_schema = DATABASE() AND table_name = ? \
     AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position";

/// Columns that MariaDB takes for JSON: text with the constraint that the type stands for. Binds
/// the table's name.
pub(in crate::store::mysql) const TABLE_JSON: &str = "SELECT CAST(constraint_name AS CHAR) \
     FROM information_schema.check_constraints \
     WHERE constraint_schema = DATABASE() AND table_name = ? \
     AND check_clause = concat('json_valid(`', constraint_name, '`)')";

/// The columns of its unique indexes, null for the beginning of a column and for an expression:
/// binds its name.
pub(in crate::store::mysql) const TABLE_UNIQUE: &str = "SELECT CAST(index_name AS CHAR), \
     CAST(IF(sub_part IS NULL, column_name, NULL) AS CHAR) FROM information_schema.statistics \
     WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0 \
     ORDER BY index_name, seq_in_index";
