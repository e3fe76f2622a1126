//! One session: its calls, and how it is given back.

use super::error::Failure;
use crate::driver::pool::{self, bounded};
use futures::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use std::ops::ControlFlow;

/// A session for one piece of work.
///
/// After an error of the server's it goes on, as MySQL's transactions do: only the statement has
/// failed. Dropped in the middle of a transaction, it rolls back; dropped in the middle of a call,
/// it is closed.
pub(crate) struct Session(pool::Session<MySqlConnection>);

impl Session {
    pub(super) fn new(session: pool::Session<MySqlConnection>) -> Self {
        Self(session)
    }

    /// Begins a transaction at READ COMMITTED.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        self.control("START TRANSACTION").await?;
        self.0.in_transaction = true;
        Ok(())
    }

    /// Begins a transaction that sees everything as it is now and locks nothing.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<(), Failure> {
        self.control(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
             START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        )
        .await?;
        self.0.in_transaction = true;
        Ok(())
    }

    /// Commits.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        self.control("COMMIT").await?;
        self.0.in_transaction = false;
        Ok(())
    }

    /// Closes the session, with everything that it holds.
    pub(crate) fn close(&mut self) {
        self.0.close();
    }

    /// Runs statements without values and without rows.
    pub(crate) async fn control(&mut self, sql: impl Into<String>) -> Result<(), Failure> {
        let sql = AssertSqlSafe(sql.into());
        self.call(async |connection| sqlx::raw_sql(sql).execute(connection).await.map(drop)).await
    }

    /// Runs a statement and returns how many rows it found or changed: the session counts rows that
    /// an update finds, whether their values change or not.
    pub(crate) async fn execute(
        &mut self,
        sql: impl Into<String>,
        arguments: MySqlArguments,
    ) -> Result<u64, Failure> {
        let sql = AssertSqlSafe(sql.into());
        self.call(async |connection| {
            let done = sqlx::query_with(sql, arguments).execute(connection).await?;
            Ok(done.rows_affected())
        })
        .await
    }

    /// All rows of a query that returns few.
    pub(crate) async fn fetch(
        &mut self,
        sql: impl Into<String>,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>, Failure> {
        let sql = AssertSqlSafe(sql.into());
        self.call(async |connection| sqlx::query_with(sql, arguments).fetch_all(connection).await)
            .await
    }

    /// All rows of a query that has no values, each value as the server prints it. The server sees
    /// the text as it is here.
    pub(crate) async fn fetch_text(&mut self, sql: String) -> Result<Vec<MySqlRow>, Failure> {
        let sql = AssertSqlSafe(sql);
        self.call(async |connection| sqlx::raw_sql(sql).fetch_all(connection).await).await
    }

    /// Hands the rows of a query to `take` until it breaks off. The rest is not waited for: the
    /// session is closed, because rows that nobody wants may be many.
    pub(crate) async fn each<E>(
        &mut self,
        sql: impl Into<String>,
        arguments: MySqlArguments,
        mut take: impl FnMut(&MySqlRow) -> Result<ControlFlow<()>, E>,
    ) -> Result<Result<(), E>, Failure> {
        let sql = AssertSqlSafe(sql.into());
        let mut taken = Ok(ControlFlow::Continue(()));
        self.call(async |connection| {
            let mut rows = sqlx::query_with(sql, arguments).fetch(connection);
            while let Some(row) = rows.try_next().await? {
                taken = take(&row);
                if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                    break;
                }
            }
            Ok(())
        })
        .await?;
        if !matches!(taken, Ok(ControlFlow::Continue(()))) {
            self.close();
        }
        Ok(taken.map(drop))
    }

    /// Bounds a call, and takes note of whether its answer has been read to the end.
    async fn call<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut MySqlConnection) -> sqlx::Result<T>,
    ) -> Result<T, Failure> {
        let connection = self.0.connection().map_err(Failure::Closed)?;
        match bounded(call(connection)).await {
            Ok(Ok(done)) => {
                self.0.keep();
                Ok(done)
            }
            Ok(Err(error)) => {
                let failure = Failure::Driver(error);
                if failure.leaves_session() {
                    self.0.keep();
                } else {
                    self.close();
                }
                Err(failure)
            }
            Err(_) => {
                self.close();
                Err(Failure::NoAnswer)
            }
        }
    }
}
