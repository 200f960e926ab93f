//! Following a source while it is written to: every row arrives, once, whoever is away or dies meanwhile.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::id::ShardId;
use tdferry_common::port::Side;
use tdferry_common::shard::{Range, Shard, ShardKind, ShardState};
use tdferry_common::testing::{Call, Event, Recipe};
use tokio::time::sleep;

use crate::production::{Live, is_of_tail, meters, reading};
use crate::stage::{NOW_MILLIS, Stage, TAIL_GROUP};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// Production for so many steps of a fifth of a second: rows of now, and out of order within the usual excursion.
async fn produce(live: &Live, seed: u64, steps: u32) {
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..steps {
        sleep(MILLI * rng.random_range(50..350)).await;
        let table = format!("d{:04}", rng.random_range(0..3));
        live.write(&table, MILLI * rng.random_range(0..450));
    }
}

#[tokio::test(start_paused = true)]
async fn history_and_what_follows_arrive_and_every_row_is_read_and_written_once() {
    for seed in 0..5 {
        let live = Live::new(meters(seed), &[]).await;
        produce(&live, seed, 200).await;
        live.until_same().await;
        live.until_committed().await;
        let (source, sink) = (live.stage.source.counters(), live.stage.sink.counters());
        let rows = live.stage.row_count();
        assert_eq!(
            (source.rows_read, sink.rows_written(), sink.rows_again()),
            (rows, rows, 0),
            "seed {seed}"
        );
        let totals = live.totals();
        assert_eq!((totals.read, totals.written, totals.late), (rows - 60, rows - 60, 0), "seed {seed}");
        assert_eq!(
            totals.newest,
            live.stage
                .source
                .held()
                .tables
                .values()
                .filter_map(|table| table.rows.keys().last().copied())
                .max()
        );
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_watermark_is_never_ahead_of_what_may_still_come_in_order() {
    let live = Live::new(meters(1), &[("excursion", "20s"), ("audit-window", "off")]).await;
    sleep(25 * SECOND).await;
    for _ in 0..60 {
        live.write("d0000", 19 * SECOND);
        sleep(SECOND).await;
        assert!(live.watermark() <= live.now() - 19_000, "it waits for rows out of order");
    }
    live.until_same().await;
    assert_eq!(live.totals().late, 0);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_only_what_follows_is_asked_for_no_older_row_is_read() {
    let stage = Stage::with_options(meters(2), &[("mode", "realtime")]);
    stage.prepare();
    stage.coordinator.add([stage.tail("meters")]);
    let running = stage.start();
    let live = Live { stage, running };
    sleep(10 * SECOND).await;
    produce(&live, 2, 50).await;
    live.until_committed().await;
    live.until_committed().await;
    assert_eq!(live.stage.sink.held().row_count(), 50);
    assert_eq!(live.stage.source.counters().rows_read, 50);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn normal_tables_are_followed_and_one_that_is_dropped_does_not_stop_the_others() {
    let recipe = Recipe { normal: (3, 10), ..Recipe::meters(3, (0, 0), (0, 0)) };
    let stage = Stage::with_options(recipe.make(), &[("mode", "both")]);
    stage.prepare();
    let live = Live::over(stage, "").await;
    for table in ["n000", "n001", "n002"] {
        live.write(table, Duration::ZERO);
    }
    live.until_same().await;
    live.stage.source.change(|source| source.tables.remove("n001"));
    sleep(120 * SECOND).await;
    live.write("n002", Duration::ZERO);
    live.until_committed().await;
    assert_eq!(live.stage.sink.held().tables["n002"].rows.len(), 12);
    assert_eq!(live.stage.sink.held().tables["n001"].rows.len(), 11, "what was dropped stays in the target");
    live.stage.coordinator.end_session();
    sleep(60 * SECOND).await;
    live.write("n000", Duration::ZERO);
    live.until_committed().await;
    assert_eq!(
        live.stage.sink.held().tables["n000"].rows.len(),
        12,
        "whoever follows next follows the others"
    );
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_ridden_out() {
    for side in [Side::Source, Side::Sink] {
        let live = Live::new(meters(4), &[]).await;
        let server = if side == Side::Source { &live.stage.source } else { &live.stage.sink };
        produce(&live, 4, 20).await;
        server.set_away(true);
        produce(&live, 5, 200).await;
        let before = live.watermark();
        sleep(300 * SECOND).await;
        assert!(live.watermark() <= before + 1_000, "{side:?}: nothing is passed unseen");
        server.set_away(false);
        live.until_same().await;
        live.until_committed().await;
        assert_eq!(live.stage.coordinator.state().last_epoch, 2, "{side:?}: the lease was kept");
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_is_followed_on_by_the_next_and_no_row_is_lost() {
    let live = Live::new(meters(5), &[("audit-window", "off")]).await;
    for seed in 0..6 {
        produce(&live, seed, 40).await;
        live.stage.coordinator.end_session();
    }
    produce(&live, 6, 20).await;
    live.until_same().await;
    assert!(live.stage.coordinator.state().last_epoch >= 8);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_commits_and_gives_back_promptly() {
    let live = Live::new(meters(6), &[("interval", "30s")]).await;
    live.until_committed().await;
    live.write("d0000", Duration::ZERO);
    sleep(40 * SECOND).await;
    let ordered = tokio::time::Instant::now();
    live.running.stopper.drain();
    let tail = ShardId::tail(TAIL_GROUP);
    live.stage.coordinator.until("it is given back", |state| state.released.contains(&tail)).await;
    assert!(ordered.elapsed() < SECOND, "it did not wait for its interval");
    live.running.end().await;
    let (row, watermark) =
        (live.stage.source.held().tables["d0000"].rows.len(), live.stage.coordinator.shard(&tail));
    assert_eq!(live.stage.sink.held().tables["d0000"].rows.len(), row);
    assert!(watermark.checkpoint.offset.next > crate::stage::NOW_MILLIS);
}

#[tokio::test(start_paused = true)]
async fn silence_costs_few_questions_and_one_commit_a_heartbeat() {
    let live = Live::new(meters(7), &[]).await;
    sleep(60 * SECOND).await;
    let calls = || {
        let (source, sink) = (live.stage.source.counters(), live.stage.sink.counters());
        (source.calls.values().sum::<u64>(), sink.calls.values().sum::<u64>(), source.calls(Call::ReadAll))
    };
    let commits = || live.stage.coordinator.state().commits.iter().filter(|one| is_of_tail(one)).count();
    let (before, committed) = (calls(), commits());
    sleep(600 * SECOND).await;
    let (source, sink, reads) = (calls().0 - before.0, calls().1 - before.1, calls().2 - before.2);
    // one read an interval; each five seconds one question for the clock, the newest row, the census, two for the
    // structure; each minute one for each horizon and the subtables
    assert!((590..=601).contains(&reads), "{reads} reads");
    assert!(source - reads <= 660, "{} other questions to the source", source - reads);
    assert!(sink <= 400, "{sink} questions to the target");
    assert!(commits() - committed <= 121, "{} commits", commits() - committed);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn long_silence_and_a_crowd_after_it_are_read_in_periods_that_fit() {
    let live = Live::new(meters(8), &[("audit-window", "off")]).await;
    let read = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sees = std::sync::Arc::clone(&read);
    live.stage.source.on_event(std::sync::Arc::new(move |event| {
        if let Event::Read { rows, .. } = event {
            sees.lock().unwrap().push(*rows);
        }
    }));
    live.stage.source.set_away(true);
    for hour in 0..48_i64 {
        sleep(3_600 * SECOND).await;
        let now = live.now();
        live.stage.source.change(|source| {
            (0..20).for_each(|n| source.put_row("d0001", reading(now - n * 60_000 - hour, 2.0)));
        });
    }
    live.stage.source.set_away(false);
    live.until_same().await;
    assert_eq!(read.lock().unwrap().iter().sum::<usize>(), 48 * 20, "each row was read once");
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_was_past_its_mark_before_it_heard_of_it_is_done() {
    for of_database in [false, true] {
        let stage = Stage::with_options(meters(49), &[("mode", "both")]);
        stage.prepare();
        let mut tail = stage.tail("meters");
        if of_database {
            let (id, period) = (ShardId::database_tail(), tail.shard.period);
            tail.shard = Shard::planned(id, ShardKind::Tail, None, Range::NONE, period);
            tail.stable.clear();
        }
        (tail.shard.period.to, tail.shard.checkpoint.offset.next) = (NOW_MILLIS + 20, NOW_MILLIS + 40);
        let id = tail.shard.id.clone();
        stage.finish([stage.dense("meters"), tail]).await;
        let shard = stage.coordinator.shard(&id);
        assert_eq!((shard.state, shard.checkpoint.offset.next), (ShardState::Done, NOW_MILLIS + 40));
    }
}
