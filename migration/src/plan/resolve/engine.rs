//! How each store is reached, and that no two of them get in each other's way.

use super::{Result, invalid};
use crate::plan::raw::{Misplaced, RawLockEngine, RawPlace};

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

    /// The lock is disposable, so it may lie beside nothing that is not.
    pub(super) fn lock(
        &mut self,
        engine: RawLockEngine,
        path: Option<&Path>,
    ) -> Result<LockEngine> {
        let RawLockEngine::Sqlite = engine;
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            return Err(invalid("lock.path", "name the SQLite file", "nothing"));
        };
        let path = absolute(self.dir, "lock.path", path)?;
        let engine = Engine::Sqlite { path: path.clone() };
        self.known.push(("lock".to_owned(), engine.clone()));
        self.refuse_twin("lock", &engine, "")?;
        Ok(LockEngine::Sqlite { path })
    }

    fn add(&mut self, field: &str, place: Written) -> Result<Engine> {
        // `read` has refused it with its place.
        let place =
            place.map_err(|misplaced| invalid(field, misplaced.problem, "something else"))?;
        let engine = match place {
            RawPlace::Sqlite { path } => {
                Engine::Sqlite { path: absolute(self.dir, &format!("{field}.path"), &path)? }
            }
            RawPlace::Postgres { url } => Engine::Postgres { url: self.url(field, &url)? },
            RawPlace::Mysql { url } => Engine::Mysql { url: self.url(field, &url)? },
        };
        self.known.push((field.to_owned(), engine.clone()));
        Ok(engine)
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
