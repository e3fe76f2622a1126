//! What is asked of the lock file. A call may be made again: it keeps nothing.

use super::interval::{Interval, grant};
use super::statement;
use crate::clock::Timestamp;
use crate::key::Key;
use crate::lock::Token;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::time::Duration;

/// One call on an open lock file.
pub(super) trait Call: Sync {
    /// What is done, for errors.
    const OPERATION: &'static str;

    type Answer: Send;

    fn make(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = sqlx::Result<Self::Answer>> + Send;
}

/// Whose locks, on what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) migration: &'a str,
    pub(super) table: &'a str,
}

/// Opens the file and does nothing.
pub(super) struct Open;

impl Call for Open {
    const OPERATION: &'static str = "open lock file";
    type Answer = ();

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        connection.ping().await
    }
}

pub(super) struct Acquire<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) entities: &'a [Key],
    pub(super) token: Token,
    pub(super) lease: Duration,
}

impl Call for Acquire<'_> {
    const OPERATION: &'static str = "lock entities";
    type Answer = Vec<bool>;

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<Vec<bool>> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let now = Timestamp::now();
        let live = read_live(&mut transaction, self.scope, now).await?;
        let (granted, held) = grant(self.entities, self.token, &live);
        sqlx::query(statement::REMOVE_EXPIRED)
            .bind(self.scope.migration)
            .bind(self.scope.table)
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
        if let Some((first, last)) = held {
            sqlx::query(statement::PUT)
                .bind(self.scope.migration)
                .bind(self.scope.table)
                .bind(token_bytes(self.token))
                .bind(first.as_bytes())
                .bind(last.as_bytes())
                .bind(now.plus(self.lease).0)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(granted)
    }
}

/// The holdings whose lease has not run out.
pub(super) struct Live<'a> {
    pub(super) scope: Scope<'a>,
}

impl Call for Live<'_> {
    const OPERATION: &'static str = "look for locks";
    type Answer = Vec<Interval>;

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<Vec<Interval>> {
        read_live(connection, self.scope, Timestamp::now()).await
    }
}

pub(super) struct IsHeld<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) token: Token,
}

impl Call for IsHeld<'_> {
    const OPERATION: &'static str = "look at lock";
    type Answer = bool;

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<bool> {
        sqlx::query_scalar(statement::IS_HELD)
            .bind(self.scope.migration)
            .bind(self.scope.table)
            .bind(token_bytes(self.token))
            .bind(Timestamp::now().0)
            .fetch_one(connection)
            .await
    }
}

pub(super) struct Remove<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) tokens: &'a [Token],
}

impl Call for Remove<'_> {
    const OPERATION: &'static str = "remove locks";
    type Answer = ();

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for &token in self.tokens {
            sqlx::query(statement::REMOVE)
                .bind(self.scope.migration)
                .bind(self.scope.table)
                .bind(token_bytes(token))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }
}

pub(super) struct Count<'a> {
    pub(super) migration: &'a str,
}

impl Call for Count<'_> {
    const OPERATION: &'static str = "count locks";
    type Answer = i64;

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<i64> {
        sqlx::query_scalar(statement::COUNT).bind(self.migration).fetch_one(connection).await
    }
}

pub(super) struct Clear<'a> {
    pub(super) migration: &'a str,
}

impl Call for Clear<'_> {
    const OPERATION: &'static str = "remove all locks";
    type Answer = ();

    async fn make(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let done = sqlx::query(statement::CLEAR).bind(self.migration).execute(connection).await;
        done.map(drop)
    }
}

async fn read_live(
    connection: &mut SqliteConnection,
    scope: Scope<'_>,
    now: Timestamp,
) -> sqlx::Result<Vec<Interval>> {
    let rows = sqlx::query(statement::LIVE)
        .bind(scope.migration)
        .bind(scope.table)
        .bind(now.0)
        .fetch_all(connection)
        .await?;
    let interval = |row: &sqlx::sqlite::SqliteRow| {
        let token: &[u8] = row.try_get(0)?;
        let token = token
            .try_into()
            .map_err(|_| sqlx::Error::Decode("a token is not of sixteen bytes".into()))?;
        Ok(Interval {
            token: Token(u128::from_be_bytes(token)),
            first: Key::from_bytes(row.try_get(1)?),
            last: Key::from_bytes(row.try_get(2)?),
        })
    };
    rows.iter().map(interval).collect()
}

fn token_bytes(token: Token) -> Vec<u8> {
    token.0.to_be_bytes().to_vec()
}
