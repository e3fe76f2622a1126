//! Finds programs, also where Debian keeps them out of the path.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The versions of Java that the servers run on, the best one first.
const JAVA_VERSIONS: [&str; 2] = ["17", "21"];

/// The program's path, or none.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if name == "java" && Path::new("/usr/lib/jvm").is_dir() {
        // The one in the path may be older than the servers want.
        return java();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's PostgreSQL first: its newest version, whatever a link in the path says.
    newest_postgres()
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn java() -> Option<PathBuf> {
    let folders: Vec<_> =
        fs::read_dir("/usr/lib/jvm").ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    JAVA_VERSIONS
        .iter()
        .map(|version| format!("java-{version}-openjdk"))
        .flat_map(|prefix| folders.iter().filter(move |path| is_named(path, &prefix)))
        .map(|folder| folder.join("bin/java"))
        .find(|path| path.is_file())
}

fn is_named(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}

fn newest_postgres() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").is_file())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"))
}
