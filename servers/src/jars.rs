//! Java programs from Maven Central, downloaded once into the cache.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{During, Result};
use crate::lock;
use crate::notice::notice;
use crate::packages::cache_folder;
use crate::tool;

/// A cold download of 50 MB took 30 to 60 seconds; a slow mirror may need much longer.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1200);

/// Maven gives up at the first answer of a mirror that is overloaded. What has come is kept.
const DOWNLOAD_ATTEMPTS: usize = 3;

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(5);

/// The name in the cache of what `pom` depends on. Another pom is another name: an old checkout and
/// a new one can share the cache.
pub(crate) fn release(name: &str, pom: &str) -> String {
    let mut hasher = DefaultHasher::new();
    pom.hash(&mut hasher);
    format!("{name}-{:016x}", hasher.finish())
}

/// The class path of what `pom` depends on. Downloads it where the cache does not hold it.
pub(crate) fn class_path(release: &str, pom: &str) -> Result<OsString> {
    let name = release;
    let cache = cache_folder()?;
    let complete = cache.join(name);
    let _lock = lock::take(&cache.join(format!("{name}.lock")), DOWNLOAD_LIMIT)?;
    if !complete.is_dir() {
        let unfinished = cache.join(format!("{name}.unfinished"));
        download(&unfinished, pom)?;
        // Renamed when it is whole: a download that was killed is never taken for the jars.
        fs::rename(&unfinished, &complete).during(|| format!("make {}", complete.display()))?;
    }
    let mut path = complete.into_os_string();
    path.push("/*");
    Ok(path)
}

fn download(folder: &PathBuf, pom: &str) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).during(|| format!("remove {}", folder.display()))?;
    }
    let project = folder.join("pom");
    fs::create_dir_all(&project).during(|| format!("make {}", project.display()))?;
    let file = project.join("pom.xml");
    fs::write(&file, pom).during(|| format!("write {}", file.display()))?;
    notice("downloading jars from Maven Central");
    let mut maven = Command::new("mvn");
    maven
        // Checksums are enforced; look-ups that failed before are tried again.
        .args(["--batch-mode", "--quiet", "--strict-checksums", "--update-snapshots", "--file"])
        .arg(&file)
        .arg(format!("-Dmaven.repo.local={}", cache_folder()?.join("maven").display()))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", folder.display()));
    let started = Instant::now();
    for _ in 1..DOWNLOAD_ATTEMPTS {
        match tool::run(&mut maven, "", DOWNLOAD_LIMIT.saturating_sub(started.elapsed())) {
            Ok(_) => return Ok(()),
            Err(error) => notice(&format!("downloading again: {error}")),
        }
        sleep(PAUSE);
    }
    tool::run(&mut maven, "", DOWNLOAD_LIMIT.saturating_sub(started.elapsed())).map(drop)
}
