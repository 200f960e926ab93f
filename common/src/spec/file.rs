//! The task file: TOML with `name`, `type`, `from`, `to`, `[options]` and `[database]`; and the same for export.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use super::{Spec, SpecError};
use crate::options::{DATABASE_PREFIX, OptionValue, canonical};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    from: Spanned<String>,
    to: Spanned<String>,
    #[serde(default)]
    options: BTreeMap<Spanned<String>, Entry>,
    /// Options that begin with [`DATABASE_PREFIX`], without it.
    #[serde(default)]
    database: BTreeMap<Spanned<String>, OptionValue>,
    /// Several databases: by the source's name the target's.
    databases: Option<BTreeMap<String, String>>,
}

/// An option, or several under a first word, as `database.keep = "3650d"` is read.
enum Entry {
    Value(OptionValue),
    Several(BTreeMap<String, OptionValue>),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = |value: toml::Value| OptionValue::deserialize(value).map_err(serde::de::Error::custom);
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Table(table) => table
                .into_iter()
                .map(|(name, inner)| Ok((name, value(inner)?)))
                .collect::<Result<_, _>>()
                .map(Self::Several),
            other => value(other).map(Self::Value),
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<&'static str, OptionValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    database: BTreeMap<&'static str, OptionValue>,
}

impl Spec {
    /// Reads a task file. Clear passwords are still in it afterwards: [`Spec::check_stored`] refuses them.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let mut all = Self::all_from_toml(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(spec), true) => Ok(spec),
            _ => {
                Err(SpecError::new("databases", "several databases, where one is wanted; name it in `from`"))
            }
        }
    }

    /// Reads a task file that may name several databases: a task for each.
    pub fn all_from_toml(text: &str) -> Result<Vec<Self>, SpecError> {
        let file: TaskFile = toml::from_str(text).map_err(|err| syntax_error(text, &err))?;
        let lines = file.lines(text);
        let specs = file.specs().and_then(|specs| {
            specs.iter().try_for_each(Self::refuse_memory)?;
            Ok(specs)
        });
        specs.map_err(|err| SpecError { line: lines.get(&err.field).copied(), ..err })
    }

    /// Writes a task file that [`Spec::from_toml`] reads; refused if a secret stands in it in the clear.
    pub fn to_toml(&self) -> Result<String, SpecError> {
        self.check_stored()?;
        let (mut options, mut database) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in self.options.asked() {
            match name.strip_prefix(DATABASE_PREFIX) {
                Some(short) => database.insert(short, value),
                None => options.insert(name, value),
            };
        }
        let written = Written {
            name: self.name.as_str(),
            kind: self.kind.to_string(),
            from: self.from.to_string(),
            to: self.to.to_string(),
            options,
            database,
        };
        toml::to_string(&written).map_err(|err| SpecError::new("task file", err))
    }
}

impl TaskFile {
    fn specs(&self) -> Result<Vec<Spec>, SpecError> {
        let kind = self.kind.get_ref().parse().map_err(|what: String| SpecError::new("type", what))?;
        let (name, from, to) = (self.name.get_ref(), self.from.get_ref(), self.to.get_ref());
        let options = self.options()?;
        match &self.databases {
            Some(databases) => Spec::build_each(name, kind, (from, to), &options, databases),
            None => Spec::build(name, kind, from, to, &options).map(|spec| vec![spec]),
        }
    }

    /// All options by their whole names.
    fn options(&self) -> Result<BTreeMap<String, OptionValue>, SpecError> {
        let mut options = BTreeMap::new();
        let mut add = |name: String, value: &OptionValue| match options.insert(name.clone(), value.clone()) {
            Some(_) => Err(SpecError::new(format!("options.{name}"), "written twice; leave one of them out")),
            None => Ok(()),
        };
        for (name, entry) in &self.options {
            match entry {
                Entry::Value(value) => add(name.get_ref().clone(), value)?,
                Entry::Several(several) => several
                    .iter()
                    .try_for_each(|(inner, value)| add(format!("{}.{inner}", name.get_ref()), value))?,
            }
        }
        for (name, value) in &self.database {
            add(format!("{DATABASE_PREFIX}{}", name.get_ref()), value)?;
        }
        Ok(options)
    }

    /// The lines of the fields that an error may name.
    fn lines(&self, text: &str) -> BTreeMap<String, usize> {
        let fields = [("name", &self.name), ("type", &self.kind), ("from", &self.from), ("to", &self.to)];
        let fields = fields.map(|(field, value)| (field.to_owned(), line_at(text, value.span().start)));
        let line = |key: &Spanned<String>| line_at(text, key.span().start);
        let named = |name: &str, line| match canonical(name) {
            Some(name) => (format!("options.{name}"), line),
            None => ("options".to_owned(), line),
        };
        let options = self.options.iter().flat_map(|(key, entry)| match entry {
            Entry::Value(_) => vec![named(key.get_ref(), line(key))],
            Entry::Several(several) => {
                let inner = |inner: &String| named(&format!("{}.{inner}", key.get_ref()), line(key));
                several.keys().map(inner).collect()
            }
        });
        let database =
            self.database.keys().map(|key| named(&format!("{DATABASE_PREFIX}{}", key.get_ref()), line(key)));
        fields.into_iter().chain(options).chain(database).collect()
    }
}

/// The parser's own message repeats the line, and with it a DSN with its password, so it is not shown whole.
fn syntax_error(text: &str, err: &toml::de::Error) -> SpecError {
    let line = err.span().map(|span| line_at(text, span.start));
    let key = line.and_then(|line| text.lines().nth(line - 1)).and_then(|line| line.split_once('='));
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let key = key.map(|(key, _)| key.trim()).filter(|key| is_key(key)).unwrap_or("task file");
    let what = format!(
        "{}; a task file has name, type, from, to and the tables [options] and [database]",
        err.message()
    );
    SpecError { line, ..SpecError::new(key, what) }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
