//! How fields are read: each as its own type in a file, and as text in a variable or a flag.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use toml::Value;

use crate::options::{parse_duration, show_duration};
use crate::secret::SecretRef;

/// A list, or a text with commas.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let wanted = || D::Error::custom("write a list of texts, or one text with commas");
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text.split(',').map(|entry| entry.trim().to_owned()).collect()),
        Value::Array(entries) => {
            entries.iter().map(|entry| entry.as_str().map(str::to_owned).ok_or_else(wanted)).collect()
        }
        _ => Err(wanted()),
    }
}

/// A table, or a text `key=value,key=value`.
pub(super) fn labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let wanted = || D::Error::custom("write labels as `key=value`, with commas between them");
    match Value::deserialize(deserializer)? {
        Value::String(text) => text
            .split(',')
            .map(|pair| pair.trim().split_once('=').ok_or_else(wanted))
            .map(|pair| pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
            .collect(),
        Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| Ok((key, value.as_str().ok_or_else(wanted)?.to_owned())))
            .collect(),
        _ => Err(wanted()),
    }
}

/// A whole number, also as text.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().parse().ok(),
        Value::Integer(number) => u32::try_from(number).ok(),
        _ => None,
    };
    number.map(Some).ok_or_else(|| D::Error::custom("write a whole number"))
}

/// A length of time.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Integer(seconds) => seconds.to_string(),
        Value::String(text) => text,
        _ => String::new(),
    };
    parse_duration(&text).map_err(D::Error::custom)
}

/// The way [`duration`] reads it.
pub(super) fn write_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_duration(*duration))
}

/// A reference to a secret. What is no reference may be the secret itself, and is not repeated.
pub(super) fn secret_ref<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretRef>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        _ => String::new(),
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

/// The way [`secret_ref`] reads it.
pub(super) fn write_ref<S: Serializer>(
    value: &Option<impl Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(reference) => serializer.collect_str(reference),
        None => serializer.serialize_none(),
    }
}
