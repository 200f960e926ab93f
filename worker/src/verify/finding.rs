//! What was found to differ, in words: table by table, how many rows, where the first lies, which columns.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tdferry_common::digest::RowSum;
use tdferry_common::port::Side;
use tdferry_common::shard::Differing;

use super::merge::Found;
use super::{Since, Visit};
use crate::lease::Worked;

/// Tables in words: what is stored of a shard is short.
const SHOWN: usize = 20;
/// Tables in the log of one shard.
const LOGGED: u64 = 1_000;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    shown: Vec<String>,
    logged: u64,
    table: Option<TableFinding>,
}

/// What differs in the table at hand.
#[derive(Debug, Default)]
struct TableFinding {
    table: String,
    /// The target does not have it.
    is_lacking: bool,
    missing: Place,
    extra: Place,
    changed: Place,
    columns: BTreeSet<String>,
}

/// How many rows, and when the first.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    rows: u64,
    first: Option<i64>,
}

impl Place {
    fn add(&mut self, rows: u64, first: Option<i64>) {
        self.rows = self.rows.saturating_add(rows);
        self.first = self.first.or(first);
    }
}

impl Findings {
    /// Something that is no row.
    pub(super) fn tell(&mut self, words: String) {
        if self.logged < LOGGED {
            tracing::warn!(found = words, "the target differs");
        }
        self.logged = self.logged.saturating_add(1);
        if self.shown.len() < SHOWN {
            self.shown.push(words);
        }
    }

    /// All of it, for whoever reads the shard.
    pub(super) fn in_words(&self, differing: Differing, since: Since) -> String {
        let which = match since {
            Since::Same => "the target differs",
            Since::Changed => "the source changed since it was read, and the target differs",
            Since::Untold => {
                "the target differs (KEEP let go of rows that were read, so that nothing tells whether the source changed \
                 since)"
            }
        };
        let shown = self.shown.join("; ");
        format!("{which}: {shown} (in all {differing})")
    }

    fn of_table(&mut self, table: &str) -> &mut TableFinding {
        self.table.get_or_insert_with(|| TableFinding { table: table.to_owned(), ..TableFinding::default() })
    }
}

#[async_trait]
impl Visit for Findings {
    async fn found(&mut self, found: Found<'_>) -> Worked<()> {
        match found {
            Found::Extra { table, times } => {
                let rows = u64::try_from(times.len()).unwrap_or(u64::MAX);
                self.of_table(table).extra.add(rows, times.first().copied());
            }
            Found::Source { table, block, missing, changed } => {
                let first = |row: Option<&usize>| row.and_then(|row| block.timestamp(*row));
                let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
                let of = self.of_table(table);
                of.missing.add(count(missing.len()), first(missing.first()));
                of.changed.add(count(changed.len()), first(changed.first().map(|changed| &changed.row)));
                for other in changed.iter().flat_map(|changed| &changed.columns) {
                    let name = block.columns().get(other.column).map(|column| column.name.clone());
                    of.columns.extend(name);
                }
            }
        }
        Ok(())
    }

    fn unchanged(&self) -> &'static [Side] {
        &[Side::Source, Side::Sink]
    }

    fn forget(&mut self) {
        self.table = None;
    }

    fn lacks(&mut self, table: &str) {
        self.of_table(table).is_lacking = true;
    }

    fn table_ended(&mut self) -> (bool, RowSum) {
        let found = self.table.take();
        let differs = found.is_some();
        if let Some(found) = found {
            self.tell(found.in_words());
        }
        (differs, RowSum::ZERO)
    }
}

impl TableFinding {
    fn in_words(&self) -> String {
        let place = |place: Place, what: &str| {
            let at = place.first.map(|first| format!(" at {first}")).unwrap_or_default();
            let from = if place.rows > 1 { " and on" } else { "" };
            (place.rows > 0).then(|| format!("{} {what}{at}{from}", place.rows))
        };
        let columns: Vec<_> = self.columns.iter().map(String::as_str).collect();
        let changed = format!("changed ({})", columns.join(", "));
        let lacking = self.is_lacking.then(|| "the table is missing".to_owned());
        let parts = [
            lacking,
            place(self.missing, "missing"),
            place(self.extra, "extra"),
            place(self.changed, &changed),
        ];
        format!("`{}`: {}", self.table, parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
