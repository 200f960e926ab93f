//! JSON as one text: keys in order, no blanks, the shortest escapes. The same value always has the same bytes.

use std::collections::BTreeMap;

use serde_json::Value;

/// The canonical text of a value. Numbers are whole in a certificate; others are written as they were read.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    push(&mut text, value);
    text
}

fn push(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&str, &Value> =
                fields.iter().map(|(key, value)| (key.as_str(), value)).collect();
            text.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key).to_string());
                text.push(':');
                push(text, value);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push(text, item);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_stand_in_order_and_nothing_stands_between() {
        let value = json!({ "b": [1, null, "x\n\"涛"], "a": { "d": false, "c": u64::MAX }, "": [] });
        assert_eq!(
            canonical(&value),
            "{\"\":[],\"a\":{\"c\":18446744073709551615,\"d\":false},\"b\":[1,null,\"x\\n\\\"涛\"]}"
        );
        let read: Value = serde_json::from_str(&canonical(&value)).unwrap();
        assert_eq!(canonical(&read), canonical(&value));
    }
}
