//! A gauge, as written.

use super::place::{Misplaced, RawEngine, RawPlace};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// Something to watch on a server, beyond which `backfill` and `verify` stand still: how far a
/// replica lags or, with a query, any load.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gauge")]
pub(crate) struct RawGauge {
    /// Its name, as the reason for standing still: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]{1,64}$"))]
    pub(crate) name: String,
    /// The kind of server.
    #[schemars(with = "RawEngine")]
    engine: Spanned<RawEngine>,
    /// Not for a gauge: it watches a server.
    #[schemars(skip)]
    path: Option<PathBuf>,
    /// The server to ask: `env:NAME` or `file:PATH`, which hold its URL, or a URL without a
    /// password.
    url: Option<String>,
    /// What to ask: a query that gives one number. Without it, how many seconds this replica lags;
    /// PostgreSQL tells that reliably to members of `pg_read_all_stats` only.
    pub(crate) query: Option<String>,
    /// The highest figure at which work goes on: seconds for a replica's lag.
    #[schemars(range(min = 0.0))]
    pub(crate) max: f64,
}

impl RawGauge {
    pub(crate) fn place(&self) -> Result<RawPlace, Misplaced> {
        RawPlace::of(&self.engine, self.path.as_deref(), self.url.as_deref())
    }
}
