//! Rows that the target refused: what is kept of each, where, and how they are tried again.
//!
//! A row is kept by its task, its table at the source and its timestamp: kept twice it is there once, whoever keeps it.
//! Nothing here knows a lease or a coordinator; what keeps rows is asked before the offset passes them.

mod encode;
mod folder;
mod open;
mod redrive;
mod shelf;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::batch::{BadBlock, Block, BlockBuilder};
use tdferry_common::port::{PortResult, RefusedRow};
use tdferry_common::schema::Column;
use tdferry_common::time::Precision;

pub(crate) use encode::value;
pub use encode::{BadReject, decode, encode};
pub use folder::FolderRejects;
pub use open::open;
pub use redrive::{Redriven, redrive};
pub use target::TargetRejects;

/// Where a row comes from. With its task, this is which row it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The source's database.
    pub database: String,
    /// Its stable; empty for a normal table.
    pub stable: String,
    /// Its table, as the source names it.
    pub table: String,
    /// Its timestamp in units of the source.
    pub at: i64,
}

/// Why the target refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: RefusedRow,
    /// The target's own number for it; zero where it gave none.
    pub code: u32,
    /// The target's words.
    pub why: String,
}

/// A row that the target refused, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which row it is.
    pub origin: Origin,
    /// Why it was refused when it was tried last.
    pub refusal: Refusal,
    /// What one unit of its timestamp is.
    pub precision: Precision,
    /// Its columns, the timestamp first.
    pub columns: Arc<[Column]>,
    /// Its cells as the bytes of a block; `None` is NULL.
    pub cells: Vec<Option<Vec<u8>>>,
}

/// A row as it is kept, and where, so that it can be taken off.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The row.
    pub reject: Reject,
    pub(crate) mark: Mark,
}

/// What a store finds a kept row by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A row of a table.
    Row { table: String, key: i64 },
    /// Lines of files: who wrote a batch again kept its rows again.
    Lines(Vec<folder::Line>),
}

/// Whoever looks through the rows of a task, page by page.
#[async_trait]
pub trait Visitor: Send {
    /// Takes a page; `false` for no more of them.
    async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool>;
}

/// What keeps the rejects of one task. Every method may be repeated.
#[async_trait]
pub trait Rejects: Send + Sync {
    /// Keeps these rows; they outlast any crash once this has answered. A row kept before is the same row.
    async fn keep(&self, rows: &[Reject]) -> PortResult<()>;

    /// Shows every row that is kept, each once, tables one after the other.
    async fn visit(&self, visitor: &mut dyn Visitor) -> PortResult<()>;

    /// Takes rows off that the target has now.
    async fn take(&self, rows: &[Kept]) -> PortResult<()>;

    /// Keeps a row on, with what the target said this time.
    async fn renew(&self, kept: &Kept, refusal: Refusal) -> PortResult<()>;
}

impl Reject {
    /// The rows of a block, all refused for one reason.
    pub fn of_block(rows: &Block, refusal: &Refusal, origin: impl Fn(usize, i64) -> Origin) -> Vec<Self> {
        let cells =
            |row| (0..rows.columns().len()).map(move |col| rows.payload_of(row, col).map(<[u8]>::to_vec));
        let one = |row| Self {
            origin: origin(row, rows.timestamp(row).unwrap_or_default()),
            refusal: refusal.clone(),
            precision: rows.precision(),
            columns: Arc::clone(rows.columns()),
            cells: cells(row).collect(),
        };
        (0..rows.rows()).map(one).collect()
    }

    /// Its columns' names, and its values as JSON.
    pub fn values(&self) -> Vec<(&str, serde_json::Value)> {
        encode::values(self)
    }

    /// Rows of the same columns as a block again.
    pub fn to_block(rows: &[&Self]) -> Result<Option<Block>, BadBlock> {
        let Some(first) = rows.first() else { return Ok(None) };
        let mut builder = BlockBuilder::new(Arc::clone(&first.columns), first.precision);
        for row in rows {
            builder.push_payloads(row.cells.clone())?;
        }
        builder.finish().map(Some)
    }
}
