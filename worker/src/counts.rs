//! Counting rows on either side over the same names and the same period.

use std::collections::BTreeMap;

use tdferry_common::options::PrecisionLoss;
use tdferry_common::port::{Rows, Side, Source, Tables};
use tdferry_common::time::Period;

use crate::lease::{Attempt, Worked};

/// Names asked for in one count: keeps each answer well under a second on both sides.
const NAMES: usize = 1_000;

/// Rows of the shard's tables in a period.
pub(crate) async fn all(attempt: &Attempt, rows: &dyn Rows, period: Period) -> Worked<u64> {
    let mut counted = 0_u64;
    for tables in asked(attempt) {
        let question = || rows.count(tables, period);
        counted = counted.saturating_add(attempt.ask("counting rows", rows.side(), question).await?);
    }
    Ok(counted)
}

/// Rows of the source that fall on the moment of a later one in a coarser unit of time, of the shard's tables in a
/// period of which so many are left.
pub(crate) async fn merged(attempt: &Attempt, source: &dyn Source, period: Period, left: u64) -> Worked<u64> {
    if attempt.spec.options.precision_loss == PrecisionLoss::Refuse || period.is_empty() {
        return Ok(0);
    }
    let mut before = 0_u64;
    for tables in asked(attempt) {
        let question = || source.count_before(tables, period);
        let counted = attempt.ask("counting rows that fall together", Side::Source, question).await?;
        before = before.saturating_add(counted);
    }
    let merged = before.saturating_sub(left);
    if merged > 0 {
        tracing::warn!(rows = merged, %period, "rows fell on the moment of a later one, which is read in their place");
    }
    Ok(merged)
}

/// Rows of each of the shard's tables in a period; a table without rows may be left out.
pub(crate) async fn each(
    attempt: &Attempt,
    rows: &dyn Rows,
    period: Period,
) -> Worked<BTreeMap<String, u64>> {
    let mut counted = BTreeMap::new();
    for tables in asked(attempt) {
        let question = || rows.count_each(tables, period);
        counted.append(&mut attempt.ask("counting rows by table", rows.side(), question).await?);
    }
    Ok(counted)
}

/// Normal tables are asked one by one: no query spans them.
fn asked(attempt: &Attempt) -> Vec<Tables<'_>> {
    let (stable, names) = (attempt.claimed.stable.as_str(), attempt.claimed.shard_names());
    if stable.is_empty() {
        return names.iter().map(|name| Tables::One { name }).collect();
    }
    names.chunks(NAMES).map(|names| Tables::Of { stable, names }).collect()
}
