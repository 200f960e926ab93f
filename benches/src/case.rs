//! The cases: how much there is of what, and what is wanted of tdferry.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// The stable of every case.
pub(crate) const STABLE: &str = "meters";
/// Its columns and tags, as the stand-in's seed has them.
pub(crate) const COLUMNS: &str = "ts timestamp, current float, voltage int, phase float";
/// See [`COLUMNS`].
pub(crate) const TAGS: &str = "groupid int, location binary(24)";

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    /// Few subtables with many rows
    Dense,
    /// Many subtables with few rows
    Sparse,
    /// Subtables without rows
    Create,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
            Self::Create => "create",
        })
    }
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: Name,
    pub(crate) subtables: u64,
    /// Rows of each.
    pub(crate) rows: u64,
    /// The least ratio of tdferry's pace to the plain loop's that is wanted.
    pub(crate) wanted: f64,
}

const ALL: [Case; 3] = [
    Case { name: Name::Dense, subtables: 1_000, rows: 200_000, wanted: 0.9 },
    Case { name: Name::Sparse, subtables: 50_000, rows: 20, wanted: 5.0 },
    Case { name: Name::Create, subtables: 50_000, rows: 1, wanted: 0.9 },
];

/// Rows of a subtable on real servers, which are filled by statements and take about a million rows a second.
const MOST_REAL_ROWS: u64 = 10_000;

/// The cases asked for, all if none is, with so many times fewer subtables.
pub(crate) fn chosen(only: &[Name], divide: u32) -> Vec<Case> {
    let asked = |case: &Case| only.is_empty() || only.contains(&case.name);
    let smaller = |case: Case| Case { subtables: (case.subtables / u64::from(divide)).max(1), ..case };
    ALL.into_iter().filter(asked).map(smaller).collect()
}

impl Case {
    /// As it is run on real servers.
    pub(crate) fn on_real(&self) -> Self {
        Self { rows: self.rows.min(MOST_REAL_ROWS), ..*self }
    }

    /// What both sides are to move: rows, or subtables where only those are created.
    pub(crate) fn amount(&self) -> u64 {
        if self.name == Name::Create { self.subtables } else { self.subtables * self.rows }
    }

    /// What is counted.
    pub(crate) fn unit(&self) -> &'static str {
        if self.name == Name::Create { "tables" } else { "rows" }
    }
}
