//! How far each partition has come in its source's commit order, kept for the next process.
//!
//! A hint to whoever reads the partition next: what is lost of it makes the next process notice
//! later that the source began anew, and nothing else. So nobody waits long for it.

use migration::checkpoint::CheckpointStore;
use migration::checkpoint::document::{self, Document};
use migration::decode::Course;
use migration::error::Result;
use migration::retry;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Between two times that what has changed is kept.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// Longest wait for the store where something else waits for this.
const WAIT_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept(Course);

impl Document for Kept {
    const NAME: &'static str = "course of a partition";
    const FORMAT: u32 = 1;
}

fn key(partition: &str) -> String {
    format!("dual-write/course/{partition}")
}

/// The courses of this process's partitions.
#[derive(Debug)]
pub(crate) struct Courses {
    store: Arc<dyn CheckpointStore>,
    /// By partition, and whether it is kept as it is.
    courses: Mutex<HashMap<Arc<str>, (Course, bool)>>,
}

impl Courses {
    pub(crate) fn new(store: Arc<dyn CheckpointStore>) -> Self {
        Self { store, courses: Mutex::default() }
    }

    fn courses(&self) -> MutexGuard<'_, HashMap<Arc<str>, (Course, bool)>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins where the partition's last process was.
    pub(crate) async fn begin(&self, partition: &Arc<str>) {
        let key = key(partition);
        let read = document::read::<Kept>(&*self.store, &key);
        match retry::within(WAIT_MAX, "read how far the source was", read).await {
            Ok(Some((Kept(kept), _))) => self.join(partition, kept),
            Ok(None) => {}
            // What is kept next joins the two.
            Err(error) => tracing::warn!(
                error = %error,
                %partition,
                "not known how far the source was: if it was reset meanwhile, that is noticed late"
            ),
        }
    }

    fn join(&self, partition: &Arc<str>, other: Course) {
        self.courses().entry(Arc::clone(partition)).or_default().0.join(other);
    }

    /// Runs `follow` with the course of a partition; nobody waits for it meanwhile.
    pub(crate) fn with<T>(&self, partition: &Arc<str>, follow: impl FnOnce(&mut Course) -> T) -> T {
        let before = self.courses().get(partition).map(|(course, _)| *course).unwrap_or_default();
        let mut course = before;
        let followed = follow(&mut course);
        if course != before {
            let mut courses = self.courses();
            let (joined, is_kept) = courses.entry(Arc::clone(partition)).or_default();
            joined.join(course);
            *is_kept = false;
        }
        followed
    }

    /// Keeps what has changed. Of several failures the last is returned.
    ///
    /// # Errors
    /// Those of the store.
    async fn keep(&self) -> Result<()> {
        let changed: Vec<_> = self
            .courses()
            .iter()
            .filter(|(_, (course, is_kept))| !is_kept && *course != Course::default())
            .map(|(partition, (course, _))| (Arc::clone(partition), *course))
            .collect();
        let mut kept_all = Ok(());
        for (partition, course) in changed {
            let join = |kept: &mut Kept| {
                kept.0.join(course);
                Ok(())
            };
            match document::update(&*self.store, &key(&partition), join).await {
                Ok(Kept(kept)) => {
                    let mut courses = self.courses();
                    let (now, is_kept) = courses.entry(partition).or_default();
                    now.join(kept);
                    *is_kept = *now == kept;
                }
                Err(error) => kept_all = Err(error),
            }
        }
        kept_all
    }

    /// Keeps what has changed before the process ends, if the store answers soon.
    pub(crate) async fn keep_at_end(&self) {
        let kept = retry::within(WAIT_MAX, "keep how far the source is", self.keep()).await;
        if let Err(error) = kept {
            tracing::debug!(error = %error, "not kept how far the source is");
        }
    }

    /// Keeps what has changed from time to time, until the handle is dropped.
    pub(crate) fn keeping(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let courses = Arc::clone(self);
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEEP_EVERY).await;
                if let Err(error) = courses.keep().await {
                    tracing::debug!(error = %error, "not kept how far the source is");
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::Courses;
    use migration::checkpoint::MemoryCheckpoint;
    use migration::decode::Course;
    use std::sync::Arc;

    fn course(file: u64) -> Course {
        let text =
            format!(r#"{{"epoch":0,"reached":{{"place":[{file},4],"committed_at":{file}}}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn the_next_process_begins_where_the_last_one_was() {
        let store = Arc::new(MemoryCheckpoint::new("m"));
        let partition: Arc<str> = "t/0".into();
        let last = Courses::new(store.clone());
        last.with(&partition, |it| *it = course(7));
        last.keep().await.unwrap();
        let next = Courses::new(store);
        next.begin(&partition).await;
        assert_eq!(next.with(&partition, |it| *it), course(7));
    }

    #[tokio::test]
    async fn what_is_kept_never_goes_back() {
        let store = Arc::new(MemoryCheckpoint::new("m"));
        let partition: Arc<str> = "t/0".into();
        for file in [7, 3] {
            let courses = Courses::new(store.clone());
            courses.with(&partition, |it| *it = course(file));
            courses.keep().await.unwrap();
            assert_eq!(courses.with(&partition, |it| *it), course(7));
        }
    }
}
