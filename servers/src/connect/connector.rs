//! What a connector is told: where it reads or writes, and what its topics are called.

use std::path::Path;

use crate::error::Result;
use crate::url::Address;

/// A connector of a Kafka Connect worker.
#[derive(Debug, Clone)]
pub struct Connector {
    name: String,
    properties: Vec<(String, String)>,
    keeps_history: bool,
}

impl Connector {
    /// Any connector of Debezium or Connect itself, by its class.
    #[must_use]
    pub fn new(name: &str, class: &str) -> Self {
        let connector = Self { name: name.into(), properties: Vec::new(), keeps_history: false };
        connector.set("name", name).set("connector.class", class).set("tasks.max", "1")
    }

    /// Reads all tables of the database of `url` off `MariaDB`'s binary log, into topics called
    /// `name.database.table`. `server_id` must be no other server's and no other connector's.
    ///
    /// # Errors
    /// Fails if `url` is not `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub fn mariadb(name: &str, url: &str, server_id: u32) -> Result<Self> {
        let address = Address::parse(url)?;
        let class = "io.debezium.connector.mariadb.MariaDbConnector";
        let mut connector = Self::new(name, class)
            .reads(&address)
            .set("database.server.id", &server_id.to_string())
            .set("database.include.list", &address.database);
        connector.keeps_history = true;
        Ok(connector)
    }

    /// Reads all tables of the database of `url` off `PostgreSQL`'s log (`pgoutput`), into topics
    /// called `name.schema.table`. The slot and the publication are called `name` too.
    ///
    /// # Errors
    /// Fails if `url` is not `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub fn postgres(name: &str, url: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        let connector = Self::new(name, "io.debezium.connector.postgresql.PostgresConnector")
            .reads(&address)
            .set("plugin.name", "pgoutput")
            .set("database.dbname", &address.database)
            .set("slot.name", name)
            .set("publication.name", name);
        Ok(connector)
    }

    /// Writes the messages of `topic` into the table `table` of the `MySQL` or `MariaDB` database
    /// of `url`, with Debezium's JDBC sink. A record is known by the message's key, one without a
    /// value is deleted, and what comes later replaces what came before. Messages are plain JSON;
    /// `key` and `value` say what is in them, in the words of Connect's JSON schemas.
    ///
    /// # Errors
    /// Fails if `url` is not `mysql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub fn jdbc_sink(
        name: &str,
        url: &str,
        (topic, table): (&str, &str),
        (key, value): (&str, &str),
    ) -> Result<Self> {
        let Address { user, password, host, port, database } = Address::parse(url)?;
        // MySQL's driver, of MariaDB too: it makes one statement of a batch, which was three times
        // as fast as MariaDB's own.
        let url = format!("jdbc:mysql://{host}:{port}/{database}?rewriteBatchedStatements=true");
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let connector = Self::new(name, "io.debezium.connector.jdbc.JdbcSinkConnector")
            .set("topics", topic)
            .set("collection.name.format", table)
            .set("connection.url", &url)
            .set("connection.username", &user)
            .set("connection.password", &password)
            .set("insert.mode", "upsert")
            .set("primary.key.mode", "record_key")
            .set("delete.enabled", "true")
            .set("schema.evolution", "none")
            .set("consumer.override.auto.offset.reset", "earliest");
        let converters = [("key.converter", key), ("value.converter", value)];
        Ok(converters.into_iter().fold(connector, |connector, (converter, schema)| {
            connector
                .set(converter, json)
                .set(&format!("{converter}.schemas.enable"), "true")
                .set(&format!("{converter}.schema.content"), schema)
        }))
    }

    fn reads(self, address: &Address) -> Self {
        let prefix = self.name.clone();
        self.set("topic.prefix", &prefix)
            .set("database.hostname", &address.host)
            .set("database.port", &address.port)
            .set("database.user", &address.user)
            .set("database.password", &address.password)
            // The broker makes no topic by itself; Connect does, with the replicas of the broker.
            .set("topic.creation.default.replication.factor", "-1")
            .set("topic.creation.default.partitions", "1")
            .set("poll.interval.ms", "50")
    }

    /// A property; of several settings of one the last counts.
    #[must_use]
    pub fn set(mut self, property: &str, value: &str) -> Self {
        self.properties.push((property.into(), value.into()));
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All properties. A connector that needs the history of the schema keeps it in `home`.
    pub(super) fn properties(&self, home: &Path) -> Vec<(String, String)> {
        let mut properties = Vec::new();
        if self.keeps_history {
            let file = home.join(format!("{}.history", self.name)).display().to_string();
            let class = "io.debezium.storage.file.history.FileSchemaHistory".into();
            properties.push(("schema.history.internal".into(), class));
            properties.push(("schema.history.internal.file.filename".into(), file));
        }
        properties.extend(self.properties.iter().cloned());
        properties
    }
}
