//! The rows of one table of one side, ascending, a block at a time. A stream that breaks is opened again behind the
//! last row that arrived; a table that is not there has no rows.

use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tdferry_common::batch::Block;
use tdferry_common::digest::{self, RowSum};
use tdferry_common::port::{PortError, PortResult, Rows, Side};
use tdferry_common::schema::Column;
use tdferry_common::time::Period;

use crate::lease::{Asker, Ended, Outage, Worked, within};

pub(super) struct Cursor<'a> {
    asker: &'a Asker,
    rows: &'a dyn Rows,
    pub(super) table: &'a str,
    columns: Arc<[Column]>,
    /// What was not read yet.
    left: Period,
    blocks: Option<BoxStream<'a, PortResult<Block>>>,
    at: Option<At>,
    /// Rows read so far, their bytes and their sum.
    pub(super) read: u64,
    pub(super) bytes: u64,
    pub(super) sum: RowSum,
}

/// A block and the row at hand.
pub(super) struct At {
    pub(super) block: Block,
    pub(super) hashes: Vec<u128>,
    pub(super) row: usize,
}

impl At {
    /// The time and the hash of the row at hand.
    pub(super) fn head(&self) -> (i64, u128) {
        let ts = self.block.timestamp(self.row).unwrap_or(i64::MAX);
        (ts, self.hashes.get(self.row).copied().unwrap_or_default())
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(
        asker: &'a Asker,
        rows: &'a dyn Rows,
        table: &'a str,
        columns: Arc<[Column]>,
        period: Period,
    ) -> Self {
        let (read, bytes, sum) = (0, 0, RowSum::ZERO);
        Self { asker, rows, table, columns, left: period, blocks: None, at: None, read, bytes, sum }
    }

    /// The row at hand; `None` at the end. Reads on where a block is through.
    pub(super) async fn at(&mut self) -> Worked<Option<&mut At>> {
        if self.at.as_ref().is_none_or(|at| at.row >= at.block.rows()) {
            self.next_block().await?;
        }
        Ok(self.at.as_mut())
    }

    /// The block at hand, through or not.
    pub(super) fn block(&self) -> Option<&Block> {
        self.at.as_ref().map(|at| &at.block)
    }

    /// Whether the block at hand is through, so that the next look reads on.
    pub(super) fn is_through(&self) -> bool {
        self.at.as_ref().is_some_and(|at| at.row >= at.block.rows())
    }

    /// Reads the next block with rows; whether there is one. Where it begins behind is [`Self::next`].
    pub(super) async fn next_block(&mut self) -> Worked<bool> {
        self.at = None;
        let mut outage = self.asker.outage();
        loop {
            self.asker.go_on()?;
            match self.block_of_stream(&mut outage).await {
                // an ended stream must not be asked again
                Ok(None) => return Ok(self.ended()),
                Ok(Some(block)) if block.rows() == 0 => {}
                Ok(Some(block)) => {
                    self.take(block);
                    return Ok(true);
                }
                Err(PortError::Missing { .. }) => return Ok(self.ended()),
                Err(error) if error.is_away() => {
                    self.blocks = None;
                    outage.wait(&error).await?;
                }
                Err(error) => {
                    return Err(Ended::at_database(&error, &format!("reading `{}` back", self.table)));
                }
            }
        }
    }

    /// Nothing more comes.
    fn ended(&mut self) -> bool {
        (self.left.from, self.blocks) = (self.left.to, None);
        false
    }

    /// The first timestamp behind what was read.
    pub(super) fn next(&self) -> i64 {
        self.left.from
    }

    async fn block_of_stream(&mut self, outage: &mut Outage<'_>) -> PortResult<Option<Block>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let (rows, table, left) = (self.rows, self.table, self.left);
        let columns = &self.columns;
        let blocks = self.blocks.get_or_insert_with(|| rows.read(table, Arc::clone(columns), left));
        let limit = self.asker.means.timing.database_request;
        let block = within(limit, outage.failed(), rows.side(), blocks.try_next()).await?;
        outage.over();
        if let Some(block) = block.as_ref().filter(|block| block.rows() > 0) {
            self.left = left.starting_at(follows(block, table, left, rows.side())?);
        }
        Ok(block)
    }

    fn take(&mut self, block: Block) {
        let hashes = digest::row_hashes(self.table, &block);
        self.sum.add(RowSum::of_hashes(&hashes));
        self.read = self.read.saturating_add(u64::try_from(block.rows()).unwrap_or(u64::MAX));
        self.bytes = self.bytes.saturating_add(u64::try_from(block.byte_len()).unwrap_or(u64::MAX));
        self.at = Some(At { block, hashes, row: 0 });
    }
}

/// The first timestamp behind the block, which must lie in what was asked for and ascend.
fn follows(block: &Block, table: &str, asked: Period, side: Side) -> PortResult<i64> {
    let mut last = None;
    for row in 0..block.rows() {
        let ts = block.timestamp(row).filter(|ts| asked.contains(*ts) && last.is_none_or(|last| last < *ts));
        let Some(ts) = ts else {
            let message = format!("`{table}` answered row {row} out of order or out of {asked}");
            return Err(PortError::Invalid { side, message });
        };
        last = Some(ts);
    }
    Ok(last.map_or(asked.from, |last| last.saturating_add(1)))
}
