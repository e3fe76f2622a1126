//! Where the refresher gets the checkpoint store from.

use migration::checkpoint::{self, CheckpointStore};
use migration::error::Result;
use migration::plan::{Engine, Plan};
use std::sync::{Arc, Mutex, PoisonError};

/// A store that is there, or one that is opened when it is needed.
#[derive(Debug)]
pub(super) enum Source {
    /// The service opened it and keeps it open.
    Given(Arc<dyn CheckpointStore>),
    /// The reader opens it.
    Opened { engine: Engine, migration: String, store: Mutex<Option<Arc<dyn CheckpointStore>>> },
}

impl Source {
    /// The checkpoint store of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        Self::Opened {
            engine: plan.checkpoint.clone(),
            migration: plan.id.clone(),
            store: Mutex::default(),
        }
    }

    /// The store, opened if it is not. One that does not exist is not made: a reader only looks.
    pub(super) async fn store(&self) -> Result<Arc<dyn CheckpointStore>> {
        match self {
            Self::Given(store) => Ok(Arc::clone(store)),
            Self::Opened { engine, migration, store } => {
                let held = || store.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(store) = &*held() {
                    return Ok(Arc::clone(store));
                }
                let opened = checkpoint::open_existing(engine, migration).await?;
                // Two may open at once; both stores serve, and the later one is kept.
                Ok(Arc::clone(held().insert(opened)))
            }
        }
    }

    /// Gives a store up that failed: the next call opens it again, which is all that can help
    /// against a connection that broke or a file that was replaced.
    pub(super) fn give_up(&self) {
        if let Self::Opened { store, .. } = self {
            *store.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
