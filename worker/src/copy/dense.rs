//! Dense subtables: one after the other in whole blocks, the next block read while this one is written.
//!
//! A stream that breaks is opened again behind the last row that arrived; it is never taken for the end.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::Block;
use tdferry_common::digest::RowSum;
use tdferry_common::port::{PortError, PortResult, Side, Source};
use tdferry_common::time::Period;
use tokio::task::JoinSet;

use super::feed::{self, Closed, feed};
use super::piece::Piece;
use super::write::{Writer, Wrote, count};
use super::{Copy, Through, died};
use crate::lease::{Attempt, Ended, Outage, Worked, within};
use crate::sizing::READ_AHEAD_BYTES;

/// A table to read, by its index in the group, and which rows of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) index: u32,
    pub(super) period: Period,
}

/// Where copying stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    AtTheEnd,
    /// Behind any block that is written, once a cut is asked for. What was read ahead is read again by whoever gets it.
    ToBeCut,
}

/// What was done last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Rows of a table were read and written, up to a timestamp.
    Rows { index: u32, next: i64, read: u64, bytes: u64, sum: Option<RowSum>, wrote: Wrote },
    /// A table is through.
    Table { index: u32 },
}

impl Step {
    /// The sum of the rows that were written; `None` where none is made.
    pub(super) fn sum(&self) -> Option<RowSum> {
        match self {
            Self::Rows { sum, wrote, .. } => sum.map(|mut sum| {
                sum.subtract(wrote.refused);
                sum
            }),
            Self::Table { .. } => Some(RowSum::ZERO),
        }
    }
}

/// What a reader hands on.
enum Item {
    Rows { index: u32, next: i64, block: Block, sum: Option<RowSum> },
    Table { index: u32 },
}

/// Copies these stretches in order, and tells each step when it is acknowledged.
pub(super) async fn copy(
    copy: &Copy,
    stretches: impl Iterator<Item = Stretch> + Send + 'static,
    stops: Stops,
    mut step: impl FnMut(Step),
) -> Worked<Through> {
    let (sender, mut items) = feed(READ_AHEAD_BYTES);
    let reader = Reader {
        attempt: Arc::clone(&copy.attempt),
        source: Arc::clone(&copy.source),
        layout: Arc::clone(&copy.layout),
        sender,
    };
    // aborted when dropped
    let mut reading = JoinSet::new();
    reading.spawn(async move { reader.read(stretches).await });
    let writer = &copy.writer;
    while let Some(item) = items.next().await {
        step(write(writer, &copy.attempt, item).await?);
        if stops == Stops::ToBeCut && copy.attempt.is_to_be_cut() {
            return Ok(Through::Cut);
        }
        copy.room().await?;
    }
    let read =
        reading.join_next().await.map_or(Ok(()), |read| read.unwrap_or_else(|error| Err(died(&error))));
    read.map(|()| Through::Whole)
}

async fn write(writer: &Writer, attempt: &Attempt, item: Item) -> Worked<Step> {
    match item {
        Item::Table { index } => Ok(Step::Table { index }),
        Item::Rows { index, next, block, sum } => {
            let (read, bytes) = (count(block.rows()), count(block.byte_len()));
            let table = attempt.claimed.name(index).to_owned();
            let wrote = writer.write_ahead(Piece::One { table, rows: block }).await?;
            Ok(Step::Rows { index, next, read, bytes, sum, wrote })
        }
    }
}

struct Reader {
    attempt: Arc<Attempt>,
    source: Arc<dyn Source>,
    layout: Arc<crate::structure::Layout>,
    sender: feed::Sender<Item>,
}

impl Reader {
    async fn read(self, stretches: impl Iterator<Item = Stretch>) -> Worked<()> {
        for mut stretch in stretches {
            self.attempt.go_on()?;
            let mut outage = self.attempt.outage();
            // whoever stops taking has a reason of his own to tell
            while let Err(error) = match self.table(&mut stretch, &mut outage).await {
                Ok(Err(Closed)) => return Ok(()),
                Ok(Ok(())) => Ok(()),
                Err(error) => Err(error),
            } {
                if !error.is_away() {
                    let doing = format!("reading `{}`", self.attempt.claimed.name(stretch.index));
                    return Err(Ended::at_database(&error, &doing));
                }
                outage.wait(&error).await?;
            }
            if self.sender.send(Item::Table { index: stretch.index }, 0).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads to the end of the stretch, or until the stream breaks; then the stretch is what is still to be read.
    async fn table(&self, stretch: &mut Stretch, outage: &mut Outage<'_>) -> PortResult<Result<(), Closed>> {
        let Stretch { index, period } = *stretch;
        if period.is_empty() {
            return Ok(Ok(()));
        }
        let table = self.attempt.claimed.name(index);
        let limit = self.attempt.session.timing.database_request;
        let columns = self.layout.columns(table).ok_or_else(|| unknown(table))?;
        let mut blocks = self.source.read(table, columns, period);
        while let Some(block) = within(limit, outage.failed(), Side::Source, blocks.try_next()).await? {
            outage.over();
            if block.rows() == 0 {
                continue;
            }
            let next = follows(&block, table, stretch.period)?;
            let bytes = block.byte_len();
            let sums = self.attempt.spec.options.verify.reads_back();
            let sum = sums.then(|| RowSum::of_block(table, &block));
            if self.sender.send(Item::Rows { index, next, block, sum }, bytes).await.is_err() {
                return Ok(Err(Closed));
            }
            stretch.period = period.starting_at(next);
        }
        Ok(Ok(()))
    }
}

/// The first timestamp behind the block, which must lie in what was asked for and was not yet read.
fn follows(block: &Block, table: &str, asked: Period) -> PortResult<i64> {
    let (first, last) =
        (block.timestamp(0), block.rows().checked_sub(1).and_then(|last| block.timestamp(last)));
    match first.zip(last) {
        Some((first, last)) if asked.contains(first) && asked.contains(last) && first <= last => {
            Ok(last.saturating_add(1))
        }
        ends => Err(PortError::Invalid {
            side: Side::Source,
            message: format!("`{table}` answered rows {ends:?} out of order or out of {asked}"),
        }),
    }
}

fn unknown(table: &str) -> PortError {
    PortError::Missing { side: Side::Source, message: format!("`{table}` was not listed by the source") }
}
