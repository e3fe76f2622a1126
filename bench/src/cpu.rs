//! CPU seconds of processes, as the kernel counts them.

use std::fs;

/// The kernel's unit of `/proc/*/stat`, the same on every Linux: a hundredth of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields of `/proc/*/stat` after the name: parent, and the times of the process and of those of
/// its children that it has waited for, each as user and system.
const PARENT: usize = 1;
const OWN: [usize; 2] = [11, 12];
const WAITED_FOR: [usize; 2] = [13, 14];

struct Entry {
    process: u32,
    fields: Vec<u64>,
}

impl Entry {
    fn read(process: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name stands in parentheses and may hold anything; the state is a letter.
        let fields = line.get(line.rfind(')')? + 2..)?.split(' ');
        Some(Self { process, fields: fields.map(|text| text.parse().unwrap_or(0)).collect() })
    }

    fn seconds(&self, fields: [usize; 2]) -> f64 {
        let ticks: u64 = fields.iter().filter_map(|field| self.fields.get(*field)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let seconds = ticks as f64 / TICKS_PER_SECOND;
        seconds
    }
}

/// CPU seconds of a process and all its descendants, those that have ended included.
pub(crate) fn of_family(process: u32) -> f64 {
    let folder = fs::read_dir("/proc").into_iter().flatten();
    let ids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let entries: Vec<Entry> = ids.filter_map(Entry::read).collect();
    let mut family = vec![process];
    let mut seconds = 0.0;
    while let Some(process) = family.pop() {
        for entry in &entries {
            if entry.process == process {
                seconds += entry.seconds(OWN) + entry.seconds(WAITED_FOR);
            } else if entry.fields.get(PARENT) == Some(&u64::from(process)) {
                family.push(entry.process);
            }
        }
    }
    seconds
}

/// CPU seconds of all processes that this one has started and waited for.
pub(crate) fn of_children() -> f64 {
    Entry::read(std::process::id()).map_or(0.0, |own| own.seconds(WAITED_FOR))
}
