//! Lists of stables and tables: all, some by name, or those in a file, which is read where the task is created.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{OptionError, Options};

/// TDengine's limit for the name of a table, in bytes.
const MAX_NAME_BYTES: usize = 192;

/// Which of the things with a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Names<T> {
    /// Every one.
    #[default]
    All,
    /// These.
    Only(Vec<T>),
    /// Those in a file, one a line, not read yet. A stored task holds none: workers do not have the file.
    File(PathBuf),
}

/// A table a user names: `{table}` or `{stable}.{table}`. A part that holds a dot stands in backticks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The stable, if named.
    pub stable: Option<String>,
    /// The subtable or normal table.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stable) = &self.stable {
            write!(f, "{}.", quoted(stable))?;
        }
        f.write_str(&quoted(&self.table))
    }
}

fn quoted(name: &str) -> String {
    if name.contains('.') { format!("`{name}`") } else { name.to_owned() }
}

/// What a list may hold: read from one entry, written as one entry.
pub(super) trait Entry: Sized {
    fn read(text: &str) -> Result<Self, String>;
    fn write(&self) -> String;
}

impl Entry for String {
    fn read(text: &str) -> Result<Self, String> {
        // a dot belongs to the name: no part could stand before a stable
        let quoted = text.strip_prefix('`').and_then(|inner| inner.strip_suffix('`'));
        checked(quoted.unwrap_or(text)).map(str::to_owned)
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl Entry for TableName {
    fn read(text: &str) -> Result<Self, String> {
        let (first, rest) = part(text)?;
        if rest.is_empty() {
            return Ok(Self { stable: None, table: first.to_owned() });
        }
        match part(rest)? {
            (table, "") => Ok(Self { stable: Some(first.to_owned()), table: table.to_owned() }),
            _ => Err(format!("{text:?} has more than one dot; write a name that holds one in backticks")),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The first name of a dotted text and what follows its dot.
fn part(text: &str) -> Result<(&str, &str), String> {
    let (name, rest) = match text.strip_prefix('`') {
        Some(inner) => {
            let (name, rest) =
                inner.split_once('`').ok_or_else(|| format!("{text:?} lacks a second backtick"))?;
            match rest.strip_prefix('.') {
                None if !rest.is_empty() => return Err(format!("{text:?} has something after the backtick")),
                after => (name, after.unwrap_or("")),
            }
        }
        None => text.split_once('.').unwrap_or((text, "")),
    };
    checked(name)?;
    match text.ends_with('.') {
        true => Err(format!("{text:?} has nothing after the dot")),
        false => Ok((name, rest)),
    }
}

fn checked(name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err("a name is empty; write a comma list such as `meters,weather`, or `@file`".to_owned());
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("a name is longer than {MAX_NAME_BYTES} bytes, which no table has"));
    }
    if name.contains(|c: char| c == '`' || c.is_control()) {
        return Err(format!("{name:?} has a character that no table's name has"));
    }
    Ok(name)
}

/// A list of names, each read on its own.
pub(super) fn read_list<'a, T: Entry>(entries: impl Iterator<Item = &'a str>) -> Result<Names<T>, String> {
    let entries: Vec<T> = entries.map(|entry| T::read(entry.trim())).collect::<Result<_, _>>()?;
    match entries.is_empty() {
        true => Err("the list is empty; leave the option out to take all".to_owned()),
        false => Ok(Names::Only(entries)),
    }
}

fn load<T: Entry>(
    names: &mut Names<T>,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<(), String> {
    let Names::File(path) = names else { return Ok(()) };
    let shown = path.display();
    let text = read(path)
        .map_err(|err| format!("the file {shown} cannot be read: {err}; check the path after `@`"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    *names = read_list(lines).map_err(|what| format!("in the file {shown}: {what}"))?;
    Ok(())
}

impl Options {
    /// Puts the names in files (`@file`) in the place of the files, so that the options stand alone.
    pub fn load_files(&mut self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<(), OptionError> {
        load(&mut self.stables, read).map_err(|what| OptionError::new("stables", what))?;
        load(&mut self.tables, read).map_err(|what| OptionError::new("tables", what))
    }
}
