//! The target's structure held against the source's: name, type, length, precision. Pure.
//!
//! A real 3.x server accepts a block with a column that its table lacks, drops that column's data and misaligns the
//! rest. So nothing is written before this has found no difference.

use std::fmt;

use tdferry_common::options::{Mode, OnMissingColumn, Options, SchemaMode};
use tdferry_common::schema::{Column, DataType, Database};

/// What a table without a stable is called.
pub(crate) const NORMAL_TABLE: &str = "normal table";

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The timestamp, without which there are no rows.
    Key,
    Column,
    Tag,
}

/// A way in which the target cannot take what the source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The target lacks a stable or a normal table.
    NoTable { kind: &'static str, table: String },
    /// The target's table lacks a column or tag.
    NoColumn { table: String, of: Of, column: Column },
    /// The types are not the same, or the target's is too short.
    OtherType { table: String, of: Of, source: Column, target: Column },
    /// The databases count time in other units.
    OtherPrecision { source: Box<Database>, target: Box<Database> },
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "first column",
            Self::Column => "column",
            Self::Tag => "tag",
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable { kind, table } => write!(f, "the target has no {kind} `{table}`"),
            Self::NoColumn { table, of, column } => {
                write!(f, "`{table}` lacks the {of} `{}` {} at the target", column.name, column.sql_type())
            }
            Self::OtherType { table, of, source, target } => write!(
                f,
                "`{table}` has the {of} `{}` as {} at the target and as {} at the source",
                source.name,
                target.sql_type(),
                source.sql_type()
            ),
            Self::OtherPrecision { source, target } => write!(
                f,
                "the target database `{}` has the precision {} and the source `{}` has {}",
                target.name, target.precision, source.name, source.precision
            ),
        }
    }
}

impl Mismatch {
    /// The target's name of a normal table that it lacks: who compares tells of it, and whoever repairs creates it.
    pub(crate) fn lacking_normal_table(&self) -> Option<&str> {
        match self {
            Self::NoTable { kind, table } if *kind == NORMAL_TABLE => Some(table),
            _ => None,
        }
    }

    /// Whether it is nothing but a column that is shorter at the target: what each value does about it is for the task.
    pub(crate) fn is_shorter_column(&self) -> bool {
        match self {
            Self::OtherType { of: Of::Column, source, target, .. } => source.data_type == target.data_type,
            _ => false,
        }
    }
}

/// Whether what is followed goes on without it where nobody said what to do: rows have what both sides have, and a person
/// is told of the rest.
pub(crate) fn goes_without(mismatch: &Mismatch, options: &Options) -> bool {
    let follows = matches!(options.mode, Mode::Realtime | Mode::Both);
    let unsaid = match mismatch {
        Mismatch::NoColumn { of: Of::Column | Of::Tag, .. } => options.on_missing_column.is_none(),
        Mismatch::OtherType { of: Of::Column | Of::Tag, source, target, .. } => {
            source.data_type == target.data_type && options.on_too_long.is_none()
        }
        _ => false,
    };
    follows && options.schema == SchemaMode::None && unsaid
}

/// What the target has no column for goes nowhere: whoever looks at the log must see it.
pub(crate) fn tell_left_out(mismatches: &[Mismatch], options: &Options) {
    if options.on_missing_column != Some(OnMissingColumn::Null) {
        return;
    }
    for mismatch in mismatches {
        if let Mismatch::NoColumn { table, of: Of::Column, column } = mismatch {
            tracing::warn!(table, column = column.name, "a column that the target lacks is left out");
        }
    }
}

/// Leaves out what the task's options settle.
pub(crate) fn unsettled(mismatches: Vec<Mismatch>, options: &Options) -> Vec<Mismatch> {
    let settled = |mismatch: &Mismatch| match mismatch {
        Mismatch::NoColumn { of: Of::Column, .. } => options.on_missing_column == Some(OnMissingColumn::Null),
        _ => options.on_too_long.is_some() && mismatch.is_shorter_column(),
    };
    mismatches.into_iter().filter(|mismatch| !settled(mismatch)).collect()
}

/// Holds the databases' precisions against each other.
pub(crate) fn hold_precision(source: &Database, target: &Database) -> Option<Mismatch> {
    (source.precision != target.precision).then(|| Mismatch::OtherPrecision {
        source: Box::new(source.clone()),
        target: Box::new(target.clone()),
    })
}

/// Holds a table's columns, or tags, against each other. What the target has beyond the source does no harm.
pub(crate) fn hold_columns(table: &str, of: Of, source: &[Column], target: &[Column]) -> Vec<Mismatch> {
    let first = if of == Of::Column { Of::Key } else { of };
    let of = std::iter::once(first).chain(std::iter::repeat(of));
    source.iter().zip(of).filter_map(|(column, of)| hold_column(table, of, column, target)).collect()
}

/// The columns of a table that the target, who calls them as `mapped` in the same order, has as well.
pub(crate) fn without_missing(
    table: &str,
    columns: &[Column],
    mapped: &[Column],
    mismatches: &[Mismatch],
) -> Vec<Column> {
    let is_missing = |name: &str| {
        mismatches.iter().any(|mismatch| match mismatch {
            Mismatch::NoColumn { table: of, column, .. } => of == table && column.name == name,
            _ => false,
        })
    };
    let there = columns.iter().zip(mapped).filter(|(_, mapped)| !is_missing(&mapped.name));
    there.map(|(column, _)| column.clone()).collect()
}

fn hold_column(table: &str, of: Of, source: &Column, target: &[Column]) -> Option<Mismatch> {
    let table = table.to_owned();
    let Some(found) = target.iter().find(|column| column.name == source.name) else {
        return Some(Mismatch::NoColumn { table, of, column: source.clone() });
    };
    (!takes(found, source)).then(|| Mismatch::OtherType {
        table,
        of,
        source: source.clone(),
        target: found.clone(),
    })
}

fn takes(target: &Column, source: &Column) -> bool {
    let long_enough = match source.data_type {
        DataType::Binary | DataType::Nchar => target.length >= source.length,
        _ => true,
    };
    target.data_type == source.data_type && long_enough
}

/// Differences in one line, some of them by name, with what to do.
pub(crate) fn in_words(mismatches: &[Mismatch]) -> String {
    let shown = shown(mismatches, 10);
    format!("the target does not fit the source: {shown}; nothing was written; alter the target, then retry")
}

/// The same of what is gone without.
pub(crate) fn gone_without(mismatches: &[Mismatch]) -> String {
    let shown = shown(mismatches, 3);
    format!(
        "{shown}; this task alters nothing, so what has no column is left out, and what is too long is rejected, until \
         you alter the target; that is seen by itself, and what was read meanwhile is read once more"
    )
}

/// Some of them: more would not be read.
fn shown(mismatches: &[Mismatch], most: usize) -> String {
    let shown: Vec<_> = mismatches.iter().take(most).map(ToString::to_string).collect();
    match mismatches.len().saturating_sub(most) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::time::Precision;

    use super::*;

    fn column(name: &str, data_type: DataType, length: u32) -> Column {
        Column { name: name.into(), data_type, length }
    }

    fn held(source: Column, target: &[Column]) -> Vec<String> {
        let ts = column("ts", DataType::Timestamp, 8);
        let target = [std::slice::from_ref(&ts), target].concat();
        hold_columns("meters", Of::Column, &[ts, source], &target).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_column_may_be_left_out_where_the_task_says_so_and_the_timestamp_never() {
        let columns = ["ts", "a", "b"].map(|name| column(name, DataType::Timestamp, 8));
        let lenient = Options { on_missing_column: Some(OnMissingColumn::Null), ..Options::default() };
        let cases: [(&[Column], &Options, usize, &[Column]); 4] = [
            (&columns[..2], &lenient, 0, &columns[..2]),
            (&columns[1..], &lenient, 1, &columns[1..]),
            (&columns[..2], &Options::default(), 1, &columns[..2]),
            (&columns, &lenient, 0, &columns),
        ];
        for (target, options, unsettled_ones, kept) in cases {
            let found = hold_columns("meters", Of::Column, &columns, target);
            assert_eq!(without_missing("meters", &columns, &columns, &found), kept);
            assert_eq!(without_missing("other", &columns, &columns, &found), columns);
            assert_eq!(unsettled(found, options).len(), unsettled_ones, "{target:?}");
        }
        let tags = hold_columns("meters", Of::Tag, &columns, &columns[..1]);
        assert_eq!(unsettled(tags, &lenient).len(), 2, "a tag is no column");
    }

    #[test]
    fn a_target_that_is_equal_or_wider_fits() {
        let target = [column("extra", DataType::Int, 4), column("c", DataType::Nchar, 20)];
        assert!(held(column("c", DataType::Nchar, 20), &target).is_empty());
        assert!(held(column("c", DataType::Nchar, 10), &target).is_empty());
    }

    #[test]
    fn a_difference_names_table_column_and_both_types() {
        let source = column("c", DataType::Binary, 20);
        let cases = [
            (vec![], "`meters` lacks the column `c` BINARY(20) at the target"),
            (
                vec![column("C", DataType::Binary, 20)],
                "`meters` lacks the column `c` BINARY(20) at the target",
            ),
            (
                vec![column("c", DataType::Binary, 19)],
                "`meters` has the column `c` as BINARY(19) at the target and as BINARY(20) at the source",
            ),
            (
                vec![column("c", DataType::Nchar, 20)],
                "`meters` has the column `c` as NCHAR(20) at the target and as BINARY(20) at the source",
            ),
        ];
        for (target, words) in cases {
            assert_eq!(held(source.clone(), &target), [words]);
        }
    }

    #[test]
    fn another_precision_is_a_difference() {
        let database = |precision| Database { name: "d".into(), precision, ..Database::default() };
        assert_eq!(hold_precision(&database(Precision::Nano), &database(Precision::Nano)), None);
        let found = hold_precision(&database(Precision::Micro), &database(Precision::Milli));
        assert!(found.unwrap().to_string().contains("precision ms and the source `d` has us"));
    }

    #[test]
    fn many_differences_are_counted_not_listed() {
        let none = |n: usize| Mismatch::NoTable { kind: "stable", table: format!("s{n}") };
        let words = in_words(&(0..12).map(none).collect::<Vec<_>>());
        assert!(
            words.contains("`s9`") && !words.contains("`s10`") && words.contains("and 2 more"),
            "{words}"
        );
    }
}
