//! What a command says, while it says it.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a command says, read in a thread of its own: a pipe that nobody reads would stop the
/// command. (It could not go to a file, where a limit on files is part of the test.)
#[derive(Debug)]
pub(crate) struct Collecting {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Collecting {
    pub(crate) fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut part = [0; 8192];
            loop {
                match pipe.read(&mut part) {
                    Ok(0) => return,
                    Ok(read) => collected.lock().unwrap().extend_from_slice(&part[..read]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
                }
            }
        });
        Self { bytes, thread: Some(thread) }
    }

    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Everything, once the command has ended.
    pub(crate) fn all(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.so_far()
    }
}
