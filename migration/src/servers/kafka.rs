//! Kafka, in a program that was built with it.

use crate::dead_letter::Mailbox;
use crate::error::Result;
use crate::plan::{KafkaPlan, Plan};
use crate::queue::Queue;
use crate::store::Store;
use std::sync::Arc;

#[cfg(feature = "kafka")]
pub(super) async fn open_queue(
    plan: &Plan,
    kafka: &KafkaPlan,
    source: &Arc<dyn Store>,
) -> Result<Arc<dyn Queue>> {
    let (epoch, source) = (plan.source.epoch, Arc::clone(source));
    Ok(Arc::new(crate::queue::KafkaQueue::open(kafka, &plan.id, epoch, source).await?))
}

/// The topic for dead letters, if the plan names one.
#[cfg(feature = "kafka")]
pub(super) fn open_mailbox(plan: &Plan, kafka: &KafkaPlan) -> Result<Option<Arc<dyn Mailbox>>> {
    let mailbox = crate::queue::KafkaMailbox::open(kafka, &plan.id)?;
    Ok(mailbox.map(|mailbox| Arc::new(mailbox) as Arc<dyn Mailbox>))
}

#[cfg(not(feature = "kafka"))]
pub(super) fn open_queue(
    _plan: &Plan,
    _kafka: &KafkaPlan,
    _source: &Arc<dyn Store>,
) -> std::future::Ready<Result<Arc<dyn Queue>>> {
    std::future::ready(Err(not_built()))
}

#[cfg(not(feature = "kafka"))]
pub(super) fn open_mailbox(_plan: &Plan, _kafka: &KafkaPlan) -> Result<Option<Arc<dyn Mailbox>>> {
    Err(not_built())
}

#[cfg(not(feature = "kafka"))]
fn not_built() -> crate::error::Error {
    use crate::error::{Error, ErrorKind};
    Error::new(ErrorKind::Refused, "open Kafka: this program was built without it")
        .hint("build it with its default features; that needs libssl-dev and zlib1g-dev")
}
