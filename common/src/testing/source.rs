//! The in-memory source: the port's methods over a [`MemServer`].

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use xxhash_rust::xxh3::xxh3_64;

use super::call::Call;
use super::database::sum_extents;
use super::fault::{Due, Fault};
use super::query::Cursor;
use super::server::MemServer;
use crate::batch::{Block, TableRuns, TagRow};
use crate::port::{PortResult, Source, Subtable, Tables};
use crate::schema::{Column, Database, Extent, NormalTable, Stable};
use crate::time::Period;

/// What it says it is.
const VERSION: &str = "2.6.0.34";

/// A source in memory.
#[derive(Debug, Clone)]
pub struct MemSource {
    server: Arc<MemServer>,
}

impl MemSource {
    /// A source that reads this server.
    pub fn new(server: Arc<MemServer>) -> Self {
        Self { server }
    }
}

#[async_trait]
impl Source for MemSource {
    async fn version(&self) -> PortResult<String> {
        self.server.call(Call::Version, |_| Ok(VERSION.into())).await
    }

    async fn database(&self) -> PortResult<Database> {
        self.server.call(Call::Database, |state| Ok(state.database()?.database.clone())).await
    }

    async fn clock(&self) -> PortResult<Option<i64>> {
        self.server.call(Call::Clock, |state| Ok(state.limits.clock)).await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        self.server.call(Call::Stables, |state| state.stables()).await
    }

    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        self.server.call(Call::NormalTables, |state| state.normal_tables()).await
    }

    async fn stable_extent(&self, stable: &str) -> PortResult<Extent> {
        let extent = |state: &mut super::server::State| {
            state.stable(stable)?;
            Ok(sum_extents(state.database()?.subtables_of(stable).map(|(_, table)| table)))
        };
        self.server.call(Call::Extent, extent).await
    }

    async fn table_extent(&self, table: &str) -> PortResult<Extent> {
        self.server.call(Call::Extent, |state| Ok(state.table(table)?.extent())).await
    }

    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>> {
        let next_page = move |mut pages: Flow<Option<String>>| async move {
            pages.step().await?;
            let page = pages.server.subtable_page(stable, exact, pages.at.as_deref())?;
            let Some(last) = page.last() else { return pages.end() };
            pages.at = Some(last.name.clone());
            Ok(Some((page, pages)))
        };
        stream::try_unfold(Flow::new(&self.server, Call::Subtables, None), next_page).boxed()
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        let tags = |state: &mut super::server::State| {
            let found = state.subtables(&stable.name, names)?;
            Ok(found
                .into_iter()
                .map(|(name, table)| TagRow { name: name.clone(), tags: table.tags.clone() })
                .collect())
        };
        self.server.call(Call::Tags, tags).await
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let next_page = move |mut pages: Flow<Option<String>>| async move {
            pages.step().await?;
            let page = pages.server.tags_page(&stable.name, pages.at.as_deref())?;
            let Some(last) = page.last() else { return pages.end() };
            pages.at = Some(last.name.clone());
            Ok(Some((page, pages)))
        };
        stream::try_unfold(Flow::new(&self.server, Call::AllTags, None), next_page).boxed()
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        let next_block = move |mut blocks: Flow<i64>| {
            let columns = Arc::clone(&columns);
            async move {
                blocks.step().await?;
                let block =
                    blocks.server.lock().rows_block(table, &columns, period.starting_at(blocks.at))?;
                let Some(last) = block.rows().checked_sub(1) else { return blocks.end() };
                blocks.at = block.timestamp(last).map_or(period.to, |ts| ts.saturating_add(1));
                Ok(Some((block, blocks)))
            }
        };
        stream::try_unfold(Flow::new(&self.server, Call::Read, period.from), next_block).boxed()
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let columns: Arc<[Column]> = stable.columns.clone().into();
        let next_block = move |mut blocks: Flow<Cursor>| {
            let columns = Arc::clone(&columns);
            async move {
                blocks.step().await?;
                let order = blocks.server.reading_order(stable, names)?;
                let (rows, next) = blocks.server.lock().runs_block(&columns, &order, blocks.at, period)?;
                blocks.at = next;
                if rows.rows() == 0 { blocks.end() } else { Ok(Some((rows, blocks))) }
            }
        };
        let start = Cursor { table: 0, next: period.from };
        stream::try_unfold(Flow::new(&self.server, Call::ReadMany, start), next_block).boxed()
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        self.server.call(Call::Count, |state| state.count(tables, period)).await
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        self.server.call(Call::CountEach, |state| state.count_each(tables, period)).await
    }
}

impl MemServer {
    fn subtable_page(&self, stable: &str, exact: bool, after: Option<&str>) -> PortResult<Vec<Subtable>> {
        let state = self.lock();
        state.stable(stable)?;
        let all = state.database()?.subtables_of(stable);
        let rest = all.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let page = rest.take(state.limits.page_names.max(1));
        Ok(page
            .map(|(name, table)| Subtable { name: name.clone(), extent: exact.then(|| table.extent()) })
            .collect())
    }

    fn tags_page(&self, stable: &str, after: Option<&str>) -> PortResult<Vec<TagRow>> {
        let state = self.lock();
        state.stable(stable)?;
        let all = state.database()?.subtables_of(stable);
        let rest = all.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let page = rest.take(state.limits.page_names.max(1));
        Ok(page.map(|(name, table)| TagRow { name: name.clone(), tags: table.tags.clone() }).collect())
    }

    /// The tables of a grouped read in an order of their own, as a real server answers them by its vnodes.
    fn reading_order(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<String>> {
        let state = self.lock();
        let found = state.subtables(&stable.name, names)?;
        let mut order: Vec<String> = found.into_iter().map(|(name, _)| name.clone()).collect();
        order.sort_by_key(|name| xxh3_64(name.as_bytes()));
        Ok(order)
    }
}

/// A stream on its way: where its next item starts, and the fault that will end it.
struct Flow<At> {
    server: Arc<MemServer>,
    call: Call,
    at: At,
    steps: usize,
    due: Option<Due>,
}

impl<At> Flow<At> {
    fn new(server: &Arc<MemServer>, call: Call, at: At) -> Self {
        *server.lock().counters.open.entry(call).or_default() += 1;
        Self { server: Arc::clone(server), call, at, steps: 0, due: None }
    }

    /// Counts as a call before the first item; fails where the fault says so.
    async fn step(&mut self) -> PortResult<()> {
        self.steps += 1;
        if self.steps == 1 {
            self.due = self.server.enter(self.call).await?;
            return Ok(());
        }
        tokio::task::yield_now().await;
        if self.fault() == Some(Fault::Cut) || self.server.is_away() {
            return Err(self.server.away(self.call));
        }
        Ok(())
    }

    /// The end of the stream, or the error that stands in its place.
    fn end<Item>(self) -> PortResult<Option<(Item, Self)>> {
        match self.fault() {
            Some(Fault::Cut | Fault::After) => Err(self.server.away(self.call)),
            _ => Ok(None),
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.due.map(|due| due.fault)
    }
}

impl<At> Drop for Flow<At> {
    fn drop(&mut self) {
        if let Some(open) = self.server.lock().counters.open.get_mut(&self.call) {
            *open -= 1;
        }
    }
}
