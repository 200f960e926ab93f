//! A source that production goes on writing to while a worker follows it.

use std::time::Duration;

use tdferry_common::batch::Value;
use tdferry_common::shard::{ShardState, Totals};
use tdferry_common::testing::{MemDatabase, Recipe, differences};
use tdferry_common::time::Period;
use tokio::time::{sleep, timeout};

use crate::coordinator::State;
use crate::stage::{Running, Stage, TAIL_GROUP};

/// What is written is in the target within this time: virtual, and longer than any audit takes to come round.
const ARRIVES: Duration = Duration::from_secs(900);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Some meters with a history of a few rows.
pub(crate) fn meters(seed: u64) -> MemDatabase {
    Recipe::meters(seed, (3, 20), (0, 0)).make()
}

/// A stable whose history is copied and that is followed from then on.
pub(crate) struct Live {
    pub(crate) stage: Stage,
    pub(crate) running: Running,
}

impl Live {
    /// Follows the meters; returns once their history is copied.
    pub(crate) async fn new(database: MemDatabase, options: &[(&str, &str)]) -> Self {
        let options = [&[("mode", "both")], options].concat();
        let stage = Stage::with_options(database, &options);
        stage.prepare();
        Self::over(stage, "meters").await
    }

    /// The same of any stable, or of the normal tables, on a stage that is set up.
    pub(crate) async fn over(stage: Stage, stable: &str) -> Self {
        stage.coordinator.add([stage.dense(stable), stage.tail(stable)]);
        let running = stage.start();
        let live = Self { stage, running };
        live.until_same().await;
        let commits = |state: &State| state.commits.iter().any(is_of_tail);
        live.stage.coordinator.until("the tail commits", commits).await;
        live
    }

    /// What time it is, in units of the source.
    pub(crate) fn now(&self) -> i64 {
        self.stage.clock.wall_millis()
    }

    /// Production writes a meter's row that is dated so long ago; where it stands.
    pub(crate) fn write(&self, table: &str, ago: Duration) -> i64 {
        let ts = self.now() - i64::try_from(ago.as_millis()).unwrap();
        self.stage.source.change(|source| source.put_row(table, reading(ts, 1.0)));
        ts
    }

    /// A new meter, without rows.
    pub(crate) fn add_meter(&self, name: &str) {
        let tags = vec![Value::Int(4), Value::Binary(b"here".to_vec())];
        self.stage.source.change(|source| source.add_subtable("meters", name, tags));
    }

    /// Waits until the target holds what the source holds.
    pub(crate) async fn until_same(&self) {
        let same = async {
            while !self.differences().is_empty() {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(ARRIVES, same).await.is_err() {
            panic!("the target lacks what the source has: {:#?}", self.differences());
        }
    }

    pub(crate) fn differences(&self) -> Vec<String> {
        let Stage { source, sink, .. } = &self.stage;
        differences(&source.held(), &sink.held(), Period::ALL, 5)
    }

    /// Waits until the tail has committed something new, such as what it counted.
    pub(crate) async fn until_committed(&self) {
        let tails = |state: &State| state.commits.iter().filter(|commit| is_of_tail(commit)).count();
        let before = tails(&self.stage.coordinator.state());
        // one may have been under way
        self.stage.coordinator.until("two more commits", |state| tails(state) > before + 1).await;
    }

    /// What the tail told of itself last.
    pub(crate) fn totals(&self) -> Totals {
        let tail = tdferry_common::id::ShardId::tail(TAIL_GROUP);
        self.stage.coordinator.shard(&tail).checkpoint.totals
    }

    /// The tail's watermark as it is committed.
    pub(crate) fn watermark(&self) -> i64 {
        let tail = tdferry_common::id::ShardId::tail(TAIL_GROUP);
        self.stage.coordinator.shard(&tail).checkpoint.offset.next
    }

    /// Ends it; nothing may have failed.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
        for place in self.stage.coordinator.state().shards.values() {
            assert!(!matches!(place.shard.state, ShardState::Failed { .. }), "{:?}", place.shard);
        }
    }
}

/// What a meter reads at a moment.
pub(crate) fn reading(ts: i64, current: f32) -> Vec<Value> {
    vec![Value::Timestamp(ts), Value::Float(current), Value::Int(ts % 1_000), Value::Double(0.5)]
}

pub(crate) fn is_of_tail(commit: &tdferry_proto::v1::CommitRequest) -> bool {
    commit.key.as_ref().is_some_and(|key| key.shard.starts_with("tail"))
}
