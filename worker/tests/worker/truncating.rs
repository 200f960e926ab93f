//! A source that ends a read early without an error, as several real read paths do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tdferry_common::batch::{Block, TableRuns, TagRow};
use tdferry_common::port::{Connector, PortResult, Rows, Side, Sink, Source, Subtable, Tables};
use tdferry_common::schema::{Census, Column, Database, Extent, NormalTable, Stable};
use tdferry_common::spec::Spec;
use tdferry_common::time::Period;

/// Cuts so many reads short, of one table or of many.
pub(crate) struct Truncating {
    inner: Arc<dyn Connector>,
    table: String,
    left: Arc<AtomicU32>,
}

struct Cut {
    inner: Arc<dyn Source>,
    table: String,
    left: Arc<AtomicU32>,
}

impl Truncating {
    pub(crate) fn new(inner: Arc<dyn Connector>, table: &str, times: u32) -> Self {
        Self { inner, table: table.into(), left: Arc::new(AtomicU32::new(times)) }
    }
}

#[async_trait]
impl Connector for Truncating {
    async fn source(&self, spec: &Spec) -> PortResult<Arc<dyn Source>> {
        let inner = self.inner.source(spec).await?;
        Ok(Arc::new(Cut { inner, table: self.table.clone(), left: Arc::clone(&self.left) }))
    }

    async fn sink(&self, spec: &Spec) -> PortResult<Arc<dyn Sink>> {
        self.inner.sink(spec).await
    }
}

impl Cut {
    /// Whether this read is to be cut.
    fn cuts(&self, concerned: bool) -> bool {
        let fewer = |left: u32| left.checked_sub(1);
        concerned && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok()
    }
}

#[async_trait]
impl Source for Cut {
    async fn version(&self) -> PortResult<String> {
        self.inner.version().await
    }

    async fn database(&self) -> PortResult<Database> {
        self.inner.database().await
    }

    async fn clock(&self) -> PortResult<Option<i64>> {
        self.inner.clock().await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        self.inner.stables().await
    }

    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        self.inner.normal_tables().await
    }

    async fn stable_extent(&self, stable: &str) -> PortResult<Extent> {
        self.inner.stable_extent(stable).await
    }

    async fn table_extent(&self, table: &str) -> PortResult<Extent> {
        self.inner.table_extent(table).await
    }

    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        self.inner.newest(tables).await
    }

    async fn census(&self) -> PortResult<Census> {
        self.inner.census().await
    }

    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>> {
        self.inner.subtables(stable, exact)
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        self.inner.all_tags(stable)
    }
}

#[async_trait]
impl Rows for Cut {
    fn side(&self) -> Side {
        self.inner.side()
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        self.inner.tags(stable, names).await
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        let blocks = self.inner.read(table, columns, period);
        if self.cuts(table == self.table) { blocks.take(1).boxed() } else { blocks }
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let blocks = self.inner.read_many(stable, names, period);
        if self.cuts(names.contains(&self.table)) { blocks.take(1).boxed() } else { blocks }
    }

    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        let blocks = self.inner.read_all(stable, period);
        if self.cuts(true) { blocks.take(1).boxed() } else { blocks }
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        self.inner.count(tables, period).await
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        self.inner.count_each(tables, period).await
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        self.inner.count_buckets(tables, period, bucket).await
    }
}
