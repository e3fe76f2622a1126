//! Whether the live path may go on.

use async_trait::async_trait;
use migration::shutdown::Shutdown;
use migration::throttle::Throttle;
use std::fmt::Debug;
use std::sync::Arc;

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

/// Paused by operators, stopped by the process.
#[derive(Debug)]
pub struct Steered {
    /// The pause.
    pub throttle: Arc<Throttle>,
    /// The stop.
    pub stop: Shutdown,
}

#[async_trait]
impl Gate for Steered {
    fn is_open(&self) -> bool {
        !self.stop.has_begun() && !self.throttle.is_paused()
    }

    async fn opened(&self) -> bool {
        self.throttle.ready(&self.stop).await
    }
}
