//! The source as one worker sees it: its streams take time for each block, and a few end early without a word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{Block, TableRuns, TagRow};
use tdferry_common::port::{PortResult, Rows, Side, Source, Subtable, Tables};
use tdferry_common::schema::{Census, Column, Database, Extent, NormalTable, Stable};
use tdferry_common::testing::MemSource;
use tdferry_common::time::Period;

use crate::log::Entry;
use crate::ports::{Calls, slow};

/// How many reads end early while that fault lasts; a table is spared after its first, since a worker copies again
/// only twice before it calls for a person.
const SHORT: f64 = 0.2;
/// A worker gives a silent read up after this long (a session's time); one that is dropped sooner was not given up.
const GIVEN_UP_AFTER: Duration = Duration::from_millis(2_900);

pub(crate) struct SlowSource {
    pub(crate) inner: MemSource,
    pub(crate) calls: Arc<Calls>,
}

/// A read under way. What failed of it is logged, also where its reader lost patience.
struct Reading<'a, Item> {
    blocks: BoxStream<'a, PortResult<Item>>,
    calls: &'a Calls,
    tables: Vec<String>,
    period: Period,
    asked: Option<Duration>,
    ended: bool,
}

impl<'a, Item: Send + 'a> Reading<'a, Item> {
    fn slowly(self) -> BoxStream<'a, PortResult<Item>> {
        stream::unfold(self, |mut reading| async move {
            let item = reading.next().await?;
            Some((item, reading))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<PortResult<Item>> {
        if self.ended {
            return None;
        }
        self.asked = Some(self.calls.log.now());
        self.calls.pass().await;
        if self.calls.draw() < SHORT && !self.tables.is_empty() && self.calls.shorts.take(&self.tables) {
            self.calls.log.push(Entry::Short { tables: self.tables.clone() });
            self.ended = true;
            return None;
        }
        let item = self.blocks.next().await;
        self.calls.gate.passed().await;
        self.asked = None;
        self.ended = !matches!(item, Some(Ok(_)));
        if matches!(item, Some(Err(_))) {
            self.failed();
        }
        item
    }

    fn failed(&self) {
        self.calls.log.push(Entry::ReadFailed { tables: self.tables.clone(), period: self.period });
    }
}

impl<Item> Drop for Reading<'_, Item> {
    fn drop(&mut self) {
        let silent = self.asked.map(|asked| self.calls.log.now().saturating_sub(asked));
        if !self.ended && silent.is_some_and(|silent| silent >= GIVEN_UP_AFTER) {
            let entry = Entry::ReadFailed { tables: std::mem::take(&mut self.tables), period: self.period };
            self.calls.log.push(entry);
        }
    }
}

impl SlowSource {
    fn reading<'a, Item>(
        &'a self,
        blocks: BoxStream<'a, PortResult<Item>>,
        tables: Vec<String>,
        period: Period,
    ) -> Reading<'a, Item> {
        Reading { blocks, calls: &self.calls, tables, period, asked: None, ended: false }
    }
}

#[async_trait]
impl Source for SlowSource {
    async fn version(&self) -> PortResult<String> {
        slow!(self, self.inner.version())
    }

    async fn database(&self) -> PortResult<Database> {
        slow!(self, self.inner.database())
    }

    async fn clock(&self) -> PortResult<Option<i64>> {
        slow!(self, self.inner.clock())
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        slow!(self, self.inner.stables())
    }

    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        slow!(self, self.inner.normal_tables())
    }

    async fn stable_extent(&self, stable: &str) -> PortResult<Extent> {
        slow!(self, self.inner.stable_extent(stable))
    }

    async fn table_extent(&self, table: &str) -> PortResult<Extent> {
        slow!(self, self.inner.table_extent(table))
    }

    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        slow!(self, self.inner.newest(tables))
    }

    async fn census(&self) -> PortResult<Census> {
        slow!(self, self.inner.census())
    }

    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>> {
        // a listing that ends early is the survey's to find out, by listing again
        self.inner.subtables(stable, exact)
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        self.inner.all_tags(stable)
    }
}

#[async_trait]
impl Rows for SlowSource {
    fn side(&self) -> Side {
        Side::Source
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
        let blocks = self.inner.read(table, columns, period);
        self.reading(blocks, vec![table.to_owned()], period).slowly()
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let blocks = self.inner.read_many(stable, names, period);
        self.reading(blocks, names.to_vec(), period).slowly()
    }

    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        // none ends early without a word: a watermark would pass what only counting finds
        let blocks = self.inner.read_all(stable, period);
        self.reading(blocks, Vec::new(), period).slowly()
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
