//! Tags, rows and counts of a server in memory: both ports answer them alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use xxhash_rust::xxh3::xxh3_64;

use super::call::Call;
use super::fault::{Due, Fault};
use super::query::Cursor;
use super::server::{MemServer, State};
use super::{MemSink, MemSource};
use crate::batch::{Block, TableRuns, TagRow};
use crate::options::RowFilter;
use crate::port::{PortResult, Rows, Side, Tables};
use crate::schema::{Column, Stable};
use crate::time::Period;

/// A port that is a server and nothing else.
macro_rules! rows {
    ($port:ty, $side:expr) => {
        #[async_trait]
        impl Rows for $port {
            fn side(&self) -> Side {
                $side
            }

            async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
                self.server.tags(stable, names).await
            }

            fn read<'a>(
                &'a self,
                table: &'a str,
                columns: Arc<[Column]>,
                period: Period,
            ) -> BoxStream<'a, PortResult<Block>> {
                self.server.read(table, columns, period, &self.filter)
            }

            fn read_many<'a>(
                &'a self,
                stable: &'a Stable,
                names: &'a [String],
                period: Period,
            ) -> BoxStream<'a, PortResult<TableRuns>> {
                self.server.read_many(stable, (names, period), &self.filter)
            }

            fn read_all<'a>(
                &'a self,
                stable: &'a Stable,
                period: Period,
            ) -> BoxStream<'a, PortResult<TableRuns>> {
                self.server.read_all(stable, period, &self.filter)
            }

            async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
                self.server.call(Call::Count, |state| state.count(tables, period, &self.filter)).await
            }

            async fn count_each(
                &self,
                tables: Tables<'_>,
                period: Period,
            ) -> PortResult<BTreeMap<String, u64>> {
                let count = |state: &mut State| {
                    let counts = state.count_each(tables, period, &self.filter)?;
                    state.counters.counted(counts.len());
                    Ok(counts)
                };
                self.server.call(Call::CountEach, count).await
            }

            async fn count_buckets(
                &self,
                tables: Tables<'_>,
                period: Period,
                bucket: i64,
            ) -> PortResult<BTreeMap<i64, u64>> {
                let count = |state: &mut State| {
                    let counts = state.count_buckets(tables, period, bucket, &self.filter)?;
                    state.counters.counted(counts.len());
                    Ok(counts)
                };
                self.server.call(Call::CountBuckets, count).await
            }
        }
    };
}

rows!(MemSource, Side::Source);
rows!(MemSink, Side::Sink);

impl MemServer {
    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        let tags = |state: &mut State| {
            let found = state.subtables(&stable.name, names)?;
            Ok(found
                .into_iter()
                .map(|(name, table)| TagRow { name: name.clone(), tags: table.tags.clone() })
                .collect())
        };
        self.call(Call::Tags, tags).await
    }

    fn read<'a>(
        self: &'a Arc<Self>,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
        filter: &'a RowFilter,
    ) -> BoxStream<'a, PortResult<Block>> {
        let next_block = move |mut blocks: Flow<i64>| {
            let columns = Arc::clone(&columns);
            async move {
                blocks.step().await?;
                let left = period.starting_at(blocks.at);
                let block = blocks.server.lock().rows_block(table, &columns, left, filter)?;
                let Some(last) = block.rows().checked_sub(1) else { return blocks.end() };
                blocks.at = block.timestamp(last).map_or(period.to, |ts| ts.saturating_add(1));
                Ok(Some((block, blocks)))
            }
        };
        stream::try_unfold(Flow::new(self, Call::Read, period.from), next_block).boxed()
    }

    fn read_many<'a>(
        self: &'a Arc<Self>,
        stable: &'a Stable,
        (names, period): (&'a [String], Period),
        filter: &'a RowFilter,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let columns: Arc<[Column]> = stable.columns.clone().into();
        let next_block = move |mut blocks: Flow<Cursor>| {
            let columns = Arc::clone(&columns);
            async move {
                blocks.step().await?;
                let order = blocks.server.reading_order(stable, names)?;
                let at = (blocks.at, period);
                let (rows, next) = blocks.server.lock().runs_block(&columns, &order, at, filter)?;
                blocks.at = next;
                if rows.rows() == 0 { blocks.end() } else { Ok(Some((rows, blocks))) }
            }
        };
        let start = Cursor { table: 0, next: period.from };
        stream::try_unfold(Flow::new(self, Call::ReadMany, start), next_block).boxed()
    }

    /// Of the tables that there are when the first block is asked for, as a real server answers it.
    fn read_all<'a>(
        self: &'a Arc<Self>,
        stable: &'a Stable,
        period: Period,
        filter: &'a RowFilter,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let columns: Arc<[Column]> = stable.columns.clone().into();
        let next_block = move |mut blocks: Flow<(Option<Vec<String>>, Cursor)>| {
            let columns = Arc::clone(&columns);
            async move {
                blocks.step().await?;
                let order = match blocks.at.0.take() {
                    Some(order) => order,
                    None => blocks.server.whole_order(stable)?,
                };
                let at = (blocks.at.1, period);
                let (rows, next) = blocks.server.lock().runs_block(&columns, &order, at, filter)?;
                blocks.at = (Some(order), next);
                if rows.rows() == 0 { blocks.end() } else { Ok(Some((rows, blocks))) }
            }
        };
        let start = (None, Cursor { table: 0, next: period.from });
        stream::try_unfold(Flow::new(self, Call::ReadAll, start), next_block).boxed()
    }

    fn reading_order(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<String>> {
        let state = self.lock();
        Ok(in_order(state.subtables(&stable.name, names)?.into_iter().map(|(name, _)| name)))
    }

    fn whole_order(&self, stable: &Stable) -> PortResult<Vec<String>> {
        let state = self.lock();
        Ok(in_order(state.selected(Tables::All { stable: &stable.name })?.into_iter().map(|(name, _)| name)))
    }
}

/// The tables of a grouped read in an order of their own, as a real server answers them by its vnodes.
fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut order: Vec<String> = names.cloned().collect();
    order.sort_by_key(|name| xxh3_64(name.as_bytes()));
    order
}

/// A stream on its way: where its next item starts, and the fault that will end it.
pub(super) struct Flow<At> {
    pub(super) server: Arc<MemServer>,
    call: Call,
    pub(super) at: At,
    steps: usize,
    due: Option<Due>,
}

impl<At> Flow<At> {
    pub(super) fn new(server: &Arc<MemServer>, call: Call, at: At) -> Self {
        *server.lock().counters.open.entry(call).or_default() += 1;
        Self { server: Arc::clone(server), call, at, steps: 0, due: None }
    }

    /// Counts as a call before the first item; fails where the fault says so.
    pub(super) async fn step(&mut self) -> PortResult<()> {
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
    pub(super) fn end<Item>(self) -> PortResult<Option<(Item, Self)>> {
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
