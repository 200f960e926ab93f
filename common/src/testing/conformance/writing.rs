//! What every sink must do alike.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Rig, collect, collect_many};
use crate::batch::{Block, BlockBuilder, Run, TableRuns, TagRow, Value};
use crate::port::{PortError, PortResult, RefusedRow, Sink, Tables};
use crate::schema::{Column, DataType, NormalTable, Stable};
use crate::testing::{MemDatabase, MemTable, Recipe, all_types, column, differences};
use crate::time::{Period, Precision};

/// Some past row of the tests, in milliseconds.
const TS: i64 = 1_600_000_000_000;

fn held() -> MemDatabase {
    Recipe::small(11).make()
}

/// Long enough for every row of the tests.
fn options(precision: Precision) -> String {
    format!("PRECISION '{precision}' KEEP 36500d")
}

fn tag_rows(held: &MemDatabase, stable: &str) -> Vec<TagRow> {
    held.subtables_of(stable)
        .map(|(name, table)| TagRow { name: name.clone(), tags: table.tags.clone() })
        .collect()
}

/// Creates all that a database has besides rows.
pub(super) async fn create(sink: &dyn Sink, held: &MemDatabase) -> PortResult<()> {
    sink.create_database(&options(held.database.precision)).await?;
    for stable in held.stables.values() {
        sink.create_stable(stable).await?;
        sink.create_subtables(stable, &tag_rows(held, &stable.name)).await?;
    }
    for (name, table) in held.tables.iter().filter(|(_, table)| table.stable.is_none()) {
        sink.create_table(&NormalTable { name: name.clone(), columns: table.columns.to_vec() }).await?;
    }
    Ok(())
}

fn block<'a>(
    columns: Arc<[Column]>,
    precision: Precision,
    rows: impl IntoIterator<Item = &'a Vec<Value>>,
) -> PortResult<Block> {
    let not_a_block = |bad: crate::batch::BadBlock| PortError::Invalid {
        side: crate::port::Side::Sink,
        message: bad.to_string(),
    };
    let mut builder = BlockBuilder::new(columns, precision);
    rows.into_iter().try_for_each(|row| builder.push_row(row)).map_err(not_a_block)?;
    builder.finish().map_err(not_a_block)
}

fn block_of(held: &MemDatabase, table: &MemTable) -> PortResult<Block> {
    block(Arc::clone(&table.columns), held.database.precision, table.rows.values())
}

/// The rows of a stable's subtables as one block, each table in two runs where it has rows enough.
pub(super) fn runs_of(held: &MemDatabase, stable: &Stable) -> PortResult<TableRuns> {
    let (mut rows, mut runs) = (Vec::new(), Vec::new());
    for second_half in [false, true] {
        for (name, table) in held.subtables_of(&stable.name) {
            let middle = table.rows.len() / 2;
            let half: Range<usize> = if second_half { middle..table.rows.len() } else { 0..middle };
            let from = rows.len();
            rows.extend(table.rows.values().skip(half.start).take(half.len()).cloned());
            if rows.len() > from {
                runs.push(Run { table: name.clone(), rows: from..rows.len() });
            }
        }
    }
    let block = block(stable.columns.clone().into(), held.database.precision, &rows)?;
    Ok(TableRuns { block, runs })
}

async fn assert_sunk(rig: &dyn Rig, held: &MemDatabase) {
    let found = differences(held, &rig.sunk().await, Period::ALL, 10);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One normal table `t`: a timestamp, a number, a text.
fn plain() -> MemDatabase {
    let mut held = MemDatabase::new("plain", Precision::Milli);
    let kinds = [("ts", DataType::Timestamp), ("n", DataType::Int), ("text", DataType::Binary)];
    held.add_normal_table("t", kinds.map(|(name, kind)| column(name, kind)).to_vec());
    held
}

fn plain_row(ts: i64, n: i64, text: &str) -> Vec<Value> {
    vec![Value::Timestamp(ts), Value::Int(n), Value::Binary(text.into())]
}

fn plain_block(held: &MemDatabase, rows: &[Vec<Value>]) -> PortResult<Block> {
    let columns = held.tables.get("t").map(|table| Arc::clone(&table.columns)).unwrap_or_default();
    block(columns, Precision::Milli, rows)
}

fn as_runs(block: Block) -> TableRuns {
    TableRuns { runs: vec![Run { table: "t".into(), rows: 0..block.rows() }], block }
}

/// None before, of the wanted precision after, and creating it again leaves it as it is.
pub async fn a_database_is_there_once_created(rig: &dyn Rig) -> PortResult<()> {
    let sink = rig.sink().await;
    assert!(sink.version().await?.starts_with('3'), "a sink is 3.x");
    assert_eq!(sink.database().await?, None);
    sink.create_database(&options(Precision::Micro)).await?;
    let created = sink.database().await?;
    assert_eq!(created.as_ref().map(|one| one.precision), Some(Precision::Micro));
    sink.create_database(&options(Precision::Micro)).await?;
    assert_eq!(sink.database().await?, created);
    assert_eq!(sink.stables().await?, []);
    Ok(())
}

/// Columns and tags of every type, tables by name; repeating does no harm.
pub async fn structure_is_created_once_and_told_as_it_is(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    create(&*sink, &held).await?;
    let mut told = sink.stables().await?;
    told.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(told, held.stables.values().cloned().collect::<Vec<_>>());
    let told = sink.tables(&["n000".into(), "not there".into()]).await?;
    let columns = held.tables.get("n000").map(|table| table.columns.to_vec()).unwrap_or_default();
    assert_eq!(told, [NormalTable { name: "n000".into(), columns }]);
    let empty = MemDatabase { tables: held.tables.clone(), ..held.clone() };
    let mut empty = empty;
    empty.tables.values_mut().for_each(|table| table.rows.clear());
    assert_sunk(rig, &empty).await;
    Ok(())
}

/// Those asked for that the stable lacks, odd names verbatim.
pub async fn only_subtables_that_are_not_there_are_missing(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let sink = rig.sink().await;
    sink.create_database(&options(Precision::Milli)).await?;
    for stable in held.stables.values() {
        sink.create_stable(stable).await?;
        let rows = tag_rows(&held, &stable.name);
        let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        let (there, not) = rows.split_at(rows.len() / 2);
        sink.create_subtables(stable, there).await?;
        let mut told = sink.missing_subtables(&stable.name, &names).await?;
        told.sort();
        assert_eq!(told, not.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), "{:?}", stable.name);
        sink.create_subtables(stable, &rows).await?;
        assert_eq!(sink.missing_subtables(&stable.name, &names).await?, Vec::<String>::new());
    }
    Ok(())
}

/// Structure, tags and every cell, table by table, in each precision.
pub async fn a_whole_database_arrives(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for (name, table) in held.tables.iter().filter(|(_, table)| !table.rows.is_empty()) {
        sink.write(name, &block_of(&held, table)?).await?;
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// The same by grouped writes, a table's rows in several runs.
pub async fn rows_of_many_tables_arrive(rig: &dyn Rig) -> PortResult<()> {
    let mut held = held();
    held.tables.retain(|_, table| table.stable.is_some());
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for stable in held.stables.values() {
        sink.write_many(&runs_of(&held, stable)?).await?;
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// Repeating a write, whole or in part, in blocks or in groups, leaves the same rows.
pub async fn the_same_rows_again_change_nothing(rig: &dyn Rig) -> PortResult<()> {
    let mut held = plain();
    let rows: Vec<_> = (0..40).map(|n| plain_row(TS + n, n, "x")).collect();
    rows.iter().for_each(|row| held.put_row("t", row.clone()));
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    let block = plain_block(&held, &rows)?;
    sink.write("t", &block).await?;
    sink.write("t", &block.slice(5..20)).await?;
    sink.write_many(&as_runs(block.slice(10..40))).await?;
    sink.write("t", &block).await?;
    assert_sunk(rig, &held).await;
    Ok(())
}

/// A block of some columns changes those only.
pub async fn columns_that_are_not_written_keep_their_values(rig: &dyn Rig) -> PortResult<()> {
    let mut held = plain();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    sink.write("t", &plain_block(&held, &[plain_row(TS, 1, "kept")])?).await?;
    let columns: Arc<[Column]> = Arc::new([column("ts", DataType::Timestamp), column("n", DataType::Int)]);
    let rows = [vec![Value::Timestamp(TS), Value::Int(2)], vec![Value::Timestamp(TS + 1), Value::Int(3)]];
    sink.write("t", &block(columns, Precision::Milli, &rows)?).await?;
    held.put_row("t", plain_row(TS, 2, "kept"));
    held.put_row("t", vec![Value::Timestamp(TS + 1), Value::Int(3), Value::Null]);
    assert_sunk(rig, &held).await;
    Ok(())
}

/// NaN, infinities and bytes that are no text, by both ways of writing.
pub async fn what_sql_cannot_carry_arrives_all_the_same(rig: &dyn Rig) -> PortResult<()> {
    let mut held = MemDatabase::new("odd", Precision::Milli);
    let columns = all_types();
    held.add_normal_table("t", columns.clone());
    let odd = |ts: i64, column: &Column| match column.data_type {
        DataType::Timestamp => Value::Timestamp(ts),
        DataType::Float => Value::Float(f32::from_bits(0x7fc0_1234)),
        DataType::Double => Value::Double(f64::NEG_INFINITY),
        DataType::Binary => Value::Binary(vec![0xc3, 0x28, 0, 0xff]),
        _ => Value::Null,
    };
    let rows: Vec<Vec<Value>> =
        (0..2).map(|n| columns.iter().map(|column| odd(TS + n, column)).collect()).collect();
    rows.iter().for_each(|row| held.put_row("t", row.clone()));
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    let block = plain_block(&held, &rows)?;
    sink.write("t", &block.slice(0..1)).await?;
    sink.write_many(&as_runs(block.slice(1..2))).await?;
    assert_sunk(rig, &held).await;
    Ok(())
}

/// The real 3.3.1 says yes and loses the column; the adapter has to say no, and to write nothing.
pub async fn an_unknown_column_is_never_dropped_silently(rig: &dyn Rig) -> PortResult<()> {
    let held = plain();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    let columns: Arc<[Column]> =
        Arc::new([column("ts", DataType::Timestamp), column("other", DataType::Int)]);
    let block = block(columns, Precision::Milli, &[vec![Value::Timestamp(TS), Value::Int(1)]])?;
    for answer in [sink.write("t", &block).await, sink.write_many(&as_runs(block)).await] {
        assert!(matches!(answer, Err(PortError::Missing { .. } | PortError::Invalid { .. })), "{answer:?}");
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// An error that says it is missing, and still no such table.
pub async fn a_missing_table_is_never_created_by_a_write(rig: &dyn Rig) -> PortResult<()> {
    let held = plain();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    let block = plain_block(&held, &[plain_row(TS, 1, "x")])?;
    let runs = TableRuns { runs: vec![Run { table: "not there".into(), rows: 0..1 }], block: block.clone() };
    for answer in [sink.write("not there", &block).await, sink.write_many(&runs).await] {
        assert!(matches!(answer, Err(PortError::Missing { .. })), "{answer:?}");
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// One row outside what is kept, or one value too long, refuses its whole write, with the reason.
pub async fn rows_the_target_cannot_keep_are_refused_whole(rig: &dyn Rig) -> PortResult<()> {
    let held = plain();
    let sink = rig.sink().await;
    sink.create_database("PRECISION 'ms' KEEP 3650d").await?;
    create(&*sink, &held).await?;
    let kept = sink.keeps(Precision::Milli).await?;
    let day = 24 * 60 * 60 * 1_000;
    let too_long = "x".repeat(21);
    let cases = [
        (RefusedRow::Keep, plain_row(kept.from.saturating_sub(day), 1, "x")),
        (RefusedRow::TooLong, plain_row(TS + 1, 1, &too_long)),
    ];
    for (wanted, bad) in cases {
        let rows = [plain_row(kept.from.saturating_add(day), 1, "good"), bad];
        let answer = sink.write("t", &plain_block(&held, &rows)?).await;
        assert!(matches!(&answer, Err(PortError::Refused { reason, .. }) if *reason == wanted), "{answer:?}");
        assert_sunk(rig, &held).await;
    }
    Ok(())
}

/// The sink counts as the source does.
pub async fn written_rows_are_counted_over_half_open_periods(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for stable in held.stables.values() {
        sink.write_many(&runs_of(&held, stable)?).await?;
    }
    for stable in held.stables.keys() {
        let names: Vec<String> = held.subtables_of(stable).map(|(name, _)| name.clone()).collect();
        let times: Vec<i64> =
            held.subtables_of(stable).flat_map(|(_, table)| table.rows.keys()).copied().collect();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        for period in
            [Period::ALL, Period { from: middle, to: middle + 1 }, Period { from: i64::MIN, to: middle }]
        {
            let mut wanted: BTreeMap<String, u64> = held
                .subtables_of(stable)
                .map(|(name, table)| (name.clone(), table.rows_in(period).map(|_| 1).sum()))
                .collect();
            wanted.retain(|_, rows| *rows > 0);
            let tables = Tables::Of { stable, names: &names };
            assert_eq!(
                sink.count(tables, period).await?,
                wanted.values().sum::<u64>(),
                "{stable:?} in {period}"
            );
            let mut each = sink.count_each(tables, period).await?;
            each.retain(|_, rows| *rows > 0);
            assert_eq!(each, wanted, "{stable:?} in {period}");
        }
    }
    Ok(())
}

/// By one table and by many, every type and NULL, whole and over a period.
pub async fn what_was_written_is_read_back_as_it_is(rig: &dyn Rig) -> PortResult<()> {
    let held = held();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for (name, table) in held.tables.iter().filter(|(_, table)| !table.rows.is_empty()) {
        sink.write(name, &block_of(&held, table)?).await?;
        let (first, last) = (table.rows.keys().next(), table.rows.keys().next_back());
        let (after, last) = (first.copied().unwrap_or(0) + 1, last.copied().unwrap_or(0));
        let inside = Period { from: after, to: last.max(after) };
        for period in [Period::ALL, inside] {
            let wanted = table.rows_in(period).map(|(ts, row)| (*ts, row.clone())).collect();
            let told = collect(sink.read(name, Arc::clone(&table.columns), period)).await?;
            assert_eq!(told, wanted, "{name:?} in {period}");
        }
    }
    for stable in held.stables.values() {
        let names: Vec<String> = held.subtables_of(&stable.name).map(|(name, _)| name.clone()).collect();
        let some = &names[..names.len() / 2];
        let told = collect_many(sink.read_many(stable, some, Period::ALL)).await?;
        let wanted = held
            .subtables_of(&stable.name)
            .filter(|(name, table)| some.contains(name) && !table.rows.is_empty());
        assert_eq!(
            told,
            wanted.map(|(name, table)| (name.clone(), table.rows.clone())).collect(),
            "{:?}",
            stable.name
        );
    }
    Ok(())
}

/// Behind those that are there, with NULL in the rows so far, and a write knows of them at once.
pub async fn columns_are_added_where_they_are_lacking(rig: &dyn Rig) -> PortResult<()> {
    let mut held = held();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for (name, table) in held.tables.iter().filter(|(_, table)| !table.rows.is_empty()) {
        sink.write(name, &block_of(&held, table)?).await?;
    }
    let more = Column { name: "More of it".into(), data_type: DataType::Nchar, length: 7 };
    for stable in held.stables.values_mut() {
        stable.columns.push(more.clone());
        // twice: an answer may get lost
        sink.add_to_stable(stable).await?;
        sink.add_to_stable(stable).await?;
    }
    for (name, table) in &mut held.tables {
        table.columns = table.columns.iter().cloned().chain([more.clone()]).collect();
        table.rows.values_mut().for_each(|row| row.push(Value::Null));
        if table.stable.is_none() {
            let table = NormalTable { name: name.clone(), columns: table.columns.to_vec() };
            sink.add_to_table(&table).await?;
            sink.add_to_table(&table).await?;
        }
    }
    assert_sunk(rig, &held).await;
    for table in held.tables.values_mut() {
        let last = table.rows.values_mut().filter_map(|row| row.last_mut());
        last.for_each(|value| *value = Value::Nchar("涛 1".into()));
    }
    for (name, table) in held.tables.iter().filter(|(_, table)| !table.rows.is_empty()) {
        sink.write(name, &block_of(&held, table)?).await?;
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// Of those asked for that are there, of every type and NULL, and others' stay as they are.
pub async fn tags_are_told_and_changed_one_subtable_at_a_time(rig: &dyn Rig) -> PortResult<()> {
    let mut held = held();
    held.tables.values_mut().for_each(|table| table.rows.clear());
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    for stable in held.stables.clone().values() {
        let rows = tag_rows(&held, &stable.name);
        let mut names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        names.push("not there".into());
        let mut told = sink.tags(stable, &names).await?;
        told.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(told, rows, "{:?}", stable.name);
        let (Some(changed), Some(like)) = (rows.first(), rows.last()) else { continue };
        let changed = TagRow { name: changed.name.clone(), tags: like.tags.clone() };
        sink.set_tags(stable, std::slice::from_ref(&changed)).await?;
        if let Some(table) = held.tables.get_mut(&changed.name) {
            table.tags = changed.tags;
        }
    }
    assert_sunk(rig, &held).await;
    Ok(())
}

/// Half open, of one table.
pub async fn only_the_rows_of_a_period_are_deleted(rig: &dyn Rig) -> PortResult<()> {
    let mut held = plain();
    let rows: Vec<_> = (0..40).map(|n| plain_row(TS + n, n, "x")).collect();
    let sink = rig.sink().await;
    create(&*sink, &held).await?;
    sink.write("t", &plain_block(&held, &rows)?).await?;
    for period in [Period { from: TS + 3, to: TS + 4 }, Period { from: TS + 10, to: TS + 20 }] {
        sink.delete("t", period).await?;
    }
    let kept = rows.iter().enumerate().filter(|(n, _)| *n != 3 && !(10..20).contains(n));
    kept.for_each(|(_, row)| held.put_row("t", row.clone()));
    assert_sunk(rig, &held).await;
    Ok(())
}
