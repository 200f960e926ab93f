//! Repair of rows: what the target lacks or has otherwise is written again, and what only it has is deleted where a
//! person asked for that.

use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::batch::Block;
use tdferry_common::digest::RowSum;
use tdferry_common::port::Side;
use tdferry_common::shard::Extra;

use super::merge::Found;
use super::{Compare, Visit, exact};
use crate::copy::{Piece, Writer};
use crate::lease::{Attempt, Worked};

/// Makes rows alike.
pub(super) struct Healer<'a> {
    compare: &'a Compare,
    attempt: Arc<Attempt>,
    writer: Writer,
    extra: Extra,
    /// Of the table at hand: whether it differed, and what the target refused.
    differs: bool,
    refused: RowSum,
}

impl<'a> Healer<'a> {
    pub(super) fn new(compare: &'a Compare, extra: Extra) -> Self {
        let attempt = Arc::clone(&compare.attempt);
        let writer = Writer::new(Arc::clone(&attempt), Arc::clone(&compare.pair.sink));
        Self { compare, attempt, writer, extra, differs: false, refused: RowSum::ZERO }
    }

    async fn write(&mut self, table: &str, block: &Block, rows: &mut [usize]) -> Worked<()> {
        rows.sort_unstable();
        let rows = block.filter(|row| rows.binary_search(&row).is_ok());
        let wrote = self.writer.write(Piece::One { table: table.to_owned(), rows }).await?;
        self.refused.add(wrote.refused);
        self.attempt.ledger.advance(|_, totals| {
            totals.written = totals.written.saturating_add(wrote.written);
            totals.rejected = totals.rejected.saturating_add(wrote.rejected);
        });
        Ok(())
    }

    /// Deletes only where the source counts nothing: a read of it may have ended early.
    async fn delete(&self, table: &str, times: &[i64]) -> Worked<()> {
        let Some(period) = exact::span(times) else { return Ok(()) };
        let counted = self.compare.pair.count(Side::Source, table, period).await?;
        if counted > 0 {
            tracing::warn!(table, %period, counted, "the source has rows where it answered none; none is deleted");
            return Ok(());
        }
        exact::delete(&self.attempt, self.compare.pair.sink.as_ref(), table, times).await
    }
}

#[async_trait]
impl Visit for Healer<'_> {
    async fn found(&mut self, found: Found<'_>) -> Worked<()> {
        self.differs = true;
        match found {
            Found::Source { table, block, missing, changed } => {
                let mut rows = missing;
                rows.extend(changed.into_iter().map(|changed| changed.row));
                self.write(table, block, &mut rows).await
            }
            Found::Extra { table, times } if self.extra == Extra::Deleted => self.delete(table, &times).await,
            Found::Extra { .. } => Ok(()),
        }
    }

    fn unchanged(&self) -> &'static [Side] {
        &[Side::Source]
    }

    /// What was written stays: it is the source's.
    fn forget(&mut self) {
        self.refused = RowSum::ZERO;
    }

    /// It was created before its rows were walked.
    fn lacks(&mut self, _table: &str) {}

    fn table_ended(&mut self) -> (bool, RowSum) {
        (std::mem::take(&mut self.differs), std::mem::take(&mut self.refused))
    }
}
