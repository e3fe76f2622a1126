//! Messages of every format: what real producers sent, decoded to the values that the statements
//! beside them wrote (`tests/messages`), or to a loss of the producer that the test names; and
//! messages of every shape that is known to go wrong.

mod canal;
mod capture;
mod debezium;
mod debezium_values;
mod flattened;
mod hostile;
mod items;
mod mariadb;
mod maxwell;
mod maxwell_shapes;
mod plain;
mod postgres;
mod private;
mod router;
