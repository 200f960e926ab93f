//! Lists of stables and tables: all, some by name, or those in a file, which is read where the task is created.

use std::fmt;
use std::path::{Path, PathBuf};

use super::pattern::{EXPRESSION, Pattern, checked};
use super::{OptionError, Options};

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

/// Tables a user names: `{table}` or `{stable}.{table}`, each part a [`Pattern`]. A part that holds a dot stands in
/// backticks; an expression, as the last part, may hold any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The stable, if named.
    pub stable: Option<Pattern>,
    /// The subtable or normal table.
    pub table: Pattern,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stable) = &self.stable {
            write!(f, "{stable}.")?;
        }
        write!(f, "{}", self.table)
    }
}

/// What a list may hold: read from one entry, written as one entry.
pub(super) trait Entry: Sized {
    fn read(text: &str) -> Result<Self, String>;
    fn write(&self) -> String;
}

impl Entry for Pattern {
    // a dot belongs to the name: no part could stand before a stable
    fn read(text: &str) -> Result<Self, String> {
        Self::read(text)
    }

    fn write(&self) -> String {
        self.write(false)
    }
}

impl Entry for TableName {
    fn read(text: &str) -> Result<Self, String> {
        let (stable, table) = dotted(text)?;
        Ok(Self { stable, table })
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// One part, or two with a dot between them.
pub(super) fn dotted(text: &str) -> Result<(Option<Pattern>, Pattern), String> {
    let (first, rest) = part(text)?;
    if rest.is_empty() {
        return Ok((None, Pattern::read(first)?));
    }
    match part(rest)? {
        (second, "") => Ok((Some(Pattern::read(first)?), Pattern::read(second)?)),
        _ => Err(format!("{text:?} has more than one dot; write a name that holds one in backticks")),
    }
}

/// The first part of a dotted text, with its backticks, and what follows its dot.
fn part(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with(EXPRESSION) {
        return Ok((text, ""));
    }
    let (name, rest) = match text.strip_prefix('`') {
        Some(inner) => {
            let end = inner.find('`').ok_or_else(|| format!("{text:?} lacks a second backtick"))?;
            // behind both backticks
            let (name, rest) = text.split_at(end + 2);
            match rest.strip_prefix('.') {
                None if !rest.is_empty() => return Err(format!("{text:?} has something after the backtick")),
                after => (name, after.unwrap_or("")),
            }
        }
        None => text.split_once('.').unwrap_or((text, "")),
    };
    checked(name.trim_matches('`'))?;
    match rest.is_empty() && text.ends_with('.') {
        true => Err(format!("{text:?} has nothing after the dot")),
        false => Ok((name, rest)),
    }
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
        load(&mut self.tables, read).map_err(|what| OptionError::new("tables", what))?;
        load(&mut self.columns, read).map_err(|what| OptionError::new("columns", what))?;
        self.transforms.load(read).map_err(|what| OptionError::new("transforms", what))
    }
}
