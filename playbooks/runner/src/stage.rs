//! The folder that a playbook runs in, and what its commands find there.

use migration::error::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Folders of a playbook that are not copied to where it runs: what an earlier run left.
const LEFT_BEHIND: &str = "flight";

/// Where commands run.
#[derive(Debug)]
pub(crate) struct Stage {
    dir: PathBuf,
    path: OsString,
    exports: Vec<(String, String)>,
}

impl Stage {
    /// The playbook's own folder, or `dir` with a copy of what the playbook needs.
    pub(crate) fn set(readme: &Path, dir: Option<&Path>, bin_dir: Option<&Path>) -> Result<Self> {
        let home = readme.parent().filter(|home| !home.as_os_str().is_empty());
        let home = home.unwrap_or(Path::new("."));
        if let Some(dir) = dir {
            copy(home, dir)?;
        }
        let mut path = search_path(bin_dir)?;
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        Ok(Self { dir: dir.unwrap_or(home).to_owned(), path, exports: Vec::new() })
    }

    /// Sets a variable for every command after this.
    ///
    /// # Errors
    /// As [`Stage::command`].
    pub(crate) fn export(&mut self, name: &str, value: &str) -> Result<()> {
        let value = self.expand(value)?;
        self.exports.push((name.to_owned(), value));
        Ok(())
    }

    /// A command in this folder. It reads nothing: no playbook may wait for somebody to type.
    ///
    /// # Errors
    /// `Plan` for a variable in it that is not set: a shell would put nothing there, and the
    /// command would do something else.
    pub(crate) fn command(&self, argv: &[String]) -> Result<Command> {
        let mut command = Command::new(self.find(argv.first().map_or("", String::as_str)));
        for arg in argv.iter().skip(1) {
            command.arg(self.expand(arg)?);
        }
        command.current_dir(&self.dir).env("PATH", &self.path).stdin(Stdio::null());
        // Lines of several programs side by side are for people to read.
        if std::env::var_os("MIDFLIGHT_LOG_FORMAT").is_none() {
            command.env("MIDFLIGHT_LOG_FORMAT", "text");
        }
        // CHAOS=1 is for the runner alone.
        command.env_remove("CHAOS");
        command.envs(self.exports.iter().map(|(name, value)| (name, value)));
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Puts the values of variables in: `$NAME` and `${NAME}`.
    fn expand(&self, text: &str) -> Result<String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let (name, behind) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').unwrap_or((braced, "")),
                None => after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len())),
            };
            expanded.push_str(&self.variable(name)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn variable(&self, name: &str) -> Result<String> {
        let exported = self.exports.iter().rev().find(|(exported, _)| exported == name);
        let value = exported.map(|(_, value)| value.clone()).or_else(|| std::env::var(name).ok());
        value.ok_or_else(|| {
            Error::new(ErrorKind::Plan, "run command: a variable in it is not set")
                .with("variable", name)
                .hint("eval \"$(make -s up)\" starts servers and sets their variables")
        })
    }

    /// The first program of that name in the search path, since the runner's own path is searched
    /// for a bare name otherwise.
    fn find(&self, program: &str) -> PathBuf {
        let candidates = std::env::split_paths(&self.path).map(|folder| folder.join(program));
        candidates
            .into_iter()
            .find(|candidate| candidate.is_file())
            .unwrap_or_else(|| PathBuf::from(program))
    }
}

fn search_path(bin_dir: Option<&Path>) -> Result<OsString> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Failed, "find the programs").because(error).hint("use --bin-dir DIR")
    };
    if let Some(bin_dir) = bin_dir {
        return Ok(std::fs::canonicalize(bin_dir).map_err(failed)?.into_os_string());
    }
    let runner = std::env::current_exe().map_err(failed)?;
    Ok(runner.parent().unwrap_or(Path::new(".")).as_os_str().to_owned())
}

/// Copies a playbook: its files, and its folders except crates and what a run left behind.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Failed, "copy playbook")
            .with("from", from.display())
            .with("to", to.display())
            .because(error)
    };
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if !source.is_dir() {
            std::fs::copy(&source, &target).map_err(failed)?;
        } else if entry.file_name() != LEFT_BEHIND && !source.join("Cargo.toml").exists() {
            copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Stage, copy};

    #[test]
    fn variables_are_put_in_and_one_that_is_not_set_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut stage = Stage::set(&dir.path().join("README.md"), None, None).unwrap();
        stage.export("SERVER", "mysql://host/").unwrap();
        stage.export("SHOP", "${SERVER}shop").unwrap();
        assert_eq!(stage.expand("a $SHOP/$SERVER.").unwrap(), "a mysql://host/shop/mysql://host/.");
        let error = stage.expand("$MIDFLIGHT_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.to_string().contains("MIDFLIGHT_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn a_playbook_is_copied_without_its_crates_and_without_an_earlier_flight() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        for file in ["README.md", "seed/data", "service/Cargo.toml", "flight/service.db"] {
            let path = from.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        copy(from.path(), to.path()).unwrap();
        assert!(to.path().join("README.md").is_file() && to.path().join("seed/data").is_file());
        assert!(!to.path().join("service").exists() && !to.path().join("flight").exists());
    }
}
