//! Creates a database, its stable and all its subtables with the tags they have at the source, in statements of a
//! thousand.

use std::sync::Arc;

use anyhow::Result;
use futures_util::TryStreamExt;
use taos::{AsyncFetchable, AsyncQueryable};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{CONNECTIONS, PlainArgs, Rest, connect, sum};
use crate::case::{COLUMNS, STABLE, TAGS};
use crate::output;

/// Subtables of one statement: more were not faster on a 3.3.1.
const BATCH: usize = 1_000;

/// Creates, and says how many subtables.
pub(crate) async fn run(args: &PlainArgs) -> Result<()> {
    let (target, into) = (connect(&args.to).await?, &args.into);
    target.exec(format!("create database {into} keep 36500")).await?;
    target.exec(format!("create table {into}.{STABLE} ({COLUMNS}) tags ({TAGS})")).await?;
    let statements: Rest<(String, u64)> = Arc::new(Mutex::new(statements(args).await?));
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        all.spawn(create(args.to.clone(), Arc::clone(&statements)));
    }
    output::data(&sum(all).await?.to_string())
}

async fn statements(args: &PlainArgs) -> Result<Vec<(String, u64)>> {
    let sql = format!("select tbname, groupid, location from {}.{STABLE}", args.database);
    let source = connect(&args.from).await?;
    let mut answer = source.query(sql).await?;
    let tables: Vec<(String, i32, String)> = answer.deserialize().try_collect().await?;
    let into = &args.into;
    let one = |(name, group, location): &(String, i32, String)| {
        format!(" if not exists {into}.{name} using {into}.{STABLE} tags ({group}, '{location}')")
    };
    let statement = |tables: &[(String, i32, String)]| {
        let text = format!("create table{}", tables.iter().map(one).collect::<String>());
        (text, u64::try_from(tables.len()).unwrap_or(u64::MAX))
    };
    Ok(tables.chunks(BATCH).map(statement).collect())
}

async fn create(server: String, statements: Rest<(String, u64)>) -> Result<u64> {
    let target = connect(&server).await?;
    let mut created = 0;
    loop {
        let Some((statement, tables)) = statements.lock().await.pop() else { return Ok(created) };
        target.exec(statement).await?;
        created += tables;
    }
}
