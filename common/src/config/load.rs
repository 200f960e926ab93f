//! Lays file, environment and flags over each other, the later ones on top, and says which of them is wrong.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, ENV_PREFIX, RoleConfig};
use crate::options::unknown_word;

/// Larger than any configuration; keeps a file passed by mistake out of memory.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// For messages.
    pub path: PathBuf,
    /// What it says, in TOML.
    pub text: String,
}

/// The three layers.
pub struct Layers<'a> {
    /// The lowest.
    pub file: Option<&'a ConfigFile>,
    /// Looks a variable up; only the role's own keys are asked for.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Key and value of each flag that was given; the topmost.
    pub flags: &'a [(&'static str, String)],
}

impl std::fmt::Debug for Layers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers").field("file", &self.file.map(|file| &file.path)).finish_non_exhaustive()
    }
}

/// Reads a configuration file.
pub fn read_file(path: &Path) -> Result<ConfigFile, ConfigError> {
    let place = path.display().to_string();
    let unreadable = |err: std::io::Error| {
        ConfigError::new(place.clone(), format!("cannot be read: {err}; check the path given by --config"))
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(ConfigError::new(
            place,
            format!("longer than {MAX_FILE_BYTES} bytes; is it the right file?"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(ConfigFile { path: path.to_owned(), text })
}

/// The configuration that the layers make together, checked.
pub fn load<T: RoleConfig>(layers: &Layers<'_>) -> Result<T, ConfigError> {
    let mut merged = layers.file.map_or_else(|| Ok(Table::new()), file_layer::<T>)?;
    for key in T::KEYS {
        let variable = variable(key.name);
        if let Some(text) = (layers.env)(&variable) {
            lay_over::<T>(&mut merged, key.name, text, &variable)?;
        }
    }
    for (name, text) in layers.flags {
        lay_over::<T>(&mut merged, name, text.clone(), &format!("--{name}"))?;
    }
    let config: T =
        merged.try_into().map_err(|err: toml::de::Error| ConfigError::new("configuration", err.message()))?;
    config.check()?;
    Ok(config)
}

/// The variable that sets this key.
fn variable(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('-', "_").to_ascii_uppercase())
}

/// The file alone is read as a whole configuration first, for the sake of errors with a line.
fn file_layer<T: RoleConfig>(file: &ConfigFile) -> Result<Table, ConfigError> {
    let at = |line: Option<usize>, what: String| {
        let line = line.map(|line| format!(" line {line}")).unwrap_or_default();
        ConfigError::new(format!("{}{line}", file.path.display()), what)
    };
    let bad = |err: toml::de::Error| {
        let line =
            err.span().map(|span| file.text[..span.start.min(file.text.len())].matches('\n').count() + 1);
        at(line, err.message().to_owned())
    };
    let table: Table = toml::from_str(&file.text).map_err(bad)?;
    if let Some(key) = table.keys().find(|key| T::KEYS.iter().all(|known| known.name != *key)) {
        let line = file
            .text
            .lines()
            .position(|line| line.trim_start().trim_start_matches('[').starts_with(key.as_str()));
        return Err(at(line.map(|line| line + 1), unknown_word(key, T::KEYS.iter().map(|key| key.name))));
    }
    toml::from_str::<T>(&file.text).map_err(bad)?;
    Ok(table)
}

fn lay_over<T: RoleConfig>(
    merged: &mut Table,
    key: &str,
    text: String,
    place: &str,
) -> Result<(), ConfigError> {
    let alone = Table::from_iter([(key.to_owned(), Value::String(text.clone()))]);
    alone.try_into::<T>().map_err(|err: toml::de::Error| ConfigError::new(place, err.message()))?;
    merged.insert(key.to_owned(), Value::String(text));
    Ok(())
}
