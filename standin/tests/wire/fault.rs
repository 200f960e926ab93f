//! Faults on demand, as a client feels them.

use std::time::Duration;

use taos::AsyncQueryable;
use tdferry_standin::{Action, Fault, Flavor, Moment, SqlError, When};
use tokio::time::Instant;

use crate::client::{connect, exec, refused, rows, server, within};

const INSERT: &str = "insert into d.t values (1600000000000, 1)";
const CLOSED: i32 = 0xE002;

async fn prepared(flavor: Flavor) -> tdferry_standin::Server {
    let server = server(flavor).await;
    server.execute("create database d keep 36500").unwrap();
    server.execute("create table d.t (ts timestamp, v int)").unwrap();
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chosen_error_is_answered_as_often_as_asked_and_then_no_more() {
    let server = prepared(Flavor::V3).await;
    let taos = connect(&server.dsn()).await;
    let error = SqlError::new(0x0914, "Sync leader is restoring");
    let armed = server.faults().add(Fault::new(When::contains("insert"), Action::Refuse(error)).times(2));
    assert_eq!(refused(&taos, INSERT).await, 0x0914);
    assert_eq!(refused(&taos, INSERT).await, 0x0914);
    assert_eq!(server.row_count("d", "t"), Some(0));
    assert_eq!(exec(&taos, INSERT).await, 1);
    assert_eq!(armed.fired(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_before_or_after_applying_differs_in_what_is_stored() {
    for (moment, stored) in [(Moment::Before, 0), (Moment::After, 1)] {
        for flavor in [Flavor::V26, Flavor::V3] {
            let server = prepared(flavor).await;
            let taos = connect(&server.dsn()).await;
            let armed =
                server.faults().add(Fault::new(When::contains("insert"), Action::Cut(moment)).times(1));
            assert_eq!(refused(&taos, INSERT).await, CLOSED);
            assert_eq!(server.row_count("d", "t"), Some(stored), "{moment:?}");
            assert_eq!(armed.fired(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_statement_is_never_answered_while_the_connection_lives_on() {
    for (moment, stored) in [(Moment::Before, 0), (Moment::After, 1)] {
        let server = prepared(Flavor::V3).await;
        let taos = connect(&server.dsn()).await;
        server.faults().add(Fault::new(When::contains("insert"), Action::Stall(moment)).times(1));
        let stalled = tokio::time::timeout(Duration::from_millis(300), taos.exec(INSERT)).await;
        assert!(stalled.is_err(), "an answer came");
        assert_eq!(rows(&taos, "select server_status()").await, [["Int(1)"]]);
        assert_eq!(server.row_count("d", "t"), Some(stored), "{moment:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_holds_an_answer_back_for_at_least_so_long() {
    let server = prepared(Flavor::V26).await;
    let taos = connect(&server.dsn()).await;
    exec(&taos, INSERT).await;
    let delay = Duration::from_millis(120);
    let armed = server.faults().add(Fault::new(When::contains("select"), Action::Delay(delay)).times(1));
    let start = Instant::now();
    rows(&taos, "select * from d.t").await;
    assert!(start.elapsed() >= delay);
    assert_eq!(armed.fired(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_can_be_cut_in_its_middle() {
    let server = server(Flavor::V26).await;
    server.seed_meters(&"meters:1x20000".parse().unwrap()).unwrap();
    let taos = connect(&server.dsn()).await;
    let armed =
        server.faults().add(Fault::new(When::contains("fetch select"), Action::Cut(Moment::Before)).after(2));
    let mut result = within(taos.query("select * from power.d0")).await.unwrap();
    let mut fetch = async || {
        within(std::future::poll_fn(|context| taos::AsyncFetchable::fetch_raw_block(&mut result, context)))
            .await
    };
    assert_eq!(fetch().await.unwrap().unwrap().nrows(), 4096);
    assert_eq!(fetch().await.unwrap().unwrap().nrows(), 4096);
    assert!(fetch().await.is_err());
    assert_eq!(armed.fired(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_blocks_can_be_hit_by_the_name_of_their_table() {
    let server = prepared(Flavor::V3).await;
    let taos = connect(&format!("{}/d", server.dsn())).await;
    let error = SqlError::new(0x0914, "Sync leader is restoring");
    let armed =
        server.faults().add(Fault::new(When::contains("raw block t"), Action::Refuse(error)).times(1));
    let views = [
        taos::ColumnView::from_millis_timestamp(vec![1_600_000_000_000]),
        taos::ColumnView::from_ints(vec![1]),
    ];
    let mut block = taos::RawBlock::from_views(&views, taos::Precision::Millisecond);
    block.with_field_names(["ts", "v"]).with_table_name("t");
    assert_eq!(i32::from(within(taos.write_raw_block(&block)).await.unwrap_err().code()), 0x0914);
    within(taos.write_raw_block(&block)).await.unwrap();
    assert_eq!((armed.fired(), server.row_count("d", "t")), (1, Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_taken_away_for_a_while_comes_back_on_its_port_with_its_data() {
    let server = prepared(Flavor::V26).await;
    let taos = connect(&server.dsn()).await;
    exec(&taos, INSERT).await;
    let addr = server.addr();
    server.suspend().await;
    assert!(within(taos.exec("select server_status()")).await.is_err(), "the old connection is cut");
    assert!(within(tokio::net::TcpStream::connect(addr)).await.is_err(), "new ones are refused");
    server.resume().await.unwrap();
    assert_eq!(server.addr(), addr);
    let again = connect(&server.dsn()).await;
    assert_eq!(rows(&again, "select count(*) from d.t").await, [["BigInt(1)"]]);
}
