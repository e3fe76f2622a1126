//! JSON arrays as the text that PostgreSQL shows for an array, and shapes as theirs.

use crate::decode::column::ArrayElement;
use serde_json::value::RawValue;

/// `[1,null,3]` is `{1,NULL,3}`.
pub(super) fn literal(raw: &str, element: ArrayElement) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    let mut out = String::with_capacity(raw.len() + 2);
    out.push('{');
    for (place, part) in elements.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_element(part.get(), element, &mut out)?;
    }
    out.push('}');
    Some(out)
}

fn push_element(raw: &str, element: ArrayElement, out: &mut String) -> Option<()> {
    let is_integer = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-'));
    match (raw.as_bytes().first()?, element) {
        (b'n', _) => out.push_str("NULL"),
        (b't', ArrayElement::Bool) => out.push('t'),
        (b'f', ArrayElement::Bool) => out.push('f'),
        (b'-' | b'0'..=b'9', ArrayElement::Integer) if is_integer(raw) => out.push_str(raw),
        (b'"', ArrayElement::Text) => push_quoted(&super::text(raw).ok()?, out),
        _ => return None,
    }
    Some(())
}

fn push_quoted(text: &str, out: &mut String) {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    let is_bare = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c| special(c) || c == '\x0b');
    if is_bare {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// What a producer says of a shape.
#[derive(serde::Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    x: Option<&'a RawValue>,
    #[serde(borrow)]
    y: Option<&'a RawValue>,
    #[serde(borrow)]
    wkb: Option<&'a RawValue>,
    srid: Option<u32>,
}

/// `(x,y)`, as PostgreSQL shows a point.
pub(super) fn point(raw: &str) -> Option<String> {
    let shape: Shape<'_> = serde_json::from_str(raw).ok()?;
    Some(format!("({},{})", coordinate(shape.x?.get())?, coordinate(shape.y?.get())?))
}

/// The shortest digits, as PostgreSQL shows them where it needs no exponent.
fn coordinate(raw: &str) -> Option<String> {
    let value = super::json::finite64(raw)?;
    let needs_none = value == 0.0 || (1e-4..1e15).contains(&value.abs());
    needs_none.then(|| value.to_string())
}

/// A shape as MySQL stores it: four bytes of SRID, then WKB.
pub(super) fn geometry(raw: &str) -> Option<Vec<u8>> {
    let shape: Shape<'_> = serde_json::from_str(raw).ok()?;
    let wkb = super::text(shape.wkb?.get()).ok()?;
    let wkb = super::binary::decode(&wkb, crate::decode::format::Binary::Base64)?;
    let mut bytes = shape.srid.unwrap_or(0).to_le_bytes().to_vec();
    bytes.extend_from_slice(&wkb);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{coordinate, literal};
    use crate::decode::column::ArrayElement;

    #[test]
    fn arrays_are_written_as_postgresql_shows_them() {
        let of = |raw, element| literal(raw, element);
        assert_eq!(of("[1,null,-3]", ArrayElement::Integer).unwrap(), "{1,NULL,-3}");
        assert_eq!(of("[]", ArrayElement::Text).unwrap(), "{}");
        assert_eq!(of("[true,false]", ArrayElement::Bool).unwrap(), "{t,f}");
        assert_eq!(
            of(r#"["x","y,z","","null","a b","q\"\\"]"#, ArrayElement::Text).unwrap(),
            r#"{x,"y,z","","null","a b","q\"\\"}"#
        );
        assert_eq!(of("[1.5]", ArrayElement::Integer), None);
        assert_eq!(of("[[1]]", ArrayElement::Integer), None);
        assert_eq!(of("[1]", ArrayElement::Other), None);
    }

    #[test]
    fn coordinates_have_the_shortest_digits() {
        assert_eq!(coordinate("1.5").unwrap(), "1.5");
        assert_eq!(coordinate("-2.0").unwrap(), "-2");
        assert_eq!(coordinate("1.0E20"), None);
    }
}
