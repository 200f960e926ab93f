//! Reading a period of everything that is followed and writing it, whole or again.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::TableRuns;
use tdferry_common::port::{PortError, PortResult, Side};
use tdferry_common::schema::Stable;
use tdferry_common::time::Period;
use tokio::time::Instant;

use super::known::Is;
use super::{Follows, Tail};
use crate::copy::{Piece, Wrote};
use crate::lease::{Ended, Outage, Worked, within};
use crate::structure::Layout;

/// What came of a period.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) read: u64,
    pub(super) bytes: u64,
    pub(super) wrote: Wrote,
}

impl Taken {
    pub(super) fn add(&mut self, other: Self) {
        self.read = self.read.saturating_add(other.read);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.wrote.add(other.wrote);
    }

    fn wrote(&mut self, rows: usize, bytes: usize, wrote: Wrote) {
        self.read = self.read.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.wrote.add(wrote);
    }
}

/// A part of a period, its end, or that there is no such stable.
enum Part {
    Rows(TableRuns),
    End,
    Gone,
}

impl Tail {
    /// Takes all rows of a period into the target.
    pub(super) async fn take(&mut self, period: Period) -> Worked<Taken> {
        self.unsure.read(period);
        match &self.layout {
            Layout::Stable { stable, .. } => {
                let stable = stable.clone();
                self.take_stable(&stable, period).await
            }
            Layout::Normal(_) => self.take_normal(period).await,
        }
    }

    /// Enters what was taken and how far that brought the watermark; silence only as often as a heartbeat.
    pub(super) fn enter(&mut self, taken: Taken) {
        let silent = taken.read == 0 && self.entered.elapsed() < self.attempt.session.timing.heartbeat;
        if silent {
            return;
        }
        self.entered = Instant::now();
        let watermark = self.watermark;
        let Taken { read, bytes, wrote } = taken;
        self.attempt.ledger.advance_by(None, |offset, totals| {
            offset.next = watermark.max(offset.next);
            totals.read = totals.read.saturating_add(read);
            totals.bytes = totals.bytes.saturating_add(bytes);
            totals.written = totals.written.saturating_add(wrote.written);
            totals.rejected = totals.rejected.saturating_add(wrote.rejected);
            totals.kept = totals.kept.saturating_add(wrote.kept);
        });
    }

    async fn take_stable(&mut self, stable: &Stable, period: Period) -> Worked<Taken> {
        let source = Arc::clone(&self.source);
        let attempt = Arc::clone(&self.attempt);
        let mut outage = attempt.outage();
        'again: loop {
            let (mut taken, mut blocks) = match self.follows {
                Follows::All => (Taken::default(), source.read_all(stable, period)),
                Follows::Listed => {
                    (Taken::default(), source.read_many(stable, attempt.claimed.shard_names(), period))
                }
                Follows::New => return Ok(Taken::default()),
            };
            loop {
                attempt.go_on()?;
                let part = next(&attempt, blocks.try_next(), &mut outage).await;
                match part {
                    Ok(Part::End) => break self.is_gone = false,
                    Ok(Part::Gone) => break self.tell_gone(&stable.name),
                    Ok(Part::Rows(runs)) => self.put(runs, &mut taken).await?,
                    // what came of it comes once more, and is written over itself
                    Err(error) if error.is_away() => {
                        outage.wait(&error).await?;
                        continue 'again;
                    }
                    Err(error) => {
                        return Err(Ended::at_database(&error, &format!("following `{}`", stable.name)));
                    }
                }
            }
            self.writer.flush().await?;
            return Ok(taken);
        }
    }

    /// A stable that was dropped may come back: until then nothing is passed.
    fn tell_gone(&mut self, stable: &str) {
        if !std::mem::replace(&mut self.is_gone, true) {
            tracing::warn!(stable, "the source has no such stable any more; the target keeps what it has");
        }
    }

    /// Writes what is to be taken of some rows.
    async fn put(&mut self, runs: TableRuns, taken: &mut Taken) -> Worked<()> {
        let unknown: BTreeSet<&str> = tables(&runs).filter(|table| self.known.of(table).is_none()).collect();
        if !unknown.is_empty() {
            let unknown = unknown.into_iter().map(str::to_owned).collect();
            self.meet(unknown).await?;
        }
        let whole = tables(&runs).all(|table| self.is_planned(table));
        let piece = Piece::Many(runs);
        let piece = if whole { piece } else { self.planned_of(&piece) };
        self.write(piece, taken).await
    }

    pub(super) fn is_planned(&self, table: &str) -> bool {
        self.known.of(table) == Some(Is::Planned)
    }

    fn planned_of(&self, piece: &Piece) -> Piece {
        let tables = piece.table_of_each_row();
        let planned = |row: usize| tables.get(row).is_some_and(|table| self.is_planned(table));
        let [planned, _others] = piece.part_rows(planned);
        planned
    }

    async fn write(&self, piece: Piece, taken: &mut Taken) -> Worked<()> {
        let (rows, bytes) = (piece.rows(), piece.bytes());
        if rows > 0 {
            let wrote = self.writer.write_ahead(piece).await?;
            taken.wrote(rows, bytes, wrote);
        }
        Ok(())
    }

    async fn take_normal(&self, period: Period) -> Worked<Taken> {
        let mut taken = Taken::default();
        for table in self.attempt.claimed.shard_names() {
            taken.add(self.table(table, period).await?);
        }
        self.writer.flush().await?;
        Ok(taken)
    }

    /// Takes the rows of one table.
    pub(super) async fn table(&self, table: &str, period: Period) -> Worked<Taken> {
        let Some(columns) = self.layout.columns(table) else { return Ok(Taken::default()) };
        let mut outage = self.attempt.outage();
        'again: loop {
            let mut taken = Taken::default();
            let mut blocks = self.source.read(table, Arc::clone(&columns), period);
            loop {
                self.attempt.go_on()?;
                let limit = self.attempt.session.timing.database_request;
                match within(limit, outage.failed(), Side::Source, blocks.try_next()).await {
                    Ok(None) => return Ok(taken),
                    Ok(Some(rows)) => {
                        outage.over();
                        self.write(Piece::One { table: table.to_owned(), rows }, &mut taken).await?;
                    }
                    // it was dropped: what it held before is in the target
                    Err(PortError::Missing { .. }) => return Ok(taken),
                    Err(error) if error.is_away() => {
                        outage.wait(&error).await?;
                        continue 'again;
                    }
                    Err(error) => return Err(Ended::at_database(&error, &format!("following `{table}`"))),
                }
            }
        }
    }
}

async fn next(
    attempt: &crate::lease::Attempt,
    block: impl Future<Output = PortResult<Option<TableRuns>>>,
    outage: &mut Outage<'_>,
) -> PortResult<Part> {
    let limit = attempt.session.timing.database_request;
    let runs = match within(limit, outage.failed(), Side::Source, block).await {
        Err(PortError::Missing { .. }) => return Ok(Part::Gone),
        runs => runs?,
    };
    outage.over();
    Ok(runs.map_or(Part::End, Part::Rows))
}

fn tables(runs: &TableRuns) -> impl Iterator<Item = &str> {
    runs.runs.iter().map(|run| run.table.as_str())
}
