//! Installs what is missing: Debian packages with `apt-get`, where this process is root, and jars.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::account::is_root;
use crate::error::{During, Error, Result};
use crate::lock;
use crate::notice::notice;
use crate::program;
use crate::shared;
use crate::tool;
use crate::{connect, kafka};

/// A cold installation took about 15 seconds; a slow mirror may need much longer.
const APT_LIMIT: Duration = Duration::from_secs(900);

/// How long another installation on this machine may take.
const APT_LOCK_LIMIT: Duration = Duration::from_secs(300);

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// What Debian asks before it starts a service; 101 forbids it.
const POLICY_PATH: &str = "/usr/sbin/policy-rc.d";
const POLICY: &str = "#!/bin/sh\n# midflight: no service is started by an installation\nexit 101\n";

/// Something that can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The C libraries that the programs are built with.
    Build,
    /// `MariaDB`.
    MariaDb,
    /// `PostgreSQL`.
    Postgres,
    /// Redis.
    Redis,
    /// Apache Kafka: Java and Maven, which bring it.
    Kafka,
    /// Kafka Connect with Debezium, likewise.
    Connect,
    /// mydumper and myloader, which benchmarks compare with.
    Mydumper,
    /// pgcopydb, likewise.
    Pgcopydb,
    /// pgloader, likewise.
    Pgloader,
    /// Four more `MariaDB` servers, for a target of several instances.
    Shards,
}

/// What must be there, and the packages that bring it.
struct Need {
    programs: &'static [&'static str],
    files: &'static [&'static str],
    packages: &'static [&'static str],
}

impl Kind {
    /// All kinds, by the names the command line knows them by.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("build", Self::Build),
        ("mariadb", Self::MariaDb),
        ("postgres", Self::Postgres),
        ("redis", Self::Redis),
        ("kafka", Self::Kafka),
        ("connect", Self::Connect),
        ("mydumper", Self::Mydumper),
        ("pgcopydb", Self::Pgcopydb),
        ("pgloader", Self::Pgloader),
        ("shards", Self::Shards),
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The variables that name the servers of this kind to tests and playbooks.
    #[must_use]
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Build | Self::Connect | Self::Mydumper | Self::Pgcopydb | Self::Pgloader => &[],
            Self::MariaDb => &[shared::MARIADB_URL],
            Self::Postgres => &[shared::POSTGRES_URL],
            Self::Redis => &[shared::REDIS_URL],
            Self::Kafka => &[shared::KAFKA_BROKERS],
            Self::Shards => &shared::SHARD_URLS,
        }
    }

    fn need(self) -> Need {
        let (programs, files, packages): (&[_], &[_], &[_]) = match self {
            Self::Build => (
                &["cc", "make", "pkg-config"],
                &["/usr/include/zlib.h", "/usr/include/openssl/ssl.h"],
                &["build-essential", "pkg-config", "libssl-dev", "zlib1g-dev"],
            ),
            Self::MariaDb | Self::Shards => {
                (&["mariadbd", "mariadb-install-db", "mariadb"], &[], &["mariadb-server"])
            }
            Self::Postgres => (&["postgres", "initdb", "psql"], &[], &["postgresql"]),
            Self::Redis => (&["redis-server", "redis-cli"], &[], &["redis-server"]),
            Self::Kafka | Self::Connect => (
                &["java", "mvn", "openssl"],
                &[],
                &["openjdk-17-jre-headless|openjdk-21-jre-headless", "maven", "openssl"],
            ),
            Self::Pgcopydb => (&["pgcopydb"], &[], &["pgcopydb"]),
            Self::Pgloader => (&["pgloader"], &[], &["pgloader"]),
            Self::Mydumper => (&["mydumper", "myloader"], &[], &["mydumper"]),
        };
        Need { programs, files, packages }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            Error::Request(format!("{text:?} is none of {names}"))
        })
    }
}

impl Need {
    fn missing(&self) -> Vec<&'static str> {
        let programs = self.programs.iter().filter(|name| program::find(name).is_none());
        let files = self.files.iter().filter(|path| !Path::new(path).exists());
        programs.chain(files).copied().collect()
    }
}

/// Installs what is missing for these kinds. Costs a few look-ups where nothing is.
/// Java programs are downloaded into the cache: `$MIDFLIGHT_CACHE`, or `~/.cache/midflight`.
///
/// # Errors
/// [`Error::Missing`] with the command to run where this process is not root or there is no
/// `apt-get`; [`Error::Tool`] where the installation fails.
pub fn install(kinds: &[Kind]) -> Result<()> {
    install_packages(kinds)?;
    if kinds.contains(&Kind::Kafka) {
        kafka::prepare()?;
    }
    if kinds.contains(&Kind::Connect) {
        connect::prepare()?;
    }
    Ok(())
}

fn install_packages(kinds: &[Kind]) -> Result<()> {
    if missing(kinds).is_empty() {
        return Ok(());
    }
    let _lock = lock::take(&cache_folder()?.join("install.lock"), APT_LIMIT)?;
    // Another process may have done it while this one waited.
    let missing = missing(kinds);
    if missing.is_empty() {
        return Ok(());
    }
    let (what, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    let packages: Vec<_> = packages.into_iter().flatten().copied().collect();
    let names: Vec<_> = packages.iter().filter_map(|one| one.split('|').next()).collect();
    let names = names.join(" ");
    let hint = format!("run as root: apt-get update && apt-get install {names}");
    let what = what.join(", ");
    if !is_root() || program::find("apt-get").is_none() {
        return Err(Error::Missing { what, hint });
    }
    notice(&format!("installing {names} (apt-get)"));
    without_services(|| {
        update()?;
        let packages: Result<Vec<_>> = packages.iter().map(|one| available(one)).collect();
        apt_get(&[&["install", "-y", "--no-install-recommends"], packages?.as_slice()].concat())
    })
}

/// The first of several packages, separated by `|`, that this release has.
fn available(alternatives: &'static str) -> Result<&'static str> {
    let mut candidates = alternatives.split('|').peekable();
    while let Some(package) = candidates.next() {
        let mut show = Command::new("apt-cache");
        show.args(["show", "--no-all-versions", package]);
        // The last is installed unasked: apt-get says best why it cannot.
        if candidates.peek().is_none() || tool::run(&mut show, "", APT_LIMIT).is_ok() {
            return Ok(package);
        }
    }
    Ok(alternatives)
}

fn missing(kinds: &[Kind]) -> Vec<(String, &'static [&'static str])> {
    kinds
        .iter()
        .map(|kind| kind.need())
        .map(|need| (need.missing().join(", "), need.packages))
        .filter(|(missing, _)| !missing.is_empty())
        .collect()
}

/// Fetches the lists of packages. Their lock is not among those that apt-get waits for.
fn update() -> Result<()> {
    let started = Instant::now();
    loop {
        match apt_get(&["update"]) {
            Err(error) if is_locked(&error) && started.elapsed() < APT_LOCK_LIMIT => sleep(PAUSE),
            updated => return updated,
        }
    }
}

/// Whether another installation is under way.
fn is_locked(error: &Error) -> bool {
    error.to_string().contains("Could not get lock")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        // Another installation on this machine is waited for, not failed at.
        .args(["-q", "-o", &format!("DPkg::Lock::Timeout={}", APT_LOCK_LIMIT.as_secs())])
        .args(["-o", "Acquire::Retries=3"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    tool::run(&mut command, "", APT_LIMIT).map(drop)
}

/// Runs an installation that starts no service. A policy that is there already is not ours to
/// change.
fn without_services(install: impl FnOnce() -> Result<()>) -> Result<()> {
    // Ours, left by an installation that was killed, is as good as a new one.
    let ours = fs::read_to_string(POLICY_PATH).map_or(true, |policy| policy == POLICY);
    if ours {
        fs::write(POLICY_PATH, POLICY)
            .and_then(|()| {
                fs::set_permissions(
                    POLICY_PATH,
                    std::os::unix::fs::PermissionsExt::from_mode(0o755),
                )
            })
            .during(|| format!("write {POLICY_PATH}"))?;
    }
    let result = install();
    if ours {
        fs::remove_file(POLICY_PATH).during(|| format!("remove {POLICY_PATH}"))?;
    }
    result
}

/// Where downloads are kept, outside of any checkout.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let chosen = env::var_os("MIDFLIGHT_CACHE").map(PathBuf::from);
    let home = || env::home_dir().map(|home| home.join(".cache/midflight"));
    let path = chosen.or_else(home).ok_or_else(|| {
        Error::Request("neither MIDFLIGHT_CACHE nor HOME is set: nowhere to keep downloads".into())
    })?;
    fs::create_dir_all(&path).during(|| format!("make {}", path.display()))?;
    Ok(path)
}
