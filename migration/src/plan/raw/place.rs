//! Where a store lies, as written: an engine, and the one field that goes with it.
//!
//! Checked while the file is read, so that the error points at the place.

use crate::plan::ServerUrl;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A kind of database.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Engine")]
pub(crate) enum RawEngine {
    /// A SQLite file, named by `path`.
    Sqlite,
    /// A PostgreSQL database, named by `url`.
    Postgres,
    /// A MySQL or MariaDB database, named by `url`; "mariadb" is the same. Which of the two it is,
    /// the server says itself.
    #[serde(alias = "mariadb")]
    Mysql,
}

impl RawEngine {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// How its URLs begin.
    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &[],
            Self::Postgres => &["postgres://", "postgresql://"],
            Self::Mysql => &["mysql://", "mariadb://"],
        }
    }
}

/// An engine with what it takes.
#[derive(Debug)]
pub(crate) enum RawPlace {
    Sqlite { path: PathBuf },
    Postgres { url: String },
    Mysql { url: String },
}

/// A store whose fields do not go with its engine.
#[derive(Debug)]
pub(crate) struct Misplaced {
    /// Where its engine stands in the text.
    pub(crate) span: Range<usize>,
    pub(crate) problem: String,
}

impl RawPlace {
    pub(super) fn of(
        engine: &Spanned<RawEngine>,
        path: Option<&Path>,
        url: Option<&str>,
    ) -> Result<Self, Misplaced> {
        let place = match engine.get_ref() {
            RawEngine::Sqlite => file(path, url).map(|path| Self::Sqlite { path }),
            kind @ RawEngine::Postgres => {
                server(*kind, path, url).map(|url| Self::Postgres { url })
            }
            kind @ RawEngine::Mysql => server(*kind, path, url).map(|url| Self::Mysql { url }),
        };
        place.map_err(|problem| Misplaced { span: engine.span(), problem })
    }
}

fn file(path: Option<&Path>, url: Option<&str>) -> Result<PathBuf, String> {
    match (path, url) {
        (_, Some(_)) => Err("sqlite takes `path`, not `url`".to_owned()),
        // It may hold a password, and would be shown as the name of a file.
        (Some(path), None) if path.to_string_lossy().contains("://") => {
            Err("`path` names a file; a URL goes with another engine".to_owned())
        }
        (Some(path), None) if !path.as_os_str().is_empty() => Ok(path.to_owned()),
        (_, None) => Err("sqlite needs `path`, which names the file".to_owned()),
    }
}

fn server(engine: RawEngine, path: Option<&Path>, url: Option<&str>) -> Result<String, String> {
    let name = engine.name();
    if path.is_some() {
        return Err(format!("{name} takes `url`, not `path`"));
    }
    let Some(url) = url else {
        return Err(format!(
            "{name} needs `url`: \"env:NAME\", \"file:PATH\", or a URL without a password"
        ));
    };
    ServerUrl::parse(url, Path::new("")).map_err(|must| format!("`url` must {must}"))?;
    let is_reference = url.starts_with("env:") || url.starts_with("file:");
    if !is_reference && !engine.schemes().iter().any(|scheme| url.starts_with(scheme)) {
        return Err(format!("`url` must begin with {} for {name}", engine.schemes()[0]));
    }
    Ok(url.to_owned())
}
