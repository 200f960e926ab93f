//! A sink that is spoken to in the source's names. What lists everything, which is `stables` alone, answers in the
//! target's: no name can be mapped back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{Block, Run, TableRuns, TagRow};
use tdferry_common::port::{PortError, PortResult, Rows, Side, Sink, Tables};
use tdferry_common::schema::{Column, Database, NormalTable, Stable};
use tdferry_common::server::Server;
use tdferry_common::time::{Period, Precision};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Mapping;

/// See the module.
pub(super) struct MappedSink {
    inner: Arc<dyn Sink>,
    mapping: Mapping,
    /// Whose subtables are meant where a table is named by itself; empty for normal tables.
    stable: String,
    /// The columns that were mapped last, and what they became: the same for all blocks of a stable.
    columns: Mutex<Option<Mapped>>,
}

struct Mapped {
    table: String,
    source: Arc<[Column]>,
    target: Arc<[Column]>,
}

impl MappedSink {
    pub(super) fn new(inner: Arc<dyn Sink>, mapping: Mapping, stable: &str) -> Self {
        Self { inner, mapping, stable: stable.to_owned(), columns: Mutex::default() }
    }

    fn table(&self, name: &str) -> String {
        self.mapping.table(&self.stable, name)
    }

    fn tables(&self, stable: &str, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.mapping.table(stable, name)).collect()
    }

    /// The table whose columns a block of this table has.
    fn of<'a>(&'a self, name: &'a str) -> &'a str {
        if self.stable.is_empty() { name } else { &self.stable }
    }

    fn columns(&self, table: &str, columns: &Arc<[Column]>) -> Arc<[Column]> {
        let mut known = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapped) = known.as_ref().filter(|one| one.table == table && one.source == *columns) {
            return Arc::clone(&mapped.target);
        }
        let target: Arc<[Column]> = self.mapping.columns(table, columns).into();
        let (table, source) = (table.to_owned(), Arc::clone(columns));
        *known = Some(Mapped { table, source, target: Arc::clone(&target) });
        target
    }

    /// Fails where the target's names of subtables are not the source's: none can be mapped back.
    fn own_names(&self) -> PortResult<()> {
        if self.mapping.keeps_subtables() {
            return Ok(());
        }
        Err(invalid(&"its subtables cannot be told under the source's names; ask for them by name"))
    }

    fn block(&self, name: &str, block: &Block) -> PortResult<Block> {
        block.renamed(self.columns(self.of(name), block.columns())).map_err(|bad| invalid(&bad))
    }
}

fn invalid(why: &impl ToString) -> PortError {
    PortError::Invalid { side: Side::Sink, message: why.to_string() }
}

/// A stream of what a future sends, driven by whoever takes from it: so the future may own what it borrows from.
fn sent<'a, T: Send + 'a, F: Future<Output = ()> + Send + 'a>(
    send: impl FnOnce(mpsc::Sender<T>) -> F,
) -> BoxStream<'a, T> {
    let (sender, receiver) = mpsc::channel(1);
    let sending = stream::once(send(sender)).filter_map(|()| async { None });
    stream::select(ReceiverStream::new(receiver), sending).boxed()
}

async fn pass_on<T>(mut from: BoxStream<'_, T>, to: mpsc::Sender<T>) {
    while let Some(item) = from.next().await {
        if to.send(item).await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Rows for MappedSink {
    fn side(&self) -> Side {
        Side::Sink
    }

    /// Without those that are added.
    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        let own = Stable {
            name: self.mapping.stable(&stable.name),
            columns: Vec::new(),
            tags: self.mapping.columns(&stable.name, &stable.tags),
        };
        let back = Back::new(&self.mapping, &stable.name, names);
        let rows = self.inner.tags(&own, &back.targets).await?;
        let own = |mut row: TagRow| {
            row.tags.truncate(stable.tags.len());
            Some(TagRow { name: back.name(&row.name)?, ..row })
        };
        Ok(rows.into_iter().filter_map(own).collect())
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        let (target, own) = (self.table(table), self.columns(self.of(table), &columns));
        let renamed =
            move |block: PortResult<Block>| block?.renamed(Arc::clone(&columns)).map_err(|bad| invalid(&bad));
        let send = async move |sender| pass_on(self.inner.read(&target, own, period), sender).await;
        sent(send).map(renamed).boxed()
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        let own = self.mapping.target_stable(stable);
        let back = Arc::new(Back::new(&self.mapping, &stable.name, names));
        let columns: Arc<[Column]> = stable.columns.as_slice().into();
        let renamed = {
            let back = Arc::clone(&back);
            move |runs: PortResult<TableRuns>| back.runs(runs?, &columns)
        };
        let send = async move |sender| {
            pass_on(self.inner.read_many(&own, &back.targets, period), sender).await;
        };
        sent(send).map(renamed).boxed()
    }

    /// Only where the target calls subtables as the source does.
    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        if let Err(error) = self.own_names() {
            return stream::once(std::future::ready(Err(error))).boxed();
        }
        let own = self.mapping.target_stable(stable);
        let columns: Arc<[Column]> = stable.columns.as_slice().into();
        let renamed = move |runs: PortResult<TableRuns>| {
            let TableRuns { block, runs } = runs?;
            let block = block.renamed(Arc::clone(&columns)).map_err(|bad| invalid(&bad))?;
            Ok(TableRuns { block, runs })
        };
        let send = async move |sender| pass_on(self.inner.read_all(&own, period), sender).await;
        sent(send).map(renamed).boxed()
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        match tables {
            Tables::All { stable } => {
                self.inner.count(Tables::All { stable: &self.mapping.stable(stable) }, period).await
            }
            Tables::One { name } => self.inner.count(Tables::One { name: &self.table(name) }, period).await,
            Tables::Of { stable, names } => {
                let (stable, names) = (self.mapping.stable(stable), self.tables(stable, names));
                self.inner.count(Tables::Of { stable: &stable, names: &names }, period).await
            }
        }
    }

    /// Of all subtables only where the target calls them as the source does.
    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        match tables {
            Tables::All { stable } => {
                self.own_names()?;
                self.inner.count_each(Tables::All { stable: &self.mapping.stable(stable) }, period).await
            }
            Tables::One { name } => {
                Ok(BTreeMap::from([(name.to_owned(), self.count(tables, period).await?)]))
            }
            Tables::Of { stable, names } => {
                let (target, targets) = (self.mapping.stable(stable), self.tables(stable, names));
                let asked = Tables::Of { stable: &target, names: &targets };
                let counted = self.inner.count_each(asked, period).await?;
                let back = |(name, target): (&String, &String)| Some((name.clone(), *counted.get(target)?));
                Ok(names.iter().zip(&targets).filter_map(back).collect())
            }
        }
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        match tables {
            Tables::All { stable } => {
                let asked = Tables::All { stable: &self.mapping.stable(stable) };
                self.inner.count_buckets(asked, period, bucket).await
            }
            Tables::One { name } => {
                self.inner.count_buckets(Tables::One { name: &self.table(name) }, period, bucket).await
            }
            Tables::Of { stable, names } => {
                let (stable, names) = (self.mapping.stable(stable), self.tables(stable, names));
                self.inner.count_buckets(Tables::Of { stable: &stable, names: &names }, period, bucket).await
            }
        }
    }
}

/// Names of subtables and what they are at the target, to find the way back.
struct Back {
    names: BTreeMap<String, String>,
    targets: Vec<String>,
}

impl Back {
    fn new(mapping: &Mapping, stable: &str, names: &[String]) -> Self {
        let targets: Vec<_> = names.iter().map(|name| mapping.table(stable, name)).collect();
        Self { names: targets.iter().cloned().zip(names.iter().cloned()).collect(), targets }
    }

    fn name(&self, target: &str) -> Option<String> {
        self.names.get(target).cloned()
    }

    fn runs(&self, runs: TableRuns, columns: &Arc<[Column]>) -> PortResult<TableRuns> {
        let back = |run: Run| {
            let unknown = || invalid(&format!("rows of `{}`, which was not asked for", run.table));
            Ok(Run { table: self.name(&run.table).ok_or_else(unknown)?, rows: run.rows.clone() })
        };
        let block = runs.block.renamed(Arc::clone(columns)).map_err(|bad| invalid(&bad))?;
        Ok(TableRuns { block, runs: runs.runs.into_iter().map(back).collect::<PortResult<_>>()? })
    }
}

#[async_trait]
impl Sink for MappedSink {
    async fn version(&self) -> PortResult<String> {
        self.inner.version().await
    }

    async fn database(&self) -> PortResult<Option<Database>> {
        self.inner.database().await
    }

    async fn server(&self) -> PortResult<Server> {
        self.inner.server().await
    }

    async fn may_write(&self) -> PortResult<()> {
        self.inner.may_write().await
    }

    async fn create_database(&self, options: &str) -> PortResult<()> {
        self.inner.create_database(options).await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        self.inner.stables().await
    }

    /// Under the source's names, with the target's columns.
    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        let targets = self.tables("", names);
        let mut found: BTreeMap<_, _> =
            self.inner.tables(&targets).await?.into_iter().map(|table| (table.name, table.columns)).collect();
        let back = |(name, target): (&String, &String)| {
            found.remove(target).map(|columns| NormalTable { name: name.clone(), columns })
        };
        Ok(names.iter().zip(&targets).filter_map(back).collect())
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        self.inner.create_stable(&self.mapping.target_stable(stable)).await
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        self.inner.create_table(&self.mapping.target_table(table)).await
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let rows: Vec<_> = rows.iter().map(|row| self.mapping.target_row(&stable.name, row)).collect();
        self.inner.create_subtables(&self.mapping.target_stable(stable), &rows).await
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        let targets = self.tables(stable, names);
        let missing = self.inner.missing_subtables(&self.mapping.stable(stable), &targets).await?;
        let missing: std::collections::BTreeSet<_> = missing.iter().collect();
        let pairs = names.iter().zip(&targets);
        Ok(pairs.filter(|(_, target)| missing.contains(target)).map(|(name, _)| name.clone()).collect())
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        self.inner.write(&self.table(table), &self.block(table, block)?).await
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        let run = |run: &Run| Run { table: self.table(&run.table), rows: run.rows.clone() };
        let runs = rows.runs.iter().map(run).collect();
        self.inner.write_many(&TableRuns { block: self.block("", &rows.block)?, runs }).await
    }

    async fn widen_keep(&self, days: u64) -> PortResult<()> {
        self.inner.widen_keep(days).await
    }

    /// Of the stable whose subtables are meant, or of a normal table.
    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()> {
        let own = Column { name: self.mapping.column(table, &column.name), ..column.clone() };
        let table = if self.stable.is_empty() { self.table(table) } else { self.mapping.stable(table) };
        self.inner.widen_column(&table, &own).await
    }

    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()> {
        self.inner.add_to_stable(&self.mapping.target_stable(stable)).await
    }

    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()> {
        self.inner.add_to_table(&self.mapping.target_table(table)).await
    }

    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let rows: Vec<_> = rows.iter().map(|row| self.mapping.target_row(&stable.name, row)).collect();
        self.inner.set_tags(&self.mapping.target_stable(stable), &rows).await
    }

    async fn delete(&self, table: &str, period: Period) -> PortResult<()> {
        self.inner.delete(&self.table(table), period).await
    }

    async fn keeps(&self, precision: Precision) -> PortResult<Period> {
        self.inner.keeps(precision).await
    }
}
