//! Comparing: by the target's sum alone where that is the one of what was written, else row by row on both sides; and
//! repairing what differs.

use std::sync::Arc;

use tdferry_common::batch::Value;
use tdferry_common::digest::RowSum;
use tdferry_common::id::{Epoch, ShardId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Checkpoint, Density, Differing, Extra, Shard, ShardKind, ShardState};
use tdferry_common::testing::{Call, Fault, FaultPlan, MemDatabase, Recipe, assert_same};
use tdferry_common::time::Period;

use crate::coordinator::Place;
use crate::stage::{HISTORY, Stage};
use crate::truncating::Truncating;

const DENSITIES: [Density; 2] = [Density::Dense, Density::Sparse];

/// A sink that holds all that the source does, and a source of three subtables of 150 rows.
fn copied() -> Stage {
    let recipe = Recipe { null_per_mille: 0, ..Recipe::meters(2, (3, 150), (0, 0)) };
    let stage = Stage::new(recipe.make());
    let held = stage.source.held();
    stage.sink.change(|sink| *sink = held);
    stage
}

/// A verify shard over all of them.
fn verify(stage: &Stage, density: Density, expected: Option<u128>) -> Place {
    let mut place = stage.place("meters", 0, ShardKind::Verify(density));
    place.shard = Shard { expected, id: place.shard.id.verify(0), ..place.shard };
    place
}

/// The sum that copying the source would have made.
async fn sum_of_source(density: Density) -> u128 {
    let stage = Stage::with_options(copied().source.held(), &[("verify", "digest")]);
    stage.prepare();
    let place = stage.place("meters", 0, ShardKind::Copy(density));
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    stage.coordinator.shard(&id).checkpoint.sum.expect("digest makes a sum")
}

async fn finished(stage: &Stage, place: Place) -> Shard {
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    stage.coordinator.shard(&id)
}

fn finding(shard: &Shard) -> &str {
    match &shard.state {
        ShardState::Differs { finding } => finding,
        other => panic!("{other:?}"),
    }
}

fn time(held: &MemDatabase, table: &str, row: usize) -> i64 {
    *held.tables[table].rows.keys().nth(row).unwrap()
}

fn spoil(stage: &Stage) -> i64 {
    let ts = time(&stage.source.held(), "d0001", 70);
    stage.sink.change(|sink| {
        let row = sink.tables.get_mut("d0001").unwrap().rows.get_mut(&ts).unwrap();
        row[1] = Value::Null;
    });
    ts
}

#[tokio::test(start_paused = true)]
async fn dense_and_sparse_copies_make_the_same_sum_and_without_digest_none() {
    assert_eq!(sum_of_source(Density::Dense).await, sum_of_source(Density::Sparse).await);
    let stage = Stage::prepared(copied().source.held());
    let place = stage.dense("meters");
    assert_eq!(finished(&stage, place).await.checkpoint.sum, None);
}

#[tokio::test(start_paused = true)]
async fn where_the_sum_is_the_one_of_what_was_written_the_source_is_not_read() {
    for density in DENSITIES {
        let stage = copied();
        let shard = finished(&stage, verify(&stage, density, Some(sum_of_source(density).await))).await;
        assert_eq!(shard.state, ShardState::Done);
        assert_eq!((shard.checkpoint.totals.read, shard.checkpoint.totals.target_counted), (450, 450));
        let calls = stage.source.counters();
        assert_eq!((calls.calls(Call::Read), calls.calls(Call::ReadMany)), (0, 0), "{density:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_cell_is_named_by_its_table_its_column_and_its_time() {
    for density in DENSITIES {
        for expected in [None, Some(sum_of_source(density).await)] {
            let stage = copied();
            let ts = spoil(&stage);
            let column = stage.source.held().stables["meters"].columns[1].name.clone();
            let shard = finished(&stage, verify(&stage, density, expected)).await;
            let wanted = Differing { tables: 1, changed: 1, ..Differing::default() };
            assert_eq!(shard.checkpoint.totals.differing, wanted);
            assert!(finding(&shard).starts_with("the target differs"), "{}", finding(&shard));
            assert!(finding(&shard).contains(&format!("`d0001`: 1 changed ({column}) at {ts}")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_changed_since_it_was_read_is_told_apart() {
    for density in DENSITIES {
        let expected = Some(sum_of_source(density).await);
        let change = |stage: &Stage| {
            let ts = time(&stage.source.held(), "d0002", 3);
            stage.source.change(|held| held.tables.get_mut("d0002").unwrap().rows.remove(&ts));
            ts
        };
        let stage = copied();
        let ts = change(&stage);
        spoil(&stage);
        let shard = finished(&stage, verify(&stage, density, expected)).await;
        let finding = finding(&shard);
        assert!(finding.starts_with("the source changed since it was read"), "{finding}");
        assert!(finding.contains(&format!("`d0002`: 1 extra at {ts}")), "{finding}");
        // both changed alike: what the target holds is what the source holds now
        let stage = copied();
        let ts = change(&stage);
        stage.sink.change(|held| held.tables.get_mut("d0002").unwrap().rows.remove(&ts));
        let shard = finished(&stage, verify(&stage, density, expected)).await;
        assert_eq!(shard.state, ShardState::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ends_early_is_not_believed() {
    for density in DENSITIES {
        let mut stage = copied();
        let inner = Arc::clone(&stage.connector);
        stage.connector = Arc::new(Truncating::new(inner, "d0001", 2));
        let shard = finished(&stage, verify(&stage, density, None)).await;
        assert_eq!(shard.state, ShardState::Done, "{density:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn databases_that_are_away_are_waited_for_and_nothing_is_counted_twice() {
    for density in DENSITIES {
        let expected = sum_of_source(density).await;
        let stage = copied();
        stage.sink.limit(|limits| limits.block_rows = 20);
        stage.sink.set_faults(Some(
            FaultPlan::new(5, 4, 500).only(&[Fault::Cut]).within(&[Call::Read, Call::ReadMany]),
        ));
        let shard = finished(&stage, verify(&stage, density, Some(expected))).await;
        assert_eq!(shard.state, ShardState::Done);
        assert_eq!((shard.checkpoint.sum, shard.checkpoint.totals.read), (Some(expected), 450));
        assert!(stage.sink.fired()[&Fault::Cut] > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_was_begun_is_compared_from_its_offset_on() {
    let expected = sum_of_source(Density::Dense).await;
    let stage = copied();
    let mut place = verify(&stage, Density::Dense, Some(expected));
    let held = stage.source.held();
    let (rows, next) = (held.tables["d0000"].rows.len(), HISTORY.from);
    let columns = Arc::from(held.stables["meters"].columns.as_slice());
    let mut block = tdferry_common::batch::BlockBuilder::new(columns, held.database.precision);
    held.tables["d0000"].rows.values().for_each(|row| block.push_row(row).unwrap());
    let sum = RowSum::of_block("d0000", &block.finish().unwrap());
    let mut checkpoint = Checkpoint {
        epoch: Epoch(0),
        seq: 1,
        offset: Offset { index: 1, next },
        sum: Some(sum.value()),
        ..place.shard.checkpoint
    };
    checkpoint.totals.read = u64::try_from(rows).unwrap();
    place.shard.checkpoint = checkpoint;
    let shard = finished(&stage, place).await;
    assert_eq!((shard.state.name(), shard.checkpoint.sum), ("done", Some(expected)));
    assert_eq!(stage.sink.counters().rows_read, 300);
}

#[tokio::test(start_paused = true)]
async fn repair_makes_rows_and_tags_alike_and_leaves_or_deletes_what_only_the_target_has() {
    for density in DENSITIES {
        for extra in [Extra::Kept, Extra::Deleted] {
            let stage = copied();
            spoil(&stage);
            let ts = time(&stage.source.held(), "d0002", 3);
            let between = ts + 1;
            stage.sink.change(|sink| {
                sink.tables.remove("d0000");
                let table = sink.tables.get_mut("d0002").unwrap();
                let mut row = table.rows.remove(&ts).unwrap();
                row[0] = Value::Timestamp(between);
                table.rows.insert(between, row);
                table.tags[0] = Value::Null;
            });
            let mut place = stage.place("meters", 0, ShardKind::Repair(density, extra));
            place.shard = Shard { round: 1, id: place.shard.id.repair(1), ..place.shard };
            let shard = finished(&stage, place).await;
            assert_eq!(shard.state, ShardState::Done);
            let expected = sum_of_source(density).await;
            assert_eq!(shard.checkpoint.sum, Some(expected), "what the next comparison expects");
            let totals = shard.checkpoint.totals;
            assert_eq!(totals.written, 152, "150 of the table that was gone, one changed, one missing");
            let differed =
                Differing { tables: 3, missing: 151, extra: 1, changed: 1, ..Differing::default() };
            assert_eq!(totals.differing, differed, "what was repaired, found by one reading");
            if extra == Extra::Kept {
                assert!(
                    stage
                        .sink
                        .change(|sink| sink.tables.get_mut("d0002").unwrap().rows.remove(&between))
                        .is_some()
                );
            }
            assert_same(&stage.source.held(), &stage.sink.held());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_where_the_source_only_seemed_to_have_nothing() {
    let mut stage = copied();
    let inner = Arc::clone(&stage.connector);
    stage.connector = Arc::new(Truncating::new(inner, "d0001", 2));
    let place = stage.place("meters", 0, ShardKind::Repair(Density::Dense, Extra::Deleted));
    let shard = finished(&stage, place).await;
    assert_eq!(shard.state, ShardState::Done);
    assert_same(&stage.source.held(), &stage.sink.held());
    assert_eq!(stage.sink.counters().calls(Call::Delete), 0);
}

#[tokio::test(start_paused = true)]
async fn subtables_that_are_missing_or_have_other_tags_are_named() {
    let stage = copied();
    stage.sink.change(|sink| {
        sink.tables.remove("d0002");
        sink.tables.get_mut("d0000").unwrap().tags[0] = Value::Null;
    });
    let tag = stage.source.held().stables["meters"].tags[0].name.clone();
    let mut place = stage.place("meters", 0, ShardKind::VerifyTags);
    place.shard = Shard {
        id: ShardId::tags(place.shard.group.unwrap(), 0),
        period: Period { from: 0, to: 0 },
        ..place.shard
    };
    place.shard.checkpoint.offset = Offset { index: 0, next: 0 };
    let shard = finished(&stage, place).await;
    assert_eq!(shard.checkpoint.totals.differing, Differing { tables: 2, unlike: 2, ..Differing::default() });
    let finding = finding(&shard);
    assert!(finding.contains(&format!("`d0000`: other tags ({tag})")), "{finding}");
    assert!(finding.contains("`d0002`: the subtable is missing"), "{finding}");
}

/// A sink like the source, but without a normal table of so many rows.
fn without_a_normal_table(rows: usize) -> Stage {
    let recipe = Recipe { normal: (2, rows), ..Recipe::meters(2, (1, 1), (0, 0)) };
    let stage = Stage::new(recipe.make());
    let held = stage.source.held();
    stage.sink.change(|sink| *sink = held);
    let gone = stage.names("").remove(0);
    stage.sink.change(|sink| sink.tables.remove(&gone));
    stage
}

#[tokio::test(start_paused = true)]
async fn a_normal_table_that_is_missing_is_a_difference_and_repair_creates_and_fills_it() {
    for (rows, expected) in [(30, Some(7)), (30, None), (0, Some(0)), (0, None)] {
        let stage = without_a_normal_table(rows);
        let gone = stage.names("").remove(0);
        let mut place = stage.place("", 0, ShardKind::Verify(Density::Dense));
        place.shard = Shard { expected, id: place.shard.id.verify(0), ..place.shard };
        let shard = finished(&stage, place).await;
        let missing = u64::try_from(rows).unwrap();
        let wanted = Differing { tables: 1, missing, unlike: 1, ..Differing::default() };
        assert_eq!(shard.checkpoint.totals.differing, wanted, "{rows} {expected:?}");
        assert!(finding(&shard).contains(&format!("`{gone}`: the table is missing")), "{}", finding(&shard));
        let mut place = stage.place("", 0, ShardKind::Repair(Density::Dense, Extra::Kept));
        place.shard = Shard { round: 1, id: place.shard.id.repair(1), ..place.shard };
        let shard = finished(&stage, place).await;
        assert_eq!((shard.state.name(), shard.checkpoint.totals.written), ("done", missing));
        assert_same(&stage.source.held(), &stage.sink.held());
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_only_compares_takes_a_normal_table_that_is_missing_for_no_fault_of_the_structure() {
    let recipe = Recipe { normal: (2, 3), ..Recipe::meters(2, (1, 1), (0, 0)) };
    for (mode, state) in [("verify", "done"), ("history", "failed")] {
        let stage = Stage::with_options(recipe.make(), &[("mode", mode), ("schema", "none")]);
        let mut held = stage.source.held();
        held.tables.remove(&stage.names("")[0]);
        stage.sink.change(|sink| *sink = held);
        let place = stage.schema();
        assert_eq!(finished(&stage, place).await.state.name(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_rejected_are_missing_and_no_change_of_the_source() {
    for density in DENSITIES {
        let all = sum_of_source(density).await;
        for (left_out, verdict) in [(true, "the target differs"), (false, "the source changed since")] {
            let stage = copied();
            spoil(&stage);
            let held = stage.source.held();
            let ts = time(&held, "d0002", 3);
            stage.sink.change(|sink| sink.tables.get_mut("d0002").unwrap().rows.remove(&ts));
            let columns = Arc::from(held.stables["meters"].columns.as_slice());
            let mut block = tdferry_common::batch::BlockBuilder::new(columns, held.database.precision);
            block.push_row(&held.tables["d0002"].rows[&ts]).unwrap();
            let rejected = RowSum::of_block("d0002", &block.finish().unwrap()).value();
            let mut place = verify(&stage, density, Some(all.wrapping_sub(rejected)));
            place.shard.checkpoint.totals.left_out = if left_out { rejected } else { 0 };
            let shard = finished(&stage, place).await;
            let finding = finding(&shard);
            assert!(finding.starts_with(verdict), "{density:?} {finding}");
            assert!(finding.contains(&format!("`d0002`: 1 missing at {ts}")), "{finding}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_behind_the_edge_of_keep_are_no_change_of_the_source() {
    /// Of a comparison with two sides, in milliseconds.
    const MARGIN: i64 = 600_000;
    for density in DENSITIES {
        let expected = Some(sum_of_source(density).await);
        for (target_has_them, verdict) in [(true, "the target differs: "), (false, "nothing tells whether")] {
            let stage = copied();
            let edge = time(&stage.source.held(), "d0001", 60);
            spoil(&stage);
            stage.source.change(|held| held.database.options.insert("keep".into(), "1,1,1".into()));
            stage.source.limit(|limits| {
                limits.clock = Some(edge - MARGIN + 86_400_000);
                limits.keep.from = edge - MARGIN;
            });
            if !target_has_them {
                let kept = |rows: &mut std::collections::BTreeMap<i64, _>| rows.retain(|ts, _| *ts >= edge);
                stage.sink.change(|sink| sink.tables.values_mut().for_each(|table| kept(&mut table.rows)));
            }
            let shard = finished(&stage, verify(&stage, density, expected)).await;
            let finding = finding(&shard);
            assert!(
                finding.contains(verdict) && !finding.contains("the source changed since it"),
                "{finding}"
            );
            assert_eq!(shard.checkpoint.totals.differing.changed, 1, "{finding}");
        }
    }
}
