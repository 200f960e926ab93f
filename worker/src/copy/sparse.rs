//! Swarms of sparse subtables: slices of names, read with one query and written with few statements.
//!
//! A table's rows may come in several runs, so that the offset moves only from the start of a slice to its end, and
//! a stream that breaks starts its slice again.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::TableRuns;
use tdferry_common::port::{PortResult, Side, Source};
use tdferry_common::schema::Stable;
use tokio::task::JoinSet;

use super::feed::{self, Closed, feed};
use super::piece::Piece;
use super::write::{Wrote, count};
use super::{Copy, Through, died};
use crate::lease::{Attempt, Ended, Outage, Worked, within};
use crate::sizing::{self, READ_AHEAD_BYTES};
use crate::structure::Layout;

/// What a reader hands on.
enum Item {
    Rows(TableRuns),
    /// The slice starts again: what came of it so far comes once more.
    Again,
    /// The slice is whole, up to this index.
    Slice {
        to: u32,
    },
}

/// What was read and written of a slice so far. Entered into the ledger only when the slice is whole.
#[derive(Default)]
struct Slice {
    read: u64,
    bytes: u64,
    wrote: Wrote,
}

/// Copies the shard from its offset on.
pub(super) async fn copy(copy: &Copy, stable: &Stable) -> Worked<Through> {
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
            Item::Rows(runs) => {
                slice.read += count(runs.rows());
                slice.bytes += count(runs.byte_len());
                slice.wrote.add(copy.writer.write(Piece::Many(runs)).await?);
            }
            Item::Slice { to } => {
                enter(&copy.attempt, std::mem::take(&mut slice), to);
                if copy.attempt.is_to_be_cut() {
                    return Ok(Through::Cut);
                }
            }
        }
        copy.attempt.ledger.room().await;
    }
    let read =
        reading.join_next().await.map_or(Ok(()), |read| read.unwrap_or_else(|error| Err(died(&error))));
    read.map(|()| Through::Whole)
}

fn enter(attempt: &Attempt, slice: Slice, to: u32) {
    attempt.ledger.advance(|offset, totals| {
        totals.read = totals.read.saturating_add(slice.read);
        totals.bytes = totals.bytes.saturating_add(slice.bytes);
        totals.written = totals.written.saturating_add(slice.wrote.written);
        totals.rejected = totals.rejected.saturating_add(slice.wrote.rejected);
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
        let step = sizing::slice_names(shard.estimate, shard.range.len());
        let mut from = self.attempt.ledger.entry().offset.index;
        while from < shard.range.to {
            self.attempt.go_on()?;
            let to = from.saturating_add(step).min(shard.range.to);
            let read = self.slice(from, to).await?;
            // whoever stops taking has a reason of his own to tell
            if read.is_err() || self.sender.send(Item::Slice { to }, 0).await.is_err() {
                return Ok(());
            }
            from = to;
        }
        Ok(())
    }

    async fn slice(&self, from: u32, to: u32) -> Worked<Result<(), Closed>> {
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
                return Ok(Err(Closed));
            }
        }
    }

    async fn rows(&self, names: &[String], outage: &mut Outage<'_>) -> PortResult<Result<(), Closed>> {
        let period = self.attempt.shard().period;
        let limit = self.attempt.session.timing.database_request;
        let mut blocks = self.source.read_many(&self.stable, names, period);
        while let Some(runs) = within(limit, outage.failed(), Side::Source, blocks.try_next()).await? {
            let bytes = runs.byte_len();
            if runs.rows() > 0 && self.sender.send(Item::Rows(runs), bytes).await.is_err() {
                return Ok(Err(Closed));
            }
        }
        outage.over();
        Ok(Ok(()))
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
