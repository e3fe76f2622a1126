//! How each store is reached, and that no two of them get in each other's way.

use super::{Result, invalid};
use crate::plan::Engine;
use crate::plan::raw::RawEngine;
use std::path::{Component, Path, PathBuf};

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

    pub(super) fn source(&mut self, engine: RawEngine, path: Option<&Path>) -> Result<Engine> {
        self.add("source", engine, path)
    }

    /// Two instances in one database would hold each other's records and fences.
    pub(super) fn target(
        &mut self,
        field: &str,
        engine: RawEngine,
        path: Option<&Path>,
    ) -> Result<Engine> {
        self.add_apart(field, engine, path, "target[")
    }

    pub(super) fn checkpoint(&mut self, engine: RawEngine, path: Option<&Path>) -> Result<Engine> {
        self.add("checkpoint", engine, path)
    }

    /// The lock is disposable, so it may lie beside nothing that is not.
    pub(super) fn lock(&mut self, engine: RawEngine, path: Option<&Path>) -> Result<Engine> {
        self.add_apart("lock", engine, path, "")
    }

    fn add(&mut self, field: &str, engine: RawEngine, path: Option<&Path>) -> Result<Engine> {
        let RawEngine::Sqlite = engine;
        let field_path = format!("{field}.path");
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
            return Err(invalid(field_path, "name the SQLite file", "nothing"));
        };
        let engine = Engine::Sqlite { path: absolute(self.dir, &field_path, path)? };
        self.known.push((field.to_owned(), engine.clone()));
        Ok(engine)
    }

    /// Adds a store that must not be the same as any whose field begins with `others`.
    fn add_apart(
        &mut self,
        field: &str,
        engine: RawEngine,
        path: Option<&Path>,
        others: &str,
    ) -> Result<Engine> {
        let engine = self.add(field, engine, path)?;
        let before = &self.known[..self.known.len() - 1];
        let twin = before.iter().find(|(name, known)| name.starts_with(others) && *known == engine);
        match twin {
            Some((name, _)) => {
                let Engine::Sqlite { path } = &engine;
                Err(invalid(
                    format!("{field}.path"),
                    "be a file of its own",
                    format!("{}, which is {name}.path too", path.display()),
                ))
            }
            None => Ok(engine),
        }
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
