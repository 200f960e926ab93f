//! The kept rows of one table: sorted by timestamp, one column each, with appending as the fast path.

use std::ops::Range;

use super::schema::ColumnDef;
use crate::data::Column;

/// What happens to a row whose timestamp is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuplicateRule {
    /// 2.x, UPDATE 0: the first one stays.
    FirstWins,
    /// 2.x, UPDATE 1: the last one takes the place of the whole row.
    ReplaceRow,
    /// 3.x and UPDATE 2: the last one overwrites the columns it names.
    MergeColumns,
}

/// Rows to be written: timestamps and the named columns, in any order of time.
#[derive(Debug)]
pub(crate) struct WriteBatch {
    pub(crate) ts: Vec<i64>,
    /// Cells of the columns with these ids, one per timestamp; the timestamp itself is not among them.
    pub(crate) columns: Vec<(u32, Column)>,
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    ts: Vec<i64>,
    columns: Vec<(u32, Column)>,
}

/// Where one row of a merged stretch comes from.
#[derive(Clone, Copy)]
struct Pick {
    old: Option<usize>,
    new: Option<usize>,
}

impl WriteBatch {
    pub(crate) fn strictly_ascending(&self) -> bool {
        self.ts.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// Indices in order of time, one per timestamp: the one the rule lets win.
    pub(crate) fn winners(&self, rule: DuplicateRule) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ts.len()).collect();
        order.sort_by_key(|index| self.ts[*index]);
        let mut winners: Vec<usize> = Vec::with_capacity(order.len());
        for index in order {
            match winners.last_mut() {
                Some(last) if self.ts[*last] == self.ts[index] => {
                    if rule != DuplicateRule::FirstWins {
                        *last = index;
                    }
                }
                _ => winners.push(index),
            }
        }
        winners
    }
}

impl Rows {
    pub(crate) fn timestamps(&self) -> &[i64] {
        &self.ts
    }

    pub(crate) fn column(&self, id: u32) -> Option<&Column> {
        self.columns.iter().find(|(have, _)| *have == id).map(|(_, column)| column)
    }

    /// The rows whose timestamps lie in `from..=to`.
    pub(crate) fn range(&self, from: i64, to: i64) -> Range<usize> {
        let start = self.ts.partition_point(|ts| *ts < from);
        let end = self.ts.partition_point(|ts| *ts <= to);
        start..end.max(start)
    }

    pub(crate) fn has_room(&self, batch: &WriteBatch) -> bool {
        batch.columns.iter().all(|(id, new)| self.column(*id).is_none_or(|old| old.has_room(new.bytes())))
    }

    pub(crate) fn write(&mut self, batch: &WriteBatch, defs: &[ColumnDef], rule: DuplicateRule) {
        self.ensure_columns(defs);
        let follows = self.ts.last().is_none_or(|last| batch.ts.first().is_some_and(|first| first > last));
        if follows && batch.strictly_ascending() {
            return self.append(batch);
        }
        let winners = batch.winners(rule);
        let (Some(first), Some(last)) = (winners.first(), winners.last()) else { return };
        let old = self.range(batch.ts[*first], batch.ts[*last]);
        let picks = self.merge(&old, batch, &winners, rule);
        self.replace(&old, batch, &picks);
    }

    pub(crate) fn delete(&mut self, range: Range<usize>) {
        self.ts.drain(range.clone());
        for (_, column) in &mut self.columns {
            let none = Column::new(column.ty());
            column.splice(range.clone(), &none, 0..0);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.ts.as_slice()) + self.columns.iter().map(|(_, column)| column.bytes()).sum::<usize>()
    }

    fn ensure_columns(&mut self, defs: &[ColumnDef]) {
        self.columns.retain(|(id, _)| defs.iter().any(|def| def.id == *id));
        for def in defs.iter().skip(1) {
            if self.column(def.id).is_none() {
                let mut column = Column::new(def.ty);
                column.push_nulls(self.ts.len());
                self.columns.push((def.id, column));
            }
        }
    }

    fn append(&mut self, batch: &WriteBatch) {
        self.ts.extend_from_slice(&batch.ts);
        for (id, column) in &mut self.columns {
            match batch.columns.iter().find(|(new, _)| new == id) {
                Some((_, new)) => column.extend(new, 0..new.len()),
                None => column.push_nulls(batch.ts.len()),
            }
        }
    }

    fn merge(
        &self,
        old: &Range<usize>,
        batch: &WriteBatch,
        winners: &[usize],
        rule: DuplicateRule,
    ) -> Vec<Pick> {
        let mut picks = Vec::with_capacity(old.len() + winners.len());
        let mut at = old.start;
        for &new in winners {
            while at < old.end && self.ts[at] < batch.ts[new] {
                picks.push(Pick { old: Some(at), new: None });
                at += 1;
            }
            let same = at < old.end && self.ts[at] == batch.ts[new];
            picks.push(match (same, rule) {
                (true, DuplicateRule::FirstWins) => Pick { old: Some(at), new: None },
                (true, DuplicateRule::MergeColumns) => Pick { old: Some(at), new: Some(new) },
                (true, DuplicateRule::ReplaceRow) | (false, _) => Pick { old: None, new: Some(new) },
            });
            at += usize::from(same);
        }
        picks.extend((at..old.end).map(|at| Pick { old: Some(at), new: None }));
        picks
    }

    fn replace(&mut self, old: &Range<usize>, batch: &WriteBatch, picks: &[Pick]) {
        let moment = |pick: &Pick| match (pick.new, pick.old) {
            (Some(new), _) => batch.ts[new],
            (None, Some(old)) => self.ts[old],
            (None, None) => 0,
        };
        let ts: Vec<i64> = picks.iter().map(moment).collect();
        for (id, column) in &mut self.columns {
            let new = batch.columns.iter().find(|(have, _)| have == id).map(|(_, new)| new);
            let merged = merged_column(column, new, picks);
            column.splice(old.clone(), &merged, 0..merged.len());
        }
        self.ts.splice(old.clone(), ts);
    }
}

fn merged_column(old: &Column, new: Option<&Column>, picks: &[Pick]) -> Column {
    let mut merged = Column::new(old.ty());
    for pick in picks {
        let (from, row) = match (pick.new, new, pick.old) {
            (Some(row), Some(new), _) => (new, row),
            (_, _, Some(row)) => (old, row),
            (_, _, None) => {
                merged.push_null();
                continue;
            }
        };
        if from.is_null(row) {
            merged.push_null();
        } else {
            merged.push_cell(from.cell(row));
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataType, Field, Value};
    use crate::store::Schema;

    fn defs() -> Vec<ColumnDef> {
        let fields = ["ts", "a", "b"].map(|name| Field::fixed(name, DataType::BigInt));
        Schema::new(fields.to_vec(), Vec::new()).columns
    }

    fn batch(rows: &[(i64, i64)], column: u32) -> WriteBatch {
        let mut cells = Column::new(DataType::BigInt);
        rows.iter().for_each(|(_, value)| cells.push_value(&Value::Int(*value)));
        WriteBatch { ts: rows.iter().map(|(ts, _)| *ts).collect(), columns: vec![(column, cells)] }
    }

    fn shown(rows: &Rows) -> Vec<(i64, Value, Value)> {
        let cell = |id, row| rows.column(id).map_or(Value::Null, |column: &Column| column.value(row));
        (0..rows.timestamps().len()).map(|row| (rows.timestamps()[row], cell(1, row), cell(2, row))).collect()
    }

    #[test]
    fn rows_written_out_of_order_are_sorted_and_the_rule_decides_who_wins() {
        use DuplicateRule::{FirstWins, MergeColumns, ReplaceRow};
        for (rule, at_20) in [
            (FirstWins, (Value::Int(2), Value::Null)),
            (ReplaceRow, (Value::Null, Value::Int(8))),
            (MergeColumns, (Value::Int(2), Value::Int(8))),
        ] {
            let mut rows = Rows::default();
            rows.write(&batch(&[(10, 1), (20, 2), (40, 4)], 1), &defs(), rule);
            rows.write(&batch(&[(30, 9), (20, 8), (5, 7)], 2), &defs(), rule);
            let want = vec![
                (5, Value::Null, Value::Int(7)),
                (10, Value::Int(1), Value::Null),
                (20, at_20.0, at_20.1),
                (30, Value::Null, Value::Int(9)),
                (40, Value::Int(4), Value::Null),
            ];
            assert_eq!(shown(&rows), want, "{rule:?}");
        }
    }

    #[test]
    fn deleting_takes_the_rows_of_the_range_and_no_others() {
        let mut rows = Rows::default();
        rows.write(&batch(&[(1, 1), (2, 2), (3, 3)], 1), &defs(), DuplicateRule::MergeColumns);
        let range = rows.range(2, 2);
        rows.delete(range);
        assert_eq!(rows.timestamps(), [1, 3]);
        assert_eq!(shown(&rows)[1].1, Value::Int(3));
    }
}
