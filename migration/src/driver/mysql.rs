//! MySQL and MariaDB through sqlx, never through its `Any`.
//!
//! A session is made what this program needs, whatever the server's defaults are (see
//! [`SETTINGS`]): strict, so that a value is stored as it is or refused; in UTC; at READ COMMITTED;
//! and with bounds on every wait, so that a session whose process is stopped lets go of its locks.

mod error;
mod figures;
mod session;

pub(crate) use error::{Failure, is_unknown, number};
pub(crate) use figures::MysqlFigures;
pub(crate) use session::Session;

use super::pool::{Pool, PoolOptions, bounded};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use futures::FutureExt as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use std::sync::Arc;

/// What every session is set to, whatever the server's defaults are.
///
/// `sql_mode`: values are stored as they are or refused; `0` in an AUTO_INCREMENT column is the
/// value 0; dates that other programs were allowed to store (`2024-00-00`, `2024-02-30`) are read
/// and written as they are, because our own code decides about them. Foreign keys are not enforced:
/// tables are copied one by one, so a child may come before its parent, and the source has checked
/// them already.
///
/// MariaDB runs what stands in `/*M! */`, MySQL 8 what stands in `/*!80000 */`. A statement ends
/// after 30 s, a wait for a lock after 5 s; a transaction whose process says nothing for 30 s is
/// rolled back. (MySQL has no such bound, and none for statements that write.) Long lists of keys
/// stay lists: as a subquery they would be read, and locked, in another order.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_bin, \
    sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,\
    NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', \
    time_zone = '+00:00', autocommit = 1, foreign_key_checks = 0, unique_checks = 1, \
    sql_auto_is_null = 0, innodb_lock_wait_timeout = 5, lock_wait_timeout = 5 \
    /*M! , max_statement_time = 30, idle_transaction_timeout = 30, \
    in_predicate_conversion_threshold = 0 */ /*!80000 , max_execution_time = 30000 */; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; ";

/// Prepared statements kept by each connection: every table has one of each size and kind. The
/// server counts them over all connections (`max_prepared_stmt_count`, 16,382).
const STATEMENTS_MAX: usize = 128;

/// How many connections a store may open: one for each worker that a process is likely to have, far
/// below a server's usual limit of 151 for all of its users.
pub(crate) const CONNECTIONS_MAX: usize = 12;

/// What is asked of every server once.
const SERVER: &str = "SELECT CAST(@@max_allowed_packet AS UNSIGNED), CAST(@@version AS CHAR), \
    CAST(concat_ws(':', @@hostname, @@port, @@datadir, DATABASE()) AS CHAR)";

/// A database on a server, and the sessions in it.
#[derive(Debug)]
pub(crate) struct Database {
    pool: Arc<Pool<MySqlConnection>>,
    /// Most bytes of one statement, and of one value, that the server takes.
    pub(crate) packet_bytes_max: usize,
    /// Whether it is MariaDB, whose catalogue differs here and there.
    pub(crate) is_mariadb: bool,
    /// What tells it from every other.
    pub(crate) identity: String,
}

impl Database {
    /// Opens the database that `url` leads to, and proves that it can be used. `settings` come
    /// after the ones that every session has.
    ///
    /// # Errors
    /// `Plan` if the URL cannot be found or read; `Refused` for a wrong user, password or database;
    /// `Unavailable` if the server cannot be reached. Never with the password in it.
    pub(crate) async fn open(
        url: &ServerUrl,
        settings: &str,
        connections_max: usize,
    ) -> Result<Self> {
        let pool = pool(url, settings, connections_max)?;
        let mut session = pool.session().await?;
        let row = bounded(sqlx::query(SERVER).fetch_one(session.connection()?)).await;
        let row = session.settle("look at server", row)?;
        drop(session);
        let read = |error| pool.failed("look at server", error);
        let packet_bytes_max: u64 = row.try_get(0).map_err(read)?;
        let version: String = row.try_get(1).map_err(read)?;
        let identity = row.try_get(2).map_err(read)?;
        Ok(Self {
            pool,
            packet_bytes_max: usize::try_from(packet_bytes_max).unwrap_or(usize::MAX),
            is_mariadb: version.contains("MariaDB"),
            identity,
        })
    }

    /// A session for one piece of work.
    pub(crate) async fn session(&self) -> Result<Session> {
        Ok(Session::new(self.pool.session().await?))
    }

    /// An error of this database.
    pub(crate) fn failed(&self, operation: &str, failure: Failure) -> Error {
        failure.into_error(operation).with("server", self.address())
    }

    /// An error of this database, of a call for which the user may need a privilege of the
    /// server's: then `grant` says which.
    pub(crate) fn denied(&self, operation: &str, failure: Failure, grant: &str) -> Error {
        let is_denied = failure.number() == Some(number::NO_PRIVILEGE);
        let error = self.failed(operation, failure);
        if is_denied { error.hint_instead(grant) } else { error }
    }

    /// Where it is, for people.
    pub(crate) fn address(&self) -> &str {
        self.pool.address()
    }
}

/// Prepares connections to a server; opens none yet.
fn pool(
    url: &ServerUrl,
    settings: &str,
    connections_max: usize,
) -> Result<Arc<Pool<MySqlConnection>>> {
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
        explain: |operation, error| Failure::Driver(error).into_error(operation),
    }))
}

/// How to connect, and the server as people see it. What sqlx would set on a new session by itself
/// is left out: the settings say all of it at once.
fn options(url: &ServerUrl) -> Result<(MySqlConnectOptions, String)> {
    let refused = |problem: &str| {
        Error::new(ErrorKind::Plan, format!("read the server's URL: {problem}"))
            .with("url", url)
            .hint(
                "write mysql://user:password@host:port/database?ssl-mode=REQUIRED; what is no \
                 letter or digit in a password is percent-encoded",
            )
    };
    let secret = url.reveal()?;
    let text = secret.expose();
    if !(text.starts_with("mysql://") || text.starts_with("mariadb://")) {
        return Err(refused("it does not begin with mysql://"));
    }
    // The cause would be safe to show, but says only which part of a URL is wrong.
    let options: MySqlConnectOptions = text.parse().map_err(|_| refused("it is not a URL"))?;
    let database =
        options.get_database().ok_or_else(|| refused("it names no database"))?.to_owned();
    let address = format!("{}:{}/{database}", options.get_host(), options.get_port());
    let options = options
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging();
    Ok((options, address))
}

/// Quotes a table or column name.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::{options, quoted};
    use crate::plan::ServerUrl;

    fn in_file(url: &str) -> ServerUrl {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("url"), url).unwrap();
        ServerUrl::parse("file:url", &folder).unwrap()
    }

    #[test]
    fn a_server_is_called_by_its_place_and_never_by_its_password() {
        let url = in_file("mysql://app:hun%2Fter2@db.example:3307/shop?ssl-mode=REQUIRED");
        let (options, address) = options(&url).unwrap();
        assert_eq!(address, "db.example:3307/shop");
        assert_eq!(options.get_username(), "app");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for url in [
            "postgres://app:hunter2@db/shop",
            "mysql://app:1/hunter2@db/shop",
            "mysql://app:hun/ter2@db/shop",
            "mysql://app:hunter2@db",
            "mysql://app:hunter2@db:x/shop",
            "hunter2",
        ] {
            let error = format!("{:?}", options(&in_file(url)).unwrap_err());
            assert!(!error.contains("ter2"), "{error}");
        }
    }

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
