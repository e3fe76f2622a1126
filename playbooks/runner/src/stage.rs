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
    pub(crate) fn export(&mut self, name: &str, value: &str) {
        self.exports.push((name.to_owned(), value.to_owned()));
    }

    /// A command in this folder. It reads nothing: no playbook may wait for somebody to type.
    pub(crate) fn command(&self, argv: &[String]) -> Command {
        let mut command = Command::new(self.find(argv.first().map_or("", String::as_str)));
        command.args(argv.iter().skip(1));
        command.current_dir(&self.dir).env("PATH", &self.path).stdin(Stdio::null());
        // Lines of several programs side by side are for people to read.
        if std::env::var_os("MIDFLIGHT_LOG_FORMAT").is_none() {
            command.env("MIDFLIGHT_LOG_FORMAT", "text");
        }
        // CHAOS=1 is for the runner alone.
        command.env_remove("CHAOS");
        command.envs(self.exports.iter().map(|(name, value)| (name, value)));
        command.kill_on_drop(true);
        command
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
    use super::copy;

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
