//! `PostgreSQL` from Debian's packages.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::home::Home;
use crate::packages::{Kind, install};
use crate::server::{Durability, Launch, Ready, Server, isolate};
use crate::small_disk::SmallDisk;
use crate::{PASSWORD, USER, program, tool};

/// Making an empty cluster takes a second; on a busy machine more.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

/// How long one statement may take that a test runs through the command-line client.
const STATEMENT_LIMIT: Duration = Duration::from_secs(120);

/// The tablespace of [`PostgresSettings::small_disk`].
pub const SMALL_DISK: &str = "small_disk";

/// Begins the settings of a `PostgreSQL` server.
#[must_use]
pub fn postgres() -> PostgresSettings {
    PostgresSettings::default()
}

/// What a `PostgreSQL` server is started with.
#[derive(Debug, Clone, Default)]
pub struct PostgresSettings {
    port: Option<u16>,
    durability: Durability,
    parameters: Vec<(String, String)>,
    small_disk_kib: Option<u64>,
}

impl PostgresSettings {
    /// The port, instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// What a commit promises.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// A configuration parameter; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.push((parameter.into(), value.into()));
        self
    }

    /// Writes what logical decoding needs (`wal_level = logical`), as change capture does.
    #[must_use]
    pub fn logical(self) -> Self {
        self.set("wal_level", "logical")
    }

    /// Gives it a disk of so many KiB beside its own, as the tablespace [`SMALL_DISK`]. What lies
    /// there stays when the server dies, and goes when it is dropped.
    #[must_use]
    pub fn small_disk(mut self, kib: u64) -> Self {
        self.small_disk_kib = Some(kib);
        self
    }

    /// Installs `PostgreSQL` where it is missing, and starts it with an empty cluster.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(self) -> Result<Postgres> {
        self.start_with(|home, account, data| {
            let password = home.path.join("password");
            fs::write(&password, PASSWORD).during(|| format!("write {}", password.display()))?;
            let mut prepare = Command::new(find("initdb")?);
            isolate(&mut prepare, &home.path, account);
            prepare
                .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"])
                .args(["--encoding=UTF8", "--locale=C.UTF-8"])
                .arg(format!("--username={USER}"))
                .arg(format!("--pwfile={}", password.display()))
                .arg(format!("--pgdata={}", data.display()));
            home.run(&mut prepare, INSTALL_LIMIT).map(drop)
        })
    }

    /// Starts it as a standby of `primary`: a copy of that as it is now, which follows it and can
    /// be read. It needs the primary's settings, or larger ones.
    ///
    /// # Errors
    /// As [`PostgresSettings::start`], and where the primary cannot be copied.
    pub fn start_standby(self, primary: &Postgres) -> Result<Postgres> {
        let primary = primary.url();
        self.start_with(|home, account, data| {
            let mut copy = Command::new(find("pg_basebackup")?);
            isolate(&mut copy, &home.path, account);
            copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"])
                .args(["--no-sync", "--dbname", &primary])
                .arg(format!("--pgdata={}", data.display()));
            home.run(&mut copy, INSTALL_LIMIT).map(drop)
        })
    }

    /// Starts it over what `prepare` puts into its data directory.
    fn start_with(
        self,
        prepare: impl FnOnce(&Home, Option<Account>, &Path) -> Result<()>,
    ) -> Result<Postgres> {
        install(&[Kind::Postgres])?;
        let account = Account::of("postgres")?;
        // SIGQUIT, not SIGKILL: the System V segment of a killed server stays until a reboot, and
        // there are 4,096 of them.
        let home = Home::make("postgres", account, "QUIT")?;
        let data = home.folder("data", account)?;
        prepare(&home, account, &data)?;

        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        let own = [
            ("unix_socket_directories", home.path.display().to_string()),
            // In the title of every process, so that one that outlives its parent is known.
            ("cluster_name", home.name()),
        ];
        let parameters = own.iter().map(|(name, value)| (*name, value.as_str()));
        let parameters = parameters.chain(small(self.durability));
        let wanted = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in parameters.chain(wanted) {
            arguments.extend(["-c".into(), format!("{name}={value}")]);
        }
        let mount = |kib| SmallDisk::mount(&home.folder("disk", account)?, kib, account, &[]);
        let small_disk = self.small_disk_kib.map(mount).transpose()?;
        let tablespace = small_disk.as_ref().map(|disk| disk.folder().to_owned());
        let launch = Launch {
            kind: "postgres",
            program: find("postgres")?,
            arguments: arguments.into_iter().map(Into::into).collect(),
            small_disk,
            port_arguments: |port| vec!["-c".into(), format!("port={port}")],
            account,
            ready: Ready::PidFile(data.join("postmaster.pid")),
            // "Fast": open transactions are ended, not waited for.
            stop: Signal::INT,
            quick_stop: Some(Signal::QUIT),
        };
        let postgres = Postgres { server: Server::launch(launch, home, self.port)? };
        if let Some(folder) = tablespace {
            let folder = folder.display();
            postgres.sql(&format!("CREATE TABLESPACE {SMALL_DISK} LOCATION '{folder}'"))?;
        }
        Ok(postgres)
    }
}

/// Settings for many small servers beside each other.
fn small(durability: Durability) -> Vec<(&'static str, &'static str)> {
    let relaxed: &[_] = match durability {
        // A commit still hands its log to the system, so a killed server loses nothing.
        Durability::Relaxed => &[("fsync", "off"), ("full_page_writes", "off")],
        Durability::Durable => &[],
    };
    [
        ("listen_addresses", "127.0.0.1"),
        ("shared_buffers", "64MB"),
        ("max_connections", "300"),
        ("max_wal_senders", "20"),
        ("max_replication_slots", "20"),
        // Files in the data directory: segments in /dev/shm would outlive a kill.
        ("dynamic_shared_memory_type", "mmap"),
        ("log_line_prefix", "%m [%p] "),
    ]
    .into_iter()
    .chain(relaxed.iter().copied())
    .collect()
}

fn find(name: &str) -> Result<PathBuf> {
    program::find(name).ok_or_else(|| Error::Missing {
        what: name.into(),
        hint: "run as root: apt-get install postgresql".into(),
    })
}

/// A running `PostgreSQL` server.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
}

impl Postgres {
    /// The URL of the database `postgres`, for the account that may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/postgres", self.port())
    }

    /// Runs statements in the database `postgres` through the command-line client, and returns what
    /// they print: one line a row, columns separated by `|`, no headings.
    ///
    /// # Errors
    /// [`Error::Tool`] with the server's message.
    pub fn sql(&self, statements: &str) -> Result<String> {
        psql(&self.url(), statements)
    }
}

/// Runs statements in the database of `url`.
pub(crate) fn psql(url: &str, statements: &str) -> Result<String> {
    let mut client = Command::new(find("psql")?);
    client.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url]);
    tool::run(&mut client, statements, STATEMENT_LIMIT)
}

impl Deref for Postgres {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Postgres {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
