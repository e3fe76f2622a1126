//! Append-only logs of one JSON document a line, each line led by its CRC-32.
//!
//! A line that was cut short by a crash fails its CRC. At the end of the file it is what a crash
//! leaves behind, and is cut off before anything is appended; anywhere else the log is damaged.

use crate::files::file_error;
use migration::error::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Digits of the CRC, and the space after them.
const PREFIX: usize = 9;

/// One line, with its CRC and its end.
pub(crate) fn line(entry: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(entry)
        .map_err(|error| Error::new(ErrorKind::Failed, "encode log line").because(error))?;
    let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// Writes a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
}

impl LogWriter {
    /// Opens the log behind its last whole line, cutting off what a crash left there.
    pub(crate) fn open(path: &Path, whole_bytes: u64) -> Result<Self> {
        let failed = |error| file_error("open log", path, error);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(whole_bytes).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends whole lines.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<()> {
        self.file.write_all(lines).map_err(|error| file_error("append to log", &self.path, error))
    }

    /// Returns once everything appended is durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|error| file_error("sync log", &self.path, error))
    }
}

/// Reads a log from its beginning.
#[derive(Debug)]
pub(crate) struct LogReader<T> {
    path: PathBuf,
    file: Option<BufReader<File>>,
    number: u64,
    /// Bytes of the whole lines that were read.
    whole_bytes: u64,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> LogReader<T> {
    /// Opens a log; one that is not there is empty.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = match File::open(path) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(file_error("open log", path, error)),
        };
        let kind = std::marker::PhantomData;
        Ok(Self { path: path.to_owned(), file, number: 0, whole_bytes: 0, kind })
    }

    /// Bytes of the lines returned so far.
    pub(crate) fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    fn next_entry(&mut self) -> Result<Option<T>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut line = Vec::with_capacity(256);
        file.read_until(b'\n', &mut line)
            .map_err(|error| file_error("read log", &self.path, error))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let Some(json) = checked(&line) else {
            let at_end = file
                .fill_buf()
                .map_err(|error| file_error("read log", &self.path, error))?
                .is_empty();
            // Only what a crash leaves at the end may be ignored.
            return if at_end { Ok(None) } else { Err(self.damaged()) };
        };
        let entry = serde_json::from_slice(json).map_err(|error| self.damaged().because(error))?;
        self.whole_bytes += u64::try_from(line.len()).unwrap_or(0);
        Ok(Some(entry))
    }

    fn damaged(&self) -> Error {
        Error::new(ErrorKind::Unreadable, "read log: the line is damaged")
            .with("file", self.path.display())
            .with("line", self.number)
    }
}

impl<T: DeserializeOwned> Iterator for LogReader<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

fn checked(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let (prefix, json) = line.split_at_checked(PREFIX)?;
    let crc = u32::from_str_radix(std::str::from_utf8(prefix).ok()?.strip_suffix(' ')?, 16).ok()?;
    (crc == crc32fast::hash(json)).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::{LogReader, LogWriter, line};
    use std::path::Path;

    fn write(path: &Path, entries: &[u32]) {
        let mut writer = LogWriter::open(path, 0).unwrap();
        for entry in entries {
            writer.append(&line(entry).unwrap()).unwrap();
        }
        writer.sync().unwrap();
    }

    #[test]
    fn a_line_cut_short_at_the_end_is_what_a_crash_leaves_and_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write(&path, &[1, 2, 3]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
        let mut reader = LogReader::<u32>::open(&path).unwrap();
        assert_eq!(reader.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
        let mut writer = LogWriter::open(&path, reader.whole_bytes()).unwrap();
        writer.append(&line(&4).unwrap()).unwrap();
        let entries = LogReader::<u32>::open(&path).unwrap().map(Result::unwrap);
        assert_eq!(entries.collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn a_damaged_line_before_the_end_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write(&path, &[1, 2, 3]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[line(&1).unwrap().len()] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let results = LogReader::<u32>::open(&path).unwrap().take(2).collect::<Vec<_>>();
        assert!(results[1].as_ref().unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_log_that_is_not_there_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(LogReader::<u32>::open(&dir.path().join("none")).unwrap().count(), 0);
    }
}
