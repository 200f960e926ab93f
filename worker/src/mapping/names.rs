//! Whether the target can call things as the mapping says: no two alike, no dot, none too long. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tdferry_common::schema::{Column, NormalTable, Stable};
use xxhash_rust::xxh3::xxh3_128;

use super::Mapping;

/// Bytes of a table's name.
const TABLE_BYTES: usize = 192;
/// Bytes of a column's or tag's name.
const COLUMN_BYTES: usize = 64;
/// Tags of a stable.
const MOST_TAGS: usize = 128;

/// The target's names of all tables that were taken, each seen once. A million of them are kept as hashes, and only
/// where the mapping could make two alike.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    mapping: Mapping,
    seen: BTreeMap<u128, u32>,
    /// Stables by the order in which their tables were taken; what the values of `seen` count.
    stables: Vec<String>,
}

/// Names that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadName {
    /// In words.
    Refused(String),
    /// Another table has this name at the target already: one of this stable, a normal table where it is empty, or the
    /// stable itself.
    Taken {
        /// The name at the target.
        target: String,
        /// The source's, taken second.
        second: String,
        /// The stable of the one taken first.
        first_of: String,
    },
}

impl Targets {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self { mapping, ..Self::default() }
    }

    /// Takes a stable, and looks at its columns.
    pub(crate) fn take_stable(&mut self, stable: &Stable) -> Result<(), BadName> {
        let mapped = self.mapping.target_stable(stable);
        let all = mapped.columns.iter().chain(&mapped.tags);
        columns(&stable.name, all).map_err(BadName::Refused)?;
        if !self.mapping.is_plain() && mapped.tags.len() > MOST_TAGS {
            return Err(BadName::Refused(format!(
                "stable `{}` would have {} tags, 3.x takes {MOST_TAGS}; add fewer",
                stable.name,
                mapped.tags.len()
            )));
        }
        self.take(&stable.name, &stable.name, mapped.name)
    }

    /// Takes a normal table, and looks at its columns.
    pub(crate) fn take_normal(&mut self, table: &NormalTable) -> Result<(), BadName> {
        if self.mapping.rejects("", &table.name).is_some() {
            return Ok(());
        }
        let mapped = self.mapping.target_table(table);
        columns(&table.name, mapped.columns.iter()).map_err(BadName::Refused)?;
        self.take("", &table.name, mapped.name)
    }

    /// Takes a subtable of a stable.
    pub(crate) fn take_subtable(&mut self, stable: &str, name: &str) -> Result<(), BadName> {
        if self.mapping.rejects(stable, name).is_some() {
            return Ok(());
        }
        self.take(stable, name, self.mapping.table(stable, name))
    }

    fn take(&mut self, stable: &str, name: &str, target: String) -> Result<(), BadName> {
        if let Some(unfit) = unfit(&target) {
            return Err(BadName::Refused(unfit.in_words(name, &target)));
        }
        // names that nothing changes are as different as they are at the source
        if self.mapping.is_plain() {
            return Ok(());
        }
        if self.stables.last().is_none_or(|last| last != stable) {
            self.stables.push(stable.to_owned());
        }
        let place = u32::try_from(self.stables.len() - 1).unwrap_or(u32::MAX);
        match self.seen.insert(xxh3_128(target.as_bytes()), place) {
            None => Ok(()),
            Some(first) => {
                let first_of = usize::try_from(first).ok().and_then(|first| self.stables.get(first));
                let first_of = first_of.cloned().unwrap_or_default();
                Err(BadName::Taken { target, second: name.to_owned(), first_of })
            }
        }
    }
}

/// The words for two tables that would become one.
pub(crate) fn taken_twice(first: &str, second: &str, target: &str) -> String {
    format!(
        "`{first}` and `{second}` would both be `{target}` at the target; change the option `transforms`, or take one of \
         them out with `tables`"
    )
}

/// Why the target takes no table of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    Dot,
    NotSql,
    TooLong { bytes: usize },
}

/// Whether the target takes a table of this name, and why not.
pub(super) fn unfit(target: &str) -> Option<Unfit> {
    if target.contains('.') {
        return Some(Unfit::Dot);
    }
    if target.is_empty() || target.contains(['`', '\0']) {
        return Some(Unfit::NotSql);
    }
    (target.len() > TABLE_BYTES).then_some(Unfit::TooLong { bytes: target.len() })
}

impl Unfit {
    fn in_words(self, name: &str, target: &str) -> String {
        let becomes = if name == target { String::new() } else { format!(", which becomes `{target}`,") };
        let cure = match self {
            Self::Dot => "write `dots=_`, or rename it with `transforms`",
            Self::NotSql => "rename it with `transforms`",
            Self::TooLong { .. } => "change `transforms`",
        };
        format!("table `{name}`{becomes} {self}; {cure}; `on-bad-name=reject` keeps its rows as rejects")
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot => f.write_str("has a dot, which 3.x does not take"),
            Self::NotSql => f.write_str("has no name that 3.x takes"),
            Self::TooLong { bytes } => write!(f, "has a name of {bytes} bytes, 3.x takes {TABLE_BYTES}"),
        }
    }
}

fn columns<'a>(table: &str, all: impl Iterator<Item = &'a Column>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for column in all {
        let name = column.name.as_str();
        if name.is_empty() || name.contains(['`', '\0']) || name.len() > COLUMN_BYTES {
            return Err(format!(
                "`{table}` would have a column or tag `{name}`, which 3.x does not take: at most {COLUMN_BYTES} bytes and no \
                 backtick; change `transforms`"
            ));
        }
        // 3.x takes `a` and `A` for the same column
        if !seen.insert(name.to_lowercase()) {
            return Err(format!(
                "`{table}` would have two columns or tags `{name}` at the target; change `transforms`"
            ));
        }
    }
    Ok(())
}
