//! Apache Kafka in `KRaft` mode, from Maven Central: one broker or three, with any listeners.

mod certificates;
mod format;
mod properties;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::{During, Error, Result};
use crate::home::Home;
use crate::jars;
use crate::jvm::Jvm;
use crate::packages::{Kind, install};
use crate::port::Port;
use crate::server::{Launch, Ready, Server};
use crate::tool;

use properties::Addresses;

/// The coordinates of Kafka's jars.
const POM: &str = include_str!("kafka/pom.xml");

/// What the log looks like, and that it goes to standard output.
pub(crate) const LOGGING: &str = include_str!("kafka/log4j2.properties");

/// How long one command of Kafka's tools may take.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// How often new ports are tried where another program took one between look and start.
const PORT_ATTEMPTS: usize = 3;

/// Begins the settings of a Kafka cluster: one broker, plain.
#[must_use]
pub fn kafka() -> KafkaSettings {
    KafkaSettings {
        brokers: 1,
        listeners: vec![Listener::Plain],
        properties: Vec::new(),
        jvm: ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(Into::into).into(),
    }
}

/// A way to reach the brokers. Each has a port of its own on every broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Neither encrypted nor authenticated.
    Plain,
    /// TLS; a client certificate is not asked for.
    Tls,
    /// TLS; the client must show a certificate of the cluster's authority.
    MutualTls,
    /// SASL (`SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`) without encryption.
    Sasl,
    /// SASL over TLS.
    SaslTls,
}

/// What a Kafka cluster is started with.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    brokers: u16,
    listeners: Vec<Listener>,
    properties: Vec<(String, String)>,
    jvm: Vec<String>,
}

impl KafkaSettings {
    /// How many brokers there are, each a controller too. Topics have as many replicas, and with
    /// three of them `acks=all` waits for two.
    #[must_use]
    pub fn brokers(mut self, count: u16) -> Self {
        self.brokers = count.max(1);
        self
    }

    /// Adds a listener. [`Listener::Plain`] is always there.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        if !self.listeners.contains(&listener) {
            self.listeners.push(listener);
        }
        self
    }

    /// A broker property; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, property: &str, value: &str) -> Self {
        self.properties.push((property.into(), value.into()));
        self
    }

    /// The options of the virtual machine, instead of those for a quick start. A benchmark needs
    /// the whole compiler: TLS is several times slower without it.
    #[must_use]
    pub fn jvm(mut self, options: &[&str]) -> Self {
        self.jvm = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }

    /// Installs Java and Kafka where they are missing, and starts the brokers, empty.
    ///
    /// # Errors
    /// As [`install`] and [`Server::start`].
    pub fn start(self) -> Result<Kafka> {
        install(&[Kind::Kafka])?;
        self.start_with(&prepare()?)
    }

    fn start_with(&self, jvm: &Jvm) -> Result<Kafka> {
        for _ in 1..PORT_ATTEMPTS {
            match self.attempt(jvm) {
                Err(Error::PortTaken { .. }) => {}
                result => return result,
            }
        }
        self.attempt(jvm)
    }

    fn attempt(&self, jvm: &Jvm) -> Result<Kafka> {
        let mut homes = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..self.brokers {
            homes.push(Home::make("kafka", None, "KILL")?);
            // One for each listener, and one for the controller.
            let own: Result<Vec<_>> = (0..=self.listeners.len()).map(|_| Port::free()).collect();
            ports.push(own?);
        }
        let addresses = Addresses {
            listeners: &self.listeners,
            ports: ports.iter().map(|own| own.iter().map(|port| port.number).collect()).collect(),
        };
        // Made once, by the first broker, and read by all.
        let certificates = homes[0].path.join("certificates");
        if self.listeners.iter().any(|listener| listener.is_encrypted()) {
            certificates::make(&homes[0], &certificates)?;
        }
        self.write_files(&addresses, &homes, &certificates, jvm)?;
        let named = self.listeners.iter().map(|one| (*one, addresses.bootstrap(*one)));
        let bootstrap = named.collect();
        let homes = homes.into_iter().zip(ports);
        let brokers = homes.map(|(home, ports)| self.broker(jvm, home, ports)).collect();
        let mut kafka = Kafka { brokers, bootstrap, certificates, jvm: jvm.clone() };
        kafka.start()?;
        Ok(kafka)
    }

    fn write_files(
        &self,
        addresses: &Addresses<'_>,
        homes: &[Home],
        certificates: &Path,
        jvm: &Jvm,
    ) -> Result<()> {
        let cluster = format::random_id()?;
        let snapshot = format::snapshot(jvm, &homes[0], &jars::release("kafka", POM))?;
        for (index, home) in homes.iter().enumerate() {
            format::format(&home.path.join("data"), index + 1, &cluster, &snapshot)?;
            let text = properties::text(addresses, index, home, certificates, &self.properties);
            for (name, text) in [("server.properties", &*text), ("log4j2.properties", LOGGING)] {
                let path = home.path.join(name);
                fs::write(&path, text).during(|| format!("write {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn broker(&self, jvm: &Jvm, home: Home, ports: Vec<Port>) -> Server {
        let logging = home.path.join("log4j2.properties");
        let mut options = self.jvm.clone();
        options.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        let mut arguments = jvm.arguments(&options, "kafka.Kafka");
        arguments.push(home.path.join("server.properties").into());
        let launch = Launch {
            kind: "kafka",
            program: jvm.java().to_owned(),
            arguments,
            small_disk: None,
            port_arguments: |_| Vec::new(),
            account: None,
            ready: Ready::Log(vec!["Kafka Server started".into()]),
            stop: Signal::TERM,
            quick_stop: None,
        };
        Server::prepare(launch, home, ports)
    }
}

/// Downloads Kafka, and makes what the cache keeps for a quick start, where either is missing.
pub(crate) fn prepare() -> Result<Jvm> {
    let release = jars::release("kafka", POM);
    let jvm = Jvm::new(jars::class_path(&release, POM)?)?;
    jvm.with_archive("kafka", |option| {
        let mut settings = kafka();
        settings.jvm.push(option.to_owned());
        // In order: the archive is written when the broker ends by itself.
        settings.start_with(&jvm)?.brokers()[0].stop()
    })
}

/// A running Kafka cluster.
#[derive(Debug)]
pub struct Kafka {
    brokers: Vec<Server>,
    bootstrap: Vec<(Listener, String)>,
    certificates: PathBuf,
    jvm: Jvm,
}

impl Kafka {
    /// The addresses of all brokers at this listener, separated by commas; empty if it was not
    /// asked for.
    #[must_use]
    pub fn bootstrap(&self, listener: Listener) -> &str {
        let found = self.bootstrap.iter().find(|(known, _)| *known == listener);
        found.map_or("", |(_, addresses)| addresses)
    }

    /// The certificate of the authority that signed the brokers' certificates (PEM).
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.certificates.join("authority.pem")
    }

    /// A certificate and its key that [`Listener::MutualTls`] accepts (PEM).
    #[must_use]
    pub fn client_certificate(&self) -> (PathBuf, PathBuf) {
        (self.certificates.join("client.pem"), self.certificates.join("client.key"))
    }

    /// The certificate of an authority that has signed nothing here (PEM).
    #[must_use]
    pub fn foreign_authority(&self) -> PathBuf {
        self.certificates.join("foreign.pem")
    }

    /// The brokers, to kill and start one by one.
    pub fn brokers(&mut self) -> &mut [Server] {
        &mut self.brokers
    }

    /// Starts all brokers that do not run, and waits until each is ready.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start(&mut self) -> Result<()> {
        self.in_parallel(Server::start)
    }

    /// Kills all brokers with SIGKILL.
    ///
    /// # Errors
    /// As [`Server::kill`].
    pub fn kill(&mut self) -> Result<()> {
        self.in_parallel(Server::kill)
    }

    /// Runs one of Kafka's own programs, such as `org.apache.kafka.tools.TopicCommand`, with the
    /// address of the plain listener, and returns what it prints. Takes a second or two.
    ///
    /// # Errors
    /// [`Error::Tool`] with what it printed.
    pub fn run(&self, class: &str, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.jvm.tool(self.brokers[0].directory(), class);
        command.args(["--bootstrap-server", self.bootstrap(Listener::Plain)]).args(arguments);
        tool::run(&mut command, input, TOOL_LIMIT)
    }

    /// One after the other would wait for ever: a broker is ready when most controllers are there.
    fn in_parallel(&mut self, work: impl Fn(&mut Server) -> Result<()> + Sync) -> Result<()> {
        let died = || Error::Request("the thread of a broker panicked".into());
        thread::scope(|scope| {
            let brokers = self.brokers.iter_mut();
            let threads: Vec<_> = brokers.map(|broker| scope.spawn(|| work(broker))).collect();
            let results: Vec<_> =
                threads.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(died()))).collect();
            results.into_iter().collect()
        })
    }
}
