//! Writing: when a write may start, what is tried when it is refused, and which rows are given up.

use std::sync::Arc;

use tdferry_common::digest::RowSum;
use tdferry_common::port::{PortError, PortResult, RefusedRow, Side, Sink};
use tokio::sync::Semaphore;

use super::piece::Piece;
use crate::create;
use crate::lease::{Attempt, Ended, Worked, within};

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wrote {
    pub(crate) written: u64,
    pub(crate) rejected: u64,
    /// The sum of the rows that were rejected, where sums are made.
    pub(crate) refused: RowSum,
}

impl Wrote {
    pub(super) fn add(&mut self, other: Self) {
        self.written = self.written.saturating_add(other.written);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.refused.add(other.refused);
    }
}

/// Writes for one attempt.
pub(crate) struct Writer {
    attempt: Arc<Attempt>,
    sink: Arc<dyn Sink>,
    in_flight: Arc<Semaphore>,
    most_rows: usize,
}

impl Writer {
    pub(crate) fn new(attempt: Arc<Attempt>, sink: Arc<dyn Sink>) -> Self {
        let in_flight = attempt.session.write_limits.of(&attempt.spec);
        let most_rows = attempt.spec.options.batch_size.and_then(|rows| usize::try_from(rows).ok());
        Self { attempt, sink, in_flight, most_rows: most_rows.unwrap_or(usize::MAX) }
    }

    /// Writes until every row is acknowledged or given up. Rows are given up one by one, and each is logged.
    pub(crate) async fn write(&self, piece: Piece) -> Worked<Wrote> {
        let mut wrote = Wrote::default();
        let mut rest = piece.of_at_most(self.most_rows);
        rest.reverse();
        while let Some(piece) = rest.pop() {
            if piece.rows() == 0 {
                continue;
            }
            match self.send(&piece).await? {
                Ok(()) => wrote.written += count(piece.rows()),
                Err(PortError::TooLarge { .. }) if piece.rows() > 1 => rest.extend(halves(&piece)),
                Err(PortError::Refused { reason, message, .. }) => {
                    let refused = self.narrow(piece, reason, &message, &mut rest).await?;
                    wrote.rejected += refused.as_ref().map_or(0, |refused| count(refused.rows()));
                    wrote.refused.add(refused.map(|refused| refused.sum()).unwrap_or_default());
                }
                Err(error) => return Err(self.in_words(&piece, &error).await),
            }
        }
        Ok(wrote)
    }

    /// Sends one write, and again as long as the sink is away.
    async fn send(&self, piece: &Piece) -> Worked<PortResult<()>> {
        let session = &self.attempt.session;
        self.attempt
            .outlast(|tries| async move {
                // never closed
                let _permit = self.in_flight.acquire().await;
                session.writable().await;
                let write = async {
                    match piece {
                        Piece::One { table, rows } => self.sink.write(table, rows).await,
                        Piece::Many(runs) => self.sink.write_many(runs).await,
                    }
                };
                within(session.timing.sink_write, tries, Side::Sink, write).await
            })
            .await
    }

    /// Some row of these is refused: what may still be written goes to `rest`, the others are given back.
    async fn narrow(
        &self,
        piece: Piece,
        reason: RefusedRow,
        why: &str,
        rest: &mut Vec<Piece>,
    ) -> Worked<Option<Piece>> {
        if reason == RefusedRow::Keep {
            let precision = piece.block().precision();
            let question = || self.sink.keeps(precision);
            let keeps = self.attempt.ask("asking what the target keeps", Side::Sink, question).await?;
            let [kept, refused] = piece.part(|at| at.is_some_and(|at| keeps.contains(at)));
            if refused.rows() > 0 {
                rest.push(kept);
                return Ok(Some(reject(refused, reason, why)));
            }
        }
        if piece.rows() == 1 {
            return Ok(Some(reject(piece, reason, why)));
        }
        rest.extend(halves(&piece));
        Ok(None)
    }

    async fn in_words(&self, piece: &Piece, error: &PortError) -> Ended {
        let tables = piece.tables();
        if matches!(error, PortError::Missing { .. }) && !self.attempt.claimed.stable.is_empty() {
            let stable = &self.attempt.claimed.stable;
            match create::missing_of(&self.attempt, self.sink.as_ref(), stable, &tables).await {
                Ok(missing) if !missing.is_empty() => return create::lacking(stable, &missing),
                Err(ended) => return ended,
                Ok(_) => {}
            }
        }
        Ended::at_database(error, &format!("writing {} rows of {}", piece.rows(), create::named(&tables)))
    }
}

/// In the order that a stack gives them back.
fn halves(piece: &Piece) -> [Piece; 2] {
    let [first, second] = piece.halves();
    [second, first]
}

fn reject(piece: Piece, reason: RefusedRow, why: &str) -> Piece {
    for (table, stretch) in piece.stretches() {
        let (rows, first, last) = (stretch.rows, stretch.first, stretch.last);
        tracing::warn!(table, rows, first, last, ?reason, why, "rows rejected");
    }
    piece
}

pub(super) fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
