//! Reading the target back for the sum of its rows, with progress like a copy's: a commit behind every block or slice.

use tdferry_common::digest::RowSum;
use tdferry_common::port::Side;
use tdferry_common::schema::Stable;
use tdferry_common::shard::Density;
use tdferry_common::time::Period;

use super::cursor::Cursor;
use super::{Compare, slices};
use crate::lease::Worked;
use crate::sizing;

/// Reads from the ledger's offset to the end of the shard.
pub(super) async fn run(compare: &Compare, density: Density) -> Worked<()> {
    match (density, compare.pair.stable()) {
        (Density::Sparse, Some(stable)) => sparse(compare, stable).await,
        _ => dense(compare).await,
    }
}

async fn dense(compare: &Compare) -> Worked<()> {
    let Compare { attempt, pair, .. } = compare;
    let (range, whole) = (attempt.shard().range, attempt.shard().period);
    let from = attempt.ledger.entry().offset;
    for index in from.index..range.to {
        let table = attempt.claimed.name(index);
        let period = if index == from.index { whole.starting_at(from.next) } else { whole };
        let columns = pair.columns(table);
        let mut cursor = Cursor::new(attempt, pair.rows(Side::Sink), table, columns, period);
        loop {
            let (sum, read, bytes) = (cursor.sum, cursor.read, cursor.bytes);
            if !cursor.next_block().await? {
                break;
            }
            let mut more = cursor.sum;
            more.subtract(sum);
            let (read, bytes, next) = (cursor.read - read, cursor.bytes - bytes, cursor.next());
            attempt.ledger.advance_by(Some(more), |offset, totals| {
                totals.read = totals.read.saturating_add(read);
                totals.target_counted = totals.target_counted.saturating_add(read);
                totals.bytes = totals.bytes.saturating_add(bytes);
                (offset.index, offset.next) = (index, next);
            });
            attempt.ledger.room().await;
        }
        attempt.ledger.advance(|offset, totals| {
            totals.tables = totals.tables.saturating_add(1);
            (offset.index, offset.next) = (index.saturating_add(1), whole.from);
        });
    }
    Ok(())
}

async fn sparse(compare: &Compare, stable: &Stable) -> Worked<()> {
    let attempt = &compare.attempt;
    let shard = attempt.shard();
    let step = sizing::slice_names(shard.estimate, shard.range.len());
    let mut from = attempt.ledger.entry().offset.index;
    while from < shard.range.to {
        let to = from.saturating_add(step).min(shard.range.to);
        let sums =
            slices::sums(&compare.pair, Side::Sink, stable, attempt.claimed.slice(from, to), shard.period)
                .await?;
        let mut all = RowSum::ZERO;
        sums.tables.values().for_each(|table| all.add(table.sum));
        let read = sums.tables.values().map(|table| table.rows).sum::<u64>();
        attempt.ledger.advance_by(Some(all), |offset, totals| {
            totals.read = totals.read.saturating_add(read);
            totals.target_counted = totals.target_counted.saturating_add(read);
            totals.bytes = totals.bytes.saturating_add(sums.bytes);
            totals.tables = totals.tables.saturating_add(u64::from(to - from));
            offset.index = to;
        });
        attempt.ledger.room().await;
        from = to;
    }
    Ok(())
}

/// The sum of what the target holds of the shard's tables in another period, with nothing entered for it.
pub(super) async fn sum(compare: &Compare, density: Density, period: Period) -> Worked<RowSum> {
    let Compare { attempt, pair, .. } = compare;
    let (names, mut all) = (attempt.claimed.shard_names(), RowSum::ZERO);
    if let (Density::Sparse, Some(stable)) = (density, compare.pair.stable()) {
        let step = sizing::slice_names(attempt.shard().estimate, attempt.shard().range.len());
        for names in names.chunks(usize::try_from(step).unwrap_or(usize::MAX).max(1)) {
            let sums = slices::sums(&compare.pair, Side::Sink, stable, names, period).await?;
            sums.tables.values().for_each(|table| all.add(table.sum));
        }
        return Ok(all);
    }
    for table in names {
        let columns = pair.columns(table);
        let mut cursor = Cursor::new(attempt, pair.rows(Side::Sink), table, columns, period);
        while cursor.next_block().await? {}
        all.add(cursor.sum);
    }
    Ok(all)
}
