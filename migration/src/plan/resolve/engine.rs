//! How each store is reached, and that no two of them get in each other's way.

use super::{Result, invalid};
use crate::plan::raw::{Misplaced, RawLock, RawLockEngine, RawPlace};

use crate::plan::{Engine, LockEngine, ServerUrl};
use std::path::{Component, Path, PathBuf};

/// A store as it was written.
type Written = std::result::Result<RawPlace, Misplaced>;

/// The stores of a plan, collected while they are resolved.
pub(super) struct Engines<'a> {
    dir: &'a Path,
    /// Every store so far, by the field that names it.
    known: Vec<(String, Engine)>,
}

impl<'a> Engines<'a> {
    pub(super) fn new(dir: &'a Path) -> Self {
        Self { dir, known: Vec::new() }
    }

    pub(super) fn source(&mut self, place: Written) -> Result<Engine> {
        self.add("source", place)
    }

    /// Two instances in one database would hold each other's records and fences.
    pub(super) fn target(&mut self, field: &str, place: Written) -> Result<Engine> {
        let engine = self.add(field, place)?;
        self.refuse_twin(field, &engine, "target[")?;
        Ok(engine)
    }

    pub(super) fn checkpoint(&mut self, place: Written) -> Result<Engine> {
        self.add("checkpoint", place)
    }

    /// A server that is only watched: it may well be one of the stores.
    pub(super) fn watched(&self, field: &str, place: Written) -> Result<Engine> {
        self.engine(field, place)
    }

    /// The lock is disposable, so it may lie beside nothing that is not.
    pub(super) fn lock(&mut self, raw: &RawLock) -> Result<LockEngine> {
        let path = raw.path.as_deref().filter(|path| !path.as_os_str().is_empty());
        match (raw.engine, path, raw.url.as_deref()) {
            (RawLockEngine::Sqlite, Some(path), None) => self.lock_file(path),
            (RawLockEngine::Redis, None, Some(url)) => {
                Ok(LockEngine::Redis { url: self.url_of("lock", &["redis://", "rediss://"], url)? })
            }
            (RawLockEngine::Sqlite, _, Some(_)) => {
                Err(invalid("lock.url", "go with another engine: sqlite takes `path`", "a URL"))
            }
            (RawLockEngine::Sqlite, None, None) => {
                Err(invalid("lock.path", "name the SQLite file", "nothing"))
            }
            (RawLockEngine::Redis, Some(_), _) => {
                Err(invalid("lock.path", "go with another engine: redis takes `url`", "a path"))
            }
            (RawLockEngine::Redis, None, None) => Err(invalid(
                "lock.url",
                "be \"env:NAME\", \"file:PATH\", or a URL without a password",
                "nothing",
            )),
        }
    }

    fn lock_file(&mut self, path: &Path) -> Result<LockEngine> {
        let path = absolute(self.dir, "lock.path", path)?;
        let engine = Engine::Sqlite { path: path.clone() };
        self.known.push(("lock".to_owned(), engine.clone()));
        self.refuse_twin("lock", &engine, "")?;
        Ok(LockEngine::Sqlite { path })
    }

    fn add(&mut self, field: &str, place: Written) -> Result<Engine> {
        let engine = self.engine(field, place)?;
        self.known.push((field.to_owned(), engine.clone()));
        Ok(engine)
    }

    fn engine(&self, field: &str, place: Written) -> Result<Engine> {
        // `read` has refused it with its place.
        let place =
            place.map_err(|misplaced| invalid(field, misplaced.problem, "something else"))?;
        Ok(match place {
            RawPlace::Sqlite { path } => {
                Engine::Sqlite { path: absolute(self.dir, &format!("{field}.path"), &path)? }
            }
            RawPlace::Postgres { url } => Engine::Postgres { url: self.url(field, &url)? },
            RawPlace::Mysql { url } => Engine::Mysql { url: self.url(field, &url)? },
        })
    }

    /// A URL that begins with one of `schemes`, if it stands in the plan itself.
    fn url_of(&self, field: &str, schemes: &[&str], url: &str) -> Result<ServerUrl> {
        let parsed = self.url(field, url)?;
        let is_reference = url.starts_with("env:") || url.starts_with("file:");
        if !is_reference && !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            let must = format!("begin with {}", schemes.join(" or "));
            return Err(invalid(format!("{field}.url"), must, "something else"));
        }
        Ok(parsed)
    }

    fn url(&self, field: &str, url: &str) -> Result<ServerUrl> {
        ServerUrl::parse(url, self.dir)
            .map_err(|must| invalid(format!("{field}.url"), must, "something else"))
    }

    /// Refuses the store that was added last if it is the same as one whose field begins with
    /// `others`. Whether two URLs lead to one database is for the servers to say.
    fn refuse_twin(&self, field: &str, engine: &Engine, others: &str) -> Result<()> {
        let before = &self.known[..self.known.len() - 1];
        let twin = before.iter().find(|(name, known)| name.starts_with(others) && known == engine);
        let Some((name, _)) = twin else { return Ok(()) };
        Err(match engine {
            Engine::Sqlite { path } => invalid(
                format!("{field}.path"),
                "be a file of its own",
                format!("{}, which is {name}.path too", path.display()),
            ),
            Engine::Postgres { url } | Engine::Mysql { url } => invalid(
                format!("{field}.url"),
                "be a database of its own",
                format!("{url}, which is {name}.url too"),
            ),
        })
    }
}

/// A path from the plan's directory, with `.` and `..` taken out of what was written: one file has
/// one name, because names are compared and are part of the digest.
pub(super) fn absolute(dir: &Path, field: &str, path: &Path) -> Result<PathBuf> {
    let dir = std::path::absolute(dir)
        .map_err(|cause| invalid(field, "start at a directory", path.display()).because(cause))?;
    let mut out = dir;
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir => out = PathBuf::from("/"),
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
        }
    }
    Ok(out)
}
