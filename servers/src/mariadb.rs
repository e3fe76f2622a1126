//! `MariaDB` from Debian's packages.

use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::home::Home;
use crate::lock;
use crate::packages::{Kind, cache_folder, install};
use crate::server::{Durability, Launch, Ready, Server, isolate};
use crate::small_disk::SmallDisk;
use crate::url::Address;
use crate::{PASSWORD, USER, program, tool};

/// Making an empty data directory takes two seconds; on a busy machine more.
const INSTALL_LIMIT: Duration = Duration::from_secs(180);

/// Copying 60 MB takes a tenth of a second; a busy disk may need much longer.
const COPY_LIMIT: Duration = Duration::from_secs(60);

/// How long one statement may take that a test runs through the command-line client.
const STATEMENT_LIMIT: Duration = Duration::from_secs(120);

/// How often a replica is asked, in its first seconds, whether it replicates.
const REPLICA_CHECKS: usize = 200;

/// Begins the settings of a `MariaDB` server.
#[must_use]
pub fn mariadb() -> MariaDbSettings {
    MariaDbSettings::default()
}

/// What a `MariaDB` server is started with.
#[derive(Debug, Clone, Default)]
pub struct MariaDbSettings {
    port: Option<u16>,
    durability: Durability,
    variables: Vec<(String, String)>,
    small_disk: Option<(u64, Vec<String>)>,
}

impl MariaDbSettings {
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

    /// A server variable; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.into(), value.into()));
        self
    }

    /// Keeps a binary log of rows, as replicas and change capture need it. `server_id` must differ
    /// between a server and its replicas.
    #[must_use]
    pub fn binary_log(self, server_id: u32) -> Self {
        self.set("log_bin", "binlog")
            .set("binlog_format", "ROW")
            .set("binlog_row_image", "FULL")
            .set("binlog_expire_logs_seconds", "86400")
            .set("server_id", &server_id.to_string())
    }

    /// Gives it a disk of so many KiB beside its own, with these databases on it; their names are
    /// plain words. What lies there stays when the server dies, and goes when it is dropped.
    #[must_use]
    pub fn small_disk(mut self, kib: u64, databases: &[&str]) -> Self {
        self.small_disk = Some((kib, databases.iter().map(|&name| name.to_owned()).collect()));
        self
    }

    /// Installs `MariaDB` where it is missing, and starts it with an empty data directory.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(self) -> Result<MariaDb> {
        install(&[Kind::MariaDb])?;
        let account = Account::of("mysql")?;
        let home = Home::make("mariadb", account, "KILL")?;
        let temporary = home.folder("tmp", account)?;
        let data = data_folder(&home, account)?;
        let socket = home.path.join("socket");
        let accounts = home.path.join("accounts.sql");
        fs::write(&accounts, accounts_sql()).during(|| format!("write {}", accounts.display()))?;
        let mut arguments = vec!["--no-defaults".to_owned()];
        let own = [
            ("datadir", data.display().to_string()),
            // Two servers that start at once in one /tmp remove each other's files, and fail.
            ("tmpdir", temporary.display().to_string()),
            ("socket", socket.display().to_string()),
            ("init_file", accounts.display().to_string()),
        ];
        let variables = own.iter().map(|(name, value)| (*name, value.as_str()));
        let variables = variables.chain(small(self.durability));
        let wanted = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        arguments.extend(variables.chain(wanted).map(|(name, value)| format!("--{name}={value}")));
        let mut small_disk = None;
        if let Some((kib, databases)) = &self.small_disk {
            let small = SmallDisk::mount(&home.folder("disk", account)?, *kib, account, databases)?;
            for name in databases {
                // A folder in the data directory is a database, and so is a link to one.
                let (to, link) = (small.folder().join(name), data.join(name));
                symlink(to, &link).during(|| format!("link {}", link.display()))?;
            }
            small_disk = Some(small);
        }
        let launch = Launch {
            kind: "mariadb",
            program: find("mariadbd")?,
            arguments: arguments.into_iter().map(Into::into).collect(),
            small_disk,
            port_arguments: |port| vec![format!("--port={port}")],
            account,
            ready: Ready::Log(vec!["ready for connections".into()]),
            stop: Signal::TERM,
            quick_stop: None,
        };
        Ok(MariaDb { server: Server::launch(launch, home, self.port)?, socket })
    }
}

/// Makes an empty data directory. It is a copy of one that is made once for each version and kept
/// in the cache: two seconds saved at each start.
fn data_folder(home: &Home, account: Option<Account>) -> Result<PathBuf> {
    let version = tool::run(Command::new(find("mariadbd")?).arg("--version"), "", COPY_LIMIT)?;
    if version.trim().is_empty() {
        // A full disk: what it printed found no place. No data directory would either.
        return Err(Error::Request(
            "mariadbd does not say its version\nhint: is the disk full?".into(),
        ));
    }
    let fit = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let version = version.replace(|letter| !fit(letter), "_");
    let name = format!("empty-{}", version.trim_matches('_'));
    let cache = cache_folder()?;
    let empty = cache.join(&name);
    let data = home.path.join("data");
    let lock = lock::take(&cache.join(format!("{name}.lock")), INSTALL_LIMIT)?;
    if empty.is_dir() {
        drop(lock);
        copy(&empty, &data)?;
        return Ok(data);
    }
    home.folder("data", account)?;
    let mut prepare = Command::new(find("mariadb-install-db")?);
    isolate(&mut prepare, &home.path, account);
    prepare
        .args(["--no-defaults", "--skip-test-db", "--innodb-log-file-size=16M"])
        .arg("--auth-root-authentication-method=normal")
        .arg(format!("--tmpdir={}", home.path.join("tmp").display()))
        .arg(format!("--datadir={}", data.display()));
    home.run(&mut prepare, INSTALL_LIMIT)?;
    // Renamed when it is whole: a killed copy must not be taken for a data directory.
    let unfinished = cache.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).during(|| format!("remove {}", unfinished.display()))?;
    }
    copy(&data, &unfinished)?;
    fs::rename(&unfinished, &empty).during(|| format!("rename {}", unfinished.display()))?;
    Ok(data)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto"]).args([from, to]);
    tool::run(&mut copy, "", COPY_LIMIT).map(drop)
}

/// Settings for many small servers beside each other.
fn small(durability: Durability) -> Vec<(&'static str, &'static str)> {
    let relaxed: &[_] = match durability {
        // Written to the system at each commit, not flushed: a killed server loses nothing.
        Durability::Relaxed => &[("innodb_flush_log_at_trx_commit", "2"), ("sync_binlog", "0")],
        Durability::Durable => &[("innodb_flush_log_at_trx_commit", "1"), ("sync_binlog", "1")],
    };
    [
        ("bind_address", "127.0.0.1"),
        ("skip_name_resolve", "ON"),
        ("character_set_server", "utf8mb4"),
        ("innodb_log_file_size", "16M"),
        ("innodb_buffer_pool_size", "64M"),
        ("max_connections", "300"),
    ]
    .into_iter()
    .chain(relaxed.iter().copied())
    .collect()
}

/// Run at every start, before the server is ready; not logged, so that a replica stays the same.
fn accounts_sql() -> String {
    let account = format!("'{USER}'@'127.0.0.1'");
    format!(
        "SET sql_log_bin = 0;\n\
         CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION;\n"
    )
}

fn find(name: &str) -> Result<PathBuf> {
    program::find(name).ok_or_else(|| Error::Missing {
        what: name.into(),
        hint: "run as root: apt-get install mariadb-server".into(),
    })
}

/// A running `MariaDB` server.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    socket: PathBuf,
}

impl MariaDb {
    /// The URL of the server, for the account that may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/", self.port())
    }

    /// The server's socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs statements as root through the command-line client, and returns what they print: one
    /// line a row, columns separated by tabs, no headings.
    ///
    /// # Errors
    /// [`Error::Tool`] with the server's message.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let mut client = Command::new(find("mariadb")?);
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"]);
        client.arg(format!("--socket={}", self.socket.display()));
        tool::run(&mut client, statements, STATEMENT_LIMIT)
    }

    /// Makes `replica` follow this server, from this server's present state on: both must be empty
    /// or equal. This one needs a [`MariaDbSettings::binary_log`], and the replica a `server_id` of
    /// its own.
    ///
    /// # Errors
    /// Fails if the replica does not begin to replicate within ten seconds.
    pub fn lead(&self, replica: &MariaDb) -> Result<()> {
        let position = self.sql("SELECT @@gtid_current_pos")?;
        replica.sql(&format!(
            "SET GLOBAL gtid_slave_pos = '{}';\n\
             CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = '{USER}', \
             master_password = '{PASSWORD}', master_connect_retry = 1, \
             master_use_gtid = slave_pos;\nSTART SLAVE;\nSET GLOBAL read_only = 1;",
            position.trim(),
            self.port()
        ))?;
        let asked = iter::repeat_with(|| replica.sql("SHOW ALL SLAVES STATUS\\G"));
        let mut state = String::new();
        for answer in asked.take(REPLICA_CHECKS) {
            state = answer?;
            // Slave_IO_Running and Slave_SQL_Running, the only such neighbours of the answer.
            if state.contains("\nYes\nYes\n") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let what = format!("does not follow: {}", tool::last_lines(&state, 60));
        Err(Error::Server { server: "mariadb".into(), what, log: crate::error::LogTail::default() })
    }
}

/// Runs statements in the server and database of `url`.
pub(crate) fn run_sql(url: &str, statements: &str) -> Result<String> {
    let Address { user, password, host, port, database } = Address::parse(url)?;
    let mut client = Command::new(find("mariadb")?);
    client
        .args(["--no-defaults", "--batch", "--skip-column-names", "--protocol=tcp"])
        .args(["--user", &user, "--host", &host, "--port", &port, "--database", &database])
        .env("MYSQL_PWD", password);
    tool::run(&mut client, statements, STATEMENT_LIMIT)
}

impl Deref for MariaDb {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for MariaDb {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
