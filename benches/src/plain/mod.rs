//! What a capable person writes in an hour: a plain loop over the client, over a few connections.
//!
//! No leases, no store, no checks, no progress, no second try. It knows nothing of tdferry.

pub(crate) mod copy;
pub(crate) mod ddl;

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use taos::{AsyncTBuilder, Taos, TaosBuilder};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Connections to each server.
pub(crate) const CONNECTIONS: usize = 4;

/// From where to where.
#[derive(Debug, Args)]
pub(crate) struct PlainArgs {
    /// The source
    #[arg(long)]
    pub(crate) from: String,
    /// The target
    #[arg(long)]
    pub(crate) to: String,
    /// The source's database
    #[arg(long)]
    pub(crate) database: String,
    /// The target's database
    #[arg(long)]
    pub(crate) into: String,
}

/// What is still to be done, for whichever connection is free.
type Rest<T> = Arc<Mutex<Vec<T>>>;

/// A connection to a server.
pub(crate) async fn connect(dsn: &str) -> Result<Taos> {
    Ok(TaosBuilder::from_dsn(dsn)?.build().await?)
}

/// Waits for all connections; the sum of what they did.
pub(crate) async fn sum(mut all: JoinSet<Result<u64>>) -> Result<u64> {
    let mut sum = 0;
    while let Some(one) = all.join_next().await {
        sum += one??;
    }
    Ok(sum)
}
