//! Who has changed something and not committed it.
//!
//! From the monitor's text, which is as of now. The table `information_schema.innodb_trx` says the
//! same from a copy that is made anew only when nobody has read it for a tenth of a second: under a
//! busy monitoring it stays old for ever, and would lack those who began since.

use crate::driver::mysql::{Database, Failure};
use crate::error::{Error, ErrorKind, Result};
use sqlx::mysql::MySqlRow;
use std::collections::BTreeSet;

const MONITOR: &str = "SHOW ENGINE INNODB STATUS";

/// The column with the text.
const TEXT: usize = 2;

/// Error numbers of a privilege that lacks.
const DENIED: [u16; 3] = [1142, 1143, 1227];

/// The transactions that may still commit a row whose id was given out before the call.
pub(super) async fn look(database: &Database) -> Result<BTreeSet<String>> {
    const OPERATION: &str = "look for writers of the outbox";
    let mut session = database.session().await?;
    let rows = session.fetch_text(MONITOR.to_owned()).await.map_err(|failure| {
        if !failure.number().is_some_and(|number| DENIED.contains(&number)) {
            return database.failed(OPERATION, failure);
        }
        Error::new(ErrorKind::Refused, "read outbox: its user may not see who else writes")
            .with("server", database.address())
            .hint(
                "GRANT PROCESS ON *.* to the user in `source.url`: an outbox is read only up to \
                 the oldest transaction that may still write to it",
            )
    })?;
    let text = rows.first().map(text).transpose();
    let text = text.map_err(|error| database.failed(OPERATION, Failure::Driver(error)))?;
    writers(&text.unwrap_or_default()).map_err(|problem| {
        Error::new(ErrorKind::Busy, format!("{OPERATION}: {problem}"))
            .with("server", database.address())
            .hint(format!("look at `{MONITOR}` on the server: the queue goes on when it is whole"))
    })
}

fn text(row: &MySqlRow) -> sqlx::Result<String> {
    let bytes = super::bytes(row, TEXT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// The transactions with entries in their undo log, by their numbers, which count up for ever. One
/// without may last for hours and give out no id: the outbox row comes after the data row.
///
/// What each of them runs stands below what is read here, so no text of a statement hides one.
fn writers(monitor: &str) -> std::result::Result<BTreeSet<String>, &'static str> {
    let Some((_, list)) = monitor.split_once("\nLIST OF TRANSACTIONS") else {
        return Err("the server does not list its transactions");
    };
    if list.contains("... truncated") {
        return Err("the server has too many transactions to list them");
    }
    let of_block = |block: &str| {
        let (id, rest) = block.split_once(", ")?;
        let facts = rest.split_once("thread id ").map_or(rest, |(facts, _)| facts);
        facts.contains(", undo log entries ").then(|| id.to_owned())
    };
    Ok(list.split("\n---TRANSACTION ").skip(1).filter_map(of_block).collect())
}

#[cfg(test)]
mod tests {
    use super::writers;

    /// As MariaDB 10.11 prints it, and MySQL 8 but for the name of the thread.
    const MONITOR: &str = "
=====================================
2026-11-21 09:00:00 0x7f INNODB MONITOR OUTPUT
------------
TRANSACTIONS
------------
Trx id counter 4711
LIST OF TRANSACTIONS FOR EACH SESSION:
---TRANSACTION (0x7f4d8bfff180), not started
0 lock struct(s), heap size 1128, 0 row lock(s)
---TRANSACTION 4709, ACTIVE 12 sec
1 lock struct(s), heap size 1128, 0 row lock(s), undo log entries 2
MariaDB thread id 31, OS thread handle 139, query id 8 localhost app
---TRANSACTION 4710, ACTIVE 0 sec inserting
mysql tables in use 1, locked 1
LOCK WAIT 2 lock struct(s), heap size 1128, 0 row lock(s), undo log entries 1
MySQL thread id 32, OS thread handle 140, query id 9 localhost app update
INSERT INTO t VALUES ('
---TRANSACTION 1, ACTIVE
')
---TRANSACTION 421, ACTIVE 3600 sec
0 lock struct(s), heap size 1128, 0 row lock(s)
MariaDB thread id 33, OS thread handle 141, query id 10 localhost report
SELECT ', undo log entries 5'
---TRANSACTION 4705, ACTIVE (PREPARED) 900 sec recovered trx
2 lock struct(s), heap size 1128, 1 row lock(s), undo log entries 7
--------
FILE I/O
--------
";

    #[test]
    fn those_who_have_changed_something_are_found_whatever_they_run() {
        let found = writers(MONITOR).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["4705", "4709", "4710"]);
    }

    #[test]
    fn a_list_that_is_not_whole_is_not_believed() {
        writers("").unwrap_err();
        writers(&MONITOR.replace("---TRANSACTION 421", "... truncated...\n---T")).unwrap_err();
    }
}
