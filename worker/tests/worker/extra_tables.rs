//! Tables that only the target has: which of them are told, and what becomes of their rows.

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::shard::{Density, Differing, Extra, Range, Shard, ShardKind, ShardState};
use tdferry_common::testing::{MemDatabase, Recipe, assert_same};
use tdferry_common::time::Period;

use crate::coordinator::Place;
use crate::stage::{HISTORY, Stage};

/// Three subtables of 150 rows.
fn meters() -> MemDatabase {
    Recipe { null_per_mille: 0, ..Recipe::meters(2, (3, 150), (0, 0)) }.make()
}

fn time(held: &MemDatabase, table: &str, row: usize) -> i64 {
    *held.tables[table].rows.keys().nth(row).unwrap()
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

/// The shard that looks for tables that only the target has.
fn tables_of(period: Period, kind: ShardKind) -> Place {
    let id = if kind == ShardKind::VerifyTables { ShardId::tables() } else { ShardId::tables().repair(1) };
    let shard = Shard::planned(id, kind, None, Range::NONE, period);
    Place { shard, stable: String::new(), names: Vec::new() }
}

/// A copy, made by these options, with tables of these names more: each the target's of `d0001`, with `tag` added to its tags.
async fn with_more(options: &[(&str, &str)], more: &[&str], tag: Option<&str>) -> Stage {
    let stage = Stage::with_options(meters(), options);
    let create = stage.place("meters", 0, ShardKind::Create);
    stage.finish([stage.schema()]).await;
    stage.finish([create]).await;
    stage.finish([stage.dense("meters")]).await;
    let names: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
    let tag = tag.map(|tag| Value::Binary(tag.as_bytes().to_vec()));
    stage.sink.change(move |sink| {
        let one = sink.tables.values().find(|table| table.rows.len() == 150).unwrap().clone();
        for name in names {
            let mut more = one.clone();
            if let Some(tag) = &tag {
                *more.tags.last_mut().unwrap() = tag.clone();
            }
            sink.tables.insert(name, more);
        }
    });
    stage
}

#[tokio::test(start_paused = true)]
async fn tables_that_only_the_target_has_are_named_where_the_task_could_have_made_them() {
    const PREFIX: &str = "rename-child-table:prefix:a_";
    /// Options, tables that the target has more, the added tag's value in them, those that are told.
    type Case = (&'static [(&'static str, &'static str)], Names, Option<&'static str>, Names);
    type Names = &'static [&'static str];
    let cases: [Case; 7] = [
        (&[], &["x1", "x2"], None, &["x1", "x2"]),
        (&[("tables", "meters.d*")], &["d9", "x1"], None, &["d9"]),
        (&[("tables", "d0000,d0002")], &["d0001"], None, &[]),
        (&[("transforms", PREFIX)], &["a_d7", "b_d7", "d0001"], None, &["a_d7"]),
        (&[("transforms", PREFIX), ("tables", "d00*")], &["a_d007", "a_x"], None, &["a_d007"]),
        (&[("transforms", "add-tag:site=a")], &["x1"], Some("a"), &["x1"]),
        (&[("transforms", "add-tag:site=a")], &["x1"], Some("b"), &[]),
    ];
    for (options, more, tag, extra) in cases {
        let stage = with_more(options, more, tag).await;
        let shard = finished(&stage, tables_of(HISTORY, ShardKind::VerifyTables)).await;
        let tables = u64::try_from(extra.len()).unwrap();
        let wanted = Differing { extra_tables: tables, extra: 150 * tables, ..Differing::default() };
        assert_eq!(shard.checkpoint.totals.differing, wanted, "{options:?}");
        for name in extra {
            assert!(finding(&shard).contains(&format!("`{name}`: an extra table")), "{}", finding(&shard));
        }
        assert_eq!(shard.state.name(), if extra.is_empty() { "done" } else { "differs" });
    }
}

#[tokio::test(start_paused = true)]
async fn an_extra_table_without_rows_of_the_tasks_time_is_none() {
    for (row, state) in [(0, "done"), (1, "differs")] {
        let stage = with_more(&[], &["x1"], None).await;
        let to = time(&stage.sink.held(), "x1", row);
        let shard = finished(&stage, tables_of(Period { from: 0, to }, ShardKind::VerifyTables)).await;
        assert_eq!(shard.state.name(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_extra_tables_go_only_where_a_person_asked_for_it_and_the_tables_stay() {
    for (extra, left) in [(Extra::Kept, 150), (Extra::Deleted, 100)] {
        let stage = with_more(&[], &["x1"], None).await;
        let before = time(&stage.sink.held(), "x1", 50);
        let period = Period { from: 0, to: before };
        let shard = finished(&stage, tables_of(period, ShardKind::Repair(Density::Sparse, extra))).await;
        assert_eq!(shard.state, ShardState::Done);
        let mut held = stage.sink.held();
        assert_eq!(held.tables.remove("x1").map(|table| table.rows.len()), Some(left));
        assert_same(&stage.source.held(), &held);
    }
}
