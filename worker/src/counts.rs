//! Counting rows on either side over the same names and the same period.

use std::collections::BTreeMap;

use tdferry_common::port::{PortResult, Side, Sink, Source, Tables};
use tdferry_common::time::Period;

use crate::lease::{Attempt, Worked};

/// Names asked for in one count: keeps each answer well under a second on both sides.
const NAMES: usize = 1_000;

/// The side that counts.
#[derive(Clone, Copy)]
pub(crate) enum Counter<'a> {
    Source(&'a dyn Source),
    Sink(&'a dyn Sink),
}

impl Counter<'_> {
    const fn side(self) -> Side {
        match self {
            Self::Source(_) => Side::Source,
            Self::Sink(_) => Side::Sink,
        }
    }

    async fn count(self, tables: Tables<'_>, period: Period) -> PortResult<u64> {
        match self {
            Self::Source(source) => source.count(tables, period).await,
            Self::Sink(sink) => sink.count(tables, period).await,
        }
    }

    async fn count_each(self, tables: Tables<'_>, period: Period) -> PortResult<BTreeMap<String, u64>> {
        match self {
            Self::Source(source) => source.count_each(tables, period).await,
            Self::Sink(sink) => sink.count_each(tables, period).await,
        }
    }
}

/// Rows of the shard's tables in a period.
pub(crate) async fn all(attempt: &Attempt, counter: Counter<'_>, period: Period) -> Worked<u64> {
    let mut rows = 0_u64;
    for tables in asked(attempt) {
        let question = || counter.count(tables, period);
        rows = rows.saturating_add(attempt.ask("counting rows", counter.side(), question).await?);
    }
    Ok(rows)
}

/// Rows of each of the shard's tables in a period; a table without rows may be left out.
pub(crate) async fn each(
    attempt: &Attempt,
    counter: Counter<'_>,
    period: Period,
) -> Worked<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for tables in asked(attempt) {
        let question = || counter.count_each(tables, period);
        rows.append(&mut attempt.ask("counting rows by table", counter.side(), question).await?);
    }
    Ok(rows)
}

/// Normal tables are asked one by one: no query spans them.
fn asked(attempt: &Attempt) -> Vec<Tables<'_>> {
    let (stable, names) = (attempt.claimed.stable.as_str(), attempt.claimed.shard_names());
    if stable.is_empty() {
        return names.iter().map(|name| Tables::One { name }).collect();
    }
    names.chunks(NAMES).map(|names| Tables::Of { stable, names }).collect()
}
