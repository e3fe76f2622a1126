//! Kafka Connect with Debezium, from Maven Central: it reads a database's log into Kafka, so that
//! tests have real messages of a real producer.

mod connector;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{During, Result};
use crate::home::Home;
use crate::jars;
use crate::jvm::Jvm;
use crate::kafka::{LOGGING, Listener, kafka};
use crate::packages::{Kind, install};
use crate::server::{Launch, Ready, Server};

pub use connector::Connector;

/// The coordinates of Connect's jars.
const POM: &str = include_str!("connect/pom.xml");

/// The file in which a worker keeps how far its connectors have read.
const OFFSETS: &str = "offsets";

/// Begins the settings of a Kafka Connect worker that writes to the cluster at `bootstrap`.
#[must_use]
pub fn connect(bootstrap: &str) -> ConnectSettings {
    ConnectSettings {
        bootstrap: bootstrap.into(),
        connectors: Vec::new(),
        properties: Vec::new(),
        jvm: ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(Into::into).into(),
    }
}

/// What a Kafka Connect worker is started with.
#[derive(Debug, Clone)]
pub struct ConnectSettings {
    bootstrap: String,
    connectors: Vec<Connector>,
    properties: Vec<(String, String)>,
    jvm: Vec<String>,
}

impl ConnectSettings {
    /// Adds a connector, which starts with the worker.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connectors.push(connector);
        self
    }

    /// A property of the worker; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, property: &str, value: &str) -> Self {
        self.properties.push((property.into(), value.into()));
        self
    }

    /// The options of the virtual machine, instead of those for a quick start.
    #[must_use]
    pub fn jvm(mut self, options: &[&str]) -> Self {
        self.jvm = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }

    /// Installs Java, Connect and Debezium where they are missing, and starts the worker. It is
    /// ready when its connectors are started, which is before they have read anything.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(self) -> Result<Connect> {
        install(&[Kind::Connect])?;
        self.start_with(&prepare()?)
    }

    fn start_with(&self, jvm: &Jvm) -> Result<Connect> {
        let home = Home::make("connect", None, "KILL")?;
        let worker = home.path.join("worker.properties");
        write(&worker, &text(&self.worker(&home)))?;
        let logging = home.path.join("log4j2.properties");
        write(&logging, LOGGING)?;
        let mut options = self.jvm.clone();
        options.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        let class = "org.apache.kafka.connect.cli.ConnectStandalone";
        let mut arguments = jvm.arguments(&options, class);
        arguments.push(worker.into());
        let mut ready = vec!["Kafka Connect started".to_owned()];
        for connector in &self.connectors {
            ready.push(format!("Created connector {} ", connector.name()));
            let path = home.path.join(format!("{}.properties", connector.name()));
            write(&path, &text(&connector.properties(&home.path)))?;
            arguments.push(path.into());
        }
        let launch = Launch {
            kind: "connect",
            program: jvm.java().to_owned(),
            arguments,
            small_disk: None,
            port_arguments: |_| Vec::new(),
            account: None,
            ready: Ready::Log(ready),
            stop: Signal::TERM,
            quick_stop: None,
        };
        let mut server = Server::prepare(launch, home, Vec::new());
        server.start()?;
        Ok(Connect { server, looked: Mutex::new(0) })
    }

    fn worker(&self, home: &Home) -> Vec<(String, String)> {
        let offsets = home.path.join(OFFSETS).display().to_string();
        let own = [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("offset.storage.file.filename", &offsets),
            ("offset.flush.interval.ms", "500"),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("key.converter.schemas.enable", "false"),
            ("value.converter.schemas.enable", "false"),
            // All is on one class path; looking through every class of it would take seconds.
            ("plugin.discovery", "service_load"),
            // Nobody talks to it, so any port does.
            ("listeners", "http://127.0.0.1:0"),
        ];
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.chain(self.properties.iter().cloned()).collect()
    }
}

/// Downloads Connect and Debezium, and makes an archive of their classes, where either is missing.
pub(crate) fn prepare() -> Result<Jvm> {
    let jvm = Jvm::new(jars::class_path(&jars::release("connect", POM), POM)?)?;
    jvm.with_archive("connect", |option| {
        // A worker with nothing to do: it starts, which needs a cluster, and is told to end.
        let kafka = kafka().start()?;
        let mut settings = connect(kafka.bootstrap(Listener::Plain));
        settings.jvm.push(option.to_owned());
        settings.start_with(&jvm)?.stop()
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).during(|| format!("write {}", path.display()))
}

/// A properties file, in which a backslash would begin an escape.
fn text(properties: &[(String, String)]) -> String {
    properties
        .iter()
        .map(|(name, value)| format!("{name}={}\n", value.replace('\\', "\\\\")))
        .collect()
}

/// A running Kafka Connect worker. How far its connectors have read is kept when it is killed.
#[derive(Debug)]
pub struct Connect {
    server: Server,
    /// Bytes of the log that tell of no failure: without its brokers a worker writes gigabytes.
    looked: Mutex<u64>,
}

impl Connect {
    /// What a connector that has failed says, for a test that waits for its messages in vain.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut log = BufReader::new(self.server.open_log().ok()?);
        log.seek(SeekFrom::Start(*looked)).ok()?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = log.read_until(b'\n', &mut line).ok()?;
            let text = String::from_utf8_lossy(&line);
            if FAILURES.iter().any(|failure| text.contains(failure)) {
                let rest = log.lines().map_while(io::Result::ok).take(FAILURE_LINES);
                let lines = std::iter::once(text.trim_end().to_owned()).chain(rest);
                return Some(lines.collect::<Vec<_>>().join("\n"));
            }
            if !line.ends_with(b"\n") {
                return None;
            }
            *looked += u64::try_from(length).unwrap_or(0);
        }
    }

    /// How far its connectors have read, as it was last kept, in Connect's own form: when the
    /// worker is killed, whatever was delivered since comes again. Empty before it was ever kept.
    #[must_use]
    pub fn kept(&self) -> Vec<u8> {
        fs::read(self.server.directory().join(OFFSETS)).unwrap_or_default()
    }

    /// Waits until a text stands in the log, such as `"Starting streaming"`.
    ///
    /// # Errors
    /// Fails if it does not within `limit`, or if a connector fails before.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<()> {
        self.server.wait_for(text, limit, || self.failure())
    }
}

/// What a worker logs when a connector has failed.
const FAILURES: [&str; 3] =
    ["is being killed and will not recover", "Failed to create connector", "Failed to create job"];

/// Lines of the log after it that say why.
const FAILURE_LINES: usize = 11;

impl Deref for Connect {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Connect {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
