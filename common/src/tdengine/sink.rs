//! A 3.x database as the port to write to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::catalog::{self, describe};
use super::conn::{Pool, QUERY_TIMEOUT};
use super::insert::{Insert, statements};
use super::rows::{Table, number, table, text};
use super::sql;
use crate::batch::{Block, TableRuns, TagRow, Value};
use crate::port::{PortError, PortResult, Side, Sink, Tables};
use crate::schema::{Database, NormalTable, Stable};
use crate::time::{Period, Precision};

const SIDE: Side = Side::Sink;

/// Bytes of one INSERT: measured best on 3.3.1 with several connections; larger ones wait for each other.
const INSERT_BYTES: usize = 250_000;

/// Names asked for with one `tbname in (…)`.
const NAMES_BYTES: usize = 200_000;

/// One database of a 3.x server.
pub(super) struct TdSink {
    /// Connections without a database: it may be missing still.
    admin: Arc<Pool>,
    /// Connections with the database selected, which raw blocks need.
    data: Arc<Pool>,
    database: String,
    max_sql: usize,
    write_timeout: Duration,
}

impl TdSink {
    pub(super) fn new(admin: Arc<Pool>, data: Arc<Pool>, database: &str, max_sql: usize, write: Duration) -> Self {
        Self { admin, data, database: database.to_owned(), max_sql, write_timeout: write }
    }

    async fn answer(&self, sql: &str) -> PortResult<Table> {
        table(self.admin.query(sql).await?).await
    }

    /// DDL may wait for an earlier one on the same database.
    async fn define(&self, sql: &str) -> PortResult<()> {
        self.admin.exec(sql, QUERY_TIMEOUT).await
    }

    async fn counts(&self, what: &str, group: &str, tables: Tables<'_>, period: Period) -> PortResult<Vec<Table>> {
        let (table, names) = match tables {
            Tables::One { name } => (name, None),
            Tables::Of { stable, names } => (stable, Some(names)),
        };
        let path = sql::path(&self.database, table);
        let within = within(period);
        let ask = |named: &str| format!("select {what} from {path}{}{group}", sql::filter(&[named, &within]));
        let Some(names) = names else { return Ok(vec![self.answer(&ask("")).await?]) };
        let mut answers = Vec::new();
        for piece in sql::pieces(names, ask("").len() + 32, NAMES_BYTES) {
            answers.push(self.answer(&ask(&sql::named(&names[piece]))).await?);
        }
        Ok(answers)
    }
}

/// 3.x has a name for the first column of any table.
fn within(period: Period) -> String {
    sql::within("_c0", period).replace("`_c0`", "_c0")
}

fn unsigned(value: Option<&Value>) -> u64 {
    value.and_then(number).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

#[async_trait]
impl Sink for TdSink {
    async fn version(&self) -> PortResult<String> {
        let answer = self.answer("select server_version()").await?;
        Ok(answer.single().and_then(text).unwrap_or_default())
    }

    async fn database(&self) -> PortResult<Option<Database>> {
        let name = sql::quoted(&self.database);
        let sql = format!("select * from information_schema.ins_databases where name = {name}");
        let answer = self.answer(&sql).await?;
        answer.records().next().map(|record| catalog::database(SIDE, &record)).transpose()
    }

    async fn create_database(&self, options: &str) -> PortResult<()> {
        self.define(&format!("create database if not exists {} {options}", sql::ident(&self.database))).await
    }

    async fn stables(&self) -> PortResult<Vec<Stable>> {
        let database = sql::quoted(&self.database);
        let sql = format!("select stable_name from information_schema.ins_stables where db_name = {database}");
        let mut stables = Vec::new();
        for name in self.answer(&sql).await?.rows.iter().filter_map(|row| row.first().and_then(text)) {
            let described = describe(&self.admin, SIDE, &self.database, &name).await?;
            stables.push(Stable { name, columns: described.columns, tags: described.tags });
        }
        Ok(stables)
    }

    async fn tables(&self, names: &[String]) -> PortResult<Vec<NormalTable>> {
        let mut tables = Vec::new();
        for name in names {
            match describe(&self.admin, SIDE, &self.database, name).await {
                Ok(described) => tables.push(NormalTable { name: name.clone(), columns: described.columns }),
                Err(PortError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tables)
    }

    async fn create_stable(&self, stable: &Stable) -> PortResult<()> {
        self.define(&sql::create_stable(&self.database, stable)).await
    }

    async fn create_table(&self, table: &NormalTable) -> PortResult<()> {
        self.define(&sql::create_table(&self.database, table)).await
    }

    async fn create_subtables(&self, stable: &Stable, rows: &[TagRow]) -> PortResult<()> {
        let invalid = |message| PortError::Invalid { side: SIDE, message };
        for sql in sql::create_subtables(&self.database, stable, rows, self.max_sql).map_err(invalid)? {
            self.define(&sql).await?;
        }
        Ok(())
    }

    async fn missing_subtables(&self, stable: &str, names: &[String]) -> PortResult<Vec<String>> {
        let select = format!("select tags tbname from {}", sql::path(&self.database, stable));
        let mut found = BTreeSet::new();
        for piece in sql::pieces(names, select.len() + 32, NAMES_BYTES) {
            let answer = self.answer(&format!("{select}{}", sql::filter(&[&sql::named(&names[piece])]))).await?;
            found.extend(answer.rows.iter().filter_map(|row| row.first().and_then(text)));
        }
        Ok(names.iter().filter(|name| !found.contains(*name)).cloned().collect())
    }

    async fn write(&self, table: &str, block: &Block) -> PortResult<()> {
        self.data.get().await?.write(table, block, self.write_timeout).await
    }

    async fn write_many(&self, rows: &TableRuns) -> PortResult<()> {
        for insert in statements(&self.database, rows, self.max_sql.min(INSERT_BYTES)) {
            match insert {
                Insert::Sql(sql) => self.data.exec(&sql, self.write_timeout).await?,
                Insert::Block { table, rows: block } => self.write(&table, &block).await?,
            }
        }
        Ok(())
    }

    async fn count(&self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        let answers = self.counts("count(*)", "", tables, period).await?;
        Ok(answers.iter().map(|answer| unsigned(answer.single())).sum())
    }

    async fn count_each(&self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        if let Tables::One { name } = tables {
            return Ok(BTreeMap::from([(name.to_owned(), self.count(tables, period).await?)]));
        }
        let answers = self.counts("tbname, count(*)", " partition by tbname", tables, period).await?;
        let named = |row: &Vec<Value>| Some((text(row.first()?)?, unsigned(row.get(1))));
        Ok(answers.iter().flat_map(|answer| answer.rows.iter().filter_map(named)).collect())
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

    #[test]
    fn conditions_on_the_first_column_need_no_quotes() {
        assert_eq!(within(Period { from: 1, to: 2 }), "_c0 >= 1 and _c0 < 2");
    }
}
