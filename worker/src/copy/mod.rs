//! The copy shard: rows from source to sink from the offset on, then the counts of both sides held against each
//! other. Data before offset, always.

mod check;
mod dense;
mod feed;
mod fit;
mod piece;
mod policy;
mod sparse;
mod taken;
mod verdict;
mod write;

use std::sync::Arc;
use std::time::Duration;

use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Sink, Source};
use tdferry_common::shard::{Density, Estimate};
use tdferry_common::time::Period;

use crate::counts;
use crate::create;
use crate::lease::{Attempt, Ended, Finish, Worked};
use crate::structure::Layout;
use dense::{Step, Stops, Stretch};
pub(crate) use piece::Piece;
pub(crate) use write::{Writer, Wrote};

/// What copying needs besides the attempt.
struct Copy {
    attempt: Arc<Attempt>,
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    layout: Arc<Layout>,
    writer: Writer,
}

/// How far copying got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    /// To the end.
    Whole,
    /// To where the shard is to be cut: all that was written is entered.
    Cut,
}

/// Copies what is not yet copied, and checks the counts of all.
pub(crate) async fn run(attempt: Arc<Attempt>, density: Density) -> Worked<Finish> {
    let (source, sink) = (attempt.source().await?, attempt.sink().await?);
    // what no survey estimated was found while it is followed: columns may have come with it
    if attempt.shard().estimate == Estimate::default() {
        attempt.session.structures.refresh(&attempt, Duration::ZERO).await;
    }
    let layout = attempt.session.structures.layout(&attempt, source.as_ref(), sink.as_ref()).await?;
    let writer = Writer::new(Arc::clone(&attempt), Arc::clone(&sink));
    let copy = Copy { attempt, source, sink, layout: Arc::new(layout), writer };
    copy.prepare(density).await?;
    let through = match density {
        Density::Dense => copy.dense().await?,
        Density::Sparse => sparse::copy(&copy, sparse::stable(&copy.layout)?).await?,
    };
    copy.writer.flush().await?;
    if through == Through::Cut {
        return Ok(Finish::Cut);
    }
    check::run(&copy).await?;
    Ok(Finish::Commit)
}

impl Copy {
    /// Before the first row of a shard: its tables are there, and what they hold already is counted and committed.
    async fn prepare(&self, density: Density) -> Worked<()> {
        let Self { attempt, sink, .. } = self;
        let (stable, begins) = (&attempt.claimed.stable, attempt.ledger.totals().before.is_none());
        // whole blocks go to one subtable after the other: what the sink learns here it need not ask for each
        let unsure = density == Density::Dense || (begins && attempt.spec.options.schema == SchemaMode::None);
        if unsure && !stable.is_empty() {
            create::all_there(attempt, sink.as_ref(), stable).await?;
        }
        if !begins {
            return Ok(());
        }
        let before = counts::all(attempt, sink.as_ref(), attempt.shard().period).await?;
        attempt.ledger.advance(|_, totals| totals.before = Some(before));
        attempt.ledger.settle().await;
        Ok(())
    }

    async fn dense(&self) -> Worked<Through> {
        let ledger = &self.attempt.ledger;
        let (range, whole) = (self.attempt.shard().range, self.attempt.shard().period);
        let from = ledger.entry().offset;
        let stretches = (from.index..range.to).map(move |index| {
            let period = if index == from.index { whole.starting_at(from.next) } else { whole };
            Stretch { index, period }
        });
        self.stretches(stretches).await
    }

    /// Copies these to their ends, and enters each step.
    async fn stretches(&self, stretches: impl Iterator<Item = Stretch> + Send + 'static) -> Worked<Through> {
        let (ledger, from) = (&self.attempt.ledger, self.period().from);
        dense::copy(self, stretches, Stops::ToBeCut, |step| {
            ledger.advance_by(step.sum(), |offset, totals| match step {
                Step::Rows { index, next, read, bytes, wrote, .. } => {
                    totals.read = totals.read.saturating_add(read);
                    totals.bytes = totals.bytes.saturating_add(bytes);
                    totals.written = totals.written.saturating_add(wrote.written);
                    totals.rejected = totals.rejected.saturating_add(wrote.rejected);
                    totals.kept = totals.kept.saturating_add(wrote.kept);
                    totals.left_out = totals.left_out.wrapping_add(wrote.refused.value());
                    (offset.index, offset.next) = (index, next);
                }
                Step::Table { index } => {
                    totals.tables = totals.tables.saturating_add(1);
                    (offset.index, offset.next) = (index.saturating_add(1), from);
                }
            })
        })
        .await
    }

    /// Returns once another batch may be begun. What is held back for rejects must not take all the room.
    async fn room(&self) -> Worked<()> {
        if self.attempt.ledger.holds_back_much() {
            self.writer.flush().await?;
        }
        self.attempt.ledger.room().await;
        Ok(())
    }

    fn period(&self) -> Period {
        self.attempt.shard().period
    }
}

/// A reader that did not come to its end.
fn died(error: &tokio::task::JoinError) -> Ended {
    Ended::Erred(format!("the reader died: {error}"))
}
