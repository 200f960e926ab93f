//! A source that is written to while it is copied and followed, by processes that are killed with -9: what production
//! wrote is at the target a moment after it stops, and subtables that it added with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use support::live::{self, LOOK_EVERY, PATIENCE, until_equal, until_state, worker};
use support::load;
use support::process::{answer, kill};
use support::servers::Servers;
use tdferry_common::clock::wall_now;
use tdferry_common::tdengine::Reader;
use tdferry_standin::MetersSeed;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const PACE: Duration = Duration::from_millis(40);
/// Rows between one new subtable and the next.
const ROWS_A_TABLE: usize = 25;

/// Writes a row after the other, and now and then a new subtable with rows from before, until it is told to stop.
async fn produce(source: Reader, stop: watch::Receiver<bool>) -> usize {
    let mut rows = 0;
    while !*stop.borrow() {
        let now = wall_now();
        if rows % ROWS_A_TABLE == 0 {
            let table = format!("power.new{rows}");
            load::run(&source, &format!("create table {table} using power.meters tags (7, 'there')")).await;
            let (old, older) = (now - 20_000, now - 3_600_000);
            load::run(&source, &format!("insert into {table} values ({older}, 1, 2, 3) ({old}, 1, 2, 3)"))
                .await;
        }
        let table = format!("power.new{}", rows - rows % ROWS_A_TABLE);
        load::run(&source, &format!("insert into {table} values ({now}, 1.5, {rows}, 0.25)")).await;
        rows += 1;
        sleep(PACE).await;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_workers_are_killed_is_all_at_the_target() {
    let servers = Servers::standins().await;
    let history = MetersSeed { database: "power".into(), ..MetersSeed::new(4, 500) };
    servers.source_standin().seed_meters(&history).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = "schema-polling-interval = \"1s\"\naudit-window = \"off\"\n";
    let (coordinator, address) = live::coordinator(folder.path(), &servers, options).await;
    let mut workers = vec![worker(&address), worker(&address)];
    until_state(&address, "live").await;
    let (stop, stopped) = watch::channel(false);
    let production = tokio::spawn(produce(servers.ask_source(), stopped));
    for _ in 0..3 {
        sleep(Duration::from_secs(2)).await;
        kill(workers.remove(0)).await;
        workers.push(worker(&address));
    }
    stop.send(true).unwrap();
    let written = production.await.unwrap();
    let rows = until_equal(&servers).await;
    eprintln!("{written} rows were written, {rows} are compared");
    assert!(rows > 2_000 + u64::try_from(written).unwrap(), "and those that new subtables held before");
    until_state(&address, "live").await;
    for child in workers.into_iter().chain([coordinator]) {
        kill(child).await;
    }
}

/// Waits until the task's troubles are as wanted; in one text.
async fn until_troubles(coordinator: &str, are: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    let looked = timeout(PATIENCE, async {
        loop {
            let told = answer(&["task", "show", "move-power", "--json", "--coordinator", coordinator]).await;
            last = told.json()["troubles"].to_string();
            if are(&last) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    });
    assert!(looked.await.is_ok(), "{last}");
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_alters_nothing_tells_what_the_target_lacks_and_fills_what_a_person_adds() {
    let servers = Servers::standins().await;
    let (source, target) = (servers.ask_source(), servers.ask_target());
    load::run(&source, "create database power keep 3650 days 10").await;
    load::run(&target, "create database power keep 3650d duration 10d").await;
    for to in [&source, &target] {
        load::run(to, "create table power.meters (ts timestamp, current float) tags (groupid int)").await;
        load::run(to, "create table power.d0 using power.meters tags (1)").await;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = "mode = \"realtime\"\nschema = \"none\"\nschema-polling-interval = \"1s\"\n";
    let (coordinator, address) = live::coordinator_of(folder.path(), &servers, options).await;
    let worker = worker(&address);
    until_state(&address, "live").await;
    load::run(&source, &format!("insert into power.d0 values ({}, 1)", wall_now())).await;
    until_equal(&servers).await;

    load::run(&source, "create table power.d1 using power.meters tags (2)").await;
    load::run(&source, &format!("insert into power.d1 values ({}, 2)", wall_now())).await;
    until_troubles(&address, |told| told.contains("`d1`")).await;
    load::run(&source, "alter table power.meters add column more int").await;
    load::run(&source, &format!("insert into power.d0 values ({}, 3, 3)", wall_now())).await;
    until_troubles(&address, |told| told.contains("`d1`") && told.contains("lacks the column `more`")).await;
    load::run(&source, &format!("insert into power.d0 values ({}, 4, 4)", wall_now())).await;
    let refused = answer(&["cutover", "move-power", "--freeze", "--coordinator", &address]).await;
    assert!(refused.code == 1 && refused.stderr.contains("lacks the column"), "{}", refused.stderr);

    load::run(&target, "alter table power.meters add column more int").await;
    load::run(&target, "create table power.d1 using power.meters tags (2)").await;
    until_troubles(&address, |told| told == "[]").await;
    assert_eq!(until_equal(&servers).await, 4);
    until_state(&address, "live").await;
    let cut = ["cutover", "move-power", "--freeze", "--max-lag", "60", "--coordinator", &address];
    let cut = timeout(PATIENCE, answer(&cut)).await.unwrap();
    assert_eq!(cut.code, 0, "{}{}", cut.stdout, cut.stderr);
    for child in [worker, coordinator] {
        kill(child).await;
    }
}
