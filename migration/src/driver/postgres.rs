//! PostgreSQL through sqlx.

mod error;
mod figures;

pub(crate) use error::{commit_failed, failed};
pub(crate) use figures::PostgresFigures;

use super::pool::{Pool, PoolOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use futures::FutureExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use std::str::FromStr as _;
use std::sync::Arc;

/// What every session is set to, whatever the server's or the role's defaults are.
///
/// No statement and no wait for a lock is without bound, and a process that is stopped in the
/// middle of a transaction does not keep its locks. `jit` costs a second for a statement that runs
/// for milliseconds where the planner's estimate is far off.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '30s'; SET TimeZone = 'UTC'; \
     SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; \
     SET extra_float_digits = 1; SET jit = off; ";

/// Prepared statements kept by each connection: every table has one of each kind.
const STATEMENTS_MAX: usize = 256;

/// How many connections a store may open: one for each worker that a process is likely to have, and
/// few enough for the 100 that a server allows to serve many processes.
pub(crate) const CONNECTIONS_MAX: usize = 12;

/// Prepares connections to a server; opens none yet. `settings` come after the ones that every
/// session has.
pub(crate) fn pool(
    url: &ServerUrl,
    settings: &str,
    connections_max: usize,
) -> Result<Arc<Pool<PgConnection>>> {
    let (connect, address) = options(url)?;
    let settings = format!("{SETTINGS}{settings}");
    Ok(Pool::new(PoolOptions {
        connect,
        connections_max,
        address,
        prepare: Box::new(move |connection| {
            let settings = AssertSqlSafe(settings.clone());
            async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) }.boxed()
        }),
        roll_back: |connection| {
            async move { sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop) }.boxed()
        },
        explain: failed,
    }))
}

/// How to connect, and the server as people see it.
fn options(url: &ServerUrl) -> Result<(PgConnectOptions, String)> {
    let refused = |problem: &str| {
        Error::new(ErrorKind::Plan, format!("read the server's URL: {problem}"))
            .with("url", url)
            .hint("write postgres://user:password@host:port/database?sslmode=require; what is no letter or digit in a password is percent-encoded")
    };
    let secret = url.reveal()?;
    let text = secret.expose();
    if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
        return Err(refused("it does not begin with postgres://"));
    }
    // The cause would be safe to show, but says only which part of a URL is wrong.
    let options = PgConnectOptions::from_str(text).map_err(|_| refused("it is not a URL"))?;
    let database =
        options.get_database().ok_or_else(|| refused("it names no database"))?.to_owned();
    let address = format!("{}:{}/{database}", options.get_host(), options.get_port());
    let options = options
        .application_name("midflight")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging();
    Ok((options, address))
}

/// An identifier, as SQL writes it.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A table's name as a plan writes it, `table` or `schema.table`, as SQL writes it.
pub(crate) fn quoted_table(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{options, quoted, quoted_table};
    use crate::plan::ServerUrl;
    use std::path::Path;

    fn in_file(url: &str) -> ServerUrl {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("url"), url).unwrap();
        ServerUrl::parse("file:url", &folder).unwrap()
    }

    #[test]
    fn a_server_is_called_by_its_place_and_never_by_its_password() {
        let (options, address) =
            options(&in_file("postgres://app:hun%2Fter2@db.example:5433/shop")).unwrap();
        assert_eq!(address, "db.example:5433/shop");
        assert_eq!(options.get_username(), "app");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for url in [
            "mysql://app:hunter2@db/shop",
            "postgres://app:1/hunter2@db/shop",
            "postgres://app:hun/ter2@db/shop",
            "postgres://app:hunter2@db",
            "hunter2",
        ] {
            let error = format!("{:?}", options(&in_file(url)).unwrap_err());
            assert!(!error.contains("ter2"), "{error}");
        }
    }

    #[test]
    fn names_are_quoted_part_by_part() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_table("sales.edges"), "\"sales\".\"edges\"");
        assert_eq!(quoted_table("no \"such\" table"), "\"no \"\"such\"\" table\"");
        assert_eq!(ServerUrl::parse("env:A", Path::new("/")).unwrap().to_string(), "env:A");
    }
}
