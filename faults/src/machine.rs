//! Machines of their own, as far as a process can see.

use crate::bed::Bed;
use crate::program::{Running, program};
use crate::ran::Ran;
use std::path::Path;
use std::process::Command;

/// A working directory of its own with nothing but the plan, under a name and a boot of its own: a
/// process here cannot look whether one of another machine is still there, so it has to wait for
/// that one's leases to run out.
#[derive(Debug)]
pub struct Machine {
    dir: tempfile::TempDir,
    name: String,
}

/// Where the kernel tells one boot from another.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

impl Machine {
    /// A machine with the plan of a bed, as it is now.
    #[must_use]
    pub fn new(bed: &Bed, name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(bed.dir()).unwrap() {
            let path = entry.unwrap().path();
            let is_plan = path.extension().is_some_and(|end| end == "toml" || end == "url");
            if is_plan {
                std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        std::fs::write(dir.path().join("boot"), format!("{name}\n")).unwrap();
        Self { dir, name: name.to_owned() }
    }

    /// Its working directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        // Every step becomes the next, so that the process that is started here is the program.
        let enter = format!(
            "mount --bind boot {BOOT} && echo \"$0\" > /proc/sys/kernel/hostname && exec \"$@\""
        );
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--uts", "sh", "-c", &enter, &self.name]);
        command.arg(program(name)).args(args);
        command.args(["--config", "migration.toml", "--progress", "none"]);
        command.current_dir(self.dir.path()).env_remove("MIDFLIGHT_FAULT");
        command
    }

    /// Starts a program there.
    #[must_use]
    pub fn start(&self, name: &str, args: &[&str]) -> Running {
        Running::start(&mut self.command(name, args))
    }

    /// Starts a program there with a fault.
    #[must_use]
    pub fn start_with(&self, fault: &str, name: &str, args: &[&str]) -> Running {
        Running::start(self.command(name, args).env("MIDFLIGHT_FAULT", fault))
    }

    /// Runs a program there to its end.
    #[must_use]
    pub fn run(&self, name: &str, args: &[&str]) -> Ran {
        self.start(name, args).wait()
    }
}
