//! A source without the columns and subtables that are left out, and in the target's unit of time.
//!
//! Where that unit is coarser, of the rows that fall together the last is read, and counts are of what is read.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{Block, Run, TableRuns, TagRow, Value};
use tdferry_common::options::{Options, PrecisionLoss};
use tdferry_common::port::{PortError, PortResult, Rows, Side, Source, Subtable, Tables};
use tdferry_common::schema::{Census, Column, Database, Extent, NormalTable, Stable};
use tdferry_common::server::Server;
use tdferry_common::time::{Period, Precision};
use tokio::sync::OnceCell;

use super::{moments, picked};
use crate::filter::Filter;

/// See the module.
pub(super) struct ShapedSource {
    inner: Arc<dyn Source>,
    options: Options,
    /// The source's own unit.
    own: OnceCell<Precision>,
    /// Which subtables are taken, once somebody asks for all.
    filter: OnceLock<Filter>,
}

/// How the unit of time changes.
#[derive(Debug, Clone, Copy)]
struct Change {
    own: Precision,
    target: Precision,
}

impl Change {
    fn is_lossy(self) -> bool {
        self.target < self.own
    }

    /// A period in the target's unit, as the source is asked for it.
    fn asked(self, period: Period) -> Period {
        self.target.convert_period(period, self.own)
    }

    fn moment(self, units: i64) -> PortResult<i64> {
        let none = || unfit(format!("{units} {} is no moment in {}", self.own, self.target));
        self.own.convert(units, self.target).ok_or_else(none)
    }

    /// A bucket of whole seconds in the source's unit.
    fn bucket(self, bucket: i64) -> PortResult<i64> {
        let seconds = self.target.whole_seconds(bucket);
        let own = seconds.and_then(|seconds| seconds.checked_mul(self.own.per_second()));
        own.ok_or_else(|| unfit(format!("a bucket of {bucket} {} is no whole seconds", self.target)))
    }

    fn extent(self, extent: Extent) -> PortResult<Extent> {
        let Some(period) = extent.period else { return Ok(extent) };
        let last = self.moment(period.to.saturating_sub(1))?;
        let period = Period { from: self.moment(period.from)?, to: last.saturating_add(1) };
        // of rows that fall together one is left
        Ok(Extent { period: Some(period), exact: extent.exact && !self.is_lossy(), ..extent })
    }

    fn block(self, block: &Block) -> PortResult<Block> {
        block.to_precision(self.target).map_err(|bad| unfit(bad.to_string()))
    }

    fn row(self, mut row: TagRow) -> PortResult<TagRow> {
        for tag in &mut row.tags {
            if let Value::Timestamp(units) = tag {
                *units = self.moment(*units)?;
            }
        }
        Ok(row)
    }
}

impl ShapedSource {
    pub(super) fn new(inner: Arc<dyn Source>, options: &Options) -> Self {
        let (own, filter) = (OnceCell::new(), OnceLock::new());
        Self { inner, options: options.clone(), own, filter }
    }

    /// `None` where the unit stays as it is.
    async fn change(&self) -> PortResult<Option<Change>> {
        let Some(target) = self.options.precision else { return Ok(None) };
        let ask = async || self.inner.database().await.map(|database| database.precision);
        let own = *self.own.get_or_try_init(ask).await?;
        let change = Change { own, target };
        match self.options.precision_loss {
            PrecisionLoss::Refuse if change.is_lossy() => Err(unfit(format!(
                "the source counts time in {own}, and `precision={target}` would cut that off; write \
                 `precision-loss=truncate` to have it so, or leave `precision` out"
            ))),
            _ => Ok((own != target).then_some(change)),
        }
    }

    /// The subtables that are meant, where all of a stable are asked for and the task takes some.
    async fn names(&self, tables: Tables<'_>) -> PortResult<Option<Vec<String>>> {
        picked::names(self.inner.as_ref(), self.filter(), tables).await
    }

    async fn lossy(&self) -> PortResult<Option<Change>> {
        Ok(self.change().await?.filter(|change| change.is_lossy()))
    }

    async fn asked(&self, period: Period) -> PortResult<Period> {
        Ok(self.change().await?.map_or(period, |change| change.asked(period)))
    }

    /// Those that are taken; the timestamp always is.
    fn columns(&self, table: &str, columns: Vec<Column>) -> PortResult<Vec<Column>> {
        let rules = &self.options.columns;
        if let Some(name) = rules.named(table).find(|name| columns.iter().all(|column| column.name != *name))
        {
            return Err(unfit(format!(
                "option `columns`: `{table}` has no column `{name}`; correct the name"
            )));
        }
        let taken = columns.into_iter().enumerate();
        let taken = taken.filter(|(index, column)| *index == 0 || rules.take(table, &column.name));
        Ok(taken.map(|(_, column)| column).collect())
    }

    fn filter(&self) -> &Filter {
        self.filter.get_or_init(|| Filter::new(&self.options))
    }

    /// Shows the rows that are left of these tables where some fall together, table by table.
    async fn left(
        &self,
        tables: Tables<'_>,
        period: Period,
        mut see: impl FnMut(&str, &Block) + Send,
    ) -> PortResult<()> {
        let (table, names) = match tables {
            Tables::All { stable } => return self.all_left(stable, period, see).await,
            Tables::One { name } => (name, vec![name.to_owned()]),
            Tables::Of { stable, names } => (stable, names.to_vec()),
        };
        let first = self.time_column(table).await?;
        for name in names {
            let mut blocks = self.read(&name, Arc::from([first.clone()]), period);
            while let Some(block) = blocks.try_next().await? {
                see(&name, &block);
            }
        }
        Ok(())
    }

    async fn all_left(
        &self,
        stable: &str,
        period: Period,
        mut see: impl FnMut(&str, &Block) + Send,
    ) -> PortResult<()> {
        let columns = vec![self.time_column(stable).await?];
        let stable = Stable { name: stable.to_owned(), columns, tags: Vec::new() };
        let mut parts = self.read_all(&stable, period);
        while let Some(part) = parts.try_next().await? {
            for run in part.runs {
                see(&run.table, &part.block.slice(run.rows));
            }
        }
        Ok(())
    }

    async fn each_left(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        let count = |name: &str, block: &Block| {
            let rows = u64::try_from(block.rows()).unwrap_or(u64::MAX);
            let counted = counts.entry(name.to_owned()).or_insert(0_u64);
            *counted = counted.saturating_add(rows);
        };
        self.left(tables, period, count).await?;
        Ok(counts)
    }

    async fn buckets_left(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        let mut counts = BTreeMap::new();
        let count = |_: &str, block: &Block| {
            for moment in (0..block.rows()).filter_map(|row| block.timestamp(row)) {
                *counts.entry(Period::bucket(bucket, moment)).or_default() += 1;
            }
        };
        self.left(tables, period, count).await?;
        Ok(counts)
    }

    /// The first column of a stable or normal table.
    async fn time_column(&self, table: &str) -> PortResult<Column> {
        let stables = self.inner.stables().await?;
        let of_stable = stables.into_iter().find(|stable| stable.name == table);
        let first = match of_stable.and_then(|stable| stable.columns.into_iter().next()) {
            Some(first) => Some(first),
            None => {
                let tables = self.inner.normal_tables().await?;
                tables
                    .into_iter()
                    .find(|one| one.name == table)
                    .and_then(|one| one.columns.into_iter().next())
            }
        };
        let missing = || PortError::Missing { side: Side::Source, message: format!("no table `{table}`") };
        first.ok_or_else(missing)
    }
}

fn unfit(message: String) -> PortError {
    PortError::Unfit { side: Side::Source, message }
}

#[async_trait]
impl Rows for ShapedSource {
    fn side(&self) -> Side {
        Side::Source
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        let (rows, change) = (self.inner.tags(stable, names).await?, self.change().await?);
        match change {
            Some(change) => rows.into_iter().map(|row| change.row(row)).collect(),
            None => Ok(rows),
        }
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        let blocks = async move {
            let Some(change) = self.change().await? else {
                return PortResult::Ok(self.inner.read(table, columns, period));
            };
            let blocks = self.inner.read(table, columns, change.asked(period));
            let blocks = blocks.map(move |block| change.block(&block?)).boxed();
            Ok(if change.is_lossy() { moments::of_one_table(blocks) } else { blocks })
        };
        stream::once(blocks).try_flatten().boxed()
    }

    /// Where rows fall together one table after the other: only so are they neighbours.
    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let runs = async move {
            let Some(change) = self.change().await? else {
                return PortResult::Ok(self.inner.read_many(stable, names, period));
            };
            if !change.is_lossy() {
                let runs = self.inner.read_many(stable, names, change.asked(period));
                let changed = move |runs: PortResult<TableRuns>| {
                    let runs = runs?;
                    Ok(TableRuns { block: change.block(&runs.block)?, ..runs })
                };
                return Ok(runs.map(changed).boxed());
            }
            let columns: Arc<[Column]> = stable.columns.as_slice().into();
            let one = move |name: &'a String| {
                let run = move |block: Block| {
                    let runs = vec![Run { table: name.clone(), rows: 0..block.rows() }];
                    TableRuns { block, runs }
                };
                self.read(name, Arc::clone(&columns), period).map_ok(run)
            };
            Ok(stream::iter(names).flat_map(one).boxed())
        };
        stream::once(runs).try_flatten().boxed()
    }

    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        let runs = async move {
            let change = self.change().await?;
            let asked = change.map_or(period, |change| change.asked(period));
            let takes = |name: &str| self.filter().takes(&stable.name, name);
            let shaped = move |part: PortResult<TableRuns>| {
                let part = picked::runs(part?, takes);
                match change {
                    Some(change) => Ok(TableRuns { block: change.block(&part.block)?, ..part }),
                    None => Ok(part),
                }
            };
            let runs = self.inner.read_all(stable, asked).map(shaped).boxed();
            let lossy = change.is_some_and(Change::is_lossy);
            PortResult::Ok(if lossy { moments::of_each_table(runs) } else { runs })
        };
        let some = |part: &TableRuns| std::future::ready(part.rows() > 0);
        stream::once(runs).try_flatten().try_filter(some).boxed()
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        let names = self.names(tables).await?;
        if self.lossy().await?.is_none() {
            let named = picked::named(tables, names.as_deref());
            return self.inner.count(named, self.asked(period).await?).await;
        }
        let left = self.each_left(tables, period).await?;
        Ok(left.values().fold(0_u64, |sum, rows| sum.saturating_add(*rows)))
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        if self.lossy().await?.is_some() {
            return self.each_left(tables, period).await;
        }
        let mut counts = self.inner.count_each(tables, self.asked(period).await?).await?;
        if let Tables::All { stable } = tables {
            counts.retain(|name, _| self.filter().takes(stable, name));
        }
        Ok(counts)
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        let names = self.names(tables).await?;
        let named = picked::named(tables, names.as_deref());
        let Some(change) = self.change().await? else {
            return self.inner.count_buckets(named, period, bucket).await;
        };
        let own = change.bucket(bucket)?;
        if change.is_lossy() {
            return self.buckets_left(tables, period, bucket).await;
        }
        let counts = self.inner.count_buckets(named, change.asked(period), own).await?;
        counts.into_iter().map(|(start, rows)| Ok((change.moment(start)?, rows))).collect()
    }
}

#[async_trait]
impl Source for ShapedSource {
    async fn version(&self) -> PortResult<String> {
        self.inner.version().await
    }

    async fn database(&self) -> PortResult<Database> {
        let database = self.inner.database().await?;
        let change = self.change().await?;
        Ok(Database { precision: change.map_or(database.precision, |change| change.target), ..database })
    }

    async fn server(&self) -> PortResult<Server> {
        self.inner.server().await
    }

    async fn clock(&self) -> PortResult<Option<i64>> {
        let (clock, change) = (self.inner.clock().await?, self.change().await?);
        clock.map(|units| change.map_or(Ok(units), |change| change.moment(units))).transpose()
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        let taken = |stable: Stable| {
            let columns = self.columns(&stable.name, stable.columns)?;
            Ok(Stable { columns, ..stable })
        };
        self.inner.stables().await?.into_iter().map(taken).collect()
    }

    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        let taken = |table: NormalTable| {
            let columns = self.columns(&table.name, table.columns)?;
            Ok(NormalTable { columns, ..table })
        };
        self.inner.normal_tables().await?.into_iter().map(taken).collect()
    }

    async fn stable_extent(&self, stable: &str) -> PortResult<Extent> {
        let (extent, change) = (self.inner.stable_extent(stable).await?, self.change().await?);
        change.map_or(Ok(extent), |change| change.extent(extent))
    }

    async fn table_extent(&self, table: &str) -> PortResult<Extent> {
        let (extent, change) = (self.inner.table_extent(table).await?, self.change().await?);
        change.map_or(Ok(extent), |change| change.extent(extent))
    }

    async fn count_before(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        self.inner.count(tables, self.asked(period).await?).await
    }

    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        let names = self.names(tables).await?;
        let newest = self.inner.newest(picked::named(tables, names.as_deref())).await?;
        let change = self.change().await?;
        newest.map(|units| change.map_or(Ok(units), |change| change.moment(units))).transpose()
    }

    /// Of all that there are: what is asked for is whether something changed.
    async fn census(&self) -> PortResult<Census> {
        self.inner.census().await
    }

    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>> {
        let pages = async move {
            let change = self.change().await?;
            let changed = move |subtable: Subtable| {
                let extent = subtable.extent.zip(change).map(|(extent, change)| change.extent(extent));
                Ok(Subtable { extent: extent.transpose()?.or(subtable.extent), ..subtable })
            };
            let pages = self.inner.subtables(stable, exact);
            PortResult::Ok(pages.map(move |page| page?.into_iter().map(changed).collect::<PortResult<_>>()))
        };
        stream::once(pages).try_flatten().boxed()
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let pages = async move {
            let change = self.change().await?;
            let pages = self.inner.all_tags(stable);
            PortResult::Ok(pages.map(move |page| match change {
                Some(change) => page?.into_iter().map(|row| change.row(row)).collect(),
                None => page,
            }))
        };
        stream::once(pages).try_flatten().boxed()
    }
}
