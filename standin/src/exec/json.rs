//! JSON tags: flat objects of scalars, kept as compact text in the order they were written.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::config::Flavor;
use crate::error::{SqlError, SqlResult};

/// The longest JSON tag either generation takes.
const MAX_BYTES: usize = 4096;

/// The text a JSON tag is stored as; `None` for an empty one, which reads back as NULL.
pub(crate) fn normalise(text: &str, flavor: Flavor) -> SqlResult<Option<String>> {
    if text.trim().is_empty() || text.trim().eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let refused =
        || SqlError::new(if flavor == Flavor::V26 { 0x0216 } else { 0x2653 }, "invalidate json value");
    let mut reader = serde_json::Deserializer::from_str(text);
    let flat = reader.deserialize_map(Flat).map_err(|_| refused())?;
    reader.end().map_err(|_| refused())?;
    if flat.len() > MAX_BYTES {
        return Err(refused());
    }
    Ok((flat != "{}").then_some(flat))
}

/// Reads an object and writes it again without blanks.
struct Flat;

impl<'de> Visitor<'de> for Flat {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a flat object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut text = String::from("{");
        let mut seen: Vec<String> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
            if value.is_object() || value.is_array() {
                return Err(de::Error::custom("nested"));
            }
            if key.is_empty() || seen.contains(&key) {
                continue;
            }
            let comma = if seen.is_empty() { "" } else { "," };
            text.push_str(&format!("{comma}{}:{}", serde_json::Value::from(key.clone()), value));
            seen.push(key);
        }
        text.push('}');
        Ok(text)
    }
}

/// One value out of a stored JSON tag.
pub(crate) fn get(text: &[u8], key: &str) -> Option<serde_json::Value> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(text).ok()?;
    object.get(key).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_their_order_and_lose_their_blanks() {
        let cases = [
            (
                r#"{ "k2":1, "k1" : "two", "n":null,"t":true}"#,
                Some(r#"{"k2":1,"k1":"two","n":null,"t":true}"#),
            ),
            ("{}", None),
            ("", None),
            ("null", None),
        ];
        for (text, want) in cases {
            assert_eq!(normalise(text, Flavor::V26).unwrap().as_deref(), want, "{text}");
        }
        for text in [r#"{"a":{"b":1}}"#, "[1]", "{\"a\":1", "7"] {
            assert_eq!(normalise(text, Flavor::V26).unwrap_err().code, 0x0216, "{text}");
        }
    }
}
