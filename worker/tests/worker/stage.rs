//! Source, sink, coordinator and worker set up for one test, and shards made from what the source holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tdferry_common::clock::Clock;
use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::options::OptionValue;
use tdferry_common::port::Connector;
use tdferry_common::shard::{Density, Estimate, Range, Shard, ShardKind};
use tdferry_common::shutdown::{Stopper, stop_pair};
use tdferry_common::spec::{Spec, TaskKind};
use tdferry_common::testing::{MemConnector, MemDatabase, MemServer};
use tdferry_common::time::Period;
use tdferry_worker::{Deps, Worker, WorkerError};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::coordinator::{Coordinator, Place};
use crate::serve::channel;

/// 2020-09-20: a week after the first row of every generated database.
pub(crate) const NOW_MILLIS: i64 = 1_600_600_000_000;
/// All that a generated database holds.
pub(crate) const HISTORY: Period = Period { from: 0, to: NOW_MILLIS };

/// Of the one tail that a stage has.
pub(crate) const TAIL_GROUP: GroupId = GroupId(2);

pub(crate) struct Stage {
    pub(crate) source: Arc<MemServer>,
    pub(crate) sink: Arc<MemServer>,
    pub(crate) coordinator: Coordinator,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) slots: u32,
    /// The time of day, for one worker after the other.
    pub(crate) clock: Clock,
}

/// A worker that runs, until it is stopped.
pub(crate) struct Running {
    pub(crate) stopper: Stopper,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stopper.drain();
        self.end().await;
    }

    pub(crate) async fn end(self) {
        tokio::time::timeout(Duration::from_secs(600), self.task).await.unwrap().unwrap().unwrap();
    }
}

impl Stage {
    /// An empty sink.
    pub(crate) fn new(database: MemDatabase) -> Self {
        Self::with_options(database, &[])
    }

    pub(crate) fn with_options(database: MemDatabase, options: &[(&str, &str)]) -> Self {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), OptionValue::text(*value));
        Self::with_values(database, options.iter().map(text).collect())
    }

    pub(crate) fn with_values(database: MemDatabase, options: BTreeMap<String, OptionValue>) -> Self {
        let (source, sink) = (MemServer::source(database), MemServer::sink());
        let connector = Arc::new(MemConnector::new(Arc::clone(&source), Arc::clone(&sink)));
        Self {
            source,
            sink,
            coordinator: Coordinator::new(spec(options)),
            connector,
            slots: 2,
            clock: Clock::simulated(NOW_MILLIS),
        }
    }

    /// A sink that has the source's structure and no rows.
    pub(crate) fn prepared(database: MemDatabase) -> Self {
        let stage = Self::new(database);
        stage.prepare();
        stage
    }

    pub(crate) fn prepare(&self) {
        let mut empty = self.source.held();
        empty.tables.values_mut().for_each(|table| table.rows.clear());
        self.sink.change(|sink| *sink = empty);
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(vec![channel(&self.coordinator)])
    }

    pub(crate) fn start_with(&self, coordinators: Vec<Channel>) -> Running {
        let (stopper, stop) = stop_pair();
        let worker = Worker::new(Deps {
            coordinators,
            connector: Arc::clone(&self.connector),
            slots: self.slots,
            labels: BTreeMap::new(),
            clock: self.clock.clone(),
            seed: 7,
            host: "test".into(),
        });
        Running { stopper, task: tokio::spawn(worker.run(stop)) }
    }

    /// Lets a worker work these shards off.
    pub(crate) async fn finish(&self, places: impl IntoIterator<Item = Place>) {
        self.coordinator.add(places);
        let running = self.start();
        self.coordinator.until_terminal().await;
        running.stop().await;
    }

    /// The names of a stable's subtables; of the normal tables for an empty name.
    pub(crate) fn names(&self, stable: &str) -> Vec<String> {
        let wanted = (!stable.is_empty()).then_some(stable);
        let held = self.source.held();
        held.tables
            .iter()
            .filter(|(_, table)| table.stable.as_deref() == wanted)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// A shard over all tables of a stable.
    pub(crate) fn place(&self, stable: &str, group: u32, kind: ShardKind) -> Place {
        let names = self.names(stable);
        let range = Range { from: 0, to: u32::try_from(names.len()).unwrap() };
        let id = match kind {
            ShardKind::Create => ShardId::create(GroupId(group)),
            _ => ShardId::copy(GroupId(group), 0),
        };
        let mut shard = Shard::planned(id, kind, Some(GroupId(group)), range, HISTORY);
        shard.estimate = Estimate { rows: 100, bytes: 10_000 };
        Place { shard, stable: stable.into(), names }
    }

    pub(crate) fn dense(&self, stable: &str) -> Place {
        self.place(stable, 0, ShardKind::Copy(Density::Dense))
    }

    pub(crate) fn sparse(&self, stable: &str) -> Place {
        self.place(stable, 1, ShardKind::Copy(Density::Sparse))
    }

    /// Follows a stable, or the normal tables, from where a history ends.
    pub(crate) fn tail(&self, stable: &str) -> Place {
        let mut place = self.place(stable, TAIL_GROUP.0, ShardKind::Tail);
        if !stable.is_empty() {
            place.names.clear();
        }
        let range = Range { from: 0, to: u32::try_from(place.names.len()).unwrap() };
        let period = Period { from: NOW_MILLIS, to: i64::MAX };
        let id = ShardId::tail(TAIL_GROUP);
        place.shard = Shard::planned(id, ShardKind::Tail, Some(TAIL_GROUP), range, period);
        place
    }

    /// Follows some subtables of a stable by their names.
    pub(crate) fn listed_tail(&self, stable: &str, group: GroupId, names: std::ops::Range<usize>) -> Place {
        let mut place = self.tail(stable);
        place.names = self.names(stable)[names].to_vec();
        let range = Range { from: 0, to: u32::try_from(place.names.len()).unwrap() };
        let (id, period) = (ShardId::tail(group), place.shard.period);
        place.shard = Shard::planned(id, ShardKind::Tail, Some(group), range, period);
        place
    }

    /// Of the whole database: it looks for new stables and normal tables.
    pub(crate) fn database_tail(&self) -> Place {
        let mut place = without_group(ShardId::database_tail(), ShardKind::Tail);
        place.shard.period = Period { from: NOW_MILLIS, to: i64::MAX };
        place.shard.checkpoint.offset.next = NOW_MILLIS;
        place
    }

    pub(crate) fn schema(&self) -> Place {
        without_group(ShardId::schema(), ShardKind::Schema)
    }

    pub(crate) fn survey(&self) -> Place {
        without_group(ShardId::survey(), ShardKind::Survey)
    }

    pub(crate) fn row_count(&self) -> u64 {
        u64::try_from(self.source.held().row_count()).unwrap()
    }
}

fn without_group(id: ShardId, kind: ShardKind) -> Place {
    let shard = Shard::planned(id, kind, None, Range::NONE, HISTORY);
    Place { shard, stable: String::new(), names: Vec::new() }
}

fn spec(options: BTreeMap<String, OptionValue>) -> String {
    let (from, to) = ("taos+ws://old:6041/source", "taos+ws://new:6041/target");
    Spec::build("t", TaskKind::TDengine2, from, to, &options).unwrap().to_json().unwrap()
}
