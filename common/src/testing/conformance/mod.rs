//! What every adapter of the ports must do alike: one suite, stamped on each by [`ports_conform!`](crate::ports_conform).
//!
//! The checks speak to the ports only; how a source is filled and a sink is looked at is the adapter's [`Rig`].

pub mod following;
pub mod reading;
pub mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{BoxStream, StreamExt};

use super::database::MemDatabase;
use crate::batch::{Block, TableRuns, Value};
use crate::port::{PortResult, Sink, Source};

/// What the suite needs of an adapter besides the ports. One rig serves one check.
#[async_trait]
pub trait Rig: Send + Sync {
    /// A source that holds exactly this, whatever its name.
    async fn source(&self, held: &MemDatabase) -> Arc<dyn Source>;

    /// A sink whose database does not exist yet.
    async fn sink(&self) -> Arc<dyn Sink>;

    /// All that the sink's database holds, read back by other means than the port; options need not be told.
    async fn sunk(&self) -> MemDatabase;
}

/// Stamps the suite on an adapter: a module of tests, each with a rig of its own.
///
/// ```ignore
/// tdferry_common::ports_conform!(in_memory, MyRig::new().await);
/// ```
#[macro_export]
macro_rules! ports_conform {
    ($module:ident, $rig:expr) => {
        mod $module {
            use super::*;

            $crate::ports_conform!(@each $rig; reading:
                structure_is_told_as_it_is
                subtables_come_once_each_and_empty_ones_too
                tags_come_with_every_type_and_null
                extents_are_right_where_they_say_so
                every_type_and_null_is_read_as_it_is
                a_period_is_read_half_open_and_ascending
                columns_are_read_as_asked_for
                tables_without_rows_are_read_as_nothing
                many_tables_are_read_as_each_alone
                rows_are_counted_over_half_open_periods
                what_is_not_there_is_missing);
            $crate::ports_conform!(@each $rig; following:
                all_subtables_are_read_and_counted_at_once
                buckets_start_at_multiples_of_their_length_since_1970
                a_bucket_that_is_no_whole_seconds_is_refused
                the_newest_row_is_told
                a_census_counts_every_table
                a_stable_that_is_not_there_is_missing
                what_was_written_is_read_and_counted_at_once
                what_was_written_is_counted_by_the_same_buckets);
            $crate::ports_conform!(@each $rig; writing:
                a_database_is_there_once_created
                structure_is_created_once_and_told_as_it_is
                only_subtables_that_are_not_there_are_missing
                a_whole_database_arrives
                rows_of_many_tables_arrive
                the_same_rows_again_change_nothing
                columns_that_are_not_written_keep_their_values
                what_sql_cannot_carry_arrives_all_the_same
                an_unknown_column_is_never_dropped_silently
                a_missing_table_is_never_created_by_a_write
                rows_the_target_cannot_keep_are_refused_whole
                written_rows_are_counted_over_half_open_periods
                what_was_written_is_read_back_as_it_is
                columns_are_added_where_they_are_lacking
                tags_are_told_and_changed_one_subtable_at_a_time
                only_the_rows_of_a_period_are_deleted);
        }
    };
    (@each $rig:expr; $part:ident: $($check:ident)*) => {
        $(
            #[tokio::test]
            async fn $check() {
                let rig = $rig;
                $crate::testing::conformance::$part::$check(&rig).await.unwrap();
            }
        )*
    };
}

/// Rows by table and time.
type Rows = BTreeMap<String, BTreeMap<i64, Vec<Value>>>;

fn row(block: &Block, row: usize) -> Vec<Value> {
    (0..block.columns().len()).map(|col| block.cell(row, col).to_value()).collect()
}

/// All rows of a stream, which must ascend in time.
async fn collect(blocks: BoxStream<'_, PortResult<Block>>) -> PortResult<BTreeMap<i64, Vec<Value>>> {
    let mut rows = BTreeMap::new();
    for block in blocks.try_collect::<Vec<_>>().await? {
        for at in 0..block.rows() {
            let ts = block.timestamp(at).unwrap_or(i64::MIN);
            assert!(
                rows.last_key_value().is_none_or(|(last, _)| *last < ts),
                "row {at} at {ts} does not ascend"
            );
            rows.insert(ts, row(&block, at));
        }
    }
    Ok(rows)
}

/// The same, each table's rows ascending.
async fn collect_all(blocks: BoxStream<'_, PortResult<TableRuns>>) -> PortResult<Rows> {
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let ascending =
        blocks.inspect_ok(|part| {
            for (table, ts) in part.runs.iter().flat_map(|run| {
                run.rows.clone().filter_map(|row| Some((&run.table, part.block.timestamp(row)?)))
            }) {
                let before = last.insert(table.clone(), ts);
                assert!(before.is_none_or(|before| before < ts), "row {ts} of {table:?} does not ascend");
            }
        });
    collect_many(ascending.boxed()).await
}

/// All rows of a stream of many tables, no row twice. Runs must tile their block.
async fn collect_many(blocks: BoxStream<'_, PortResult<TableRuns>>) -> PortResult<Rows> {
    let mut rows = Rows::new();
    for part in blocks.try_collect::<Vec<_>>().await? {
        let mut at = 0;
        for run in part.runs {
            assert_eq!((run.rows.start, run.rows.is_empty()), (at, false), "runs tile their block");
            at = run.rows.end;
            for one in run.rows {
                let ts = part.block.timestamp(one).unwrap_or(i64::MIN);
                let before = rows.entry(run.table.clone()).or_default().insert(ts, row(&part.block, one));
                assert_eq!(before, None, "row {ts} of {:?} came twice", run.table);
            }
        }
        assert_eq!(at, part.block.rows(), "runs tile their block");
    }
    Ok(rows)
}
