//! A plan in a folder of its own, and the phases run on it.

use crate::case::Settings;
use crate::child::{self, Cost, Failure};
use std::process::{Child, Command, Stdio};

/// The plan's folder.
pub(crate) struct Folder<'a> {
    dir: tempfile::TempDir,
    settings: &'a Settings,
}

impl<'a> Folder<'a> {
    /// Writes the plan, and each URL into a file of its name.
    pub(crate) fn new(
        settings: &'a Settings,
        plan: &str,
        urls: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("plan.toml"), plan)?;
        for (name, url) in urls {
            std::fs::write(dir.path().join(format!("{name}.url")), url)?;
        }
        Ok(Self { dir, settings })
    }

    /// Removes checkpoints and locks.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        for entry in std::fs::read_dir(self.dir.path())? {
            let path = entry?.path();
            if path.to_string_lossy().contains(".db") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Runs a phase to its end.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<Cost, Failure> {
        child::run(&self.settings.bin_dir.join(program), &self.args(args))
    }

    /// Starts a phase that says nothing.
    pub(crate) fn start(&self, program: &str, args: &[&str]) -> Result<Child, Failure> {
        let mut command = Command::new(self.settings.bin_dir.join(program));
        command.args(self.args(args)).stdin(Stdio::null());
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let plan = self.dir.path().join("plan.toml").display().to_string();
        let shared = ["--config", &plan, "--progress", "none", "-q", "--yes"];
        args.iter().chain(&shared).map(|arg| (*arg).to_owned()).collect()
    }
}
