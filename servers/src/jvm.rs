//! Java programs: how they are started, and an archive of their classes that halves that.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{During, Error, Result};
use crate::packages::cache_folder;
use crate::server::isolate;
use crate::{lock, program};

/// Making an archive is one start and one stop of the program.
const ARCHIVE_LIMIT: Duration = Duration::from_secs(300);

/// Java programs of one class path.
#[derive(Debug, Clone)]
pub(crate) struct Jvm {
    java: PathBuf,
    class_path: OsString,
    archive: Option<PathBuf>,
}

impl Jvm {
    pub(crate) fn new(class_path: OsString) -> Result<Self> {
        let java = program::find("java").ok_or_else(|| Error::Missing {
            what: "java 17 or 21".into(),
            hint: "run as root: apt-get install openjdk-17-jre-headless".into(),
        })?;
        Ok(Self { java, class_path, archive: None })
    }

    pub(crate) fn java(&self) -> &Path {
        &self.java
    }

    /// The arguments that start a main class, its own following.
    pub(crate) fn arguments(&self, options: &[impl AsRef<OsStr>], class: &str) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            options.iter().map(|option| option.as_ref().to_owned()).collect();
        if let Some(archive) = &self.archive {
            let mut option = OsString::from("-XX:SharedArchiveFile=");
            option.push(archive);
            arguments.push(option);
        }
        arguments.extend(["-cp".into(), self.class_path.clone(), class.into()]);
        arguments
    }

    /// A program that runs to its end in `directory`.
    pub(crate) fn tool(&self, directory: &Path, class: &str) -> Command {
        let mut command = Command::new(&self.java);
        isolate(&mut command, directory, None);
        command.args(self.arguments(&["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], class));
        command
    }

    /// This class path, with an archive of its classes. Where the cache holds none, `record` makes
    /// it: it runs the program with the given option until the program ends by itself.
    pub(crate) fn with_archive(
        &self,
        name: &str,
        record: impl FnOnce(&str) -> Result<()>,
    ) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        self.class_path.hash(&mut hasher);
        // An archive is for one build of the virtual machine: which it is shows in its place, size
        // and date. Were that wrong, the archive would be ignored, and starts be slow.
        let java = fs::canonicalize(&self.java).during(|| "look for java".into())?;
        let facts = fs::metadata(&java).during(|| format!("look at {}", java.display()))?;
        (&java, facts.len(), facts.modified().ok()).hash(&mut hasher);
        let name = format!("{name}-{:016x}", hasher.finish());
        let cache = cache_folder()?;
        let archive = cache.join(format!("{name}.jsa"));
        if !archive.is_file() {
            let _lock = lock::take(&cache.join(format!("{name}.lock")), ARCHIVE_LIMIT)?;
            if !archive.is_file() {
                let unfinished = cache.join(format!("{name}.unfinished"));
                fs::remove_file(&unfinished).ok(); // of a run that was killed
                record(&format!("-XX:ArchiveClassesAtExit={}", unfinished.display()))?;
                fs::rename(&unfinished, &archive)
                    .during(|| format!("make {}", archive.display()))?;
            }
        }
        Ok(Self { archive: Some(archive), ..self.clone() })
    }
}
