//! What two counts say: which tables differ, what KEEP took, and the words for a difference that stays. Pure.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::schema::Database;
use tdferry_common::shard::Totals;
use tdferry_common::time::Period;

use super::write::Wrote;
use crate::rules;

/// Rows by table, as one side counted them.
pub(super) type Counted = BTreeMap<String, u64>;

/// How far the clocks of two servers and the time of a count may lie apart, in seconds.
const EDGE_MARGIN_SECONDS: i64 = 600;
const SECONDS_A_DAY: u64 = 86_400;
/// Tables in an error: more would not be read.
const SHOWN: usize = 10;

/// The tables that do not have as many rows on one side as on the other.
pub(super) fn differing(source: &Counted, target: &Counted) -> BTreeSet<String> {
    let rows = |side: &Counted, table: &str| side.get(table).copied().unwrap_or(0);
    let tables = source.keys().chain(target.keys());
    tables.filter(|table| rows(source, table) != rows(target, table)).cloned().collect()
}

/// The part of a period that KEEP cannot reach while counting, if it may have taken rows of the rest.
pub(super) fn out_of_reach(period: Period, source: &Database, now: i64) -> Option<Period> {
    let kept = rules::keep_days(source)?.saturating_mul(SECONDS_A_DAY);
    let kept = i64::try_from(kept).unwrap_or(i64::MAX).saturating_sub(EDGE_MARGIN_SECONDS);
    let edge = now.saturating_sub(kept.saturating_mul(source.precision.per_second()));
    (period.from < edge).then(|| period.starting_at(edge))
}

/// Totals in which what the source does not count any more is taken for expired, if the rest of the period, where
/// nothing expires, was counted alike on both sides.
pub(super) fn with_expired(totals: Totals, rest_source: u64, rest_target: u64) -> Option<Totals> {
    let expired = totals.read.checked_sub(totals.source_counted)?;
    let least = rest_source.saturating_sub(totals.rejected);
    let most = rest_source.saturating_add(totals.before.unwrap_or(0));
    let alike = (least..=most).contains(&rest_target);
    let told = Totals { expired, ..totals };
    (alike && told.agree()).then_some(told)
}

/// Totals after the tables that differed were copied again: the others hold what both sides counted.
pub(super) fn after_copying_again(
    totals: Totals,
    source: &Counted,
    again: &BTreeSet<String>,
    read: u64,
    wrote: Wrote,
) -> Totals {
    let others = source.iter().filter(|(table, _)| !again.contains(*table));
    let agreed = others.fold(0_u64, |sum, (_, rows)| sum.saturating_add(*rows));
    Totals {
        read: agreed.saturating_add(read),
        written: agreed.saturating_add(wrote.written),
        rejected: wrote.rejected,
        kept: wrote.kept,
        expired: 0,
        ..totals
    }
}

/// A difference that stayed, in words a person can act on.
pub(super) fn in_words(totals: &Totals, period: Period, source: &Counted, target: &Counted) -> String {
    let rows = |side: &Counted, table: &str| side.get(table).copied().unwrap_or(0);
    let tables = differing(source, target);
    let shown: Vec<_> = tables
        .iter()
        .take(SHOWN)
        .map(|table| format!("`{table}` (source {}, target {})", rows(source, table), rows(target, table)))
        .collect();
    let more = match tables.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let which = if shown.is_empty() { "no table by itself".to_owned() } else { shown.join(", ") };
    let Totals { read, written, rejected, source_counted, target_counted, .. } = totals;
    let before = totals.before.unwrap_or(0);
    format!(
        "the counts differ after copying again in {period}: {which}{more}; in all the source counted {source_counted}, \
         {read} were read, {written} written, {rejected} rejected, the target counted {target_counted} and had {before} \
         before; what was written stays; find out who else writes or deletes there, then retry the shard"
    )
}

#[cfg(test)]
mod tests {
    use tdferry_common::time::Precision;

    use super::*;

    fn counted(rows: &[(&str, u64)]) -> Counted {
        rows.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect()
    }

    #[test]
    fn a_table_that_one_side_does_not_count_has_no_rows_there() {
        let source = counted(&[("a", 1), ("b", 2), ("empty", 0)]);
        let target = counted(&[("a", 1), ("c", 3)]);
        assert_eq!(differing(&source, &target), BTreeSet::from(["b".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn keep_reaches_into_a_period_only_from_its_old_end() {
        let options = [("keep".to_owned(), "10,10,10".to_owned())].into();
        let source = Database { name: "d".into(), precision: Precision::Milli, options };
        let day = 86_400_000;
        let now = 100 * day;
        let edge = 90 * day + 600_000;
        let period = |from| Period { from, to: now };
        assert_eq!(out_of_reach(period(edge), &source, now), None);
        assert_eq!(out_of_reach(period(80 * day), &source, now), Some(period(edge)));
        assert_eq!(out_of_reach(period(0), &Database::default(), now), None);
    }

    #[test]
    fn rows_count_as_expired_only_where_the_rest_is_alike_on_both_sides() {
        let totals = Totals {
            read: 10,
            written: 10,
            before: Some(0),
            source_counted: 7,
            target_counted: 7,
            ..Totals::default()
        };
        assert_eq!(with_expired(totals, 5, 5), Some(Totals { expired: 3, ..totals }));
        assert_eq!(with_expired(totals, 5, 4), None);
        assert_eq!(with_expired(totals, 5, 6), None);
        assert_eq!(with_expired(Totals { source_counted: 11, ..totals }, 5, 5), None);
        assert_eq!(with_expired(Totals { target_counted: 6, ..totals }, 5, 5), None);
    }

    #[test]
    fn tables_not_copied_again_keep_what_both_sides_counted() {
        let again = BTreeSet::from(["b".to_owned()]);
        let totals = Totals { read: 4, written: 4, expired: 9, ..Totals::default() };
        let source = counted(&[("a", 3), ("b", 8)]);
        let told = after_copying_again(
            totals,
            &source,
            &again,
            8,
            Wrote { written: 7, rejected: 1, ..Wrote::default() },
        );
        assert_eq!((told.read, told.written, told.rejected, told.expired), (11, 10, 1, 0));
    }

    #[test]
    fn the_words_name_tables_period_and_counts() {
        let totals =
            Totals { read: 3, written: 3, source_counted: 3, target_counted: 2, ..Totals::default() };
        let words =
            in_words(&totals, Period { from: 1, to: 9 }, &counted(&[("a", 3)]), &counted(&[("a", 2)]));
        for part in ["`a` (source 3, target 2)", "[1, 9)", "target counted 2", "retry"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
