//! A client that cannot wait for ever, and the answers of one as plain data.

use std::time::Duration;

use taos::{AsyncFetchable, AsyncQueryable, AsyncTBuilder, RawBlock, Taos, TaosBuilder};
use tdferry_standin::{Config, Flavor, Server};

/// Longer than anything here takes, shorter than anybody's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn server(flavor: Flavor) -> Server {
    Server::start(Config::new(flavor)).await.unwrap()
}

pub(crate) async fn connect(dsn: &str) -> Taos {
    TaosBuilder::from_dsn(dsn).unwrap().build().await.unwrap()
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap()
}

pub(crate) async fn exec(taos: &Taos, sql: &str) -> usize {
    match within(taos.exec(sql)).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// The error's code.
pub(crate) async fn refused(taos: &Taos, sql: &str) -> i32 {
    match within(taos.exec(sql)).await {
        Ok(_) => panic!("{sql} was not refused"),
        Err(error) => i32::from(error.code()),
    }
}

pub(crate) async fn blocks(taos: &Taos, sql: &str) -> Vec<RawBlock> {
    let mut result = within(taos.query(sql)).await.unwrap();
    let mut blocks = Vec::new();
    while let Some(block) =
        within(std::future::poll_fn(|context| result.fetch_raw_block(context))).await.unwrap()
    {
        blocks.push(block);
    }
    blocks
}

/// Every cell as text that tells types and NULLs apart.
pub(crate) async fn rows(taos: &Taos, sql: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for block in blocks(taos, sql).await {
        let columns: Vec<Vec<String>> =
            block.columns().map(|column| column.iter().map(|cell| format!("{cell:?}")).collect()).collect();
        rows.extend((0..block.nrows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
    }
    rows
}
