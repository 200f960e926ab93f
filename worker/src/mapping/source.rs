//! A source without the columns that are left out, and in the target's unit of time.
//!
//! Where that unit is coarser, of the rows that fall together the last is read, and counts are of what is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{Block, Run, TableRuns, TagRow, Value, same_moment};
use tdferry_common::options::{Options, PrecisionLoss};
use tdferry_common::port::{PortError, PortResult, Rows, Side, Source, Subtable, Tables};
use tdferry_common::schema::{Column, Database, Extent, NormalTable, Stable};
use tdferry_common::server::Server;
use tdferry_common::time::{Period, Precision};
use tokio::sync::OnceCell;

/// See the module.
pub(super) struct ShapedSource {
    inner: Arc<dyn Source>,
    options: Options,
    /// The source's own unit.
    own: OnceCell<Precision>,
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
        Self { inner, options: options.clone(), own: OnceCell::new() }
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

    /// Rows that are left of these tables where some fall together, by table.
    async fn left(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        let (table, names) = match &tables {
            Tables::One { name } => (*name, vec![(*name).to_owned()]),
            Tables::Of { stable, names } => (*stable, names.to_vec()),
        };
        let first = self.time_column(table).await?;
        let mut counts = BTreeMap::new();
        for name in names {
            let mut blocks = self.read(&name, Arc::from([first.clone()]), period);
            let mut rows = 0_u64;
            while let Some(block) = blocks.try_next().await? {
                rows = rows.saturating_add(u64::try_from(block.rows()).unwrap_or(u64::MAX));
            }
            drop(blocks);
            counts.insert(name, rows);
        }
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

/// Of neighbouring rows of one moment the last, also where one block ends and the next begins.
fn last_of_each_moment(blocks: BoxStream<'_, PortResult<Block>>) -> BoxStream<'_, PortResult<Block>> {
    let next = async |(mut blocks, mut held): (_, Option<Block>)| {
        while let Some(block) = TryStreamExt::try_next(&mut blocks).await? {
            let block = Block::last_of_each_moment(&block);
            if block.rows() == 0 {
                continue;
            }
            let Some(before) = held.replace(block.clone()) else { continue };
            let last = before.rows().saturating_sub(1);
            let before =
                if same_moment((&before, last), (&block, 0)) { before.slice(0..last) } else { before };
            if before.rows() > 0 {
                return Ok(Some((before, (blocks, held))));
            }
        }
        Ok(held.take().map(|last| (last, (blocks, None))))
    };
    stream::try_unfold((blocks.fuse(), None), next).boxed()
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
            Ok(if change.is_lossy() { last_of_each_moment(blocks) } else { blocks })
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

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        if self.lossy().await?.is_none() {
            return self.inner.count(tables, self.asked(period).await?).await;
        }
        Ok(self.left(tables, period).await?.values().fold(0_u64, |sum, rows| sum.saturating_add(*rows)))
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        match self.lossy().await? {
            Some(_) => self.left(tables, period).await,
            None => self.inner.count_each(tables, self.asked(period).await?).await,
        }
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
