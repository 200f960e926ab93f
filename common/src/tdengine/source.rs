//! A 2.x database as the port to read from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::OnceCell;

use super::buckets;
use super::catalog::{self, describe};
use super::pool::Pool;
use super::reading::{self, Reading, blocks, tag_rows};
use super::rows::{Record, Table, number, table, text};
use super::server;
use super::sql::{self, Names};
use crate::batch::{Block, TableRuns, TagRow};
use crate::options::RowFilter;
use crate::port::{PortError, PortResult, Rows, Side, Source, Subtable, Tables};
use crate::schema::{Census, Column, Database, Extent, NormalTable, Stable};
use crate::server::Server;
use crate::time::{Period, Precision};

const SIDE: Side = Side::Source;

/// One database of a 2.x server.
pub(super) struct TdSource {
    pool: Arc<Pool>,
    database: String,
    /// Which rows are read and counted; extents are of all.
    filter: RowFilter,
    precision: OnceCell<Precision>,
    /// Names of first columns by table: conditions on time need them.
    time_columns: Mutex<BTreeMap<String, String>>,
}

impl TdSource {
    pub(super) fn new(pool: Arc<Pool>, database: &str, filter: RowFilter) -> Self {
        let (precision, time_columns) = (OnceCell::new(), Mutex::default());
        Self { pool, database: database.to_owned(), filter, precision, time_columns }
    }

    /// The condition on a table's rows, as part of a longer one; empty where all are read.
    fn condition(&self, table: &str) -> String {
        self.filter.of(table).map(|condition| format!("({condition})")).unwrap_or_default()
    }

    fn reading<'a>(&'a self, table: &str) -> Reading<'a> {
        let (pool, database) = (&self.pool, self.database.as_str());
        Reading { pool, database, condition: self.condition(table), most_bytes: sql::SHORT_SQL }
    }

    async fn names(&self) -> PortResult<Names> {
        Ok(Names::of(self.pool.version().await?))
    }

    async fn path(&self, table: &str) -> PortResult<String> {
        Ok(self.names().await?.path(&self.database, table))
    }

    async fn show(&self, what: &str) -> PortResult<String> {
        Ok(format!("show {}.{what}", self.names().await?.database(&self.database)))
    }

    async fn answer(&self, sql: &str) -> PortResult<Table> {
        table(self.pool.query(sql).await?).await
    }

    async fn described(&self, name: &str) -> PortResult<catalog::Described> {
        let described = describe(&self.pool, self.names().await?, &self.database, name).await?;
        if let Some(first) = described.columns.first() {
            self.remember(name, &first.name);
        }
        Ok(described)
    }

    fn remember(&self, table: &str, column: &str) {
        let mut known = self.time_columns.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(table.to_owned(), column.to_owned());
    }

    /// The name of a table's first column.
    async fn time_column(&self, table: &str) -> PortResult<String> {
        let known = self.time_columns.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        match known {
            Some(column) => Ok(column),
            None => Ok(self
                .described(table)
                .await?
                .columns
                .into_iter()
                .next()
                .map(|c| c.name)
                .unwrap_or_default()),
        }
    }

    /// Whether the database counts as many tables as its stables count subtables: `show tables` comes in pages of a
    /// hundred. Asked for before and after, since a table may come between the two questions; a server that does not
    /// count is not believed.
    async fn has_only_subtables(&self) -> PortResult<bool> {
        let before = self.table_count().await?;
        let stables = self.subtable_counts().await?;
        let after = self.table_count().await?;
        let subtables = stables.map(|counts| counts.values().sum::<i64>());
        Ok(before.is_some() && before == after && after == subtables)
    }

    /// How many subtables each stable has; `None` where the server does not tell. Its counts are exact (measured on
    /// 2.7.0, after drops and a restart).
    async fn subtable_counts(&self) -> PortResult<Option<BTreeMap<String, i64>>> {
        let stables = self.answer(&self.show("stables").await?).await?;
        let count =
            |stable: Record| Some((stable.text(&["name", "stable_name"])?, stable.number(&["tables"])?));
        Ok(stables.records().map(count).collect())
    }

    /// How many tables the server says the database has.
    async fn table_count(&self) -> PortResult<Option<i64>> {
        let databases = self.answer("show databases").await?;
        let own = databases.records().find(|record| {
            record.text(&["name"]).is_some_and(|name| name.eq_ignore_ascii_case(&self.database))
        });
        Ok(own.and_then(|record| record.number(&["ntables"])))
    }

    async fn extent(&self, name: &str) -> PortResult<Extent> {
        let ts = self.names().await?.ident(&self.time_column(name).await?);
        let path = self.path(name).await?;
        let answer = self.answer(&format!("select count(*), first({ts}), last({ts}) from {path}")).await?;
        Ok(answer.rows.first().map_or(Extent::EMPTY, |row| extent(row)))
    }

    /// The extent of every subtable that has rows, by name.
    async fn extents(&self, stable: &str) -> PortResult<BTreeMap<String, Extent>> {
        let ts = self.names().await?.ident(&self.time_column(stable).await?);
        let path = self.path(stable).await?;
        let sql = format!("select count(*), first({ts}), last({ts}) from {path} group by tbname");
        let answer = self.answer(&sql).await?;
        let named = |row: &Vec<_>| Some((text(row.get(3)?)?, extent(row)));
        Ok(answer.rows.iter().filter_map(named).collect())
    }

    /// Counts of the rows that are taken, one query for each piece of names that fits.
    async fn counts(
        &self,
        what: &str,
        group: &str,
        tables: Tables<'_>,
        period: Period,
    ) -> PortResult<Vec<Table>> {
        let table = whose(tables);
        let within = self.names().await?.within(&self.time_column(table).await?, period);
        self.select(what, &[&within, &self.condition(table)], tables, group).await
    }

    /// What there is of these tables' rows for which all conditions hold, likewise.
    async fn select(
        &self,
        what: &str,
        conditions: &[&str],
        tables: Tables<'_>,
        group: &str,
    ) -> PortResult<Vec<Table>> {
        let path = self.path(whose(tables)).await?;
        let ask = |named: &str| {
            let filter = sql::filter(&[&[named], conditions].concat());
            format!("select {what} from {path}{filter}{group}")
        };
        let Tables::Of { names, .. } = tables else { return Ok(vec![self.answer(&ask("")).await?]) };
        let mut answers = Vec::new();
        for piece in sql::pieces(names, ask("").len() + 32, sql::SHORT_SQL) {
            answers.push(self.answer(&ask(&sql::named(&names[piece]))).await?);
        }
        Ok(answers)
    }
}

/// The stable or table whose columns they have.
fn whose(tables: Tables<'_>) -> &str {
    match tables {
        Tables::All { stable } | Tables::Of { stable, .. } => stable,
        Tables::One { name } => name,
    }
}

/// From `count, first, last, …`.
fn extent(row: &[crate::batch::Value]) -> Extent {
    let at = |index: usize| row.get(index).and_then(number);
    let rows = at(0).and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
    let period = at(1).zip(at(2)).map(|(first, last)| Period { from: first, to: last.saturating_add(1) });
    Extent { rows, period, exact: true }
}

fn unsigned(value: Option<&crate::batch::Value>) -> u64 {
    value.and_then(number).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

#[async_trait]
impl Rows for TdSource {
    fn side(&self) -> Side {
        SIDE
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        let tags = self.names().await?.list(&stable.tags);
        let select = format!("select tbname,{tags} from {}", self.path(&stable.name).await?);
        reading::tags(&self.pool, &select, names, sql::SHORT_SQL).await
    }

    fn read<'a>(
        &'a self,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> BoxStream<'a, PortResult<Block>> {
        self.reading(table).read(table, columns, period)
    }

    fn read_many<'a>(
        &'a self,
        stable: &'a Stable,
        names: &'a [String],
        period: Period,
    ) -> BoxStream<'a, PortResult<TableRuns>> {
        self.reading(&stable.name).read_many(stable, names, period)
    }

    fn read_all<'a>(&'a self, stable: &'a Stable, period: Period) -> BoxStream<'a, PortResult<TableRuns>> {
        self.reading(&stable.name).read_all(stable, period)
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        let answers = self.counts("count(*)", "", tables, period).await?;
        // over nothing 2.x answers no row at all
        Ok(answers.iter().map(|answer| unsigned(answer.single())).sum())
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        if let Tables::One { name } = tables {
            return Ok(BTreeMap::from([(name.to_owned(), self.count(tables, period).await?)]));
        }
        let answers = self.counts("count(*)", " group by tbname", tables, period).await?;
        let named = |row: &Vec<crate::batch::Value>| Some((text(row.get(1)?)?, unsigned(row.first())));
        Ok(answers.iter().flat_map(|answer| answer.rows.iter().filter_map(named)).collect())
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        let ask = async || self.database().await.map(|database| database.precision);
        let windows = buckets::windows(SIDE, *self.precision.get_or_try_init(ask).await?, bucket)?;
        // 2.x puts the start of a window in front by itself
        buckets::counts(SIDE, bucket, &self.counts("count(*)", &windows, tables, period).await?)
    }
}

#[async_trait]
impl Source for TdSource {
    async fn version(&self) -> PortResult<String> {
        self.pool.version().await.map(str::to_owned)
    }

    async fn database(&self) -> PortResult<Database> {
        let answer = self.answer("show databases").await?;
        let mut records = answer.records();
        let found = records.find(|record| {
            record.text(&["name"]).is_some_and(|name| name.eq_ignore_ascii_case(&self.database))
        });
        let missing = || PortError::Missing {
            side: SIDE,
            message: format!(
                "there is no database `{}`; `show databases` on the source lists what there is",
                self.database
            ),
        };
        catalog::database(SIDE, &found.ok_or_else(missing)?)
    }

    async fn server(&self) -> PortResult<Server> {
        server::v2(&self.pool).await
    }

    async fn clock(&self) -> PortResult<Option<i64>> {
        // 2.x answers now() only over a table, and only where that has a row
        let stables = self.answer(&self.show("stables").await?).await?;
        for record in stables.records() {
            let Some(name) = record.text(&["name", "stable_name"]) else { continue };
            match self.answer(&format!("select now() from {} limit 1", self.path(&name).await?)).await {
                Ok(answer) if answer.single().is_some() => return Ok(answer.single().and_then(number)),
                Ok(_) => {}
                Err(error) if error.is_away() => return Err(error),
                // servers before 2.6 do not know the function
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        let answer = self.answer(&self.show("stables").await?).await?;
        let names: Vec<_> =
            answer.records().filter_map(|record| record.text(&["name", "stable_name"])).collect();
        let mut stables = Vec::new();
        for name in names {
            let described = self.described(&name).await?;
            stables.push(Stable { name, columns: described.columns, tags: described.tags });
        }
        stables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stables)
    }

    async fn normal_tables(&self) -> PortResult<Vec<NormalTable>> {
        if self.has_only_subtables().await? {
            return Ok(Vec::new());
        }
        let mut rows = self.pool.query(&self.show("tables").await?).await?;
        let column =
            |name: &str| rows.columns().iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let (Some(table), Some(stable)) = (column("table_name"), column("stable_name")) else {
            let message =
                "`show tables` names neither tables nor stables; is the source a 2.x server?".into();
            return Err(PortError::Invalid { side: SIDE, message });
        };
        let mut names = Vec::new();
        while let Some(block) = rows.next().await? {
            let cell = |row, column| text(&block.cell(row, column).to_value()).unwrap_or_default();
            names.extend(
                (0..block.rows()).filter(|row| cell(*row, stable).is_empty()).map(|row| cell(row, table)),
            );
        }
        drop(rows);
        names.sort();
        let mut tables = Vec::new();
        for name in names {
            let columns = self.described(&name).await?.columns;
            tables.push(NormalTable { name, columns });
        }
        Ok(tables)
    }

    async fn stable_extent(&self, stable: &str) -> PortResult<Extent> {
        self.extent(stable).await
    }

    async fn table_extent(&self, table: &str) -> PortResult<Extent> {
        self.extent(table).await
    }

    async fn newest(&self, tables: Tables<'_>) -> PortResult<Option<i64>> {
        let ts = self.names().await?.ident(&self.time_column(whose(tables)).await?);
        let answers = self.select(&format!("last_row({ts})"), &[], tables, "").await?;
        Ok(answers.iter().filter_map(|answer| answer.single().and_then(number)).max())
    }

    async fn census(&self) -> PortResult<Census> {
        let silent = |what: &str| PortError::Invalid {
            side: SIDE,
            message: format!("`show {what}` tells no number of tables; is the source a 2.x server?"),
        };
        let all = self.table_count().await?.ok_or_else(|| silent("databases"))?;
        let counts = self.subtable_counts().await?.ok_or_else(|| silent("stables"))?;
        // a table that came between the two questions is no normal one; the next census has it
        let normal = all.saturating_sub(counts.values().sum());
        let positive = |count: i64| u64::try_from(count).unwrap_or(0);
        let stables = counts.into_iter().map(|(name, count)| (name, positive(count))).collect();
        Ok(Census { stables, normal: positive(normal) })
    }

    fn subtables<'a>(&'a self, stable: &'a str, exact: bool) -> BoxStream<'a, PortResult<Vec<Subtable>>> {
        let pages = async move {
            let extents = if exact { Some(self.extents(stable).await?) } else { None };
            let tables = blocks(&self.pool, |names| {
                format!("select tbname from {}", names.path(&self.database, stable))
            });
            Ok::<_, PortError>(
                tables.map(move |block| block.and_then(|block| page(&block, extents.as_ref()))),
            )
        };
        stream::once(pages).try_flatten().boxed()
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let select = |names: Names| {
            let path = names.path(&self.database, &stable.name);
            format!("select tbname,{} from {path}", names.list(&stable.tags))
        };
        blocks(&self.pool, select).map_ok(|block| tag_rows(&block)).boxed()
    }
}

fn page(block: &Block, extents: Option<&BTreeMap<String, Extent>>) -> PortResult<Vec<Subtable>> {
    let named = |row: usize| {
        let name = text(&block.cell(row, 0).to_value()).unwrap_or_default();
        let extent = extents.map(|extents| extents.get(&name).copied().unwrap_or(Extent::EMPTY));
        Subtable { name, extent }
    };
    Ok((0..block.rows()).map(named).collect())
}
