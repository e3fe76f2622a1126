//! Whether the live path may go on.

use async_trait::async_trait;
use migration::shutdown::Shutdown;
use std::fmt::Debug;

/// Pause and stop, as an operator or the process's supervisor asks for them.
#[async_trait]
pub trait Gate: Send + Sync + Debug {
    /// Whether to take more messages now.
    fn is_open(&self) -> bool;

    /// Waits while paused. Returns whether to go on; `false` means stop.
    async fn opened(&self) -> bool;
}

/// Never paused; closed by a shutdown.
#[async_trait]
impl Gate for Shutdown {
    fn is_open(&self) -> bool {
        !self.has_begun()
    }

    async fn opened(&self) -> bool {
        !self.has_begun()
    }
}
