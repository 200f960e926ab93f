//! What the target calls what the source has: tables, columns, tags that are added. Pure, and made of the spec alone.
//!
//! The source's names are the identity of everything, in the plan, in logs and in errors. They become the target's at
//! the sink's edge: [`mod@sink`] does that for whole ports, so that no work knows of it but by asking here for a name.

mod condition;
mod moments;
mod names;
mod open;
mod picked;
mod refusing;
mod sink;
mod source;
mod undo;

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tdferry_common::batch::{TagRow, Value};
use tdferry_common::options::{Act, Named, OnBadName, Options, Renamed};
use tdferry_common::schema::{Column, DataType, NormalTable, Stable};
use tdferry_common::spec::Spec;

use condition::Known;
pub(crate) use names::{BadName, Targets, Unfit, taken_twice};
pub(crate) use open::{narrowed, sink, source};

/// An added tag has room for so many bytes at least, so that tasks with other values may share a stable.
const ADDED_TAG_BYTES: usize = 64;

/// How names change on their way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mapping {
    database: String,
    options: Arc<Options>,
    added: Vec<(Column, Value)>,
}

impl Mapping {
    /// As a task asks for it.
    pub(crate) fn of(spec: &Spec) -> Self {
        let added = spec.options.transforms.acts().filter_map(|act| match act {
            Act::AddTag { tag, value } => Some(added_tag(tag, value)),
            Act::Rename { .. } => None,
        });
        Self {
            database: spec.source_database().to_owned(),
            added: added.collect(),
            options: Arc::new(spec.options.clone()),
        }
    }

    /// Whether the target calls everything as the source does.
    pub(crate) fn is_plain(&self) -> bool {
        self.options.transforms.acts().next().is_none() && self.options.dots.is_none()
    }

    /// A stable's name at the target.
    pub(crate) fn stable(&self, stable: &str) -> String {
        self.undotted(self.renamed(&[Renamed::Tables, Renamed::Stables], stable, stable))
    }

    /// The name at the target of a subtable of this stable; of a normal table where the stable is empty.
    pub(crate) fn table(&self, stable: &str, table: &str) -> String {
        let kinds: &[Renamed] =
            if stable.is_empty() { &[Renamed::Tables] } else { &[Renamed::Tables, Renamed::Subtables] };
        self.undotted(self.renamed(kinds, stable, table))
    }

    /// Whether the rows of a subtable, or of a normal table where the stable is empty, are all kept as rejects since the
    /// target takes no table of that name, and why.
    pub(crate) fn rejects(&self, stable: &str, table: &str) -> Option<Unfit> {
        if self.rejects_bad_names() { names::unfit(&self.table(stable, table)) } else { None }
    }

    pub(crate) fn rejects_bad_names(&self) -> bool {
        self.options.on_bad_name == OnBadName::Reject
    }

    /// The name at the target of a column or tag of this stable or normal table, by the source's names.
    pub(crate) fn column(&self, table: &str, column: &str) -> String {
        self.renamed(&[Renamed::Columns], table, column)
    }

    /// The columns or tags of this stable or normal table as the target calls them, in the same order.
    pub(crate) fn columns(&self, table: &str, columns: &[Column]) -> Vec<Column> {
        let one = |column: &Column| Column { name: self.column(table, &column.name), ..column.clone() };
        columns.iter().map(one).collect()
    }

    /// The condition on the rows of this stable or normal table, in the names of its columns and tags at the target;
    /// nothing where all are taken, and a reason where it cannot be said so.
    pub(crate) fn condition<'a>(
        &self,
        table: &str,
        columns: impl Iterator<Item = &'a Column>,
    ) -> Result<Option<String>, String> {
        let Some(condition) = self.options.row_filter.of(table) else { return Ok(None) };
        let mut known = Known::new(columns.map(|column| (column, self.column(table, &column.name))));
        let renames = |act: &Act| matches!(act, Act::Rename { of: Renamed::Tables | Renamed::Subtables, .. });
        known.renames_tables = self.options.transforms.acts().any(renames) || self.options.dots.is_some();
        known.changes_time = self.options.precision.is_some();
        known.said(condition).map(Some)
    }

    /// A stable as the target has it, with the tags that are added.
    pub(crate) fn target_stable(&self, stable: &Stable) -> Stable {
        let added = self.added.iter().map(|(column, _)| column.clone());
        Stable {
            name: self.stable(&stable.name),
            columns: self.columns(&stable.name, &stable.columns),
            tags: self.columns(&stable.name, &stable.tags).into_iter().chain(added).collect(),
        }
    }

    /// A normal table as the target has it.
    pub(crate) fn target_table(&self, table: &NormalTable) -> NormalTable {
        NormalTable { name: self.table("", &table.name), columns: self.columns(&table.name, &table.columns) }
    }

    /// A subtable of this stable with its tags as the target has it.
    pub(crate) fn target_row(&self, stable: &str, row: &TagRow) -> TagRow {
        let added = self.added.iter().map(|(_, value)| value.clone());
        TagRow { name: self.table(stable, &row.name), tags: row.tags.iter().cloned().chain(added).collect() }
    }

    /// Whether the target calls every subtable as the source does, so that its names are the source's.
    pub(crate) fn keeps_subtables(&self) -> bool {
        let renames = |act: &Act| matches!(act, Act::Rename { of: Renamed::Tables | Renamed::Subtables, .. });
        self.options.dots.is_none() && !self.options.transforms.acts().any(renames)
    }

    fn renamed(&self, kinds: &[Renamed], stable: &str, name: &str) -> String {
        let mut name = name.to_owned();
        for act in self.options.transforms.acts() {
            if let Act::Rename { of, rule } = act
                && kinds.contains(of)
            {
                name = rule.apply(*of, Named { name: &name, stable, database: &self.database });
            }
        }
        name
    }

    fn undotted(&self, name: String) -> String {
        match &self.options.dots {
            Some(instead) if name.contains('.') => name.replace('.', instead),
            _ => name,
        }
    }
}

/// Text of any language: BINARY holds it as bytes, in 3.x as in 2.x.
fn added_tag(tag: &str, value: &str) -> (Column, Value) {
    let length = u32::try_from(value.len().max(ADDED_TAG_BYTES)).unwrap_or(u32::MAX);
    let column = Column { name: tag.to_owned(), data_type: DataType::Binary, length };
    (column, Value::Binary(value.as_bytes().to_vec()))
}
