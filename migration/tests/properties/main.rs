//! Properties of the codecs and layouts, for values nobody would think of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod conversion;
mod encoding;
mod key_order;
mod layout;
mod values;
