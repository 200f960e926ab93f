//! A 3.x database as the port to write to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::buckets;
use super::catalog::{self, describe};
use super::conn::Conn;
use super::errors::{Failure, may_be_stale};
use super::insert::{Insert, statements};
use super::known::Known;
use super::pool::{Pool, QUERY_TIMEOUT};
use super::reading::{self, Reading};
use super::rows::{Table, number, table, text};
use super::server;
use super::sql::{self, Names};
use crate::batch::{Block, Cell, TableRuns, TagRow, Value};
use crate::ddl;
use crate::options::RowFilter;
use crate::port::{PortError, PortResult, Rows, Side, Sink, Tables};
use crate::schema::{Column, Database, NormalTable, Stable};
use crate::server::Server;
use crate::time::{Period, Precision};

const SIDE: Side = Side::Sink;

/// Bytes of one INSERT: measured best on 3.3.1 with several connections; larger ones wait for each other.
const INSERT_BYTES: usize = 250_000;

/// Names asked for with one `tbname in (…)`.
const NAMES_BYTES: usize = 200_000;

/// From so many names on it is quicker to list all subtables than to ask for these: measured on 3.3.1.
const MANY_NAMES: usize = 5_000;

/// Grouped by table alone, counting takes 3.3.1 ten times as long as in windows that are added up. This window is
/// the widest that was measured: a table has few of them, and their edges fit into nanoseconds.
const COUNT_WINDOW: &str = "3650d";

/// The target is 3.x, which always knows backticks.
const NAMES: Names = Names::Quoted;

/// One database of a 3.x server.
pub(super) struct TdSink {
    /// Connections without a database: it may be missing still.
    admin: Arc<Pool>,
    /// Connections with the database selected, which raw blocks need.
    data: Arc<Pool>,
    database: String,
    max_sql: usize,
    write_timeout: Duration,
    /// Which rows are read and counted.
    filter: RowFilter,
    known: Known,
    precision: OnceCell<Precision>,
}

impl TdSink {
    pub(super) fn new(
        admin: Arc<Pool>,
        data: Arc<Pool>,
        database: &str,
        max_sql: usize,
        write: Duration,
    ) -> Self {
        let (known, precision) = (Known::default(), OnceCell::new());
        let (database, filter) = (database.to_owned(), RowFilter::default());
        Self { admin, data, database, max_sql, write_timeout: write, filter, known, precision }
    }

    /// The condition on a table's rows, as part of a longer one; empty where all are read.
    fn condition(&self, table: &str) -> String {
        self.filter.of(table).map(|condition| format!("({condition})")).unwrap_or_default()
    }

    fn reading(&self, table: &str) -> Reading<'_> {
        let (pool, database) = (&self.admin, self.database.as_str());
        Reading { pool, database, condition: self.condition(table), most_bytes: NAMES_BYTES }
    }

    async fn answer(&self, sql: &str) -> PortResult<Table> {
        table(self.admin.query(sql).await?).await
    }

    /// DDL may wait for an earlier one on the same database.
    async fn define(&self, sql: String) -> PortResult<()> {
        self.admin.exec(sql, QUERY_TIMEOUT).await
    }

    async fn add_columns(&self, kind: &str, table: &str, columns: &[Column]) -> PortResult<()> {
        let own = describe(&self.admin, NAMES, &self.database, table).await?;
        for column in columns.iter().filter(|one| !own.columns.iter().any(|known| known.name == one.name)) {
            self.define(ddl::add_column(&self.database, kind, table, column)).await?;
        }
        Ok(())
    }

    async fn counts(
        &self,
        what: &str,
        group: &str,
        tables: Tables<'_>,
        period: Period,
    ) -> PortResult<Vec<Table>> {
        let (table, names) = match tables {
            Tables::All { stable: name } | Tables::One { name } => (name, None),
            Tables::Of { stable, names } => (stable, Some(names)),
        };
        let path = NAMES.path(&self.database, table);
        // 3.x has a name for the first column of any table
        let within = sql::within("_c0", period);
        let condition = self.condition(table);
        let filter = |named: &str| sql::filter(&[named, &within, &condition]);
        let ask = |named: &str| format!("select {what} from {path}{}{group}", filter(named));
        let Some(names) = names else { return Ok(vec![self.answer(&ask("")).await?]) };
        let mut answers = Vec::new();
        for piece in sql::pieces(names, ask("").len() + 32, NAMES_BYTES) {
            answers.push(self.answer(&ask(&sql::named(&names[piece]))).await?);
        }
        Ok(answers)
    }

    /// The unit of the database, asked for once.
    async fn precision(&self) -> PortResult<Precision> {
        let ask = async || -> PortResult<Precision> {
            let missing =
                || PortError::Missing { side: SIDE, message: format!("database `{}`", self.database) };
            Ok(self.database().await?.ok_or_else(missing)?.precision)
        };
        self.precision.get_or_try_init(ask).await.copied()
    }

    /// Timestamps are whole numbers on their way: in the wrong unit they would be other moments.
    async fn check_precision(&self, block: &Block) -> PortResult<()> {
        let own = self.precision().await?;
        if own == block.precision() {
            return Ok(());
        }
        let message =
            format!("rows in {} for database `{}`, which keeps {own}", block.precision(), self.database);
        Err(PortError::Invalid { side: SIDE, message })
    }

    async fn learn(&self, table: &str, block: &Block) -> PortResult<()> {
        let described = self.known.described(table);
        let answer = describe(&self.admin, NAMES, &self.database, &described).await?;
        self.known.check(&described, block, &answer)
    }

    /// Writes once more after a query made the client learn the table anew, which a write never does.
    async fn write_fresh(&self, mut conn: Conn, table: &str, block: &Block) -> PortResult<()> {
        self.known.forget(table);
        let path = NAMES.path(&self.database, table);
        conn.ask(format!("select * from {path} limit 1"), QUERY_TIMEOUT).await?;
        self.learn(table, block).await?;
        conn.write(table, block, self.write_timeout).await.map_err(|failure| refused(table, failure))
    }
}

/// Why a block is refused that the client sent with fresh knowledge of its table.
fn refused(table: &str, failure: Failure) -> PortError {
    const INVALID_PARAMETERS: u32 = 0x0118;
    match failure.error {
        PortError::Invalid { side, message } if failure.code == INVALID_PARAMETERS => PortError::Invalid {
            side,
            message: format!("the columns of table `{table}` differ from those of the rows: {message}"),
        },
        error => error,
    }
}

fn unsigned(value: Option<&Value>) -> u64 {
    value.and_then(number).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

#[async_trait]
impl Rows for TdSink {
    fn side(&self) -> Side {
        SIDE
    }

    async fn tags(&self, stable: &Stable, names: &[String]) -> PortResult<Vec<TagRow>> {
        // without the word, 3.x reads rows and leaves out who has none
        let path = NAMES.path(&self.database, &stable.name);
        let select = format!("select tags tbname,{} from {path}", NAMES.list(&stable.tags));
        reading::tags(&self.admin, &select, names, NAMES_BYTES).await
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
        Ok(answers.iter().map(|answer| unsigned(answer.single())).sum())
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        if let Tables::One { name } = tables {
            return Ok(BTreeMap::from([(name.to_owned(), self.count(tables, period).await?)]));
        }
        let group = format!(" partition by tbname interval({COUNT_WINDOW})");
        let answers = self.counts("tbname, count(*)", &group, tables, period).await?;
        let mut counts = BTreeMap::new();
        for row in answers.iter().flat_map(|answer| &answer.rows) {
            if let Some(name) = row.first().and_then(text) {
                *counts.entry(name).or_default() += unsigned(row.get(1));
            }
        }
        Ok(counts)
    }

    async fn count_buckets(
        &self,
        tables: Tables<'_>,
        period: Period,
        bucket: i64,
    ) -> PortResult<BTreeMap<i64, u64>> {
        let windows = buckets::windows(SIDE, self.precision().await?, bucket)?;
        let answers = self.counts("_wstart, count(*)", &windows, tables, period).await?;
        buckets::counts(SIDE, bucket, &answers)
    }
}

#[async_trait]
impl Sink for TdSink {
    async fn version(&self) -> PortResult<String> {
        self.admin.version().await.map(str::to_owned)
    }

    async fn database(&self) -> PortResult<Option<Database>> {
        let name = sql::quoted(&self.database);
        let sql = format!("select * from information_schema.ins_databases where name = {name}");
        let answer = self.answer(&sql).await?;
        answer.records().next().map(|record| catalog::database(SIDE, &record)).transpose()
    }

    async fn server(&self) -> PortResult<Server> {
        server::v3(&self.admin, &self.database).await
    }

    async fn create_database(&self, options: &str) -> PortResult<()> {
        self.define(ddl::create_database(&self.database, options)).await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        let database = sql::quoted(&self.database);
        let sql =
            format!("select stable_name from information_schema.ins_stables where db_name = {database}");
        let mut stables = Vec::new();
        for name in self.answer(&sql).await?.rows.iter().filter_map(|row| row.first().and_then(text)) {
            let described = describe(&self.admin, NAMES, &self.database, &name).await?;
            stables.push(Stable { name, columns: described.columns, tags: described.tags });
        }
        Ok(stables)
    }

    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        let mut tables = Vec::new();
        for name in names {
            match describe(&self.admin, NAMES, &self.database, name).await {
                Ok(described) => tables.push(NormalTable { name: name.clone(), columns: described.columns }),
                Err(PortError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tables)
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        self.define(ddl::create_stable(&self.database, stable)).await
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        self.define(ddl::create_table(&self.database, table)).await
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let invalid = |message| PortError::Invalid { side: SIDE, message };
        for sql in ddl::create_subtables(stable, rows, self.max_sql).map_err(invalid)? {
            // DDL may wait for an earlier one on the same database
            self.data.exec(sql, QUERY_TIMEOUT).await?;
        }
        Ok(())
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        let select = format!("select tags tbname from {}", NAMES.path(&self.database, stable));
        let mut missing: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let queries = if names.len() > MANY_NAMES {
            vec![select]
        } else {
            let pieces = sql::pieces(names, select.len() + 32, NAMES_BYTES);
            pieces
                .into_iter()
                .map(|piece| format!("{select}{}", sql::filter(&[&sql::named(&names[piece])])))
                .collect()
        };
        for query in queries {
            let mut found = self.admin.query(&query).await?;
            while let Some(block) = found.next().await? {
                for row in 0..block.rows() {
                    if let Cell::Binary(name) = block.cell(row, 0) {
                        missing.remove(String::from_utf8_lossy(name).as_ref());
                    }
                }
            }
        }
        self.known.belong(stable, names.iter().filter(|name| !missing.contains(name.as_str())));
        Ok(names.iter().filter(|name| missing.contains(name.as_str())).cloned().collect())
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        self.check_precision(block).await?;
        if !self.known.fits(table, block.columns()) {
            self.learn(table, block).await?;
        }
        let mut conn = self.data.get().await?;
        match conn.write(table, block, self.write_timeout).await {
            Err(failure) if may_be_stale(failure.code) => self.write_fresh(conn, table, block).await,
            answer => Ok(answer?),
        }
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        self.check_precision(&rows.block).await?;
        for insert in statements(&self.database, rows, self.max_sql.min(INSERT_BYTES)) {
            match insert {
                Insert::Sql(sql) => self.data.exec(sql, self.write_timeout).await?,
                Insert::Block { table, rows: block } => self.write(&table, &block).await?,
            }
        }
        Ok(())
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        let select = |names: Names| {
            let path = names.path(&self.database, &stable.name);
            format!("select tags tbname,{} from {path}", names.list(&stable.tags))
        };
        reading::blocks(&self.admin, select).map_ok(|block| reading::tag_rows(&block)).boxed()
    }

    async fn widen_keep(&self, days: u64) -> PortResult<()> {
        let keep =
            self.database().await?.and_then(|one| one.options.get("keep").and_then(|keep| minutes(keep)));
        let wanted = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(1_440);
        if keep.is_some_and(|keep| keep >= wanted) {
            return Ok(());
        }
        self.define(ddl::widen_keep(&self.database, days)).await
    }

    async fn widen_column(&self, table: &str, column: &Column) -> PortResult<()> {
        let own = describe(&self.admin, NAMES, &self.database, table).await?;
        let is_long = |own: &Column| own.name == column.name && own.length >= column.length;
        if own.columns.iter().chain(&own.tags).any(is_long) {
            return Ok(());
        }
        if own.tags.iter().any(|tag| tag.name == column.name) {
            return self.define(ddl::widen_tag(&self.database, table, column)).await;
        }
        let kind = if own.tags.is_empty() { "table" } else { "stable" };
        self.define(ddl::widen_column(&self.database, kind, table, column)).await
    }

    async fn add_to_stable(&self, stable: &Stable) -> PortResult<()> {
        self.add_columns("stable", &stable.name, &stable.columns).await?;
        let own = describe(&self.admin, NAMES, &self.database, &stable.name).await?;
        for tag in stable.tags.iter().filter(|one| !own.tags.iter().any(|known| known.name == one.name)) {
            self.define(ddl::add_tag(&self.database, &stable.name, tag)).await?;
        }
        Ok(())
    }

    async fn add_to_table(&self, table: &NormalTable) -> PortResult<()> {
        self.add_columns("table", &table.name, &table.columns).await
    }

    async fn set_tags(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let invalid = |message| PortError::Invalid { side: SIDE, message };
        for row in rows {
            for sql in ddl::set_tags(&self.database, stable, row).map_err(invalid)? {
                self.define(sql).await?;
            }
        }
        Ok(())
    }

    fn narrowed(&self, conditions: &RowFilter) -> Option<Arc<dyn Sink>> {
        let (admin, data) = (Arc::clone(&self.admin), Arc::clone(&self.data));
        let same = Self::new(admin, data, &self.database, self.max_sql, self.write_timeout);
        Some(Arc::new(Self { filter: conditions.clone(), ..same }))
    }

    async fn delete(&self, table: &str, period: Period) -> PortResult<()> {
        // 3.x deletes by its own name of a table's first column, which `_c0` is not
        let first = describe(&self.admin, NAMES, &self.database, table).await?.columns.into_iter().next();
        let within = first.map(|first| NAMES.within(&first.name, period)).unwrap_or_default();
        let path = NAMES.path(&self.database, table);
        self.define(format!("delete from {path}{}", sql::filter(&[&within]))).await
    }

    async fn keeps(&self, precision: Precision) -> PortResult<Period> {
        let (database, now) = tokio::join!(self.database(), self.answer("select now()"));
        let keep = database?.and_then(|database| database.options.get("keep").and_then(|keep| minutes(keep)));
        let now = now?.single().and_then(number);
        let Some((keep, now)) = keep.zip(now) else { return Ok(Period::ALL) };
        let millis = now.saturating_sub(keep.saturating_mul(60_000));
        Ok(Period { from: precision.from_unix_millis(millis), to: i64::MAX })
    }
}

/// The longest of a `keep` such as `5256000m,5256000m,5256000m` or `3650d`, in minutes.
fn minutes(keep: &str) -> Option<i64> {
    let one = |text: &str| {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let per = match &text[digits.len()..] {
            "m" => 1,
            "h" => 60,
            "" | "d" => 1_440,
            _ => return None,
        };
        digits.parse::<i64>().ok()?.checked_mul(per)
    };
    keep.split(',').filter_map(|text| one(text.trim())).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_is_read_in_every_unit() {
        assert_eq!(minutes("5256000m,5256000m,5256000m"), Some(5_256_000));
        assert_eq!(minutes("3650d"), Some(5_256_000));
        assert_eq!(minutes("10,20,30"), Some(43_200));
        assert_eq!(minutes("1h"), Some(60));
        assert_eq!(minutes("never"), None);
    }
}
