//! Copies a stable whose subtables are there on both sides: one table after the other, block by block.

use std::sync::Arc;

use anyhow::Result;
use futures_util::TryStreamExt;
use taos::{AsyncFetchable, AsyncQueryable};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{CONNECTIONS, PlainArgs, Rest, connect, sum};
use crate::case::STABLE;
use crate::output;
use crate::servers::with_database;

/// Copies, and says how many rows.
pub(crate) async fn run(args: &PlainArgs) -> Result<()> {
    let tables: Rest<String> = Arc::new(Mutex::new(tables(args).await?));
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        // a raw block goes to a table of the database that is selected
        let (from, to) = (with_database(&args.from, &args.database), with_database(&args.to, &args.into));
        all.spawn(copy(from, to, Arc::clone(&tables)));
    }
    output::data(&sum(all).await?.to_string())
}

async fn tables(args: &PlainArgs) -> Result<Vec<String>> {
    let sql = format!("select tbname from {}.{STABLE}", args.database);
    let source = connect(&args.from).await?;
    let mut answer = source.query(sql).await?;
    Ok(answer.deserialize::<String>().try_collect().await?)
}

async fn copy(from: String, to: String, tables: Rest<String>) -> Result<u64> {
    let (source, target) = (connect(&from).await?, connect(&to).await?);
    let mut copied = 0;
    loop {
        let Some(table) = tables.lock().await.pop() else { return Ok(copied) };
        let mut answer = source.query(format!("select * from {table}")).await?;
        let mut blocks = answer.blocks();
        while let Some(mut block) = blocks.try_next().await? {
            copied += u64::try_from(block.nrows())?;
            block.with_table_name(&table);
            target.write_raw_block(&block).await?;
        }
    }
}
