//! The count check: what the source counts, what was read, what was written and what the target counts, over the
//! same names and the same period. Several read paths are known to end early without an error.

use std::collections::BTreeSet;

use tdferry_common::port::Side;
use tdferry_common::shard::Totals;
use tdferry_common::time::Period;
use tokio::time::sleep;

use super::Copy;
use super::dense::{self, Step, Stops, Stretch};
use super::verdict::{self, Counted};
use super::write::Wrote;
use crate::counts;
use crate::lease::{Ended, Worked};

/// How often tables that differ are copied again.
const COPIES_AGAIN: u32 = 2;
/// How often a difference is counted before anything is copied again: what was just written may show late.
const COUNTS: u32 = 2;

/// Counts until all counts agree, copying again what differs; a difference that stays fails the shard.
pub(super) async fn run(copy: &Copy) -> Worked<()> {
    for copied_again in 0..=COPIES_AGAIN {
        if agree(copy).await? {
            return tell_merged(copy).await;
        }
        let (source, target) = both(copy).await?;
        if copied_again == COPIES_AGAIN {
            let totals = copy.attempt.ledger.totals();
            return Err(Ended::Failed(verdict::in_words(&totals, copy.period(), &source, &target)));
        }
        copy_again(copy, &source, &target).await?;
    }
    Ok(())
}

/// How many rows stand for others, now that it is known that all that are left are there.
async fn tell_merged(copy: &Copy) -> Worked<()> {
    let ledger = &copy.attempt.ledger;
    let left = ledger.totals().source_counted;
    let merged = counts::merged(&copy.attempt, copy.source.as_ref(), copy.period(), left).await?;
    ledger.advance(|_, totals| totals.merged = merged);
    Ok(())
}

async fn agree(copy: &Copy) -> Worked<bool> {
    for count in 0..COUNTS {
        if count > 0 {
            sleep(copy.attempt.session.timing.commit_interval).await;
        }
        let totals = count_once(copy).await?;
        copy.attempt.ledger.advance(|_, entered| *entered = totals);
        if totals.agree() {
            return Ok(true);
        }
        tracing::warn!(?totals, "counts differ");
    }
    Ok(false)
}

async fn count_once(copy: &Copy) -> Worked<Totals> {
    let source_counted = counts::all(&copy.attempt, copy.source.as_ref(), copy.period()).await?;
    let target_counted = counts::all(&copy.attempt, copy.sink.as_ref(), copy.period()).await?;
    let totals = Totals { source_counted, target_counted, expired: 0, ..copy.attempt.ledger.totals() };
    if totals.agree() || totals.source_counted >= totals.read {
        return Ok(totals);
    }
    let Some(rest) = out_of_reach(copy).await? else { return Ok(totals) };
    let rest_source = counts::all(&copy.attempt, copy.source.as_ref(), rest).await?;
    let rest_target = counts::all(&copy.attempt, copy.sink.as_ref(), rest).await?;
    Ok(verdict::with_expired(totals, rest_source, rest_target).unwrap_or(totals))
}

/// The part of the shard's period that the source's KEEP does not reach, if it reaches any.
async fn out_of_reach(copy: &Copy) -> Worked<Option<Period>> {
    let Copy { attempt, source, .. } = copy;
    let database = attempt.ask("reading the source database", Side::Source, || source.database()).await?;
    let clock = attempt.ask("asking the source's clock", Side::Source, || source.clock()).await?;
    let own = || database.precision.from_unix_millis(attempt.session.clock.wall_millis());
    Ok(verdict::out_of_reach(copy.period(), &database, clock.unwrap_or_else(own)))
}

async fn both(copy: &Copy) -> Worked<(Counted, Counted)> {
    let source = counts::each(&copy.attempt, copy.source.as_ref(), copy.period()).await?;
    Ok((source, counts::each(&copy.attempt, copy.sink.as_ref(), copy.period()).await?))
}

async fn copy_again(copy: &Copy, source: &Counted, target: &Counted) -> Worked<()> {
    let tables = verdict::differing(source, target);
    tracing::warn!(tables = tables.len(), "copying again the tables whose counts differ");
    let (read, wrote) = copy_tables(copy, &tables).await?;
    // what was read of these before is not known by itself: both sides are read when it comes to comparing
    copy.attempt.ledger.advance_by(None, |_, totals| {
        *totals = verdict::after_copying_again(*totals, source, &tables, read, wrote);
    });
    Ok(())
}

async fn copy_tables(copy: &Copy, tables: &BTreeSet<String>) -> Worked<(u64, Wrote)> {
    let (range, period) = (copy.attempt.shard().range, copy.period());
    let wanted = |index: &u32| tables.contains(copy.attempt.claimed.name(*index));
    let stretches: Vec<_> =
        (range.from..range.to).filter(wanted).map(|index| Stretch { index, period }).collect();
    let (mut all_read, mut all_wrote) = (0_u64, Wrote::default());
    let step = |step: Step| {
        if let Step::Rows { read, wrote, .. } = step {
            all_read = all_read.saturating_add(read);
            all_wrote.add(wrote);
        }
    };
    dense::copy(copy, stretches.into_iter(), Stops::AtTheEnd, step).await?;
    copy.writer.flush().await?;
    Ok((all_read, all_wrote))
}
