use super::{SwitchFile, Thrown, beside};
use crate::rollback::{Rollback, RollbackId};
use crate::stage::Signed;
use migration::clock::Timestamp;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

fn rollback(why: &str) -> Rollback {
    let who = "me".to_owned();
    Rollback::new(Signed { who, when: Timestamp(1_000_001), why: why.to_owned() })
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rollback");
    (directory, path)
}

/// A file that was thrown by this rollback.
fn thrown(path: &Path, rollback: &Rollback) -> SwitchFile {
    let file = SwitchFile::new(path);
    file.throw(rollback).unwrap();
    file
}

fn files_in(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).unwrap().count()
}

#[test]
fn the_file_says_who_when_and_why_and_leaves_no_draft() {
    let (directory, path) = place();
    let file = SwitchFile::new(path);
    assert_eq!(file.read().unwrap(), []);
    let p99 = rollback("p99");
    assert_eq!(file.throw(&p99).unwrap(), Thrown::New);
    assert_eq!(file.read().unwrap(), [p99]);
    assert_eq!(files_in(&directory), 1);
    file.remove().unwrap();
    file.remove().unwrap();
    assert!(!file.exists().unwrap());
}

#[test]
fn thrown_twice_it_is_the_second_throw_that_stands() {
    let (_directory, path) = place();
    let (first, second) = (rollback("first"), rollback("second"));
    let file = thrown(&path, &first);
    assert_eq!(file.throw(&second).unwrap(), Thrown::Again);
    assert_eq!(file.read().unwrap(), std::slice::from_ref(&second));
    // Whoever ends the first meanwhile does not undo the second.
    let left = file.remove_ended(|id| *id == first.id).unwrap();
    assert_eq!(left, Some(second.clone()));
    assert_eq!(file.read().unwrap(), [second]);
}

#[test]
fn what_has_ended_is_removed_and_nothing_is_left() {
    let (directory, path) = place();
    let ended = rollback("ended");
    let file = thrown(&path, &ended);
    for _ in 0..2 {
        assert_eq!(file.remove_ended(|id| *id == ended.id).unwrap(), None);
        assert_eq!(files_in(&directory), 0);
    }
}

#[test]
fn a_throw_that_was_moved_aside_for_another_counts_and_is_put_back() {
    let (directory, path) = place();
    let (ended, other) = (rollback("ended"), rollback("other"));
    let file = thrown(&path, &other);
    // Somebody who ended another throw was killed with this one in hand.
    fs::rename(&path, beside(&path, "ending")).unwrap();
    assert!(file.exists().unwrap());
    assert_eq!(file.read().unwrap(), std::slice::from_ref(&other));
    assert_eq!(file.remove_ended(|id| *id == ended.id).unwrap(), Some(other.clone()));
    assert!(path.exists() && files_in(&directory) == 1);
    // The same, and the switch was thrown again after that.
    fs::rename(&path, beside(&path, "ending")).unwrap();
    let newer = rollback("newer");
    file.throw(&newer).unwrap();
    assert_eq!(file.read().unwrap(), [other.clone(), newer.clone()]);
    let left = file.remove_ended(|id| [&other.id, &ended.id].contains(&id)).unwrap();
    assert_eq!(left, Some(newer));
    assert_eq!(files_in(&directory), 1);
}

#[test]
fn a_missing_directory_is_made() {
    let (_directory, path) = place();
    let file = SwitchFile::new(path.join("a/b"));
    assert_eq!(file.remove_ended(|_| true).unwrap(), None);
    assert_eq!(file.throw(&rollback("x")).unwrap(), Thrown::New);
}

/// The one throw that a file stands for.
fn only(file: &SwitchFile) -> Rollback {
    let mut found = file.read().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_file_touched_by_hand_counts_and_says_so() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    let file = SwitchFile::new(&path);
    let found = only(&file);
    assert!(found.signed.why.contains("by hand") && found.signed.when.0 > 0);
    assert_eq!(only(&file).id, found.id, "it is the same throw whenever it is looked at");
    fs::rename(&path, beside(&path, "ending")).unwrap();
    assert_eq!(only(&file).id, found.id, "and wherever it lies");
}

#[test]
fn a_file_touched_again_is_another_throw_whether_it_was_signed_or_not() {
    let (_directory, path) = place();
    let touch = |second| {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    };
    let signed = rollback("signed");
    let file = thrown(&path, &signed);
    let mut ids: Vec<RollbackId> = vec![signed.id.clone()];
    for second in [7, 8] {
        touch(second);
        let found = only(&file);
        assert_eq!(found.signed, signed.signed, "it still says who and why");
        assert!(!ids.contains(&found.id));
        ids.push(found.id);
    }
    assert!(file.remove_ended(|id| ids[..2].contains(id)).unwrap().is_some());
    assert_eq!(file.remove_ended(|id| ids.contains(id)).unwrap(), None);
}

#[test]
fn a_draft_that_cannot_be_made_does_not_stop_the_switch() {
    let (_directory, path) = place();
    let file = SwitchFile::new(&path);
    let mut last = None;
    // The second is signed in the place of the first, which is longer.
    for why in ["a long reason", "x"] {
        let rollback = rollback(why);
        // A directory sits where the draft would be written.
        fs::create_dir(beside(&path, &format!("draft-{}", rollback.id))).unwrap();
        assert_eq!(file.throw(&rollback).unwrap(), Thrown::Bare);
        assert_eq!(only(&file), rollback);
        assert_ne!(last.replace(rollback.id.clone()), Some(rollback.id));
    }
}

#[test]
fn a_file_that_cannot_be_made_says_what_to_type() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let file = SwitchFile::new(directory.path().join("file/rollback"));
    let error = file.throw(&rollback("x")).unwrap_err();
    assert!(error.next_step().is_some_and(|hint| hint.contains("touch")), "{error:?}");
}

#[test]
fn a_pipe_or_a_link_that_leads_nowhere_stands_for_a_throw() {
    let (_directory, path) = place();
    std::os::unix::fs::symlink("/nowhere/at/all", &path).unwrap();
    let file = SwitchFile::new(&path);
    assert!(only(&file).signed.why.contains("by hand"));
    assert_eq!(file.remove_ended(|_| true).unwrap(), None);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert!(only(&file).signed.why.contains("by hand"));
}
