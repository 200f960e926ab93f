//! Databases on real servers: filled through plain SQL before a case, dropped after it.

use std::fmt::Write as _;
use std::ops::Range;

use anyhow::Result;
use taos::AsyncQueryable;
use tokio::task::JoinSet;

use crate::case::{COLUMNS, Case, Name, STABLE, TAGS};
use crate::plain::{CONNECTIONS, connect, sum};
use crate::servers::Servers;

/// 2026-01-01, with one row a second, as the stand-in's seed.
const FIRST_MS: u64 = 1_767_225_600_000;
const STEP_MS: u64 = 1_000;
/// Bytes of a statement, well below the longest a 2.x server takes.
const STATEMENT: usize = 500_000;

/// Creates and fills the source's database of a case.
pub(crate) async fn fill(servers: &Servers, case: &Case) -> Result<()> {
    let database = servers.database(case);
    let source = connect(&servers.source).await?;
    source.exec(format!("create database {database} precision 'ms' keep 36500")).await?;
    source.exec(format!("create table {database}.{STABLE} ({COLUMNS}) tags ({TAGS})")).await?;
    let rows = if case.name == Name::Create { 0 } else { case.rows };
    let share = case.subtables.div_ceil(u64::try_from(CONNECTIONS)?);
    let mut all = JoinSet::new();
    for from in (0..case.subtables).step_by(usize::try_from(share)?) {
        let tables = from..(from + share).min(case.subtables);
        all.spawn(fill_tables(servers.source.clone(), database.clone(), tables, rows));
    }
    sum(all).await?;
    Ok(())
}

async fn fill_tables(dsn: String, database: String, tables: Range<u64>, rows: u64) -> Result<u64> {
    let source = connect(&dsn).await?;
    let mut create = String::from("create table");
    let mut insert = String::from("insert into");
    for table in tables.clone() {
        let (group, place) = (table % 100, table % 7);
        let _ = write!(
            create,
            " if not exists {database}.d{table} using {database}.{STABLE} tags ({group},'place {place}')"
        );
        flush(&source, &mut create, "create table", STATEMENT).await?;
    }
    flush(&source, &mut create, "create table", 0).await?;
    for table in tables.clone().filter(|_| rows > 0) {
        let _ = write!(insert, " {database}.d{table} values");
        for row in 0..rows {
            let (ts, n) =
                (FIRST_MS + row * STEP_MS, table.wrapping_mul(31).wrapping_add(row.wrapping_mul(17)));
            let (current, voltage, phase) = (n % 3_000, 200 + n % 40, n % 1_000);
            let _ = write!(insert, "({ts},{}.{:02},{voltage},0.{phase:03})", current / 100, current % 100);
            if insert.len() > STATEMENT && row + 1 < rows {
                flush(&source, &mut insert, &format!("insert into {database}.d{table} values"), STATEMENT)
                    .await?;
            }
        }
        flush(&source, &mut insert, "insert into", STATEMENT).await?;
    }
    flush(&source, &mut insert, "insert into", 0).await?;
    Ok(tables.end - tables.start)
}

/// Sends a statement that is longer than `least` and more than its own beginning; then it begins again.
async fn flush(source: &taos::Taos, sql: &mut String, begin: &str, least: usize) -> Result<()> {
    if sql.len() > least.max(begin.len()) {
        source.exec(std::mem::replace(sql, begin.to_owned())).await?;
    }
    Ok(())
}

/// Drops a database of this run if it is there.
pub(crate) async fn drop_database(dsn: &str, database: &str) -> Result<()> {
    connect(dsn).await?.exec(format!("drop database if exists {database}")).await?;
    Ok(())
}
