//! Peak memory of each kind of process, as the kernel counted it.

use migration::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// No program of ours is smaller once it runs.
const LOADED_KIB: u64 = 4 * 1024;

/// The highest value seen of each command, in KiB.
#[derive(Debug, Default)]
pub(crate) struct PeakMemory(BTreeMap<String, u64>);

impl PeakMemory {
    /// Looks at a process. One that has ended, or a system without `/proc`, changes nothing.
    pub(crate) fn look(&mut self, command: &str, pid: u32) {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return };
        if let Some(kib) = peak_kib(&status) {
            let peak = self.0.entry(command.to_owned()).or_default();
            *peak = kib.max(*peak);
        }
    }

    /// One line a command. One that was seen only before its program was loaded says nothing.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let seen = self.0.iter().filter(|&(_, &kib)| kib >= LOADED_KIB);
        seen.map(|(command, &kib)| format!("{command:<24} {:>7.1} MiB", mib(kib)))
    }

    /// Fails if a command needed more than `most_mib`.
    pub(crate) fn check(&self, most_mib: u64) -> Result<()> {
        match self.0.iter().find(|&(_, &kib)| kib > most_mib * 1024) {
            None => Ok(()),
            Some((command, &kib)) => Err(Error::new(ErrorKind::Failed, "check peak memory")
                .with("command", command)
                .with("mib", format!("{:.1}", mib(kib)))
                .with("most", most_mib)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{PeakMemory, peak_kib};

    #[test]
    fn the_peak_is_read_from_the_kernels_status() {
        assert_eq!(peak_kib("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n"), Some(1_234));
        assert_eq!(peak_kib("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_over_the_limit_is_named() {
        let mut peak = PeakMemory::default();
        peak.look("this test", std::process::id());
        peak.check(100_000).unwrap();
        assert!(peak.check(0).unwrap_err().to_string().contains("this test"));
    }
}
