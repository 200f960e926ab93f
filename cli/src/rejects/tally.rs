//! Rejects counted by reason, stable and table, and one as people read it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tdferry_common::port::RefusedRow;
use tdferry_common::time::{Precision, show_millis};
use tdferry_worker::reject::Reject;

use crate::output::count;

/// The columns of `rejects list`.
pub(super) const COLUMNS: &[&str] = &["REASON", "STABLE", "TABLES", "ROWS", "FIRST", "LAST"];

/// How many rows, from when to when.
#[derive(Debug, Clone, Copy)]
struct Span {
    rows: u64,
    first: i64,
    last: i64,
    precision: Precision,
}

impl Span {
    fn and(self, other: Self) -> Self {
        let (rows, precision) = (self.rows.saturating_add(other.rows), self.precision);
        Self { rows, first: self.first.min(other.first), last: self.last.max(other.last), precision }
    }
}

/// Counts by reason, database, stable and table.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(RefusedRow, String, String, String), Span>);

impl Tally {
    pub(super) fn add(&mut self, row: &Reject) {
        let origin = row.origin.clone();
        let one = Span { rows: 1, first: origin.at, last: origin.at, precision: row.precision };
        let key = (row.refusal.reason, origin.database, origin.stable, origin.table);
        let sum = self.0.get(&key).map_or(one, |some| some.and(one));
        self.0.insert(key, sum);
    }

    pub(super) fn rows(&self) -> u64 {
        self.0.values().map(|some| some.rows).sum()
    }

    /// One object for each reason and table.
    pub(super) fn by_table(&self) -> Vec<Json> {
        let one =
            |((reason, database, stable, table), some): (&(RefusedRow, String, String, String), &Span)| {
                json!({
                    "reason": reason.word(),
                    "database": database,
                    "stable": stable,
                    "table": table,
                    "rows": some.rows,
                    "first": time(some.first, some.precision),
                    "last": time(some.last, some.precision),
                })
            };
        self.0.iter().map(one).collect()
    }

    /// Lines for people, by stable or by table.
    pub(super) fn lines(&self, tables: bool) -> Vec<Vec<String>> {
        let mut lines: BTreeMap<(RefusedRow, String), (BTreeSet<&str>, Span)> = BTreeMap::new();
        for ((reason, _, stable, table), some) in &self.0 {
            let name = match (tables, stable.is_empty()) {
                (true, true) => table.clone(),
                (true, false) => format!("{stable}.{table}"),
                (false, true) => "(normal tables)".to_owned(),
                (false, false) => stable.clone(),
            };
            let line = lines.entry((*reason, name)).or_insert((BTreeSet::new(), Span { rows: 0, ..*some }));
            line.0.insert(table);
            line.1 = line.1.and(*some);
        }
        let line = |((reason, name), (tables, some)): ((RefusedRow, String), (BTreeSet<&str>, Span))| {
            let number = u64::try_from(tables.len()).unwrap_or(u64::MAX);
            let (first, last) = (time(some.first, some.precision), time(some.last, some.precision));
            vec![reason.to_string(), name, count(number), count(some.rows), first, last]
        };
        lines.into_iter().map(line).collect()
    }
}

/// One row: what it is, why it was refused, its values.
pub(super) fn shown(row: &Reject) -> String {
    let (origin, refusal) = (&row.origin, &row.refusal);
    let mut lines = vec![
        format!("{}.{} at {} ({})", origin.database, origin.table, time(origin.at, row.precision), origin.at),
        format!("  {} [{:#06x}] {}", refusal.reason, refusal.code, refusal.why),
    ];
    lines.extend(row.values().into_iter().map(|(name, value)| format!("  {name} = {value}")));
    lines.join("\n")
}

fn time(at: i64, precision: Precision) -> String {
    show_millis(precision.to_unix_millis(at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tdferry_common::schema::{Column, DataType};
    use tdferry_worker::reject::{Origin, Refusal};

    use super::*;

    fn row(reason: RefusedRow, table: &str, at: i64) -> Reject {
        let column = Column { name: "ts".into(), data_type: DataType::Timestamp, length: 8 };
        Reject {
            origin: Origin { database: "d".into(), stable: "s".into(), table: table.into(), at },
            refusal: Refusal { reason, code: 0x060B, why: "no".into() },
            precision: Precision::Milli,
            columns: Arc::from([column]),
            cells: vec![Some(at.to_le_bytes().into())],
        }
    }

    #[test]
    fn rows_are_counted_by_reason_and_stable_or_table() {
        let mut tally = Tally::default();
        for (reason, table, at) in [
            (RefusedRow::Keep, "a", 5),
            (RefusedRow::Keep, "b", 1),
            (RefusedRow::TooLong, "a", 0),
            (RefusedRow::Keep, "a", 9),
        ] {
            tally.add(&row(reason, table, at));
        }
        assert_eq!(tally.rows(), 4);
        let lines = tally.lines(false);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0][..4], ["keep", "s", "2", "3"]);
        assert_eq!(lines[0][4..], ["1970-01-01T00:00:00.001Z", "1970-01-01T00:00:00.009Z"]);
        let by_table: Vec<_> = tally.lines(true).into_iter().map(|line| line[1..4].join(" ")).collect();
        assert_eq!(by_table, ["s.a 1 2", "s.b 1 1", "s.a 1 1"]);
        assert_eq!(tally.by_table().len(), 3);
    }

    #[test]
    fn a_row_is_shown_with_its_reason_and_values() {
        let text = shown(&row(RefusedRow::Keep, "a", 5));
        for part in ["d.a at 1970-01-01T00:00:00.005Z", "keep [0x060b] no", "ts = 5"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
