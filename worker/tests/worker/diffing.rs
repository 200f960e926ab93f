//! What differs, told row by row to a person: each row that was spoiled and no other, by the same rules as comparing.

use std::sync::Arc;

use serde_json::json;
use tdferry_common::batch::Value;
use tdferry_common::clock::Clock;
use tdferry_common::id::ShardId;
use tdferry_common::schema::{Column, DataType};
use tdferry_common::shard::{Density, Range, Shard, ShardKind};
use tdferry_common::spec::Spec;
use tdferry_common::testing::{Call, Fault, FaultPlan, MemDatabase, Recipe};
use tdferry_common::timing::Timing;
use tdferry_worker::diff::{Change, Deps, Diff, Difference, What};

use crate::coordinator::Place;
use crate::stage::{HISTORY, NOW_MILLIS, Stage};
use crate::truncating::Truncating;

const DENSITIES: [Density; 2] = [Density::Dense, Density::Sparse];

/// A sink that holds all that the source does: three subtables of so many rows.
fn copied(rows: usize) -> Stage {
    let recipe = Recipe { null_per_mille: 0, ..Recipe::meters(2, (3, rows), (0, 0)) };
    with_all(Stage::new(recipe.make()))
}

fn with_all(stage: Stage) -> Stage {
    let held = stage.source.held();
    stage.sink.change(|sink| *sink = held);
    stage
}

fn time(held: &MemDatabase, table: &str, row: usize) -> i64 {
    *held.tables[table].rows.keys().nth(row).unwrap()
}

/// What a look at a shard tells, or why it gave up.
pub(crate) async fn looked(
    stage: &Stage,
    place: Place,
    only: Option<&str>,
) -> Result<Vec<Difference>, String> {
    let spec = Spec::from_json(&stage.coordinator.state().spec).unwrap();
    let connector = Arc::clone(&stage.connector);
    let (clock, timing) = (Clock::simulated(NOW_MILLIS), Timing::default());
    let mut diff = Diff::new(Deps { connector, clock, timing, seed: 7 }, spec, only.map(str::to_owned));
    let mut told = Vec::new();
    let Place { shard, stable, names } = place;
    let place = tdferry_worker::diff::Place { shard, stable, names };
    let walked = diff.shard(place, &mut |difference| told.push(difference)).await;
    walked.map(|()| told).map_err(|error| error.to_string())
}

/// In short: what, of which table, when.
fn in_short(told: &[Difference]) -> Vec<String> {
    let one = |Difference { table, what, .. }: &Difference| match what {
        What::MissingTable => format!("{table} is missing"),
        What::ExtraTable { rows } => format!("{table} is extra with {rows}"),
        What::Tags(tags) => format!("{table} has {}", changes(tags)),
        What::MissingRow(at) => format!("{table} lacks {}", at.units),
        What::ExtraRow(at) => format!("{table} has more {}", at.units),
        What::ChangedRow(at, columns) => format!("{table} at {} has {}", at.units, changes(columns)),
    };
    told.iter().map(one).collect()
}

fn changes(changes: &[Change]) -> String {
    let one = |change: &Change| format!("{} {} not {}", change.column.name, change.target, change.source);
    changes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn verify(stage: &Stage, density: Density) -> Place {
    stage.place("meters", 0, ShardKind::Verify(density))
}

#[tokio::test(start_paused = true)]
async fn each_row_that_differs_is_told_once_in_the_order_of_time_with_both_values() {
    for density in DENSITIES {
        let stage = copied(150);
        let held = stage.source.held();
        let (gone, spoilt) = (time(&held, "d0001", 3), time(&held, "d0001", 70));
        let (more, last) = (spoilt + 1, time(&held, "d0002", 149));
        let column = held.stables["meters"].columns[1].clone();
        assert_eq!(column.data_type, DataType::Float);
        stage.sink.change(|sink| {
            let rows = &mut sink.tables.get_mut("d0001").unwrap().rows;
            rows.remove(&gone);
            let mut copy = rows[&spoilt].clone();
            rows.get_mut(&spoilt).unwrap()[1] = Value::Float(0.1);
            copy[0] = Value::Timestamp(more);
            rows.insert(more, copy);
            sink.tables.get_mut("d0002").unwrap().rows.get_mut(&last).unwrap()[1] = Value::Null;
        });
        let told = looked(&stage, verify(&stage, density), None).await.unwrap();
        let value = |table: &str, at: i64| match &held.tables[table].rows[&at][1] {
            Value::Float(value) => json!(format!("{value:?}")),
            other => panic!("{other:?}"),
        };
        let wanted = [
            format!("d0001 lacks {gone}"),
            format!("d0001 at {spoilt} has {} \"0.1\" not {}", column.name, value("d0001", spoilt)),
            format!("d0001 has more {more}"),
            format!("d0002 at {last} has {} null not {}", column.name, value("d0002", last)),
        ];
        assert_eq!(in_short(&told), wanted, "{density:?}");
        assert!(told.iter().all(|difference| difference.stable == "meters"));
        let of_one = looked(&stage, verify(&stage, density), Some("d0002")).await.unwrap();
        assert_eq!(in_short(&of_one), wanted[3..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_ends_early_tells_nothing() {
    for density in DENSITIES {
        let mut stage = copied(150);
        stage.connector = Arc::new(Truncating::new(Arc::clone(&stage.connector), "d0001", 2));
        assert_eq!(looked(&stage, verify(&stage, density), None).await, Ok(Vec::new()), "{density:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_break_off_are_read_on_and_told_once_and_a_server_that_stays_away_ends_it() {
    let stage = copied(150);
    let ts = time(&stage.source.held(), "d0001", 3);
    stage.sink.change(|sink| drop(sink.tables.get_mut("d0001").unwrap().rows.remove(&ts)));
    stage.source.limit(|limits| limits.block_rows = 20);
    stage.source.set_faults(Some(FaultPlan::new(5, 4, 500).only(&[Fault::Cut]).within(&[Call::Read])));
    let told = looked(&stage, verify(&stage, Density::Dense), None).await.unwrap();
    assert_eq!(in_short(&told), [format!("d0001 lacks {ts}")]);
    assert!(stage.source.fired()[&Fault::Cut] > 0);
    stage.source.set_faults(Some(FaultPlan::new(5, 1_000, 1_000).only(&[Fault::Before])));
    let gave_up = looked(&stage, verify(&stage, Density::Dense), None).await;
    assert!(gave_up.is_err(), "{gave_up:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_of_which_much_differs_is_told_window_by_window() {
    let recipe = Recipe { null_per_mille: 0, ..Recipe::meters(2, (1, 5_000), (0, 0)) };
    let mut database = recipe.make();
    // so wide, by what is declared, that a window holds a thousand rows
    let note = Column { name: "note".into(), data_type: DataType::Nchar, length: 16_000 };
    database.stables.get_mut("meters").unwrap().columns.push(note.clone());
    for table in database.tables.values_mut() {
        table.columns = [&table.columns, std::slice::from_ref(&note)].concat().into();
        table.rows.values_mut().for_each(|row| row.push(Value::Null));
    }
    let stage = with_all(Stage::new(database));
    let times: Vec<i64> = stage.source.held().tables["d0000"].rows.keys().copied().collect();
    stage.sink.change(|sink| sink.tables.get_mut("d0000").unwrap().rows.clear());
    let told = looked(&stage, verify(&stage, Density::Dense), None).await.unwrap();
    let wanted: Vec<_> = times.iter().map(|at| format!("d0000 lacks {at}")).collect();
    assert_eq!(in_short(&told), wanted);
    assert!(stage.source.counters().calls(Call::Read) >= 5, "it was read in one window");
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_missing_extra_or_have_other_tags_are_told() {
    let stage = copied(10);
    let tag = stage.source.held().stables["meters"].tags[0].clone();
    let before = stage.source.held().tables["d0001"].tags[0].clone();
    assert!(matches!(before, Value::Int(_)), "{before:?} of {tag:?}");
    stage.sink.change(|sink| {
        let extra = sink.tables.remove("d0002").unwrap();
        sink.tables.insert("x1".into(), extra);
        sink.tables.get_mut("d0001").unwrap().tags[0] = Value::Int(77);
    });
    let tags = looked(&stage, stage.place("meters", 0, ShardKind::VerifyTags), None).await.unwrap();
    let Value::Int(before) = before else { return };
    let wanted = [format!("d0001 has {} 77 not {before}", tag.name), "d0002 is missing".to_owned()];
    assert_eq!(in_short(&tags), wanted);
    let tables = || {
        let shard = Shard::planned(ShardId::tables(), ShardKind::VerifyTables, None, Range::NONE, HISTORY);
        Place { shard, stable: String::new(), names: Vec::new() }
    };
    let extra = looked(&stage, tables(), None).await.unwrap();
    assert_eq!(in_short(&extra), ["x1 is extra with 10"]);
    assert_eq!(looked(&stage, tables(), Some("d0001")).await, Ok(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_normal_table_that_is_missing_is_told_with_its_rows() {
    let recipe = Recipe { normal: (2, 4), null_per_mille: 0, ..Recipe::small(3) };
    let stage = with_all(Stage::new(recipe.make()));
    let name = stage.names("")[0].clone();
    let rows = stage.source.held().tables[&name].rows.len();
    stage.sink.change(|sink| drop(sink.tables.remove(&name)));
    let place = stage.place("", 0, ShardKind::Verify(Density::Dense));
    let told = looked(&stage, place, None).await.unwrap();
    let lines = in_short(&told);
    assert_eq!((lines[0].clone(), lines.len()), (format!("{name} is missing"), 1 + rows), "{lines:?}");
    assert!(lines[1..].iter().all(|line| line.starts_with(&format!("{name} lacks "))), "{lines:?}");
    assert!(told.iter().all(|one| one.stable.is_empty()));
}
