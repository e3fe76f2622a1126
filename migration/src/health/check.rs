//! One thing that a process needs to be ready.

use crate::error::{Chain, Result};
use crate::retry::within;
use futures::future::BoxFuture;
use std::fmt;
use std::time::Duration;

/// Longest check: an orchestrator asks every few seconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Run = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A named condition of readiness.
pub struct Check {
    name: String,
    run: Run,
}

impl Check {
    /// A check; `run` is called at each request and bounded.
    pub fn new<F>(name: impl Into<String>, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        Self { name: name.into(), run: Box::new(move || Box::pin(run())) }
    }

    /// Runs it: whether it holds, and a line for people.
    pub(super) async fn line(&self) -> (bool, String) {
        match within(CHECK_TIMEOUT, "check", (self.run)()).await {
            Ok(()) => (true, format!("[+] {} ok", self.name)),
            Err(error) => (false, format!("[-] {} failed: {}", self.name, Chain(&error))),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}
