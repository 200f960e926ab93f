//! Comparing and repairing under a task's condition on rows: both sides under the same one, and nothing else touched.

use std::collections::BTreeMap;

use tdferry_common::batch::Value;
use tdferry_common::id::ShardId;
use tdferry_common::options::OptionValue;
use tdferry_common::shard::{Density, Differing, Extra, Range, Shard, ShardKind, ShardState};
use tdferry_common::testing::{MemDatabase, Recipe};
use tdferry_worker::diff::{Difference, What};

use crate::coordinator::Place;
use crate::diffing::looked;
use crate::stage::{HISTORY, Stage};

const DENSITIES: [Density; 2] = [Density::Dense, Density::Sparse];
/// The column that the condition is about, and what the target calls it.
const COLUMN: &str = "voltage";
const AT_TARGET: &str = "volts";

/// Two subtables of 40 rows, whose column counts up from 0.
fn counting() -> MemDatabase {
    let recipe = Recipe { null_per_mille: 0, ..Recipe::meters(5, (2, 40), (0, 0)) };
    let mut database = recipe.make();
    let place = column(&database);
    for table in database.tables.values_mut() {
        for (n, row) in (0..).zip(table.rows.values_mut()) {
            row[place] = Value::Int(n);
        }
    }
    database
}

fn column(database: &MemDatabase) -> usize {
    database.stables["meters"].columns.iter().position(|column| column.name == COLUMN).unwrap()
}

/// A task that takes the rows above a number and renames the column, its target with all of the source's rows, also
/// those that the task leaves out.
async fn staged() -> Stage {
    let options = [
        ("where", format!("{COLUMN} > 19")),
        ("transforms", format!("rename-column:map:{COLUMN},{AT_TARGET}")),
        ("verify", "digest".to_owned()),
    ];
    let list = |(name, text): (&str, String)| (name.to_owned(), OptionValue::List(vec![text]));
    let mut options: BTreeMap<_, _> = options.map(list).into();
    options.insert("verify".into(), OptionValue::text("digest"));
    let stage = Stage::with_values(counting(), options);
    stage.finish([stage.schema()]).await;
    stage.finish([stage.place("meters", 0, ShardKind::Create)]).await;
    let held = stage.source.held();
    stage.sink.change(move |sink| {
        for (name, table) in &mut sink.tables {
            table.rows.clone_from(&held.tables[name].rows);
        }
    });
    stage
}

fn time(stage: &Stage, table: &str, row: usize) -> i64 {
    *stage.sink.held().tables[table].rows.keys().nth(row).unwrap()
}

async fn compared(stage: &Stage, round: u32, density: Density) -> Shard {
    let mut place = stage.place("meters", 0, ShardKind::Verify(density));
    place.shard = Shard { round, id: place.shard.id.verify(round), ..place.shard };
    let id = place.shard.id.clone();
    stage.finish([place]).await;
    stage.coordinator.shard(&id)
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_condition_leaves_out_are_no_extra_rows() {
    for density in DENSITIES {
        let stage = staged().await;
        let shard = compared(&stage, 0, density).await;
        let counted = shard.checkpoint.totals.target_counted;
        assert_eq!((shard.state, counted), (ShardState::Done, 40), "{density:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn extra_rows_are_deleted_and_those_between_them_that_the_condition_leaves_out_stay() {
    for density in DENSITIES {
        let stage = staged().await;
        let place = column(&stage.source.held());
        // above the number at the target alone: the rows between them stay as they are
        let extra = [2, 3, 7, 11].map(|row| time(&stage, "d0001", row));
        stage.sink.change(|sink| {
            let rows = &mut sink.tables.get_mut("d0001").unwrap().rows;
            extra.iter().for_each(|ts| rows.get_mut(ts).unwrap()[place] = Value::Int(500));
        });
        let shard = compared(&stage, 0, density).await;
        let wanted = Differing { tables: 1, extra: 4, ..Differing::default() };
        assert_eq!(shard.checkpoint.totals.differing, wanted);
        let mut left = stage.sink.held();
        let mut repair = stage.place("meters", 0, ShardKind::Repair(density, Extra::Deleted));
        repair.shard = Shard { round: 1, id: repair.shard.id.repair(1), ..repair.shard };
        stage.finish([repair]).await;
        left.tables.get_mut("d0001").unwrap().rows.retain(|ts, _| !extra.contains(ts));
        assert_eq!(stage.sink.held().tables, left.tables, "{density:?}");
        assert_eq!(compared(&stage, 1, density).await.state, ShardState::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_extra_table_only_rows_that_the_condition_takes_count_and_go() {
    let tables = |kind, id| {
        let shard = Shard::planned(id, kind, None, Range::NONE, HISTORY);
        Place { shard, stable: String::new(), names: Vec::new() }
    };
    let stage = staged().await;
    stage.sink.change(|sink| sink.tables.insert("x1".into(), sink.tables["d0001"].clone()));
    stage.finish([tables(ShardKind::VerifyTables, ShardId::tables())]).await;
    let found = stage.coordinator.shard(&ShardId::tables()).checkpoint.totals.differing;
    assert_eq!(found, Differing { extra_tables: 1, extra: 20, ..Differing::default() });
    let repair = tables(ShardKind::Repair(Density::Sparse, Extra::Deleted), ShardId::tables().repair(1));
    stage.finish([repair]).await;
    let place = column(&stage.source.held());
    let held = stage.sink.held();
    assert_eq!(held.tables["x1"].rows.len(), 20);
    assert!(held.tables["x1"].rows.values().all(|row| matches!(row[place], Value::Int(n) if n < 20)));
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_the_target_cannot_be_asked_is_refused_before_anything_is_copied() {
    for (verify, state) in [("digest", "failed"), ("count", "done")] {
        let stage = Stage::with_options(counting(), &[("where", "now() > 5"), ("verify", verify)]);
        stage.finish([stage.schema()]).await;
        let shard = stage.coordinator.shard(&ShardId::schema());
        assert_eq!(shard.state.name(), state, "{verify}");
        if let ShardState::Failed { reason } = shard.state {
            assert!(reason.contains("option `where`") && reason.contains("another moment"), "{reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_are_told_under_the_condition_and_by_the_sources_names() {
    for density in DENSITIES {
        let stage = staged().await;
        let (below, above) = (time(&stage, "d0000", 5), time(&stage, "d0000", 30));
        stage.sink.change(|sink| {
            let place = sink.stables["meters"].columns.iter().position(|column| column.name == AT_TARGET);
            let rows = &mut sink.tables.get_mut("d0000").unwrap().rows;
            rows.remove(&below);
            rows.get_mut(&above).unwrap()[place.unwrap()] = Value::Int(77);
        });
        let place = stage.place("meters", 0, ShardKind::Verify(density));
        let told = looked(&stage, place, None).await.unwrap();
        let [Difference { table, what: What::ChangedRow(at, columns), .. }] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((table.as_str(), at.units), ("d0000", above));
        let changed: Vec<_> =
            columns.iter().map(|one| (one.column.name.as_str(), &one.source, &one.target)).collect();
        assert_eq!(changed, [(COLUMN, &30.into(), &77.into())]);
    }
}
