//! Swarms of sparse subtables: slices of names, read with one query and written with few statements.
//!
//! A table's rows may come in several runs, so that the offset moves only from the start of a slice to its end, and
//! a stream that breaks starts its slice again. A slice that holds far more than was expected is read again in smaller
//! ones, and a table that is too much for a slice by itself as a dense one is, whose offset moves with every block.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::TableRuns;
use tdferry_common::digest::RowSum;
use tdferry_common::port::{PortResult, Side, Source};
use tdferry_common::schema::Stable;
use tokio::task::JoinSet;

use super::dense::Stretch;
use super::feed::{self, feed};
use super::piece::Piece;
use super::write::{Wrote, count};
use super::{Copy, Through, died};
use crate::lease::{Attempt, Ended, Outage, Worked, within};
use crate::sizing::{self, READ_AHEAD_BYTES};
use crate::structure::Layout;

/// What a reader hands on.
enum Item {
    Rows(TableRuns, Option<RowSum>),
    /// The slice starts again: what came of it so far comes once more.
    Again,
    /// The slice is whole, up to this index.
    Slice {
        to: u32,
    },
    /// The table at this index is too much for a slice: nothing follows, and what came of it comes once more.
    Dense {
        index: u32,
    },
}

/// Where reading slices ended.
enum Sliced {
    Through(Through),
    /// At a table that is too much for a slice.
    AtDense {
        index: u32,
    },
}

/// How reading a slice ended.
#[derive(Clone, Copy)]
enum Read {
    Whole,
    Overfull,
    /// Nobody takes what is read any more.
    Closed,
}

/// What was read and written of a slice so far. Entered into the ledger only when the slice is whole.
struct Slice {
    read: u64,
    bytes: u64,
    /// `None` where it is not made.
    sum: Option<RowSum>,
    wrote: Wrote,
}

impl Default for Slice {
    fn default() -> Self {
        Self { read: 0, bytes: 0, sum: Some(RowSum::ZERO), wrote: Wrote::default() }
    }
}

impl Slice {
    fn add_sum(&mut self, more: Option<RowSum>) {
        self.sum = self.sum.zip(more).map(|(mut sum, more)| {
            sum.add(more);
            sum
        });
    }

    /// The sum of the rows that were written.
    fn written_sum(&self) -> Option<RowSum> {
        self.sum.map(|mut sum| {
            sum.subtract(self.wrote.refused);
            sum
        })
    }
}

/// Copies the shard from its offset on.
pub(super) async fn copy(copy: &Copy, stable: &Stable) -> Worked<Through> {
    let ledger = &copy.attempt.ledger;
    loop {
        let at = ledger.entry().offset;
        // inside of a table: it is one that was too much for a slice
        let index = if at.next > copy.period().from {
            at.index
        } else {
            match slices(copy, stable).await? {
                Sliced::Through(through) => return Ok(through),
                Sliced::AtDense { index } => index,
            }
        };
        let stretch = Stretch { index, period: copy.period().starting_at(ledger.entry().offset.next) };
        if copy.stretches(std::iter::once(stretch)).await? == Through::Cut {
            return Ok(Through::Cut);
        }
    }
}

async fn slices(copy: &Copy, stable: &Stable) -> Worked<Sliced> {
    let (sender, mut items) = feed(READ_AHEAD_BYTES);
    let reader = Reader {
        attempt: Arc::clone(&copy.attempt),
        source: Arc::clone(&copy.source),
        stable: stable.clone(),
        sender,
    };
    // aborted when dropped
    let mut reading = JoinSet::new();
    reading.spawn(async move { reader.read().await });
    let mut slice = Slice::default();
    while let Some(item) = items.next().await {
        match item {
            Item::Again => slice = Slice::default(),
            Item::Rows(runs, sum) => {
                slice.add_sum(sum);
                slice.read += count(runs.rows());
                slice.bytes += count(runs.byte_len());
                slice.wrote.add(copy.writer.write_ahead(Piece::Many(runs)).await?);
            }
            Item::Slice { to } => {
                enter(&copy.attempt, std::mem::take(&mut slice), to);
                if copy.attempt.is_to_be_cut() {
                    return Ok(Sliced::Through(Through::Cut));
                }
            }
            Item::Dense { index } => return Ok(Sliced::AtDense { index }),
        }
        copy.room().await?;
    }
    let read =
        reading.join_next().await.map_or(Ok(()), |read| read.unwrap_or_else(|error| Err(died(&error))));
    read.map(|()| Sliced::Through(Through::Whole))
}

fn enter(attempt: &Attempt, slice: Slice, to: u32) {
    attempt.ledger.advance_by(slice.written_sum(), |offset, totals| {
        totals.read = totals.read.saturating_add(slice.read);
        totals.bytes = totals.bytes.saturating_add(slice.bytes);
        totals.written = totals.written.saturating_add(slice.wrote.written);
        totals.rejected = totals.rejected.saturating_add(slice.wrote.rejected);
        totals.kept = totals.kept.saturating_add(slice.wrote.kept);
        totals.left_out = totals.left_out.wrapping_add(slice.wrote.refused.value());
        totals.tables = totals.tables.saturating_add(u64::from(to.saturating_sub(offset.index)));
        offset.index = to;
    });
}

struct Reader {
    attempt: Arc<Attempt>,
    source: Arc<dyn Source>,
    stable: Stable,
    sender: feed::Sender<Item>,
}

impl Reader {
    async fn read(self) -> Worked<()> {
        let shard = self.attempt.shard();
        let usual = sizing::slice_names(shard.estimate, shard.range.len());
        // slices are smaller up to the end of one that was overfull
        let (mut step, mut small_to) = (usual, 0);
        let mut from = self.attempt.ledger.entry().offset.index;
        while from < shard.range.to {
            self.attempt.go_on()?;
            let to = from.saturating_add(step).min(shard.range.to);
            let read = self.slice(from, to).await?;
            let fewer = sizing::fewer_names(to - from);
            let item = match (read, fewer) {
                // whoever stops taking has a reason of his own to tell
                (Read::Closed, _) => return Ok(()),
                (Read::Whole, _) => Item::Slice { to },
                (Read::Overfull, Some(_)) => Item::Again,
                (Read::Overfull, None) => Item::Dense { index: from },
            };
            let is_last = matches!(item, Item::Dense { .. });
            if self.sender.send(item, 0).await.is_err() || is_last {
                return Ok(());
            }
            match (read, fewer) {
                (Read::Overfull, Some(names)) => (step, small_to) = (names, small_to.max(to)),
                _ => from = to,
            }
            if from >= small_to {
                step = usual;
            }
        }
        Ok(())
    }

    async fn slice(&self, from: u32, to: u32) -> Worked<Read> {
        let mut outage = self.attempt.outage();
        loop {
            match self.rows(self.attempt.claimed.slice(from, to), &mut outage).await {
                Ok(read) => return Ok(read),
                Err(error) if error.is_away() => outage.wait(&error).await?,
                Err(error) => {
                    let doing = format!("reading {} subtables of `{}`", to - from, self.stable.name);
                    return Err(Ended::at_database(&error, &doing));
                }
            }
            if self.sender.send(Item::Again, 0).await.is_err() {
                return Ok(Read::Closed);
            }
        }
    }

    async fn rows(&self, names: &[String], outage: &mut Outage<'_>) -> PortResult<Read> {
        let period = self.attempt.shard().period;
        let limit = self.attempt.session.timing.database_request;
        let (mut all_rows, mut all_bytes) = (0, 0);
        let mut blocks = self.source.read_many(&self.stable, names, period);
        while let Some(runs) = within(limit, outage.failed(), Side::Source, blocks.try_next()).await? {
            let bytes = runs.byte_len();
            (all_rows, all_bytes) = (all_rows + count(runs.rows()), all_bytes + count(bytes));
            if sizing::is_overfull(all_rows, all_bytes) {
                tracing::debug!(names = names.len(), rows = all_rows, "a slice holds far more than expected");
                return Ok(Read::Overfull);
            }
            if runs.rows() == 0 {
                continue;
            }
            let sum = self.attempt.spec.options.verify.reads_back().then(|| RowSum::of_runs(&runs));
            if self.sender.send(Item::Rows(runs, sum), bytes).await.is_err() {
                return Ok(Read::Closed);
            }
        }
        outage.over();
        Ok(Read::Whole)
    }
}

/// The stable of a sparse shard.
pub(super) fn stable(layout: &Layout) -> Worked<&Stable> {
    match layout {
        Layout::Stable { stable, .. } => Ok(stable),
        Layout::Normal(_) => Err(Ended::Failed(
            "normal tables planned as sparse: the plan is wrong; create the task again".into(),
        )),
    }
}
