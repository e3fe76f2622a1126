//! What a rollback file holds: who threw the switch, when and why.
//!
//! A file that is signed carries the time of its signature as its own, too. Whoever touches it
//! later throws the switch again, whatever it says.

use super::{beside, directory};
use crate::rollback::{Rollback, RollbackId};
use crate::stage::Signed;
use migration::clock::Timestamp;
use migration::fault;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A file that is longer says nothing that this program wrote.
const BYTES_MAX: u64 = 64 * 1024;

/// Attempts to sign a file that others take away while it is being signed.
const ATTEMPTS_MAX: usize = 8;

/// The signature as programs read it, and the time for whoever uses `cat`.
#[derive(serde::Serialize)]
struct Written<'a> {
    at: String,
    #[serde(flatten)]
    rollback: &'a Rollback,
}

/// What a file may say.
#[derive(serde::Deserialize)]
struct Said {
    id: Option<RollbackId>,
    #[serde(flatten)]
    signed: Signed,
}

/// Puts a signed file in the place of whatever is there, durably.
pub(super) fn write_whole(path: &Path, rollback: &Rollback) -> io::Result<()> {
    fs::create_dir_all(directory(path))?;
    let draft = beside(path, &format!("draft-{}", rollback.id));
    let result = File::create(&draft)
        .and_then(|mut file| {
            sign(&mut file, rollback)?;
            file.sync_all()
        })
        .and_then(|()| {
            fault::point("cutover.rollback-file-drafted");
            fs::rename(&draft, path)
        });
    if result.is_err() {
        // The draft is in nobody's way; what failed is worth more than why it is still there.
        drop(fs::remove_file(&draft));
    }
    result?;
    fault::point("cutover.rollback-file-named");
    File::open(directory(path))?.sync_all()
}

/// Makes a file exist that is not the one of an earlier throw. Needs no space and no second name:
/// readers ask only whether it is there. Returns whether it could be signed.
pub(super) fn write_bare(path: &Path, rollback: &Rollback) -> io::Result<bool> {
    for _ in 0..ATTEMPTS_MAX {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let signed = sign(&mut file, rollback).and_then(|()| file.sync_all()).is_ok();
        if !signed {
            // Cutting it off changes its time: what it says, if anything, is no longer believed.
            drop(file.set_len(0));
        }
        // Whoever ends an earlier throw may have taken the file away before it was signed.
        if names(path, &file.metadata()?) {
            return Ok(signed);
        }
    }
    Err(io::Error::other("others keep taking it away"))
}

fn sign(file: &mut File, rollback: &Rollback) -> io::Result<()> {
    let written = Written { at: rollback.signed.when.to_rfc3339(), rollback };
    // Strings and a number are always JSON.
    let text = serde_json::to_string(&written).unwrap_or_default() + "\n";
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    let since = Duration::from_micros(u64::try_from(rollback.signed.when.0).unwrap_or(0));
    // Where this cannot be, the file is told from others by what it is instead.
    drop(file.set_modified(UNIX_EPOCH + since));
    Ok(())
}

/// Whether the path leads to this file still.
fn names(path: &Path, file: &Metadata) -> bool {
    path.metadata().is_ok_and(|found| (found.dev(), found.ino()) == (file.dev(), file.ino()))
}

/// The throw that a file stands for, if there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Rollback>> {
    let metadata = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    // A pipe or a device has nothing to say, and might never end.
    let opened = metadata.is_file().then(|| File::open(path).ok()).flatten();
    let Some(file) = opened else { return Ok(Some(by_hand(&metadata))) };
    // Of the file that was opened: another may have come under its name.
    let metadata = file.metadata()?;
    let mut text = Vec::new();
    let read = (&file).take(BYTES_MAX).read_to_end(&mut text);
    let said = read.ok().and_then(|_| serde_json::from_slice::<Said>(&text).ok());
    Ok(Some(match said {
        Some(Said { id: Some(id), signed }) if modified(&metadata) == signed.when => {
            Rollback { id, signed }
        }
        Some(Said { signed, .. }) => Rollback { id: RollbackId::by_hand(&metadata), signed },
        None => by_hand(&metadata),
    }))
}

fn by_hand(metadata: &Metadata) -> Rollback {
    let signed = Signed {
        who: "unknown".to_owned(),
        when: modified(metadata),
        why: "the file was created by hand".to_owned(),
    };
    Rollback { id: RollbackId::by_hand(metadata), signed }
}

fn modified(metadata: &Metadata) -> Timestamp {
    let micros = metadata.mtime().saturating_mul(1_000_000) + metadata.mtime_nsec() / 1_000;
    Timestamp(micros)
}
