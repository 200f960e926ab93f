//! Source and sink as one worker sees them: slow, sometimes short, held up while the worker's host is paused, and
//! finishing writes whose caller has given up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::batch::{Block, TableRuns, TagRow, Value};
use tdferry_common::port::{Connector, PortError, PortResult, Rows, Side, Sink, Source, Tables};
use tdferry_common::schema::{Column, Database, NormalTable, Stable};
use tdferry_common::spec::Spec;
use tdferry_common::testing::{MemConnector, MemDatabase, MemSink, MemSource, sink_of};
use tdferry_common::time::{Period, Precision};
use tokio::time::sleep;

use crate::gate::Gate;
use crate::kinds::worker_host;
use crate::log::{Entry, Log};
use crate::planted::Planted;
use crate::source::SlowSource;
use crate::steps::{Step, When};
use crate::world::{NOW_MILLIS, World};

/// How much later than its answer a write arrives, where that bug is planted.
const LATE: Duration = Duration::from_millis(400);

/// What all calls of one worker have in common.
pub(crate) struct Calls {
    pub(crate) worker: usize,
    pub(crate) log: Log,
    pub(crate) gate: Gate,
    pub(crate) shorts: Arc<Shorts>,
    pub(crate) planted: Planted,
    world: Arc<World>,
    rng: Mutex<SmallRng>,
}

impl Calls {
    /// Time passes, and more of it while the host is paused.
    pub(crate) async fn pass(&self) {
        sleep(self.world.slowest.mul_f64(self.draw())).await;
        self.gate.passed().await;
    }

    /// Whether these writes are answered before they are applied.
    fn answers_first(&self, places: &[(String, Period)]) -> bool {
        match self.planted {
            Planted::AnswerBeforeWrite => true,
            Planted::FollowedBeforeWrite => places.iter().any(|(_, period)| period.to > NOW_MILLIS),
            _ => false,
        }
    }

    /// Passes a write's step.
    async fn step(&self, when: When) {
        self.world.steps.pass(&worker_host(self.worker), Step::Write, when).await;
    }

    /// Between nothing and one.
    pub(crate) fn draw(&self) -> f64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// Whether reads may end early now, and of which tables some have.
#[derive(Default)]
pub(crate) struct Shorts {
    on: AtomicBool,
    had: Mutex<BTreeSet<String>>,
}

impl Shorts {
    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// Whether a read of these tables may end early now: none of them may a second time.
    pub(crate) fn take(&self, tables: &[String]) -> bool {
        let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        let may = self.on.load(Ordering::Relaxed) && !tables.iter().any(|table| had.contains(table));
        if may {
            had.extend(tables.iter().cloned());
        }
        may
    }
}

/// Opens source and sink for one worker.
pub(crate) struct SlowConnector {
    pub(crate) inner: MemConnector,
    pub(crate) calls: Arc<Calls>,
}

impl SlowConnector {
    pub(crate) fn new(world: &Arc<World>, worker: usize, seed: u64) -> Self {
        let calls = Calls {
            worker,
            log: world.log.clone(),
            gate: world.workers[worker].gate.clone(),
            shorts: Arc::clone(&world.shorts),
            planted: world.planted,
            world: Arc::clone(world),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        };
        let inner = MemConnector::new(Arc::clone(&world.source), Arc::clone(&world.sink));
        Self { inner, calls: Arc::new(calls) }
    }
}

#[async_trait]
impl Connector for SlowConnector {
    async fn source(&self, _: &Spec) -> PortResult<Arc<dyn Source>> {
        let inner = MemSource::new(Arc::clone(&self.inner.source));
        Ok(Arc::new(SlowSource { inner, calls: Arc::clone(&self.calls) }))
    }

    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>> {
        let inner = MemSink::new(sink_of(&self.inner.sink, spec));
        Ok(Arc::new(SlowSink { inner, calls: Arc::clone(&self.calls) }))
    }
}

struct SlowSink {
    inner: MemSink,
    calls: Arc<Calls>,
}

/// Rows of tables on their way to the sink.
enum Going {
    One(String, Block),
    Many(TableRuns),
}

impl Going {
    async fn write(&self, sink: &MemSink) -> PortResult<()> {
        match self {
            Self::One(table, block) => sink.write(table, block).await,
            Self::Many(runs) => sink.write_many(runs).await,
        }
    }

    fn places(&self) -> Vec<(String, Period)> {
        let period = |block: &Block, rows: std::ops::Range<usize>| {
            let at = |row| block.timestamp(row);
            let (from, last) = (rows.clone().filter_map(at).min(), rows.filter_map(at).max());
            Period { from: from.unwrap_or(0), to: last.map_or(0, |last| last + 1) }
        };
        match self {
            Self::One(table, block) => vec![(table.clone(), period(block, 0..block.rows()))],
            Self::Many(TableRuns { block, runs }) => {
                runs.iter().map(|run| (run.table.clone(), period(block, run.rows.clone()))).collect()
            }
        }
    }
}

impl SlowSink {
    /// A write goes on when its caller gives up: a timeout of the client does not stop the server.
    async fn write_all(&self, rows: Going) -> PortResult<()> {
        let places = rows.places();
        let answers_first = self.calls.answers_first(&places);
        let (inner, calls) = (self.inner.clone(), Arc::clone(&self.calls));
        let writing = tokio::spawn(async move {
            calls.step(When::Before).await;
            calls.pass().await;
            if answers_first {
                sleep(LATE).await;
            }
            if calls.planted == Planted::WriteTwice {
                rows.write(&inner).await?;
            }
            let written = rows.write(&inner).await;
            if calls.planted == Planted::WriteOtherwise {
                calls.world.sink.change(|held| lose_cells(held, &rows.places()));
            }
            calls.step(When::After).await;
            calls.gate.passed().await;
            written
        });
        if !answers_first {
            let gone = |_| PortError::Away { side: Side::Sink, message: "the host is gone".into() };
            writing.await.map_err(gone)??;
        }
        let times = if self.calls.planted == Planted::WriteTwice { 2 } else { 1 };
        for (table, period) in places.iter().cycle().take(places.len() * times).cloned() {
            self.calls.log.push(Entry::Acknowledged { worker: self.calls.worker, table, period });
        }
        Ok(())
    }
}

/// The last cell of the first row of each of these places is NULL from now on.
fn lose_cells(held: &mut MemDatabase, places: &[(String, Period)]) {
    for (table, period) in places {
        let row = held.tables.get_mut(table).and_then(|table| table.rows.get_mut(&period.from));
        if let Some(cell) = row.and_then(|row| row.last_mut()) {
            *cell = Value::Null;
        }
    }
}

/// Methods that only take their time.
macro_rules! slow {
    ($self:ident, $call:expr) => {{
        $self.calls.pass().await;
        let answer = $call.await;
        $self.calls.gate.passed().await;
        answer
    }};
}
pub(crate) use slow;

#[async_trait]
impl Sink for SlowSink {
    async fn version(&self) -> PortResult<String> {
        slow!(self, self.inner.version())
    }

    async fn database(&self) -> PortResult<Option<Database>> {
        slow!(self, self.inner.database())
    }

    async fn create_database(&self, options: &str) -> PortResult<()> {
        slow!(self, self.inner.create_database(options))
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        slow!(self, self.inner.stables())
    }

    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        slow!(self, self.inner.tables(names))
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        slow!(self, self.inner.create_stable(stable))
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        slow!(self, self.inner.create_table(table))
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        slow!(self, self.inner.create_subtables(stable, rows))
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        slow!(self, self.inner.missing_subtables(stable, names))
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        self.write_all(Going::One(table.to_owned(), block.clone())).await
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        self.write_all(Going::Many(rows.clone())).await
    }

    fn narrowed(&self, conditions: &tdferry_common::options::RowFilter) -> Option<Arc<dyn Sink>> {
        self.inner.narrowed(conditions)
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        self.inner.all_tags(stable)
    }

    async fn widen_keep(&self, days: u64) -> PortResult<()> {
        slow!(self, self.inner.widen_keep(days))
    }

    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()> {
        slow!(self, self.inner.widen_column(table, column))
    }

    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()> {
        slow!(self, self.inner.add_to_stable(stable))
    }

    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()> {
        slow!(self, self.inner.add_to_table(table))
    }

    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        slow!(self, self.inner.set_tags(stable, rows))
    }

    async fn delete(&self, table: &str, period: Period) -> PortResult<()> {
        slow!(self, self.inner.delete(table, period))
    }

    async fn keeps(&self, precision: Precision) -> PortResult<Period> {
        slow!(self, self.inner.keeps(precision))
    }
}

#[async_trait]
impl Rows for SlowSink {
    fn side(&self) -> Side {
        Side::Sink
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        slow!(self, self.inner.tags(stable, names))
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        slowly(&self.calls, self.inner.read(table, columns, period))
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        slowly(&self.calls, self.inner.read_many(stable, names, period))
    }

    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        slowly(&self.calls, self.inner.read_all(stable, period))
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        slow!(self, self.inner.count_buckets(tables, period, bucket))
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        slow!(self, self.inner.count(tables, period))
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        slow!(self, self.inner.count_each(tables, period))
    }
}

/// Each block takes its time.
fn slowly<'a, Item: Send + 'a>(
    calls: &'a Calls,
    blocks: BoxStream<'a, PortResult<Item>>,
) -> BoxStream<'a, PortResult<Item>> {
    let passing = move |item| async move {
        calls.pass().await;
        item
    };
    blocks.then(passing).boxed()
}
