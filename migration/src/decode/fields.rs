//! The members of a JSON object, found by name and not yet read.

use super::json_error::JsonError;
use crate::batch::Schema;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A string, borrowed unless it has escapes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The JSON text of each column of `schema` in an object; `None` where it lacks. Other members are
/// passed over.
pub(super) fn columns<'a>(
    schema: &Schema,
    object: &'a str,
) -> Result<Vec<Option<&'a str>>, JsonError> {
    let mut found = vec![None; schema.columns.len()];
    // Members come in the order of the table's columns, so the next one is looked for there.
    let mut next = 0;
    each(object, |name| {
        let is_here = |place: &usize| schema.columns[*place].name == name;
        let count = schema.columns.len();
        let place = (next..count).find(is_here).or_else(|| (0..next).find(is_here))?;
        next = place + 1;
        Some(place)
    })
    .read(&mut found)?;
    Ok(found)
}

/// The JSON text of the members of an object with these names; `None` where one lacks.
pub(super) fn members<'a, const N: usize>(
    object: &'a str,
    names: [Option<&str>; N],
) -> Result<[Option<&'a str>; N], JsonError> {
    let mut found = [None; N];
    each(object, |name| names.iter().position(|wanted| *wanted == Some(name))).read(&mut found)?;
    Ok(found)
}

fn each<F: FnMut(&str) -> Option<usize>>(object: &str, place_of: F) -> Members<'_, F> {
    Members { object, place_of }
}

struct Members<'a, F> {
    object: &'a str,
    place_of: F,
}

impl<'a, F: FnMut(&str) -> Option<usize>> Members<'a, F> {
    fn read(self, found: &mut [Option<&'a str>]) -> Result<(), JsonError> {
        let mut deserializer = serde_json::Deserializer::from_str(self.object);
        Slots { place_of: self.place_of, found }.deserialize(&mut deserializer)?;
        Ok(deserializer.end()?)
    }
}

struct Slots<'s, 'a, F> {
    place_of: F,
    found: &'s mut [Option<&'a str>],
}

impl<'a, F: FnMut(&str) -> Option<usize>> DeserializeSeed<'a> for Slots<'_, 'a, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, F: FnMut(&str) -> Option<usize>> Visitor<'a> for Slots<'_, 'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key::<Text<'a>>()? {
            let Some(place) = (self.place_of)(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.found[place].is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
            self.found[place] = Some(map.next_value::<&RawValue>()?.get());
        }
        Ok(())
    }
}
