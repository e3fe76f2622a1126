//! Asynchronous work of a side, which is a thing that runs to its end.

use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Waits for it.
pub(crate) fn wait<F: Future>(work: F) -> F::Output {
    block_in_place(|| Handle::current().block_on(work))
}
