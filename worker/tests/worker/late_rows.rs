//! Rows that come after the watermark passed their time: found by counting, and only where something differs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::testing::{Call, Event, MemServer, Recipe};
use tdferry_common::time::Period;
use tokio::time::sleep;

use crate::production::{Live, meters, reading};
use crate::stage::NOW_MILLIS;

const SECOND: Duration = Duration::from_secs(1);

/// What is read of a server from now on.
fn reads(server: &MemServer) -> Arc<Mutex<Vec<(String, Period)>>> {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&reads);
    server.on_event(Arc::new(move |event| {
        if let Event::Read { table, period, .. } = event {
            sees.lock().unwrap().push((table.clone(), *period));
        }
    }));
    reads
}

/// Some minutes of rows in order, and a silence after them.
async fn in_order(live: &Live, seconds: u32) {
    for n in 0..seconds {
        live.write(&format!("d{:04}", n % 3), Duration::ZERO);
        sleep(SECOND).await;
    }
    live.until_same().await;
}

#[tokio::test(start_paused = true)]
async fn late_rows_are_found_and_counted_and_only_what_differs_is_read() {
    let live = Live::new(meters(41), &[]).await;
    in_order(&live, 400).await;
    let read = reads(&live.stage.source);
    let late =
        [live.write("d0001", 200 * SECOND + Duration::from_millis(7)), live.write("d0001", 199 * SECOND)];
    live.until_same().await;
    live.until_committed().await;
    assert_eq!(live.totals().late, 2);
    let bucket = |ts: i64| ts.div_euclid(15_000);
    let allowed = [bucket(late[0]), bucket(late[1])];
    for (table, period) in read.lock().unwrap().iter() {
        assert_eq!(table, "d0001", "a subtable that does not differ was read");
        assert!(
            allowed.contains(&bucket(period.from)) && allowed.contains(&bucket(period.to - 1)),
            "{period} was read"
        );
    }
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_audit_is_answered_with_less_than_a_hundredth_of_the_rows_that_it_proves() {
    const MINUTES: i64 = 60;
    let meters = || (0..20).map(|n| format!("d{n:04}"));
    let mut database = Recipe::meters(48, (20, 0), (0, 0)).make();
    // sixty buckets of a minute, each with fifty rows of each subtable
    for (table, row) in meters().flat_map(|table| (0..MINUTES * 50).map(move |row| (table.clone(), row))) {
        database.put_row(&table, reading(NOW_MILLIS - MINUTES * 60_000 + row * 1_200, 1.0));
    }
    let rows = u64::try_from(database.row_count()).unwrap();
    assert_eq!(rows, 60_000, "a thousand in a bucket");
    let live = Live::new(database, &[("audit-window", "1h")]).await;
    let answered = || {
        let (source, sink) = (live.stage.source.counters(), live.stage.sink.counters());
        let audits = source.calls(Call::CountBuckets);
        (source.counted + source.rows_read + sink.counted + sink.rows_read, audits)
    };
    let before = answered();
    for table in ["d0003", "d0017"] {
        live.write(table, 30 * 60 * SECOND + Duration::from_millis(7));
    }
    sleep(350 * SECOND).await;
    let (answered, audits) = (answered().0 - before.0, answered().1 - before.1);
    assert!(live.differences().is_empty(), "{:?}", live.differences());
    assert!((1..=2).contains(&audits), "{audits} audits");
    assert!(answered >= 60 * 2, "what was counted does not show: {answered}");
    assert!(answered * 100 < rows, "{answered} lines and rows were answered, of {rows} rows");
    live.until_committed().await;
    assert_eq!(live.totals().late, 2);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rows_as_late_as_the_furthest_horizon_are_found() {
    let live = Live::new(meters(42), &[("audit-window", "60s,10m,2h"), ("interval", "5s")]).await;
    sleep(3 * 3_600 * SECOND).await;
    for minutes in [1, 9, 50, 100] {
        live.write("d0000", 60 * SECOND * minutes);
    }
    live.until_same().await;
    live.until_committed().await;
    assert_eq!(live.totals().late, 4);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_counted_again_where_that_is_switched_off() {
    let live = Live::new(meters(43), &[("audit-window", "off")]).await;
    in_order(&live, 30).await;
    live.write("d0001", 20 * SECOND);
    sleep(1_000 * SECOND).await;
    assert!(!live.differences().is_empty(), "it was lost as it was asked for");
    assert_eq!(live.stage.source.counters().calls(Call::CountBuckets), 0);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_different_is_looked_into_once() {
    let live = Live::new(meters(44), &[("interval", "10s")]).await;
    sleep(3 * 3_600 * SECOND).await;
    // the target alone has it: there is nothing to copy
    let at = live.now() - 2 * 3_600_000;
    live.stage.sink.change(|sink| sink.put_row("d0002", reading(at, 3.0)));
    sleep(10 * 3_600 * SECOND).await;
    let looks = live.stage.source.counters().calls(Call::CountEach);
    assert_eq!(looks, 1, "the same difference was looked into {looks} times");
    // a row that comes late beside it is found all the same
    live.stage.source.change(|source| source.put_row("d0001", reading(at + 1, 4.0)));
    live.stage.source.change(|source| source.put_row("d0001", reading(at + 2, 4.0)));
    sleep(3 * 3_600 * SECOND).await;
    assert_eq!(
        live.stage.sink.held().tables["d0001"].rows.len(),
        live.stage.source.held().tables["d0001"].rows.len()
    );
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rows_of_now_do_not_keep_late_ones_from_being_found() {
    let live = Live::new(meters(45), &[]).await;
    // every answer takes longer than the interval
    let delay = tdferry_common::testing::Fault::Delay;
    let plan = tdferry_common::testing::FaultPlan {
        delay: 3 * SECOND,
        ..tdferry_common::testing::FaultPlan::new(3, u32::MAX, 1_000)
    };
    live.stage.source.set_faults(Some(plan.only(&[delay]).within(&[Call::ReadAll])));
    for _ in 0..300 {
        live.write("d0000", Duration::ZERO);
        sleep(SECOND).await;
    }
    live.write("d0001", 100 * SECOND);
    for _ in 0..600 {
        live.write("d0000", Duration::ZERO);
        sleep(SECOND).await;
    }
    let rows = |server: &MemServer| server.held().tables["d0001"].rows.len();
    assert_eq!(rows(&live.stage.source), rows(&live.stage.sink));
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn by_digest_a_row_that_was_changed_is_found_and_by_count_it_is_not() {
    for (by, found) in [("digest", true), ("count", false)] {
        let live = Live::new(meters(46), &[("audit-by", by)]).await;
        in_order(&live, 60).await;
        let ts = live.now() - 30_000;
        live.stage.source.change(|source| {
            let row = source.tables.get_mut("d0001").unwrap().rows.range_mut(..ts).next_back().unwrap();
            row.1[2] = Value::Int(-5);
        });
        sleep(300 * SECOND).await;
        assert_eq!(live.differences().is_empty(), found, "{by}");
        assert_eq!(live.totals().late, 0, "{by}: it was not late");
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn late_rows_of_normal_tables_are_found_by_table() {
    let recipe = Recipe { normal: (3, 10), ..Recipe::meters(47, (0, 0), (0, 0)) };
    let stage = crate::stage::Stage::with_options(recipe.make(), &[("mode", "both")]);
    stage.prepare();
    let live = Live::over(stage, "").await;
    sleep(300 * SECOND).await;
    live.write("n001", 120 * SECOND);
    live.until_same().await;
    live.until_committed().await;
    assert_eq!(live.totals().late, 1);
    live.stop().await;
}
