//! A sink that has no table of a name which the target does not take: it creates none, counts and reads nothing of it, and
//! refuses its rows, each write as a whole. It speaks in the source's names and asks the sink below of all others.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use tdferry_common::batch::{Block, TableRuns, TagRow};
use tdferry_common::port::{PortError, PortResult, RefusedRow, Rows, Side, Sink, Tables};
use tdferry_common::schema::{Column, Database, NormalTable, Stable};
use tdferry_common::server::Server;
use tdferry_common::time::{Period, Precision};

use super::Mapping;

/// What 3.x answers where it is given a name with a dot.
const BAD_NAME: u32 = 0x2617;

/// See the module.
pub(super) struct RefusingSink {
    inner: Arc<dyn Sink>,
    mapping: Mapping,
    /// Whose subtables are meant where a table is named by itself; empty for normal tables.
    stable: String,
}

impl RefusingSink {
    pub(super) fn new(inner: Arc<dyn Sink>, mapping: Mapping, stable: &str) -> Self {
        Self { inner, mapping, stable: stable.to_owned() }
    }

    fn is_taken(&self, table: &str) -> bool {
        self.mapping.rejects(&self.stable, table).is_none()
    }

    fn taken(&self, stable: &str, names: &[String]) -> Vec<String> {
        names.iter().filter(|name| self.mapping.rejects(stable, name).is_none()).cloned().collect()
    }

    fn takes(&self, table: &str) -> PortResult<()> {
        let refused = |why| PortError::Refused {
            side: Side::Sink,
            reason: RefusedRow::BadName,
            code: BAD_NAME,
            message: format!("the table {why}"),
        };
        self.mapping.rejects(&self.stable, table).map_or(Ok(()), |why| Err(refused(why)))
    }
}

#[async_trait]
impl Rows for RefusingSink {
    fn side(&self) -> Side {
        self.inner.side()
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        self.inner.tags(stable, &self.taken(&stable.name, names)).await
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        if self.is_taken(table) { self.inner.read(table, columns, period) } else { stream::empty().boxed() }
    }

    /// No name of what is left is one that the target lacks, so the list may go on as it is.
    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        self.inner.read_many(stable, names, period)
    }

    /// What the target has, it takes.
    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        self.inner.read_all(stable, period)
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        match tables {
            Tables::All { .. } => self.inner.count_buckets(tables, period, bucket).await,
            Tables::One { name } if self.is_taken(name) => {
                self.inner.count_buckets(tables, period, bucket).await
            }
            Tables::One { .. } => Ok(BTreeMap::new()),
            Tables::Of { stable, names } => {
                let names = &self.taken(stable, names);
                self.inner.count_buckets(Tables::Of { stable, names }, period, bucket).await
            }
        }
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        match tables {
            Tables::All { .. } => self.inner.count(tables, period).await,
            Tables::One { name } if self.is_taken(name) => self.inner.count(tables, period).await,
            Tables::One { .. } => Ok(0),
            Tables::Of { stable, names } => {
                let names = &self.taken(stable, names);
                self.inner.count(Tables::Of { stable, names }, period).await
            }
        }
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        match tables {
            Tables::All { .. } => self.inner.count_each(tables, period).await,
            Tables::One { name } if self.is_taken(name) => self.inner.count_each(tables, period).await,
            Tables::One { .. } => Ok(BTreeMap::new()),
            Tables::Of { stable, names } => {
                let names = &self.taken(stable, names);
                self.inner.count_each(Tables::Of { stable, names }, period).await
            }
        }
    }
}

#[async_trait]
impl Sink for RefusingSink {
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

    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        self.inner.tables(&self.taken("", names)).await
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        self.inner.create_stable(stable).await
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        match self.mapping.rejects("", &table.name) {
            None => self.inner.create_table(table).await,
            Some(_) => Ok(()),
        }
    }

    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()> {
        self.inner.add_to_stable(stable).await
    }

    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()> {
        self.inner.add_to_table(table).await
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let is_taken = |row: &&TagRow| self.mapping.rejects(&stable.name, &row.name).is_none();
        let rows: Vec<TagRow> = rows.iter().filter(is_taken).cloned().collect();
        if rows.is_empty() { Ok(()) } else { self.inner.create_subtables(stable, &rows).await }
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        self.inner.missing_subtables(stable, &self.taken(stable, names)).await
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        self.takes(table)?;
        self.inner.write(table, block).await
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        rows.runs.iter().try_for_each(|run| self.takes(&run.table))?;
        self.inner.write_many(rows).await
    }

    async fn widen_keep(&self, days: u64) -> PortResult<()> {
        self.inner.widen_keep(days).await
    }

    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()> {
        self.inner.widen_column(table, column).await
    }

    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        self.inner.set_tags(stable, rows).await
    }

    async fn delete(&self, table: &str, period: Period) -> PortResult<()> {
        self.takes(table)?;
        self.inner.delete(table, period).await
    }

    async fn keeps(&self, precision: Precision) -> PortResult<Period> {
        self.inner.keeps(precision).await
    }
}
