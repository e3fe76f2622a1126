//! Properties of the codecs and layouts, for values nobody would think of.

mod batch;
mod conversion;
mod encoding;
mod key_order;
mod layout;
mod values;
