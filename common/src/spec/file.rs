//! The task file: TOML with `name`, `type`, `from`, `to` and `[options]`; and the same for export.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Spec, SpecError, TaskKind};
use crate::options::{OptionValue, canonical};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    from: Spanned<String>,
    to: Spanned<String>,
    #[serde(default)]
    options: BTreeMap<Spanned<String>, OptionValue>,
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
}

impl Spec {
    /// Reads a task file. Clear passwords are still in it afterwards: [`Spec::check_stored`] refuses them.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        let file: TaskFile = toml::from_str(text).map_err(|err| syntax_error(text, &err))?;
        let lines = file.lines(text);
        let kind: Result<TaskKind, _> =
            file.kind.get_ref().parse().map_err(|what: String| SpecError::new("type", what));
        let options =
            file.options.iter().map(|(name, value)| (name.get_ref().clone(), value.clone())).collect();
        kind.and_then(|kind| {
            Self::build(file.name.get_ref(), kind, file.from.get_ref(), file.to.get_ref(), &options)
        })
        .and_then(|spec| spec.refuse_memory().map(|()| spec))
        .map_err(|err| SpecError { line: lines.get(&err.field).copied(), ..err })
    }

    /// Writes a task file that [`Spec::from_toml`] reads; refused if a secret stands in it in the clear.
    pub fn to_toml(&self) -> Result<String, SpecError> {
        self.check_stored()?;
        let written = Written {
            name: self.name.as_str(),
            kind: self.kind.to_string(),
            from: self.from.to_string(),
            to: self.to.to_string(),
            options: self.options.asked(),
        };
        toml::to_string(&written).map_err(|err| SpecError::new("task file", err))
    }
}

impl TaskFile {
    /// The lines of the fields that an error may name.
    fn lines(&self, text: &str) -> BTreeMap<String, usize> {
        let fields = [("name", &self.name), ("type", &self.kind), ("from", &self.from), ("to", &self.to)];
        let fields = fields.map(|(field, value)| (field.to_owned(), line_at(text, value.span().start)));
        let options = self.options.keys().map(|key| {
            let line = line_at(text, key.span().start);
            match canonical(key.get_ref()) {
                Some(name) => (format!("options.{name}"), line),
                None => ("options".to_owned(), line),
            }
        });
        fields.into_iter().chain(options).collect()
    }
}

/// The parser's own message repeats the line, and with it a DSN with its password, so it is not shown whole.
fn syntax_error(text: &str, err: &toml::de::Error) -> SpecError {
    let line = err.span().map(|span| line_at(text, span.start));
    let key = line.and_then(|line| text.lines().nth(line - 1)).and_then(|line| line.split_once('='));
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let key = key.map(|(key, _)| key.trim()).filter(|key| is_key(key)).unwrap_or("task file");
    let what = format!("{}; a task file has name, type, from, to and a table [options]", err.message());
    SpecError { line, ..SpecError::new(key, what) }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
