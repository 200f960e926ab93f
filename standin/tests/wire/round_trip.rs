//! Cells through SQL and through raw blocks, from 2.6 to 3.

use taos::{AsyncQueryable, ColumnView, Precision, RawBlock, Taos};
use tdferry_standin::{Flavor, Outcome, Server, TortureSeed, Value};

use crate::client::{blocks, connect, exec, rows, server, within};

const COLUMNS: &str = "ts timestamp, b bool, ti tinyint, si smallint, i int, bi bigint, f float, d double, \
                       bin binary(32), nc nchar(32), t2 timestamp, uti tinyint unsigned, usi smallint unsigned, \
                       ui int unsigned, ubi bigint unsigned";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_with_nulls_moves_from_2_6_to_3_through_raw_blocks_unchanged() {
    let (source, target) = (server(Flavor::V26).await, server(Flavor::V3).await);
    source.seed_torture(&TortureSeed::new("odd")).unwrap();
    let from = connect(&format!("{}/odd", source.dsn())).await;
    let to = connect(&target.dsn()).await;
    exec(&to, "create database odd keep 36500").await;
    exec(&to, "use odd").await;
    exec(&to, &format!("create table `a0` ({COLUMNS})")).await;
    for mut block in blocks(&from, "select * from odd.a0").await {
        block.with_table_name("a0");
        within(to.write_raw_block(&block)).await.unwrap();
    }
    let written = rows(&from, "select * from odd.a0").await;
    assert_eq!(written.len(), 31);
    assert_eq!(rows(&to, "select * from odd.a0").await, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_flavours_read_back_what_sql_wrote() {
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = server(flavor).await;
        let taos = connect(&server.dsn()).await;
        exec(&taos, "create database d keep 36500").await;
        exec(&taos, &format!("create table d.t ({COLUMNS})")).await;
        let text = "'it''s \\\\ \\\"q\\\"', '汉字 🚢'";
        let values = format!("true, -1, -2, -3, -4, 0.1, 0.2, {text}, 1600000000001, 1, 2, 3, 4");
        let nulls = vec!["null"; 14].join(", ");
        let insert = format!("insert into d.t values (1600000000000, {values}) (1600000000001, {nulls})");
        assert_eq!(exec(&taos, &insert).await, 2);
        let read = rows(&taos, "select * from d.t").await;
        assert_eq!(read[0][8..10], ["VarChar(\"it's \\\\ \\\"q\\\"\")", "NChar(\"汉字 🚢\")"], "{flavor:?}");
        assert_eq!(read[0][6..8], ["Float(0.1)", "Double(0.2)"], "{flavor:?}");
        assert!(read[1][1..].iter().all(|cell| cell.starts_with("Null")), "{flavor:?}: {:?}", read[1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_cannot_write_a_raw_block_can() {
    let target = server(Flavor::V3).await;
    let to = connect(&target.dsn()).await;
    exec(&to, "create database d keep 36500").await;
    exec(&to, "use d").await;
    exec(&to, "create table t (ts timestamp, d double, b binary(4))").await;
    let views = [
        ColumnView::from_millis_timestamp(vec![1_600_000_000_001, 1_600_000_000_000, 1_600_000_000_001]),
        ColumnView::from_doubles(vec![1.0, f64::NAN, f64::INFINITY]),
        ColumnView::from_varchar::<&str, _, _, _>(vec![Some("x"), None, Some("last")]),
    ];
    write(&to, "t", &views, &["ts", "d", "b"]).await.unwrap();
    let Outcome::Rows(table) = target.execute("select * from d.t").unwrap() else { panic!("no rows") };
    assert_eq!(table.rows.len(), 2, "equal timestamps overwrite");
    assert!(matches!(table.rows[0][1], Value::Float(nan) if nan.is_nan()));
    assert_eq!(table.rows[1][1..], [Value::Float(f64::INFINITY), Value::from("last")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raw_block_is_refused_or_quietly_mangled_as_by_the_real_server() {
    let target = server(Flavor::V3).await;
    let to = connect(&target.dsn()).await;
    exec(&to, "create database d").await;
    exec(&to, "create table d.t (ts timestamp, a int, b binary(4))").await;
    let ts = |at: i64| ColumnView::from_millis_timestamp(vec![at]);
    let now = 1_790_000_000_000;
    let code = |result: Result<(), taos::Error>| result.map_or_else(|error| i32::from(error.code()), |()| 0);
    let int = || ColumnView::from_ints(vec![1]);
    assert_eq!(code(write(&to, "t", &[ts(now), int()], &["ts", "a"]).await), 0x2616, "no database chosen");
    exec(&to, "use d").await;
    let text = |text: &str| ColumnView::from_varchar::<&str, _, _, _>(vec![text]);
    assert_eq!(code(write(&to, "none", &[ts(now), int()], &["ts", "a"]).await), 0x2603);
    assert_eq!(code(write(&to, "t", &[ts(now), text("x")], &["ts", "a"]).await), 0x0118);
    assert_eq!(code(write(&to, "t", &[ts(now), text("too long")], &["ts", "b"]).await), 0x2653);
    assert_eq!(code(write(&to, "t", &[ts(1), int()], &["ts", "a"]).await), 0x060B);
    assert_eq!(target.row_count("d", "t"), Some(0), "a refused block leaves nothing");
    // an unknown column: success, and what follows it is gone
    let views = [ts(now), int(), text("lost")];
    write(&to, "t", &views, &["ts", "unknown", "b"]).await.unwrap();
    let Outcome::Rows(table) = target.execute("select * from d.t").unwrap() else { panic!("no rows") };
    assert_eq!(table.rows, [vec![Value::Int(now), Value::Null, Value::Null]]);
    // a subset of the columns leaves the others of that row alone
    write(&to, "t", &[ts(now), text("kept")], &["ts", "b"]).await.unwrap();
    write(&to, "t", &[ts(now), ColumnView::from_ints(vec![7])], &["ts", "a"]).await.unwrap();
    let Outcome::Rows(table) = target.execute("select a, b from d.t").unwrap() else { panic!("no rows") };
    assert_eq!(table.rows, [vec![Value::Int(7), Value::from("kept")]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_bytes_that_are_no_text_survive_the_way_through_both_layouts() {
    let (source, target) = (server(Flavor::V26).await, server(Flavor::V3).await);
    let to = connect(&target.dsn()).await;
    exec(&to, "create database d keep 36500").await;
    exec(&to, "use d").await;
    exec(&to, "create table t (ts timestamp, b binary(8))").await;
    let bytes: &[u8] = &[0xFE, 0x00, 0xC3, 0x28];
    let v2 = v2_block(1_600_000_000_000, bytes);
    within(to.write_raw_block(&v2)).await.unwrap();
    let Outcome::Rows(table) = target.execute("select b from d.t").unwrap() else { panic!("no rows") };
    assert_eq!(table.rows[0][0], Value::Bytes(bytes.into()));
    let read = blocks(&to, "select b from d.t").await;
    let [ColumnView::VarChar(view)] = read[0].column_views() else { panic!("not a binary column") };
    assert_eq!(view.iter_as_bytes().collect::<Vec<_>>(), [Some(bytes)]);
    drop::<Server>(source);
}

/// A block as a 2.x server would send it: one timestamp and one BINARY(8).
fn v2_block(ts: i64, cell: &[u8]) -> RawBlock {
    let mut bytes = ts.to_le_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(cell.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(cell);
    bytes.resize(8 + 10, 0);
    let fields =
        [taos::Field::new("ts", taos::Ty::Timestamp, 8), taos::Field::new("b", taos::Ty::VarChar, 8)];
    let mut block = RawBlock::parse_from_raw_block_v2(bytes, &fields, &[8, 10], 1, Precision::Millisecond);
    block.with_field_names(["ts", "b"]).with_table_name("t");
    block
}

async fn write(to: &Taos, table: &str, views: &[ColumnView], names: &[&str]) -> Result<(), taos::Error> {
    let mut block = RawBlock::from_views(views, Precision::Millisecond);
    block.with_field_names(names).with_table_name(table);
    within(to.write_raw_block(&block)).await
}
