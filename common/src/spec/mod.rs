//! What a user asks for: a task's name, type, source, target and options, checked before anything is stored.
//!
//! A spec that is stored or exported holds secrets by reference only. Nothing here opens a connection.

mod file;
mod many;
mod name;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use name::{BadTaskName, TaskName};

use crate::dsn::{DriverParam, Dsn, OptionParams, Transport};
use crate::options::{FailsTo, OptionValue, Options, REJECTS_DATABASE};

/// What kind of source a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskKind {
    /// TDengine 2.x to TDengine 3.x.
    #[default]
    TDengine2,
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TDengine2 => f.write_str("TDengine2"),
        }
    }
}

impl FromStr for TaskKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.eq_ignore_ascii_case("TDengine2") {
            true => Ok(Self::TDengine2),
            false => Err(format!("{text:?} is no type of task; write `TDengine2`")),
        }
    }
}

/// One task as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name, one of a kind in a cluster.
    pub name: TaskName,
    /// Its type.
    pub kind: TaskKind,
    /// The source; it names a database.
    pub from: Dsn,
    /// The target.
    pub to: Dsn,
    /// How to go about it, those options included that stood in the DSNs.
    pub options: Options,
}

/// A task that cannot be accepted: the field, the line where there is one, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// `name`, `type`, `from`, `to`, `options`, or `options.` and the option's name.
    pub field: String,
    /// The line of the task file, counted from 1.
    pub line: Option<usize>,
    what: String,
}

impl SpecError {
    fn new(field: impl Into<String>, what: impl fmt::Display) -> Self {
        Self { field: field.into(), line: None, what: what.to_string() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "field `{}`: {}", self.field, self.what)
    }
}

impl std::error::Error for SpecError {}

impl Spec {
    /// Checks all parts and puts them together; options may stand in `options` and in both DSNs.
    pub fn build(
        name: &str,
        kind: TaskKind,
        from: &str,
        to: &str,
        options: &BTreeMap<String, OptionValue>,
    ) -> Result<Self, SpecError> {
        let name = name.parse().map_err(|err: BadTaskName| SpecError::new("name", err))?;
        let (from, to, options) = Self::read(from, to, options)?;
        Self { name, kind, from, to, options }.checked()
    }

    /// Both sides, and the options of all three places.
    fn read(
        from: &str,
        to: &str,
        options: &BTreeMap<String, OptionValue>,
    ) -> Result<(Dsn, Dsn, Options), SpecError> {
        let (from, from_options) = Dsn::parse(from).map_err(|err| SpecError::new("from", err))?;
        let (to, to_options) = Dsn::parse(to).map_err(|err| SpecError::new("to", err))?;
        let mut asked = Asked::default();
        for (option, value) in options {
            asked.add(Origin::Options, option, value.clone())?;
        }
        asked.add_params(Origin::From, from_options)?;
        asked.add_params(Origin::To, to_options)?;
        Ok((from, to, asked.into_options()?))
    }

    fn checked(mut self) -> Result<Self, SpecError> {
        self.check_databases()?;
        self.spread_client_options()?;
        Ok(self)
    }

    /// The database that is read.
    pub fn source_database(&self) -> &str {
        self.from.database().unwrap_or_default()
    }

    /// The database that is written: named in `to`, else called as the source's.
    pub fn target_database(&self) -> &str {
        self.to.database().unwrap_or_else(|| self.source_database())
    }

    /// Where rows are kept that the target refuses, for people.
    pub fn rejects_place(&self) -> String {
        match &self.options.fails_to {
            FailsTo::Target => format!("database `{REJECTS_DATABASE}` at {}", self.to.address()),
            FailsTo::Folder(folder) => format!("folder {}", folder.join(self.name.as_str()).display()),
        }
    }

    fn check_databases(&self) -> Result<(), SpecError> {
        if self.from.database().is_none() {
            return Err(SpecError::new(
                "from",
                "database: none is named; write it after the host, as `host:6041/db`",
            ));
        }
        let same_server =
            self.from.transport() == self.to.transport() && self.from.address() == self.to.address();
        if same_server && self.source_database() == self.target_database() {
            return Err(SpecError::new(
                "to",
                "it is the source itself; name another server or another database",
            ));
        }
        Ok(())
    }

    /// The options of the client reach every DSN that can use them and says nothing itself.
    fn spread_client_options(&mut self) -> Result<(), SpecError> {
        let native = |dsn: &Dsn| dsn.transport() == Transport::Native;
        let unnamed = |dsn: &Dsn| native(dsn) && dsn.param(DriverParam::LibraryPath).is_none();
        if self.options.library_path.is_some() && unnamed(&self.from) && unnamed(&self.to) {
            return Err(SpecError::new(
                "options.libraryPath",
                "source and target are both native and need a library each; write `libraryPath` in each DSN",
            ));
        }
        let compression = self.options.compression.then(|| "true".to_owned());
        for (param, value) in [
            (DriverParam::LibraryPath, &self.options.library_path),
            (DriverParam::ConfigDir, &self.options.config_dir),
            (DriverParam::Compression, &compression),
        ] {
            for dsn in [&mut self.from, &mut self.to] {
                value.iter().for_each(|value| dsn.set_default_param(param, value));
            }
        }
        Ok(())
    }
}

/// Where an option was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Options,
    From,
    To,
}

impl Origin {
    fn error(self, option: &str, what: impl fmt::Display) -> SpecError {
        match self {
            Self::Options if option == "options" => SpecError::new("options", what),
            Self::Options => SpecError::new(format!("options.{option}"), what),
            Self::From => SpecError::new("from", format!("{option}: {what}")),
            Self::To => SpecError::new("to", format!("{option}: {what}")),
        }
    }
}

/// The options as asked for, each once, with the place it was written at.
#[derive(Debug, Default)]
struct Asked(BTreeMap<String, (Origin, OptionValue)>);

impl Asked {
    fn add_params(&mut self, origin: Origin, params: OptionParams) -> Result<(), SpecError> {
        params.into_iter().try_for_each(|(option, text)| self.add(origin, &option, OptionValue::Text(text)))
    }

    fn add(&mut self, origin: Origin, option: &str, value: OptionValue) -> Result<(), SpecError> {
        let name = crate::options::canonical(option).unwrap_or(option);
        match self.0.insert(name.to_owned(), (origin, value.clone())) {
            Some((_, other)) if other != value => {
                Err(origin.error(name, "written twice with different values; leave one of them out"))
            }
            _ => Ok(()),
        }
    }

    fn into_options(self) -> Result<Options, SpecError> {
        let mut options = Options::default();
        for (name, (origin, value)) in &self.0 {
            options.set(name, value).map_err(|err| origin.error(&err.option, err.what()))?;
        }
        options.check().map_err(|err| {
            let origin = self.0.get(&err.option).map_or(Origin::Options, |(origin, _)| *origin);
            origin.error(&err.option, err.what())
        })?;
        Ok(options)
    }
}
