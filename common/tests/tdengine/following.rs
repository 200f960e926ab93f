//! What following a source costs it, and that rows a task leaves out stay out of every answer about a whole stable.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use tdferry_common::batch::Value;
use tdferry_common::port::{PortResult, Tables};
use tdferry_common::schema::{DataType, Stable};
use tdferry_common::testing::conformance::Rig;
use tdferry_common::testing::{MemDatabase, column};
use tdferry_common::time::{Period, Precision};

use super::rig::TdRig;

/// The start of an hour.
const AT: i64 = 1_599_998_400_000;
const HOUR: i64 = 3_600_000;
const ALL: Tables<'_> = Tables::All { stable: "st" };

/// Two subtables with a row each quarter of an hour, by turns with 1, 2 and NULL in it.
fn held() -> MemDatabase {
    let mut held = MemDatabase::new("f", Precision::Milli);
    let columns = vec![column("ts", DataType::Timestamp), column("v", DataType::Int)];
    held.add_stable(Stable { name: "st".into(), columns, tags: vec![column("g", DataType::Int)] });
    for name in ["a", "b"] {
        held.add_subtable("st", name, vec![Value::Int(1)]);
        for n in 0..12 {
            let value = [Value::Int(1), Value::Int(2), Value::Null].into_iter().nth(n % 3);
            let ts = AT + HOUR / 4 * i64::try_from(n).expect("a small number");
            held.put_row(name, vec![Value::Timestamp(ts), value.unwrap_or(Value::Null)]);
        }
    }
    held
}

#[tokio::test]
async fn rows_that_a_task_leaves_out_are_in_no_answer_over_stand_ins() -> PortResult<()> {
    left_out(&TdRig::over_stand_ins().await).await
}

#[tokio::test]
async fn rows_that_a_task_leaves_out_are_in_no_answer_over_real_servers() -> PortResult<()> {
    let Some(rig) = TdRig::over_real_servers() else { return Ok(()) };
    left_out(&rig).await
}

async fn left_out(rig: &TdRig) -> PortResult<()> {
    rig.source(&held()).await;
    let source = rig.open_source_where("st: v = 1").await?;
    let stable = source.stables().await?.remove(0);
    let period = Period { from: AT + 1, to: i64::MAX };
    let parts: Vec<_> = source.read_all(&stable, period).try_collect().await?;
    let values = parts.iter().flat_map(|part| (0..part.rows()).map(|row| part.block.cell(row, 1).to_value()));
    assert_eq!(values.collect::<Vec<_>>(), vec![Value::Int(1); 6]);
    assert_eq!(source.count(ALL, period).await?, 6);
    let each = BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 3)]);
    assert_eq!(source.count_each(ALL, period).await?, each);
    let by_hour = BTreeMap::from([(AT, 2), (AT + HOUR, 2), (AT + 2 * HOUR, 2)]);
    assert_eq!(source.count_buckets(ALL, period, HOUR).await?, by_hour);
    assert_eq!(source.newest(ALL).await?, Some(AT + 11 * HOUR / 4), "of any row");
    Ok(())
}

#[tokio::test]
async fn each_question_about_a_whole_stable_is_one_query() -> PortResult<()> {
    let rig = TdRig::over_stand_ins().await;
    let source = rig.source(&held()).await;
    let stable = source.stables().await?.remove(0);
    // the unit of the database is asked for once
    source.count_buckets(ALL, Period::ALL, HOUR).await?;
    let stand_in = rig.source.stand_in.as_ref().expect("a stand-in");
    let asked = || {
        let statements = stand_in.stats().statements;
        ["select", "show", "describe"].map(|kind| statements.get(kind).copied().unwrap_or_default())
    };
    let before = asked();
    for _ in 0..3 {
        source.read_all(&stable, Period::ALL).try_collect::<Vec<_>>().await?;
        source.count(ALL, Period::ALL).await?;
        source.count_each(ALL, Period::ALL).await?;
        source.count_buckets(ALL, Period::ALL, HOUR).await?;
        source.newest(ALL).await?;
        source.census().await?;
    }
    let more: Vec<u64> = asked().iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(more, [15, 6, 0]);
    Ok(())
}
