//! Reads one list the old way and the new way, as the service's two code paths do.

use crate::edge::Edge;
use crate::files::shard_of;
use crate::store::{Session, Stores, Table};
use cutover::Store;
use migration::error::Result;

/// Sessions for one thread.
#[derive(Debug)]
pub(crate) struct ListReader {
    source: Box<dyn Session>,
    instances: Vec<Box<dyn Session>>,
}

impl ListReader {
    /// Opens the source and every instance of the target.
    pub(crate) fn open(stores: &Stores) -> Result<Self> {
        Ok(Self { source: stores.open_source_to_read()?, instances: stores.open_instances()? })
    }

    /// The list, from one of the two, in the service's own terms.
    pub(crate) fn read(&mut self, store: Store, package: &str) -> Result<Vec<Edge>> {
        match store {
            Store::Old => self.source.list(Table::Followers, package),
            Store::New => {
                let shard = shard_of(package, self.instances.len());
                self.instances[shard].list(Table::FollowerOf, package)
            }
        }
    }
}
