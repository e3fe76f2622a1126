//! The way out where a queue's messages no longer follow the source from where they were left.

/// How to go on, and `because` of what. One text for every reason, so that it says the same to
/// whoever has to follow it.
pub(crate) fn how_to_raise(because: &str) -> String {
    format!(
        "{because}: raise `source.epoch` in the plan by one, run `dual-write set-up` and start \
         `dual-write run` again (live writes go on from the queue's end), then `verify run` and \
         `verify repair --execute` for what was missed or undone"
    )
}
