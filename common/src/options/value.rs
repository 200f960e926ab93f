//! One option's value as written, and how each type of option reads and writes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::names::{Entry, Names, read_list};
use super::{FailsTo, Mode, PrecisionLoss, SchemaMode, Verify, parse_duration, show_duration};
use crate::time::Precision;

/// A value as a user writes it. Numbers, truth values and dates of a file are kept as their text, so that
/// a file and a DSN are read by the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// One value, or a comma list.
    Text(String),
    /// A list whose entries may hold commas.
    List(Vec<String>),
}

impl OptionValue {
    /// From a text, as in a DSN or on a command line.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn one(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::List(_) => Err("a list where one value is wanted".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scalar = |value: toml::Value| match value {
            toml::Value::String(text) => Ok(text),
            toml::Value::Integer(number) => Ok(number.to_string()),
            toml::Value::Float(number) => Ok(number.to_string()),
            toml::Value::Boolean(yes) => Ok(yes.to_string()),
            toml::Value::Datetime(date) => Ok(date.to_string()),
            toml::Value::Array(_) | toml::Value::Table(_) => {
                Err(serde::de::Error::custom("a table or a list inside of a list, where a value is wanted"))
            }
        };
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(values) => {
                values.into_iter().map(scalar).collect::<Result<_, _>>().map(Self::List)
            }
            value => scalar(value).map(Self::Text),
        }
    }
}

/// A type of option.
pub(super) trait Kind: Sized {
    fn read(value: &OptionValue) -> Result<Self, String>;
    fn write(&self) -> OptionValue;
}

/// Chosen by tdferry if not set.
impl<T: Kind> Kind for Option<T> {
    fn read(value: &OptionValue) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn write(&self) -> OptionValue {
        self.as_ref().map_or_else(|| OptionValue::text(""), T::write)
    }
}

pub(super) fn one_of<T: Copy>(value: &OptionValue, known: &[(&'static str, T)]) -> Result<T, String> {
    let text = value.one()?;
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, meant)| *meant).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        format!("{text:?} is none of {}", names.join(", "))
    })
}

impl Kind for Mode {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let known = [
            ("history", Self::History),
            ("realtime", Self::Realtime),
            ("both", Self::Both),
            ("all", Self::Both),
            ("verify", Self::Verify),
        ];
        one_of(value, &known)
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::History => "history",
            Self::Realtime => "realtime",
            Self::Both => "both",
            Self::Verify => "verify",
        })
    }
}

impl Kind for SchemaMode {
    fn read(value: &OptionValue) -> Result<Self, String> {
        one_of(value, &[("always", Self::Always), ("none", Self::None), ("only", Self::Only)])
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Always => "always",
            Self::None => "none",
            Self::Only => "only",
        })
    }
}

impl Kind for Verify {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let text = value.one()?;
        let Some(percent) = text.strip_prefix("sample:") else {
            let known = [("count", Self::Count), ("none", Self::Count), ("digest", Self::Digest)];
            return one_of(value, &known)
                .map_err(|_| format!("{text:?} is none of none, count, digest and sample:P"));
        };
        let percent =
            percent.trim_end_matches('%').parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(Self::Sample).ok_or_else(|| format!("{text:?} has no whole percentage from 1 to 100"))
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Count => "count".to_owned(),
            Self::Digest => "digest".to_owned(),
            Self::Sample(percent) => format!("sample:{percent}"),
        })
    }
}

impl Kind for Precision {
    fn read(value: &OptionValue) -> Result<Self, String> {
        one_of(value, &[("ms", Self::Milli), ("us", Self::Micro), ("ns", Self::Nano)])
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.as_str())
    }
}

impl Kind for PrecisionLoss {
    fn read(value: &OptionValue) -> Result<Self, String> {
        one_of(value, &[("refuse", Self::Refuse), ("truncate", Self::Truncate)])
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(match self {
            Self::Refuse => "refuse",
            Self::Truncate => "truncate",
        })
    }
}

/// A parameter without a value, as `?update-tags`, is a yes.
impl Kind for bool {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let yes = [("true", true), ("on", true), ("yes", true), ("1", true), ("", true)];
        let no = [("false", false), ("off", false), ("no", false), ("0", false)];
        one_of(value, &[yes.as_slice(), no.as_slice()].concat())
            .map_err(|_| format!("{:?} is neither true nor false", value.one().unwrap_or_default()))
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for u32 {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let text = value.one()?;
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for u64 {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let text = value.one()?;
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for Duration {
    fn read(value: &OptionValue) -> Result<Self, String> {
        parse_duration(value.one()?)
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(show_duration(*self))
    }
}

impl Kind for Timestamp {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let text = value.one()?;
        text.parse().map_err(|_| {
            format!("{text:?} is no moment with a zone; write it as 2024-01-31T00:00:00Z or 2024-01-31T00:00:00+08:00")
        })
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self.to_string())
    }
}

impl Kind for String {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()? {
            "" => Err("it is empty".to_owned()),
            text => Ok(text.to_owned()),
        }
    }

    fn write(&self) -> OptionValue {
        OptionValue::text(self)
    }
}

impl Kind for FailsTo {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value.one()? {
            "target" => Ok(Self::Target),
            path if Path::new(path).is_absolute() => Ok(Self::Folder(PathBuf::from(path))),
            other => Err(format!(
                "{other:?} is neither `target` nor an absolute path; name a folder that all workers share, or leave it out"
            )),
        }
    }

    fn write(&self) -> OptionValue {
        match self {
            Self::Target => OptionValue::text("target"),
            Self::Folder(path) => OptionValue::text(path.display().to_string()),
        }
    }
}

impl<T: Entry> Kind for Names<T> {
    fn read(value: &OptionValue) -> Result<Self, String> {
        match value {
            OptionValue::List(entries) => read_list(entries.iter().map(String::as_str)),
            OptionValue::Text(text) => match text.trim().strip_prefix('@') {
                Some("") => Err("no path after `@`".to_owned()),
                Some(path) => Ok(Self::File(PathBuf::from(path))),
                None => read_list(text.split(',')),
            },
        }
    }

    fn write(&self) -> OptionValue {
        match self {
            Self::All => OptionValue::List(Vec::new()),
            Self::Only(entries) => OptionValue::List(entries.iter().map(T::write).collect()),
            Self::File(path) => OptionValue::text(format!("@{}", path.display())),
        }
    }
}
