//! Whether `jsonb` keeps a document's text: it sorts keys, drops duplicates and blanks, and writes
//! numbers and escapes its own way.

/// Deepest nesting that is looked into; PostgreSQL's own limit is far higher.
const DEPTH_MAX: u32 = 512;

/// Whether `jsonb` gives the document back byte by byte.
pub(super) fn is_kept(text: &str) -> bool {
    let mut reader = Reader { rest: text.as_bytes() };
    reader.value(DEPTH_MAX).is_some() && reader.rest.is_empty()
}

struct Reader<'a> {
    rest: &'a [u8],
}

// Each method takes what it is named after off the front, or gives `None` if something else or
// another form of it is there.
impl<'a> Reader<'a> {
    fn token(&mut self, token: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        match self.rest.first()? {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b'"' => self.string().map(drop),
            b't' => self.token(b"true"),
            b'f' => self.token(b"false"),
            b'n' => self.token(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        self.token(b"{")?;
        if self.token(b"}").is_some() {
            return Some(());
        }
        let mut last: Option<Vec<u8>> = None;
        loop {
            let key = self.string()?;
            let sorts = |last: &Vec<u8>| (last.len(), last) < (key.len(), &key);
            if !last.as_ref().is_none_or(sorts) {
                return None;
            }
            last = Some(key);
            self.token(b": ")?;
            self.value(depth)?;
            if self.token(b"}").is_some() {
                return Some(());
            }
            self.token(b", ")?;
        }
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        self.token(b"[")?;
        if self.token(b"]").is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if self.token(b"]").is_some() {
                return Some(());
            }
            self.token(b", ")?;
        }
    }

    /// A string with no escape that is not needed, unescaped.
    fn string(&mut self) -> Option<Vec<u8>> {
        self.token(b"\"")?;
        let mut out = Vec::new();
        loop {
            let (&first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(out),
                b'\\' => out.push(self.escape()?),
                0..0x20 => return None,
                _ => out.push(first),
            }
        }
    }

    fn escape(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match first {
            b'"' | b'\\' => first,
            b'b' => 8,
            b't' => 9,
            b'n' => 10,
            b'f' => 12,
            b'r' => 13,
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                let is_lower = |byte: &u8| !byte.is_ascii_uppercase();
                let digits = std::str::from_utf8(digits).ok()?;
                let code = u8::from_str_radix(digits, 16).ok()?;
                let has_a_letter = matches!(code, 8 | 9 | 10 | 12 | 13);
                // Zero is refused altogether, and what is printable is not escaped.
                let is_kept = code > 0 && code < 0x20 && !has_a_letter;
                if !is_kept || !digits.as_bytes().iter().all(is_lower) {
                    return None;
                }
                code
            }
            _ => return None,
        })
    }

    /// A number as `numeric` writes it.
    fn number(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'.'));
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let text = std::str::from_utf8(number).ok()?;
        super::numeric::encode(text, None, &mut Vec::new()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn documents_in_jsonbs_own_form_are_kept() {
        for text in [
            "{}",
            "[]",
            "null",
            "\"é😀\"",
            r#"{"b": 1, "aa": [true, false, null], "ab": {"x": -1.50}}"#,
            r#""\"\\\b\f\n\r\t\u0001\u001f/""#,
            "123456789012345678901234567890.5",
            "[[], {}, 0]",
        ] {
            assert!(is_kept(text), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_not() {
        for text in [
            "",
            " {}",
            "{} ",
            "[1,2]",
            r#"{"a":1}"#,
            r#"{"aa": 1, "b": 2}"#,
            r#"{"b": 1, "a": 2}"#,
            r#"{"a": 1, "a": 2}"#,
            "1e3",
            "-0",
            "01",
            r#""\/""#,
            r#""\u00e9""#,
            r#""\u001F""#,
            r#""\u0000""#,
            r#""\u000a""#,
            "[1",
            "tru",
        ] {
            assert!(!is_kept(text), "{text}");
        }
    }
}
