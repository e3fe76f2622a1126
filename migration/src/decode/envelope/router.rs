//! Debezium's outbox event router: the payload column of an outbox, as the application wrote it.

use super::plain::unquoted;
use super::{Envelope, not_json, plain, problem};
use crate::decode::fields::members;
use crate::decode::format::RouterFormat;
use crate::decode::message::Read;
use crate::error::Result;

pub(super) fn read(
    format: &RouterFormat,
    envelope: &Envelope<'_>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    let payload = match (&format.payload_field, envelope.value) {
        (Some(name), Some(value)) => {
            let [payload] = members(value, [Some(name.as_str())]).map_err(not_json)?;
            let payload = payload
                .ok_or_else(|| problem("it lacks the field of the payload").with("field", name))?;
            Some(payload).filter(|raw| *raw != "null")
        }
        (_, value) => value,
    };
    match payload {
        Some(payload) if format.in_string => {
            plain::read(&format.payload, envelope, Some(&unquoted(payload)?), each)
        }
        payload => plain::read(&format.payload, envelope, payload, each),
    }
}
