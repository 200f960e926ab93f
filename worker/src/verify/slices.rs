//! Many sparse subtables at once: both sides of a slice are summed by subtable, and only those whose sums differ are
//! walked row by row.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tdferry_common::batch::TableRuns;
use tdferry_common::digest::{self, RowSum};
use tdferry_common::port::{PortResult, Side};
use tdferry_common::schema::Stable;
use tdferry_common::time::Period;

use super::pair::Pair;
use super::{Compare, Read, Visit};
use crate::lease::{Ended, Outage, Worked, within};
use crate::sizing;

/// The rows of a slice on one side.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) tables: BTreeMap<String, TableSum>,
    pub(super) bytes: u64,
}

/// The rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TableSum {
    pub(crate) rows: u64,
    pub(super) sum: RowSum,
}

/// Compares the shard's tables from the ledger's offset on.
pub(super) async fn run(
    compare: &Compare,
    stable: &Stable,
    period: Period,
    visit: &mut dyn Visit,
) -> Worked<Read> {
    let shard = compare.attempt.shard();
    let step = sizing::slice_names(shard.estimate, shard.range.len());
    let left = compare.left();
    let (mut from, mut all) = (left.start, Read::default());
    while from < left.end {
        let to = from.saturating_add(step).min(left.end);
        let names = compare.attempt.claimed.slice(from, to);
        let read = slice(&compare.pair, stable, names, period, visit).await?;
        compare.enter(to, read);
        compare.attempt.ledger.room().await;
        all.add(read);
        from = to;
    }
    Ok(all)
}

async fn slice(
    pair: &Pair,
    stable: &Stable,
    names: &[String],
    period: Period,
    visit: &mut dyn Visit,
) -> Worked<Read> {
    let (mut read, unlike) = unlike(pair, stable, names, period).await?;
    for table in unlike {
        read.add(pair.table(&table, period, visit).await?);
    }
    Ok(read)
}

/// The tables of a slice whose sums are not the same on both sides, and what was read of the others.
pub(super) async fn unlike(
    pair: &Pair,
    stable: &Stable,
    names: &[String],
    period: Period,
) -> Worked<(Read, Vec<String>)> {
    let (source, target) = tokio::join!(
        sums(pair, Side::Source, stable, names, period),
        sums(pair, Side::Sink, stable, names, period)
    );
    let (source, target) = (source?, target?);
    let mut read = Read { bytes: source.bytes.saturating_add(target.bytes), ..Read::default() };
    let (mut unlike, tables) = (Vec::new(), source.tables.keys().chain(target.tables.keys()));
    for table in tables.collect::<BTreeSet<&String>>() {
        let of = |side: &Sums| side.tables.get(table).copied().unwrap_or_default();
        let (one, other) = (of(&source), of(&target));
        if one == other {
            let equal = Read { source: one.rows, target: other.rows, sum: one.sum, ..Read::default() };
            read.add(equal);
        } else {
            unlike.push(table.clone());
        }
    }
    Ok((read, unlike))
}

/// The sums of a slice's tables on one side, however often its stream breaks.
pub(super) async fn sums(
    pair: &Pair,
    side: Side,
    stable: &Stable,
    names: &[String],
    period: Period,
) -> Worked<Sums> {
    let mut outage = pair.asker.outage();
    if period.is_empty() {
        return Ok(Sums::default());
    }
    loop {
        pair.asker.go_on()?;
        let blocks = pair.rows(side).read_many(stable, names, period);
        match whole(pair, side, blocks, &mut outage).await {
            Ok(sums) => return Ok(sums),
            Err(error) if error.is_away() => outage.wait(&error).await?,
            Err(error) => {
                let doing = format!("reading {} subtables of `{}` back", names.len(), stable.name);
                return Err(Ended::at_database(&error, &doing));
            }
        }
    }
}

async fn whole(
    pair: &Pair,
    side: Side,
    mut blocks: BoxStream<'_, PortResult<TableRuns>>,
    outage: &mut Outage<'_>,
) -> PortResult<Sums> {
    let mut sums = Sums::default();
    let limit = pair.asker.means.timing.database_request;
    while let Some(runs) = within(limit, outage.failed(), side, blocks.try_next()).await? {
        sums.add(&runs);
    }
    outage.over();
    Ok(sums)
}

impl TableSum {
    /// So many rows, whatever they hold.
    pub(crate) fn counted(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }
}

impl Sums {
    pub(crate) fn add(&mut self, runs: &TableRuns) {
        let hashes = digest::run_hashes(runs);
        self.bytes = self.bytes.saturating_add(u64::try_from(runs.byte_len()).unwrap_or(u64::MAX));
        for run in &runs.runs {
            let sum = RowSum::of_hashes(hashes.get(run.rows.clone()).unwrap_or_default());
            let table = match self.tables.get_mut(&run.table) {
                Some(table) => table,
                None => self.tables.entry(run.table.clone()).or_default(),
            };
            table.rows = table.rows.saturating_add(u64::try_from(run.rows.len()).unwrap_or(u64::MAX));
            table.sum.add(sum);
        }
    }
}
