//! Ports of 127.0.0.1, each reserved by a lock file for as long as its server may come back to it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::{Error, LogTail, Result};
use crate::home::base_folder;
use crate::lock;

/// Below the range that Linux gives to outgoing connections (32768-60999), so that no connection
/// takes the port between a kill and the restart.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A reserved port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _reservation: File,
}

impl Port {
    /// A port that nobody listens on.
    pub(crate) fn free() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes start at different places, so that they rarely try the same port.
        let start = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(COUNT));
        let start = start.unwrap_or_default();
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            match Self::reserve(number) {
                Err(Error::PortTaken { .. }) => {}
                other => return other,
            }
        }
        Err(Error::Request(format!("no free port from {FIRST} to {}", FIRST + COUNT - 1)))
    }

    /// The given port, or [`Error::PortTaken`].
    pub(crate) fn reserve(number: u16) -> Result<Self> {
        let taken = || Error::PortTaken { port: number, log: LogTail::default() };
        let path = base_folder("ports")?.join(number.to_string());
        let reservation = lock::try_take(&path)?.ok_or_else(taken)?;
        // The servers set SO_REUSEADDR too, so this answers what their own attempt would.
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).map_err(|_| taken())?;
        Ok(Self { number, _reservation: reservation })
    }
}
