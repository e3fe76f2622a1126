//! Redis from Debian's packages.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::home::Home;
use crate::packages::{Kind, install};
use crate::program;
use crate::server::{Durability, Launch, Ready, Server};
use crate::tool;

/// How long one command may take that a test runs through the command-line client.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Begins the settings of a Redis server.
#[must_use]
pub fn redis() -> RedisSettings {
    RedisSettings::default()
}

/// What a Redis server is started with.
#[derive(Debug, Clone, Default)]
pub struct RedisSettings {
    port: Option<u16>,
    durability: Durability,
    options: Vec<(String, String)>,
}

impl RedisSettings {
    /// The port, instead of any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// What an acknowledged write promises. Relaxed keeps everything in memory only, as a cache
    /// does; durable appends every write to a file and flushes it.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// A configuration option; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, option: &str, value: &str) -> Self {
        self.options.push((option.into(), value.into()));
        self
    }

    /// Installs Redis where it is missing, and starts it empty.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(self) -> Result<Redis> {
        install(&[Kind::Redis])?;
        let home = Home::make("redis", None, "KILL")?;
        let data = home.folder("data", None)?;
        let append = match self.durability {
            Durability::Relaxed => "no",
            Durability::Durable => "yes",
        };
        let data = data.display().to_string();
        let own = [
            ("bind", "127.0.0.1"),
            ("dir", data.as_str()),
            ("save", ""),
            ("appendonly", append),
            ("appendfsync", "always"),
            // One database a test is possible then, each with its own FLUSHDB.
            ("databases", "10000"),
        ];
        let wanted = self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let options = own.into_iter().chain(wanted);
        let launch = Launch {
            kind: "redis",
            program: find("redis-server")?,
            arguments: options
                .flat_map(|(name, value)| [format!("--{name}").into(), value.into()])
                .collect(),
            small_disk: None,
            port_arguments: |port| vec!["--port".into(), port.to_string()],
            account: None,
            ready: Ready::Log(vec!["Ready to accept connections".into()]),
            stop: Signal::TERM,
            quick_stop: None,
        };
        Ok(Redis { server: Server::launch(launch, home, self.port)? })
    }
}

fn find(name: &str) -> Result<PathBuf> {
    program::find(name).ok_or_else(|| Error::Missing {
        what: name.into(),
        hint: "run as root: apt-get install redis-server".into(),
    })
}

/// A running Redis server.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// The URL of database 0.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// Runs one command through the command-line client and returns what it answers.
    ///
    /// # Errors
    /// [`Error::Tool`] where the server answers with an error or not at all.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        redis_cli(&self.url(), words)
    }
}

/// Runs one command in the database of `url`.
pub(crate) fn redis_cli(url: &str, words: &[&str]) -> Result<String> {
    let mut client = Command::new(find("redis-cli")?);
    client.args(["-e", "--raw", "-u", url]).args(words);
    tool::run(&mut client, "", COMMAND_LIMIT)
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
