//! What every source must do alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::TryStreamExt;

use super::{Rig, Rows, collect, collect_many};
use crate::batch::{TagRow, Value};
use crate::port::{PortError, PortResult, Source, Subtable, Tables};
use crate::schema::{Column, NormalTable, Stable};
use crate::testing::{MemDatabase, MemTable, Recipe};
use crate::time::{Period, Precision};

fn held() -> MemDatabase {
    Recipe::small(7).make()
}

fn stables(held: &MemDatabase) -> Vec<Stable> {
    held.stables.values().cloned().collect()
}

fn names_of(held: &MemDatabase, stable: &str) -> Vec<String> {
    held.subtables_of(stable).map(|(name, _)| name.clone()).collect()
}

fn columns_of(table: &MemTable) -> Arc<[Column]> {
    Arc::clone(&table.columns)
}

async fn all_subtables(source: &dyn Source, stable: &str) -> PortResult<Vec<Subtable>> {
    let pages: Vec<_> = source.subtables(stable, true).try_collect().await?;
    Ok(pages.concat())
}

/// The table with most rows of a stable, which every recipe gives some.
fn fullest<'a>(held: &'a MemDatabase, stable: &'a str) -> Option<(&'a String, &'a MemTable)> {
    held.subtables_of(stable).max_by_key(|(_, table)| table.rows.len())
}

/// Periods around the first, a middle and the last row: each end once on a row, once beside it, and empty ones.
fn periods(table: &MemTable) -> Vec<Period> {
    let times: Vec<i64> = table.rows.keys().copied().collect();
    let picked = [times.first(), times.get(times.len() / 2), times.last()];
    let ends: BTreeSet<i64> = picked.into_iter().flatten().flat_map(|ts| [ts - 1, *ts, ts + 1]).collect();
    let pairs = ends.iter().flat_map(|from| ends.range(from..).map(|to| Period { from: *from, to: *to }));
    pairs.chain([Period::ALL]).collect()
}

fn rows_in(table: &MemTable, period: Period) -> BTreeMap<i64, Vec<Value>> {
    table.rows_in(period).map(|(ts, row)| (*ts, row.clone())).collect()
}

/// Precision, stables, tags and normal tables, in the source's own order of columns.
pub async fn structure_is_told_as_it_is(rig: &dyn Rig) -> PortResult<()> {
    for precision in [Precision::Milli, Precision::Micro, Precision::Nano] {
        let held = Recipe { precision, ..Recipe::small(3) }.make();
        let source = rig.source(&held).await;
        assert!(source.version().await?.starts_with('2'), "a source is 2.x");
        assert_eq!(source.database().await?.precision, precision);
        let mut told = source.stables().await?;
        told.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(told, stables(&held));
        let mut told = source.normal_tables().await?;
        told.sort_by(|a, b| a.name.cmp(&b.name));
        let normal = held.tables.iter().filter(|(_, table)| table.stable.is_none());
        let normal =
            normal.map(|(name, table)| NormalTable { name: name.clone(), columns: table.columns.to_vec() });
        assert_eq!(told, normal.collect::<Vec<_>>());
    }
    Ok(())
}

/// Every subtable once, those without rows too, odd names verbatim.
pub async fn subtables_come_once_each_and_empty_ones_too(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for stable in held.stables.keys() {
        let mut told: Vec<String> =
            all_subtables(&*source, stable).await?.into_iter().map(|one| one.name).collect();
        told.sort();
        assert_eq!(told, names_of(&held, stable), "subtables of {stable:?}");
    }
    Ok(())
}

/// Tags of every type, NULL tags, in any order; what does not exist is left out. Asked for by name or all at once.
pub async fn tags_come_with_every_type_and_null(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for stable in held.stables.values() {
        let mut names = names_of(&held, &stable.name);
        names.push("not there".into());
        let mut told = source.tags(stable, &names).await?;
        told.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = held.subtables_of(&stable.name);
        let wanted = wanted.map(|(name, table)| TagRow { name: name.clone(), tags: table.tags.clone() });
        let wanted: Vec<_> = wanted.collect();
        assert_eq!(told, wanted, "tags of {:?}", stable.name);
        let mut all = source.all_tags(stable).try_concat().await?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(all, wanted, "all tags of {:?}", stable.name);
    }
    Ok(())
}

/// An exact extent is the count; a period covers all rows; both for stables, tables and listed subtables.
pub async fn extents_are_right_where_they_say_so(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for stable in held.stables.keys() {
        let tables: Vec<&MemTable> = held.subtables_of(stable).map(|(_, table)| table).collect();
        check_extent(stable, source.stable_extent(stable).await?, &tables);
        for one in all_subtables(&*source, stable).await? {
            if let (Some(extent), Some(table)) = (one.extent, held.tables.get(&one.name)) {
                check_extent(&one.name, extent, &[table]);
            }
        }
    }
    for (name, table) in held.tables.iter().filter(|(_, table)| table.stable.is_none()) {
        check_extent(name, source.table_extent(name).await?, &[table]);
    }
    Ok(())
}

fn check_extent(name: &str, told: crate::schema::Extent, tables: &[&MemTable]) {
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    if told.exact {
        assert_eq!(usize::try_from(told.rows).ok(), Some(rows), "rows of {name:?}");
    }
    if let Some(period) = told.period {
        let outside = tables.iter().flat_map(|table| table.rows.keys()).find(|ts| !period.contains(**ts));
        assert_eq!(outside, None, "{name:?} has a row outside {period}");
    }
}

/// Each cell of each table, with NULLs in every column, empty texts and characters beyond the first plane.
pub async fn every_type_and_null_is_read_as_it_is(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for (name, table) in &held.tables {
        let told = collect(source.read(name, columns_of(table), Period::ALL)).await?;
        assert_eq!(told, table.rows, "rows of {name:?}");
    }
    Ok(())
}

/// The first unit is inside, the last is not, rows ascend over all blocks.
pub async fn a_period_is_read_half_open_and_ascending(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    let Some((name, table)) = fullest(&held, "meters") else { return Ok(()) };
    for period in periods(table) {
        let told = collect(source.read(name, columns_of(table), period)).await?;
        assert_eq!(told, rows_in(table, period), "rows of {name:?} in {period}");
    }
    Ok(())
}

/// Some of a table's columns, in an order of the caller's, found by name.
pub async fn columns_are_read_as_asked_for(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    let Some((name, table)) = fullest(&held, "meters") else { return Ok(()) };
    let order = [0, 3, 1];
    let columns: Arc<[Column]> = order.iter().filter_map(|at| table.columns.get(*at).cloned()).collect();
    let told = collect(source.read(name, columns, Period::ALL)).await?;
    let pick = |row: &Vec<Value>| order.iter().filter_map(|at| row.get(*at).cloned()).collect::<Vec<_>>();
    assert_eq!(told, table.rows.iter().map(|(ts, row)| (*ts, pick(row))).collect());
    Ok(())
}

/// Empty tables and empty periods answer no rows, and no error.
pub async fn tables_without_rows_are_read_as_nothing(rig: &dyn Rig) -> PortResult<()> {
    let mut held = held();
    held.add_subtable("meters", "no rows", vec![Value::Null, Value::Null]);
    let source = rig.source(&held).await;
    let columns: Arc<[Column]> =
        held.stables.get("meters").map(|one| one.columns.clone()).unwrap_or_default().into();
    let names = ["no rows".to_owned()];
    assert_eq!(collect(source.read("no rows", Arc::clone(&columns), Period::ALL)).await?, BTreeMap::new());
    let Some(stable) = held.stables.get("meters") else { return Ok(()) };
    assert_eq!(collect_many(source.read_many(stable, &names, Period::ALL)).await?, Rows::new());
    assert_eq!(source.count(Tables::One { name: "no rows" }, Period::ALL).await?, 0);
    assert_eq!(source.count(Tables::Of { stable: "meters", names: &names }, Period::ALL).await?, 0);
    let nothing = Period { from: 5, to: 5 };
    assert_eq!(collect(source.read("d0000", columns, nothing)).await?, BTreeMap::new());
    Ok(())
}

/// A grouped read holds what reading each table holds, no row twice, names that do not exist left out.
pub async fn many_tables_are_read_as_each_alone(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for stable in held.stables.values() {
        let mut names = names_of(&held, &stable.name);
        names.pop();
        names.push("not there".into());
        let Some((_, fullest)) = fullest(&held, &stable.name) else { continue };
        for period in periods(fullest) {
            let told = collect_many(source.read_many(stable, &names, period)).await?;
            let asked = names.iter().filter_map(|name| held.tables.get_key_value(name));
            let rows = asked.map(|(name, table)| (name.clone(), rows_in(table, period)));
            assert_eq!(
                told,
                rows.filter(|(_, rows)| !rows.is_empty()).collect(),
                "{:?} in {period}",
                stable.name
            );
        }
    }
    Ok(())
}

/// Counts agree with the rows, in sum and table by table, at every end of a period.
pub async fn rows_are_counted_over_half_open_periods(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    for stable in ["meters", "sensors", "Odd Names"] {
        let names = names_of(&held, stable);
        let Some((fullest_name, fullest)) = fullest(&held, stable) else { continue };
        for period in periods(fullest) {
            let wanted: BTreeMap<String, u64> = held
                .subtables_of(stable)
                .map(|(name, table)| (name.clone(), table.rows_in(period).map(|_| 1).sum()))
                .filter(|(_, rows)| *rows > 0)
                .collect();
            let tables = Tables::Of { stable, names: &names };
            assert_eq!(
                source.count(tables, period).await?,
                wanted.values().sum::<u64>(),
                "{stable:?} in {period}"
            );
            let mut each = source.count_each(tables, period).await?;
            each.retain(|_, rows| *rows > 0);
            assert_eq!(each, wanted, "{stable:?} in {period}");
            let one = source.count(Tables::One { name: fullest_name }, period).await?;
            assert_eq!(
                one,
                wanted.get(fullest_name).copied().unwrap_or_default(),
                "{fullest_name:?} in {period}"
            );
        }
    }
    Ok(())
}

/// Asking for what does not exist is an error of its own, not an empty answer.
pub async fn what_is_not_there_is_missing(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let source = rig.source(&held).await;
    let columns: Arc<[Column]> =
        held.stables.get("meters").map(|one| one.columns.clone()).unwrap_or_default().into();
    let read = collect(source.read("not there", columns, Period::ALL)).await;
    assert!(matches!(read, Err(PortError::Missing { .. })), "{read:?}");
    let count = source.count(Tables::One { name: "not there" }, Period::ALL).await;
    assert!(matches!(count, Err(PortError::Missing { .. })), "{count:?}");
    Ok(())
}
