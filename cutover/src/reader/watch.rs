//! The watcher: looks at the rollback file and at the age of the snapshot, and at nothing else.

use super::hot::{self, Hot, nanos};
use super::{Shared, Timing};
use crate::switch::SwitchFile;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::CutoverPlan;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A decision is made for the new store only within this time of the last look at the rollback
/// file: so the switch takes effect within a second whatever happens to the watcher's thread or to
/// the file system under it. Less than a second by ten ticks of the coarse clock.
pub const WATCH_LAPSE: Duration = Duration::from_millis(900);

#[derive(Debug)]
pub(super) struct Watcher {
    file: SwitchFile,
    directory: PathBuf,
    staleness_max: u64,
    interval: Duration,
    past: Mutex<Past>,
}

/// What earlier looks found; times are of the clock that goes on while the machine is suspended.
#[derive(Debug, Default)]
struct Past {
    looked: u64,
    seen: bool,
    /// A snapshot counts only if its read began after this. Moved when the file has gone, and when
    /// nobody looked for so long that it may have come and gone: the snapshot may then be of a
    /// stage that was rolled back, and must not come to life again.
    read_after: u64,
    /// Why nobody could say whether the file is there, at the last look.
    unknown: Option<io::ErrorKind>,
}

impl Past {
    /// Remembers what a look found; returns whether that is news. There are ten looks a second.
    fn is_news(&mut self, unknown: Option<io::ErrorKind>) -> bool {
        std::mem::replace(&mut self.unknown, unknown) != unknown
    }
}

impl Watcher {
    pub(super) fn new(plan: &CutoverPlan, timing: Timing) -> Result<Self> {
        let file = SwitchFile::new(&plan.rollback_file);
        let directory = file.path().parent().map(PathBuf::from).unwrap_or_default();
        if !directory.is_dir() {
            return Err(Error::new(ErrorKind::Refused, "watch rollback file")
                .with("file", file.path().display())
                .with("missing directory", directory.display())
                .hint("create the directory: without it `cutover rollback` could not reach this reader"));
        }
        Ok(Self {
            file,
            directory,
            staleness_max: nanos(plan.staleness_max),
            interval: timing.watch,
            past: Mutex::default(),
        })
    }

    pub(super) fn run(&self, shared: &Shared) {
        while !shared.stopping.is_cancelled() {
            self.look(&shared.hot);
            std::thread::park_timeout(self.interval);
        }
        shared.hot.believe_until(0);
    }

    /// Looks once. The deadline counts from before the look, because the file may come right after.
    pub(super) fn look(&self, hot: &Hot) {
        let (now, now_with_suspend) = (hot::now(), hot::now_with_suspend());
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.file_is_there();
        let is_news = past.is_news(found.as_ref().err().map(io::Error::kind));
        if is_news && found.is_ok() {
            tracing::info!(file = %self.file.path().display(), "the rollback file can be looked at again");
        }
        match found {
            Ok(true) => {
                past.seen = true;
                hot.roll_back();
            }
            Ok(false) => {
                let unwatched = now_with_suspend.saturating_sub(past.looked) > nanos(WATCH_LAPSE);
                if past.seen || unwatched {
                    past.read_after = hot::now_with_suspend();
                }
                *past = Past { looked: now_with_suspend, seen: false, ..*past };
                let believed = self.believed_for(hot.read_began(), &past, now_with_suspend);
                hot.believe_until(if believed == 0 { 0 } else { now + believed });
            }
            // Nobody knows: the last deadline runs out by itself.
            Err(error) if is_news => {
                let file = self.file.path().display();
                tracing::warn!(error = %error, %file, "look at rollback file");
            }
            Err(_) => {}
        }
    }

    /// For how long, from now on, a snapshot may be believed whose read began at `read_began`.
    fn believed_for(&self, read_began: u64, past: &Past, now_with_suspend: u64) -> u64 {
        if read_began <= past.read_after {
            return 0;
        }
        let age = now_with_suspend.saturating_sub(read_began);
        self.staleness_max.saturating_sub(age).min(nanos(WATCH_LAPSE))
    }

    fn file_is_there(&self) -> io::Result<bool> {
        let is_there = self.file.is_there()?;
        // Where the directory is gone too (unmounted), the file is not absent but unknown.
        if !is_there {
            self.directory.metadata()?;
        }
        Ok(is_there)
    }
}

#[cfg(test)]
mod tests {
    use super::Past;
    use std::io::ErrorKind::{NotFound, PermissionDenied};

    #[test]
    fn a_directory_that_is_away_is_news_once_and_so_are_its_return_and_another_reason() {
        let mut past = Past::default();
        let looks = [
            None,
            Some(NotFound),
            Some(NotFound),
            Some(PermissionDenied),
            Some(PermissionDenied),
            None,
            None,
            Some(NotFound),
        ];
        let news = looks.map(|found| past.is_news(found));
        assert_eq!(news, [false, true, false, true, false, true, false, true]);
    }
}
