//! Verify and repair shards: what the target holds against what was written there, or against the source.
//!
//! Where the copy made a sum, only the target is read. Where there is none, or it is another, both sides are read and
//! every difference is found to its row, in one pass; repair is the same pass with a writer at its end.

mod cursor;
pub mod diff;
mod exact;
mod finding;
mod heal;
mod merge;
mod pair;
mod readback;
mod slices;
mod tables;
mod tags;

use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::digest::RowSum;
use tdferry_common::options::Mode;
use tdferry_common::port::Side;
use tdferry_common::schema::NormalTable;
use tdferry_common::shard::{Density, Differing, Extra};
use tdferry_common::time::Period;

use crate::counts;
use crate::lease::{Attempt, Finish, Worked};
use finding::Findings;
use heal::Healer;
use merge::Found;
use pair::Pair;

pub(crate) use slices::{Sums, TableSum};
pub(crate) use tables::run as tables;
pub(crate) use tags::{run as tags, set_changed};

/// What comparing under a lease needs.
struct Compare {
    attempt: Arc<Attempt>,
    pair: Pair,
    /// Whether the ledger's sum is made of the source's rows.
    sums: bool,
}

/// What became of the source since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// It holds what it held, or nothing is known of what it held.
    Same,
    Changed,
    /// KEEP has let go of rows that were read, on both sides.
    Untold,
}

/// What is done about differences.
#[async_trait]
trait Visit: Send {
    /// Rows of one table that differ, in the order of their time.
    async fn found(&mut self, found: Found<'_>) -> Worked<()>;

    /// The sides whose counts must still be what was read: not one that is written to meanwhile.
    fn unchanged(&self) -> &'static [Side];

    /// What was found of the table at hand was no good: it comes once more.
    fn forget(&mut self);

    /// The target does not have the table at hand.
    fn lacks(&mut self, table: &str);

    /// The table is through; the sum of what its source held and the target could not take. Whether it differed.
    fn table_ended(&mut self) -> (bool, RowSum);
}

/// What was read of some tables.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    source: u64,
    target: u64,
    bytes: u64,
    /// Over the source's rows.
    sum: RowSum,
    /// Of these, what the target refused.
    left_out: RowSum,
    differing: Differing,
}

impl Read {
    fn add(&mut self, other: Self) {
        self.source = self.source.saturating_add(other.source);
        self.target = self.target.saturating_add(other.target);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.sum.add(other.sum);
        self.left_out.add(other.left_out);
        self.differing = self.differing.and(other.differing);
    }
}

/// Compares the rows of a shard.
pub(crate) async fn run(attempt: Arc<Attempt>, density: Density) -> Worked<Finish> {
    let mut compare = Compare::begin(attempt).await?;
    let expected = compare.attempt.shard().expected;
    if let Some(expected) = expected {
        if compare.is_as_written(density, expected).await? {
            return Ok(Finish::Commit);
        }
        tracing::warn!("the target is not what was written; reading both sides");
        // no sum stands behind this: whoever goes on after a crash must not take the source's for the target's
        compare.sums = false;
        compare.attempt.ledger.advance_by(None, |_, totals| {
            (totals.differing, totals.target_counted) = (Differing::default(), 0);
        });
    }
    let (mut findings, period) = (Findings::default(), compare.kept().await?);
    let read = compare.both_sides(density, period, &mut findings).await?;
    compare.tell_merged(period).await?;
    let differing = compare.attempt.ledger.totals().differing;
    if differing.is_none() {
        tracing::debug!("the target holds what the source holds now");
        return Ok(Finish::Commit);
    }
    let since = match expected {
        Some(expected) => compare.since(density, expected, read.sum, period).await?,
        None => Since::Same,
    };
    Ok(Finish::Differs(findings.in_words(differing, since)))
}

/// Makes the target's tables, tags and rows those of the source.
pub(crate) async fn repair(attempt: Arc<Attempt>, density: Density, extra: Extra) -> Worked<Finish> {
    if attempt.shard().group.is_none() {
        tables::repair(&attempt, extra).await?;
        return Ok(Finish::Commit);
    }
    tags::repair(&attempt).await?;
    if !attempt.shard().period.is_empty() {
        let compare = Compare::begin(Arc::clone(&attempt)).await?;
        compare.create_lacking().await?;
        let period = compare.kept().await?;
        compare.both_sides(density, period, &mut Healer::new(&compare, extra)).await?;
    }
    let end = attempt.shard().end();
    attempt.ledger.advance(|offset, _| *offset = end);
    Ok(Finish::Commit)
}

impl Compare {
    async fn begin(attempt: Arc<Attempt>) -> Worked<Self> {
        let pair = Pair::open(attempt.asker()).await?;
        Ok(Self { attempt, pair, sums: true })
    }

    /// Reads the target alone: whether its sum is that of what was written. A table that is not there is not as written,
    /// even where nothing was.
    async fn is_as_written(&self, density: Density, expected: u128) -> Worked<bool> {
        if self.pair.lacking.is_empty() {
            readback::run(self, density).await?;
            return Ok(self.attempt.ledger.entry().sum == Some(expected));
        }
        // both sides are read from the first table on, whatever an earlier attempt came to
        let end = self.attempt.shard().end();
        self.attempt.ledger.advance(|offset, _| *offset = end);
        Ok(false)
    }

    /// A task that copied told before how many rows stand for others; one that only compares tells it here.
    async fn tell_merged(&self, period: Period) -> Worked<()> {
        let Self { attempt, pair, .. } = self;
        if attempt.spec.options.mode == Mode::Verify {
            let left = attempt.ledger.totals().source_counted;
            let merged = counts::merged(attempt, pair.source.as_ref(), period, left).await?;
            attempt.ledger.advance(|_, totals| totals.merged = merged);
        }
        Ok(())
    }

    /// Creates the normal tables that the target lacks.
    async fn create_lacking(&self) -> Worked<()> {
        for name in &self.pair.lacking {
            let columns = self.pair.columns(name).to_vec();
            let table = NormalTable { name: name.clone(), columns };
            self.attempt.session.writable().await;
            let create = || self.pair.sink.create_table(&table);
            self.attempt.ask("creating a normal table that is missing", Side::Sink, create).await?;
        }
        Ok(())
    }

    /// What became of the source since it was read. The sum of what was written and that of what was left out are its
    /// sum then; `now` is the one of what is compared. Rows behind KEEP's edge are in the first, and not in the second:
    /// the target may hold them still.
    async fn since(&self, density: Density, expected: u128, now: RowSum, kept: Period) -> Worked<Since> {
        let left_out = self.attempt.ledger.totals().left_out;
        let then = RowSum::from_value(expected.wrapping_add(left_out));
        let whole = self.attempt.shard().period;
        let mut all = now;
        if kept != whole {
            let behind = Period { from: whole.from, to: kept.from };
            all.add(readback::sum(self, density, behind).await?);
        }
        Ok(match all == then {
            true => Since::Same,
            false if kept == whole => Since::Changed,
            false => Since::Untold,
        })
    }

    /// Reads both sides from the ledger's offset on, or all over again where that stands at the end already.
    async fn both_sides(&self, density: Density, period: Period, visit: &mut dyn Visit) -> Worked<Read> {
        match (density, self.pair.stable()) {
            (Density::Sparse, Some(stable)) => slices::run(self, stable, period, visit).await,
            _ => self.each_table(period, visit).await,
        }
    }

    async fn each_table(&self, period: Period, visit: &mut dyn Visit) -> Worked<Read> {
        let mut all = Read::default();
        for index in self.left() {
            let table = self.attempt.claimed.name(index);
            let read = self.pair.table(table, period, visit).await?;
            self.enter(index.saturating_add(1), read);
            all.add(read);
        }
        Ok(all)
    }

    /// The tables that are not through, by index; all of them where a look at the sum is over.
    fn left(&self) -> std::ops::Range<u32> {
        let range = self.attempt.shard().range;
        let at = self.attempt.ledger.entry().offset.index;
        if at >= range.to { range.from..range.to } else { at..range.to }
    }

    /// Enters tables that are through.
    fn enter(&self, to: u32, read: Read) {
        self.attempt.ledger.advance_by(self.sums.then_some(read.sum), |offset, totals| {
            totals.read = totals.read.saturating_add(read.source.max(read.target));
            totals.bytes = totals.bytes.saturating_add(read.bytes);
            totals.source_counted = totals.source_counted.saturating_add(read.source);
            totals.target_counted = totals.target_counted.saturating_add(read.target);
            totals.tables = totals.tables.saturating_add(u64::from(to.saturating_sub(offset.index)));
            totals.differing = totals.differing.and(read.differing);
            totals.left_out = totals.left_out.wrapping_add(read.left_out.value());
            offset.index = to.max(offset.index);
        });
    }

    async fn kept(&self) -> Worked<Period> {
        self.pair.kept(self.attempt.shard().period).await
    }
}
