//! What a task changes on the way: names of tables and columns, and tags that are added. In the words of taosX.
//!
//! `add-tag:<tag>=<value>`; `rename-table`, `rename-child-table`, `rename-super-table` and `rename-column`, each with
//! a [`Rule`]. They apply in the order in which they stand. Nothing here knows what a target takes.

mod map;
mod rule;

use std::path::Path;

use super::value::{Kind, OptionValue};
pub use rule::{Named, Rule};

/// More than this is a program, not a migration.
const MOST: usize = 100;
/// The longest value of a tag that every 3.x takes.
const MAX_TAG_BYTES: usize = 16_374;

/// All transforms of a task, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transforms(Vec<Transform>);

/// One transform. Equal by its text.
#[derive(Debug, Clone)]
pub struct Transform {
    text: String,
    act: Act,
}

/// What a transform does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Every stable gets this tag, and every subtable this value of it.
    AddTag {
        /// Its name.
        tag: String,
        /// Its value, as text.
        value: String,
    },
    /// Names are changed.
    Rename {
        /// Whose.
        of: Renamed,
        /// How.
        rule: Rule,
    },
}

/// Whose names a transform changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renamed {
    /// Stables, subtables and normal tables.
    Tables,
    /// Subtables.
    Subtables,
    /// Stables.
    Stables,
    /// Columns and tags.
    Columns,
}

const RENAMES: [(&str, Renamed); 4] = [
    ("rename-table", Renamed::Tables),
    ("rename-child-table", Renamed::Subtables),
    ("rename-super-table", Renamed::Stables),
    ("rename-column", Renamed::Columns),
];

impl Transforms {
    /// In the order in which they apply.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        self.0.iter().map(|one| &one.act)
    }

    /// Whether one is still to be read from a file.
    pub fn has_file(&self) -> bool {
        self.acts().any(|act| matches!(act, Act::Rename { rule: Rule::File(_), .. }))
    }

    /// Puts maps of files in the place of the files.
    pub(super) fn load(&mut self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<(), String> {
        self.0.iter_mut().try_for_each(|one| one.load(read))
    }
}

impl Transform {
    fn read(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "{text:?} is no transform; write `add-tag:<tag>=<value>` or `rename-child-table:prefix:<text>`"
            )
        };
        let (verb, rest) = text.trim_start().split_once(':').ok_or_else(unknown)?;
        let act = match RENAMES.iter().find(|(known, _)| *known == verb) {
            Some((_, of)) => Act::Rename {
                of: *of,
                rule: Rule::read(rest, *of).map_err(|what| format!("{verb}: {what}"))?,
            },
            None if verb == "add-tag" => add_tag(rest)?,
            None => return Err(unknown()),
        };
        Ok(Self { text: text.to_owned(), act })
    }

    fn load(&mut self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<(), String> {
        let Act::Rename { of, rule: Rule::File(path) } = &self.act else { return Ok(()) };
        let shown = path.display();
        let text = read(path)
            .map_err(|error| format!("the file {shown} cannot be read: {error}; check the path after `@`"))?;
        let map = map::read(&text).map_err(|what| format!("in the file {shown}: {what}"))?;
        let verb = RENAMES.iter().find(|(_, known)| known == of).map_or("", |(verb, _)| verb);
        *self = Self {
            text: format!("{verb}:map:{}", map::write(&map)),
            act: Act::Rename { of: *of, rule: Rule::Map(map) },
        };
        Ok(())
    }
}

fn add_tag(text: &str) -> Result<Act, String> {
    let (tag, value) = text.split_once('=').ok_or("add-tag: write `add-tag:<tag>=<value>`")?;
    let tag = tag.trim();
    if tag.is_empty() || tag.contains(|c: char| c == '`' || c.is_control()) {
        return Err(format!("add-tag: {tag:?} is no name of a tag"));
    }
    if value.len() > MAX_TAG_BYTES || value.contains('\0') {
        return Err(format!(
            "add-tag: the value of `{tag}` is longer than {MAX_TAG_BYTES} bytes, or holds a NUL"
        ));
    }
    Ok(Act::AddTag { tag: tag.to_owned(), value: value.to_owned() })
}

impl PartialEq for Transform {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Transform {}

/// A text is one transform: they may hold any character that could separate them.
impl Kind for Transforms {
    fn read(value: &OptionValue) -> Result<Self, String> {
        let texts = match value {
            OptionValue::Text(text) => std::slice::from_ref(text),
            OptionValue::List(texts) => texts.as_slice(),
        };
        if texts.len() > MOST {
            return Err(format!(
                "{} transforms are more than {MOST}; put names into a map file",
                texts.len()
            ));
        }
        texts.iter().map(|text| Transform::read(text)).collect::<Result<_, _>>().map(Self)
    }

    fn write(&self) -> OptionValue {
        OptionValue::List(self.0.iter().map(|one| one.text.clone()).collect())
    }
}

#[cfg(test)]
mod tests;
