//! Dead letters: changes that could not be applied, kept until somebody replays or drops them.
//!
//! A letter is named by its place in the queue, and is durable before the target's position passes
//! that place; so a change is either applied, or here, and written twice it is here once.
//!
//! What is known of a letter, its [`Summary`], is one small entry of the checkpoint store, and its
//! fate is decided there alone. Of its message only a small one lies in it: a large one lies beside
//! it in parts, none of which is too large for a server, and which nobody reads who lists or
//! counts.

mod bytes;
mod letter;
mod shelf;
#[cfg(test)]
mod tests;
mod wire;

pub use letter::{DeadLetter, FailedChange, FailedIn, Fate, Mailbox, Summary};
pub use shelf::{count_open, decide, find, is_any_open, keep, of_fate, page};

/// The beginning of the keys of all letters.
pub const KEYS: &str = "dead-letter/";

/// The beginning of the keys of the parts of large messages.
pub const PARTS: &str = "dead-letter-part/";
