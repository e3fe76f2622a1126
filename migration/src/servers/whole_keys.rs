//! Records that have no key.

use super::Servers;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::store::Store;

impl Servers {
    /// Refuses a source in which some record has null in its key. For whatever reads all of it: a
    /// scan passes such a record by.
    ///
    /// # Errors
    /// `Refused`, with table and column; those of the source.
    pub async fn check_keys(&self) -> Result<()> {
        for layout in &self.layouts {
            whole_keys(&*self.source, layout).await?;
        }
        Ok(())
    }
}

/// As [`Servers::check_keys`], for one table.
pub(crate) async fn whole_keys(source: &dyn Store, layout: &Layout) -> Result<()> {
    let schema = layout.source();
    let Some(column) = source.null_in_key(schema).await? else { return Ok(()) };
    Err(Error::new(ErrorKind::Refused, "read source: a record has null in its key")
        .with("table", &schema.table)
        .with("column", &column)
        .hint(format!(
            "a record without a key cannot be found again: give it one, or delete it (SELECT * FROM \
             {} WHERE {column} IS NULL), and keep out more by NOT NULL",
            schema.table
        )))
}
