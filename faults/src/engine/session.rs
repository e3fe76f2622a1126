//! A connection to a server of either kind.

use super::Engine;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// What a text holds is what is written, backslashes included.
const SET_UP: &str = "SET time_zone = '+00:00', NAMES utf8mb4, \
     sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')";

/// One session of an application.
#[derive(Debug)]
pub enum Session {
    /// With a `MariaDB`.
    MariaDb(Box<MySqlConnection>),
    /// With a `PostgreSQL`.
    Postgres(Box<PgConnection>),
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// The driver's.
    pub async fn open(engine: Engine, url: &str) -> sqlx::Result<Self> {
        Ok(match engine {
            Engine::MariaDb => {
                let mut session = MySqlConnection::connect(url).await?;
                session.execute(SET_UP).await?;
                Self::MariaDb(Box::new(session))
            }
            Engine::Postgres => Self::Postgres(Box::new(PgConnection::connect(url).await?)),
        })
    }

    /// Runs statements.
    ///
    /// # Errors
    /// The driver's.
    pub async fn run(&mut self, statements: &str) -> sqlx::Result<()> {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        match self {
            Self::MariaDb(session) => session.execute(statements).await.map(drop),
            Self::Postgres(session) => session.execute(statements).await.map(drop),
        }
    }

    /// The first column of what a query finds, as text.
    ///
    /// # Errors
    /// The driver's.
    pub async fn lines(&mut self, query: &str) -> sqlx::Result<Vec<String>> {
        let query = AssertSqlSafe(query.to_owned());
        match self {
            Self::MariaDb(session) => {
                let rows = session.fetch_all(query).await?;
                // Of a text without a character set the driver makes bytes.
                let text =
                    |row: &MySqlRow| String::from_utf8(row.get_unchecked::<Vec<u8>, _>(0)).unwrap();
                Ok(rows.iter().map(text).collect())
            }
            Self::Postgres(session) => {
                let rows = session.fetch_all(query).await?;
                Ok(rows.iter().map(|row| row.get(0)).collect())
            }
        }
    }
}
