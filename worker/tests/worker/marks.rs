//! Where following ends at a mark: with all that came late, not before the writers stopped, and without what is gone.

use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::shard::ShardState;
use tokio::time::{sleep, timeout};

use crate::production::{Live, meters};
use crate::stage::{Stage, TAIL_GROUP};

const SECOND: Duration = Duration::from_secs(1);
/// Far longer than all horizons take to be counted once more.
const SOON: Duration = Duration::from_secs(300);

fn tail() -> ShardId {
    ShardId::tail(TAIL_GROUP)
}

async fn until_done(live: &Live) {
    let done = live
        .stage
        .coordinator
        .until("the tail is done", |state| state.shards[&tail()].shard.state == ShardState::Done);
    assert!(timeout(SOON, done).await.is_ok(), "{:?}", live.stage.coordinator.shard(&tail()));
}

#[tokio::test(start_paused = true)]
async fn a_tail_ends_at_its_mark_with_the_rows_that_came_late() {
    let live = Live::new(meters(51), &[]).await;
    sleep(120 * SECOND).await;
    live.write("d0001", 90 * SECOND);
    let mark = live.now();
    live.stage.coordinator.state().end_tails_at(mark);
    until_done(&live).await;
    assert!(live.differences().is_empty(), "{:?}", live.differences());
    assert!(live.watermark() >= mark);
    assert_eq!(live.totals().late, 1);
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tail_whose_source_is_written_to_behind_the_mark_does_not_end_before_a_later_one() {
    let live = Live::new(meters(52), &[]).await;
    let mark = live.now();
    live.stage.coordinator.state().end_tails_at(mark);
    live.write("d0000", Duration::ZERO);
    sleep(SOON).await;
    assert_eq!(live.stage.coordinator.shard(&tail()).state, ShardState::Open, "somebody still writes");
    live.stage.coordinator.state().end_tails_at(mark + 1);
    until_done(&live).await;
    assert!(live.differences().is_empty(), "{:?}", live.differences());
    live.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tail_whose_stable_was_dropped_ends_at_its_mark_whoever_follows() {
    for is_lost in [false, true] {
        let live = Live::new(meters(53), &[]).await;
        live.write("d0000", Duration::ZERO);
        live.until_same().await;
        live.stage.source.change(|source| {
            source.stables.clear();
            source.tables.clear();
        });
        sleep(60 * SECOND).await;
        let mark = live.now();
        live.stage.coordinator.state().end_tails_at(mark);
        if is_lost {
            // whoever follows next finds no stable from the first
            live.stage.coordinator.end_session();
        }
        until_done(&live).await;
        assert!(live.watermark() >= mark, "lost: {is_lost}");
        assert_eq!(live.stage.sink.held().row_count(), 61, "what was copied stays");
        live.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_begins_after_its_mark_takes_what_lies_before() {
    let stage = Stage::with_options(meters(54), &[("mode", "realtime")]);
    stage.prepare();
    stage.coordinator.add([stage.tail("meters")]);
    let began = stage.clock.wall_millis();
    stage.coordinator.state().end_tails_at(began + 30_000);
    for second in [0, 29] {
        stage.source.change(|source| {
            source.put_row("d0002", crate::production::reading(began + second * 1_000, 2.0));
        });
    }
    sleep(60 * SECOND).await;
    let live = Live { running: stage.start(), stage };
    until_done(&live).await;
    assert_eq!(live.stage.sink.held().tables["d0002"].rows.len(), 2);
    live.stop().await;
}
