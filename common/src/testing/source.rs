//! The in-memory source: the port's methods over a [`MemServer`].

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::call::Call;
use super::database::sum_extents;
use super::rows::Flow;
use super::server::MemServer;
use crate::batch::TagRow;
use crate::options::RowFilter;
use crate::port::{PortResult, Source, Subtable, Tables};
use crate::schema::{Census, Database, Extent, NormalTable, Stable};

/// What it says it is.
const VERSION: &str = "2.6.0.34";

/// A source in memory.
#[derive(Debug, Clone)]
pub struct MemSource {
    pub(super) server: Arc<MemServer>,
    /// Which rows are read and counted.
    pub(super) filter: RowFilter,
}

impl MemSource {
    /// A source that reads this server.
    pub fn new(server: Arc<MemServer>) -> Self {
        Self { server, filter: RowFilter::default() }
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

    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        self.server.call(Call::Newest, |state| state.newest(tables)).await
    }

    async fn census(&self) -> PortResult<Census> {
        self.server.call(Call::Census, |state| state.census()).await
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

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        self.server.all_tags(stable)
    }
}

impl MemServer {
    /// The tags of a stable's subtables, as either side answers them.
    pub(super) fn all_tags<'a>(
        self: &'a Arc<Self>,
        stable: &'a Stable,
    ) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let next_page = move |mut pages: Flow<Option<String>>| async move {
            pages.step().await?;
            let page = pages.server.tags_page(&stable.name, pages.at.as_deref())?;
            let Some(last) = page.last() else { return pages.end() };
            pages.at = Some(last.name.clone());
            Ok(Some((page, pages)))
        };
        stream::try_unfold(Flow::new(self, Call::AllTags, None), next_page).boxed()
    }

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
}
