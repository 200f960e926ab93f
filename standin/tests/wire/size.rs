//! Big sources that need no memory, and big sinks that keep only what proves them right.

use taos::AsyncQueryable;
use tdferry_standin::{Config, Flavor, MetersSeed, Outcome, Server, SinkMode, Value};

use crate::client::{blocks, connect, exec, rows, server, within};

fn only_row(server: &Server, sql: &str) -> Vec<Value> {
    match server.execute(sql).unwrap() {
        Outcome::Rows(table) if table.rows.len() == 1 => table.rows[0].clone(),
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_million_rows_in_one_subtable_are_counted_and_read_anywhere_without_being_stored() {
    let server = server(Flavor::V26).await;
    let seed: MetersSeed = "meters:1x50000000".parse().unwrap();
    server.seed_meters(&seed).unwrap();
    let last = seed.start_ms + 49_999_999 * seed.step_ms;
    let row = only_row(&server, "select count(*), first(ts), last(ts) from power.d0");
    assert_eq!(row, [Value::Int(50_000_000), Value::Int(seed.start_ms), Value::Int(last)]);
    let taos = connect(&server.dsn()).await;
    let from = seed.start_ms + 40_000_000 * seed.step_ms;
    let read = format!("select * from power.d0 where ts >= {from} and ts < {}", from + 5_000 * seed.step_ms);
    let sizes: Vec<usize> = blocks(&taos, &read).await.iter().map(taos::RawBlock::nrows).collect();
    assert_eq!(sizes, [4096, 904]);
    assert_eq!(rows(&taos, &read).await, rows(&taos, &read).await, "computed rows are the same every time");
    assert_eq!(server.stored_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_subtables_are_listed_with_their_tags_and_found_by_name() {
    let server = server(Flavor::V26).await;
    server.seed_meters(&"meters:1000000x20".parse().unwrap()).unwrap();
    let taos = connect(&server.dsn()).await;
    assert_eq!(rows(&taos, "select count(tbname) from power.meters").await, [["BigInt(1000000)"]]);
    let listed = blocks(&taos, "select tbname, groupid, location from power.meters").await;
    assert_eq!(listed.iter().map(taos::RawBlock::nrows).sum::<usize>(), 1_000_000);
    let named =
        "select tbname, ts, current from power.meters where tbname in ('d5', 'd999999', 'nosuch', 'd05')";
    assert_eq!(rows(&taos, named).await.len(), 40);
    let whole = only_row(&server, "select count(*) from power.meters");
    assert_eq!(whole, [Value::Int(20_000_000)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_sink_counts_exactly_over_any_period_and_tells_different_rows_apart() {
    let digest_of = async |values: [i32; 3], twice: bool| {
        let server =
            Server::start(Config { sink: SinkMode::Digest, ..Config::new(Flavor::V3) }).await.unwrap();
        let taos = connect(&server.dsn()).await;
        exec(&taos, "create database d keep 36500").await;
        exec(&taos, "create table d.t (ts timestamp, v int)").await;
        let [a, b, c] = values;
        let insert =
            format!("insert into d.t values (1600000000000, {a}) (1600000003000, {c}) (1600000001000, {b})");
        for _ in 0..=usize::from(twice) {
            assert_eq!(exec(&taos, &insert).await, 3);
        }
        let period = "select count(*), first(ts), last(ts) from d.t where ts > 1600000000000";
        assert_eq!(
            rows(&taos, period).await,
            [["BigInt(2)", "Timestamp(2020-09-13T12:26:41)", "Timestamp(2020-09-13T12:26:43)"]]
        );
        let refusal = refused_read(&taos).await;
        assert_ne!(refusal, 0);
        (server.row_count("d", "t"), server.digest("d", "t"))
    };
    let plain = digest_of([1, 2, 3], false).await;
    assert_eq!(plain.0, Some(3));
    assert_eq!(digest_of([1, 2, 3], true).await, plain, "writing twice changes nothing");
    assert_ne!(digest_of([1, 2, 4], false).await.1, plain.1);
}

async fn refused_read(taos: &taos::Taos) -> i32 {
    let Ok(mut result) = within(taos.query("select * from d.t")).await else { return 1 };
    let fetched =
        within(std::future::poll_fn(|context| taos::AsyncFetchable::fetch_raw_block(&mut result, context)))
            .await;
    fetched.map_or_else(|error| i32::from(error.code()), |_| 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_many_blocks_arrive_whole_and_in_order() {
    for flavor in [Flavor::V26, Flavor::V3] {
        let server = server(flavor).await;
        server.seed_meters(&"meters:3x10000".parse().unwrap()).unwrap();
        let taos = connect(&server.dsn()).await;
        let all = rows(&taos, "select ts from power.d1").await;
        assert_eq!(all.len(), 10_000);
        let descending = rows(&taos, "select ts from power.d1 order by ts desc").await;
        assert_eq!(descending.into_iter().rev().collect::<Vec<_>>(), all, "{flavor:?}");
        let part = rows(&taos, "select ts from power.d1 limit 5000 offset 4000").await;
        assert_eq!(part, all[4000..9000], "{flavor:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_computed_subtable_takes_writes_and_drops_like_any_other() {
    let server = server(Flavor::V26).await;
    let seed = MetersSeed::new(5, 1_000);
    server.seed_meters(&seed).unwrap();
    let taos = connect(&server.dsn()).await;
    let before = rows(&taos, "select * from power.d1").await;
    let late = seed.start_ms + 500;
    exec(&taos, &format!("insert into power.d1 values ({late}, 1, 2, 3)")).await;
    let after = rows(&taos, "select * from power.d1").await;
    assert_eq!((after.len(), &after[0], &after[2..]), (1_001, &before[0], &before[1..]));
    exec(&taos, "alter table power.d1 set tag groupid = 77").await;
    assert_eq!(rows(&taos, "select groupid from power.meters where tbname = 'd1'").await, [["Int(77)"]]);
    exec(&taos, "drop table power.d2").await;
    let left = rows(&taos, "select tbname from power.meters").await;
    let names = ["d0", "d1", "d3", "d4"].map(|name| vec![format!("VarChar(\"{name}\")")]);
    assert_eq!(left, names);
    assert_eq!(only_row(&server, "select count(*) from power.meters"), [Value::Int(4_001)]);
}
