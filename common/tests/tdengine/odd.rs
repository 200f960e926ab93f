//! What only a real protocol can get wrong: metadata that grew old, connections cut, JSON tags, long lists of names.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::{Block, BlockBuilder, TagRow, Value};
use tdferry_common::port::{PortError, Sink, Source};
use tdferry_common::schema::{Column, DataType, NormalTable, Stable};
use tdferry_common::testing::conformance::Rig;
use tdferry_common::testing::{MemDatabase, column};
use tdferry_common::time::{Period, Precision};
use tdferry_standin::{Action, Fault, Moment, SqlError, When};

use super::rig::TdRig;

const TS: i64 = 1_600_000_000_000;

fn columns() -> Vec<Column> {
    vec![column("ts", DataType::Timestamp), column("n", DataType::Int)]
}

fn block(precision: Precision, rows: i64) -> Block {
    let mut builder = BlockBuilder::new(columns().into(), precision);
    for n in 0..rows {
        builder.push_row(&[Value::Timestamp(TS + n), Value::Int(n)]).expect("a row");
    }
    builder.finish().expect("a block")
}

async fn sink_with_table(rig: &TdRig) -> Arc<dyn Sink> {
    let sink = rig.sink().await;
    sink.create_database("PRECISION 'ms' KEEP 36500d").await.expect("a database");
    sink.create_table(&NormalTable { name: "t".into(), columns: columns() }).await.expect("a table");
    sink
}

fn refuse_blocks(rig: &TdRig, code: u32, times: u64) -> tdferry_standin::Faults {
    let faults = rig.sink.stand_in.as_ref().expect("a stand-in").faults();
    let refusal = Action::Refuse(SqlError::new(code, "what the client remembers is old"));
    faults.add(Fault::new(When::contains("raw block t"), refusal).times(times));
    faults
}

#[tokio::test]
async fn a_write_that_meets_old_metadata_is_repeated_once_after_a_query() {
    for code in [0x0503, 0x0618, 0x061B, 0x0118] {
        let rig = TdRig::over_stand_ins().await;
        let sink = sink_with_table(&rig).await;
        refuse_blocks(&rig, code, 1);
        sink.write("t", &block(Precision::Milli, 3)).await.expect("healed");
        assert_eq!(rig.sunk().await.row_count(), 3, "{code:#06x}");
    }
}

#[tokio::test]
async fn what_a_query_does_not_heal_is_told_with_the_table() {
    type Wanted = fn(&PortError) -> bool;
    let cases: [(u32, Wanted, &str); 4] = [
        (0x0503, |error| error.is_away(), "`t`"),
        (0x061B, |error| error.is_away(), "`t`"),
        (0x0618, |error| matches!(error, PortError::Missing { .. }), "`t`"),
        (0x0118, |error| matches!(error, PortError::Invalid { .. }), "the columns of table `t` differ"),
    ];
    for (code, wanted, words) in cases {
        let rig = TdRig::over_stand_ins().await;
        let sink = sink_with_table(&rig).await;
        let faults = refuse_blocks(&rig, code, 2);
        let error = sink.write("t", &block(Precision::Milli, 3)).await.expect_err("refused twice");
        assert!(wanted(&error) && error.to_string().contains(words), "{code:#06x}: {error}");
        faults.clear();
        assert_eq!(rig.sunk().await.row_count(), 0);
    }
}

#[tokio::test]
async fn a_table_that_lost_a_column_is_noticed_before_its_data_is_lost() {
    let rig = TdRig::over_stand_ins().await;
    let sink = sink_with_table(&rig).await;
    sink.write("t", &block(Precision::Milli, 1)).await.expect("written");
    for change in ["add column m int", "drop column n"] {
        let alter = format!("alter table {}.t {change}", rig.sink.database);
        rig.sink.reader().exec(&alter).await.expect("altered");
    }
    refuse_blocks(&rig, 0x061B, 1);
    let error = sink.write("t", &block(Precision::Milli, 2)).await.expect_err("no such column");
    assert!(matches!(&error, PortError::Missing { message, .. } if message.contains("`n`")), "{error}");
}

#[tokio::test]
async fn rows_in_another_unit_of_time_are_refused() {
    let rig = TdRig::over_stand_ins().await;
    let sink = sink_with_table(&rig).await;
    let answer = sink.write("t", &block(Precision::Nano, 1)).await;
    assert!(matches!(answer, Err(PortError::Invalid { .. })), "{answer:?}");
    assert_eq!(rig.sunk().await.row_count(), 0);
}

#[tokio::test]
async fn a_cut_connection_is_away_once_and_then_replaced() {
    let rig = TdRig::over_stand_ins().await;
    let mut held = MemDatabase::new("s", Precision::Milli);
    held.add_normal_table("t", columns());
    held.put_row("t", vec![Value::Timestamp(TS), Value::Int(1)]);
    let source = rig.source(&held).await;
    let faults = rig.source.stand_in.as_ref().expect("a stand-in").faults();
    faults.add(Fault::new(When::contains("fetch select `ts`"), Action::Cut(Moment::Before)).times(1));
    let read = || source.read("t", columns().into(), Period::ALL).try_collect::<Vec<_>>();
    let answer = read().await;
    assert!(matches!(answer, Err(PortError::Away { .. })), "{answer:?}");
    assert_eq!(read().await.expect("read").iter().map(Block::rows).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_long_list_of_names_is_held_against_the_whole_stable() {
    let rig = TdRig::over_stand_ins().await;
    let sink = rig.sink().await;
    sink.create_database("PRECISION 'ms' KEEP 36500d").await.expect("a database");
    let stable = Stable { name: "st".into(), columns: columns(), tags: vec![column("g", DataType::Int)] };
    sink.create_stable(&stable).await.expect("a stable");
    let names: Vec<String> = (0..6_000).map(|n| format!("d{n}")).collect();
    let rows: Vec<_> =
        names[1..].iter().map(|name| TagRow { name: name.clone(), tags: vec![Value::Int(1)] }).collect();
    sink.create_subtables(&stable, &rows).await.expect("subtables");
    assert_eq!(sink.missing_subtables("st", &names).await.expect("an answer"), ["d0"]);
    assert_eq!(sink.missing_subtables("st", &names[..2]).await.expect("an answer"), ["d0"]);
}

#[tokio::test]
async fn json_tags_arrive_over_stand_ins() {
    json_tags_arrive(&TdRig::over_stand_ins().await).await;
}

#[tokio::test]
async fn json_tags_arrive_over_real_servers() {
    if let Some(rig) = TdRig::over_real_servers() {
        json_tags_arrive(&rig).await;
    }
}

async fn json_tags_arrive(rig: &TdRig) {
    let texts = ["{\"k\":1}", "{\"name\":\"涛思 it's\",\"on\":true,\"none\":null}"];
    let mut held = MemDatabase::new("j", Precision::Milli);
    held.add_stable(Stable {
        name: "js".into(),
        columns: columns(),
        tags: vec![column("tag", DataType::Json)],
    });
    for (name, text) in ["j0", "j1"].iter().zip(texts) {
        held.add_subtable("js", name, vec![Value::Json(text.into())]);
    }
    held.add_subtable("js", "j_null", vec![Value::Null]);
    let names: Vec<String> = held.tables.keys().cloned().collect();
    let source: Arc<dyn Source> = rig.source(&held).await;
    let stable = source.stables().await.expect("stables").remove(0);
    let tags = source.tags(&stable, &names).await.expect("tags");
    assert_eq!(tags.len(), 3);
    let sink = rig.sink().await;
    sink.create_database("PRECISION 'ms' KEEP 36500d").await.expect("a database");
    sink.create_stable(&stable).await.expect("a stable");
    sink.create_subtables(&stable, &tags).await.expect("subtables");
    let sunk = rig.sunk().await;
    for (name, table) in &held.tables {
        let found = sunk.tables.get(name).unwrap_or_else(|| panic!("{name} did not arrive"));
        assert_eq!(json(&found.tags), json(&table.tags), "{name}");
    }
}

/// As what they say: servers write them with spaces and an order of their own.
fn json(tags: &[Value]) -> Option<serde_json::Value> {
    match tags {
        [Value::Json(text)] if text != "null" => Some(serde_json::from_str(text).expect("JSON")),
        [Value::Null | Value::Json(_)] => None,
        other => panic!("{other:?} is no JSON tag"),
    }
}
