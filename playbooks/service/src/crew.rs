//! The threads of the service: named, owned and joined; when one fails, all stop.

use migration::error::{Error, ErrorKind, Result};
use migration::shutdown::Shutdown;
use std::thread::JoinHandle;

/// Threads that stop together.
#[derive(Debug)]
pub(crate) struct Crew {
    shutdown: Shutdown,
    threads: Vec<(&'static str, JoinHandle<Result<()>>)>,
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, threads: Vec::new() }
    }

    /// Says when to stop.
    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Starts a thread.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let shutdown = self.shutdown.clone();
        let body = move || {
            let ended = body();
            if ended.is_err() {
                shutdown.begin();
            }
            ended
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = thread.map_err(|error| {
            Error::new(ErrorKind::Failed, "start thread").with("name", name).because(error)
        })?;
        self.threads.push((name, thread));
        Ok(())
    }

    /// Waits for all of them, in the order of their start; the first failure is returned.
    pub(crate) fn join(self) -> Result<()> {
        let mut ended = Ok(());
        for (name, thread) in self.threads {
            let result = thread.join().unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Failed, "thread panicked").with("name", name))
            });
            ended = ended.and(result);
        }
        ended
    }
}
