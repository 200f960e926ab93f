//! Writing: when a write may start, what is tried when it is refused, and which rows are given up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::digest::RowSum;
use tdferry_common::options::OnKeep;
use tdferry_common::port::{PortError, PortResult, RefusedRow, Side, Sink};
use tdferry_common::time::{Period, Precision};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::piece::Piece;
use super::policy::{self, Handled};
use crate::create;
use crate::lease::{Attempt, Ended, Worked, within};
use crate::reject::{Origin, Refusal, Reject};

/// What the target keeps moves on with its clock, and rows that it has just let go of are refused one by one; after
/// this long it is asked again, in case a person widened it.
const EDGE_KNOWN_FOR: Duration = Duration::from_secs(10);
/// Rows kept with one call: a second of work at most where each is written out and brought to the disk.
const KEPT_AT_ONCE: usize = 1_000;

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wrote {
    pub(crate) written: u64,
    pub(crate) rejected: u64,
    /// Rows that the target had and kept.
    pub(crate) kept: u64,
    /// The sum of what was read less that of what was written, where sums are made.
    pub(crate) refused: RowSum,
}

impl Wrote {
    pub(crate) fn add(&mut self, other: Self) {
        self.written = self.written.saturating_add(other.written);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.kept = self.kept.saturating_add(other.kept);
        self.refused.add(other.refused);
    }
}

/// Writes for one attempt.
pub(crate) struct Writer {
    pub(super) attempt: Arc<Attempt>,
    pub(super) sink: Arc<dyn Sink>,
    in_flight: Arc<Semaphore>,
    most_rows: usize,
    pub(super) edge: Mutex<Option<Edge>>,
    held: Mutex<Held>,
}

/// Rejects that are not kept yet.
#[derive(Default)]
struct Held {
    rows: Vec<Reject>,
    since: Option<Instant>,
}

/// What the target keeps, as it said after it had refused a row for it.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) keeps: Period,
    pub(super) learnt: Instant,
    pub(super) code: u32,
}

impl Writer {
    pub(crate) fn new(attempt: Arc<Attempt>, sink: Arc<dyn Sink>) -> Self {
        let in_flight = attempt.session.write_limits.of(&attempt.spec);
        let most_rows = attempt.spec.options.batch_size.and_then(|rows| usize::try_from(rows).ok());
        let most_rows = most_rows.unwrap_or(usize::MAX);
        Self { attempt, sink, in_flight, most_rows, edge: Mutex::new(None), held: Mutex::default() }
    }

    /// Writes until every row is acknowledged, or kept as a reject: only then does this answer.
    pub(crate) async fn write(&self, piece: Piece) -> Worked<Wrote> {
        let wrote = self.write_ahead(piece).await?;
        self.flush().await?;
        Ok(wrote)
    }

    /// The same, where rejects may wait for others to be kept with them: what is entered meanwhile is not committed. Ends
    /// with [`Writer::flush`].
    pub(crate) async fn write_ahead(&self, piece: Piece) -> Worked<Wrote> {
        let (mut wrote, mut rejects) = (Wrote::default(), Vec::new());
        let mut rest = piece.of_at_most(self.most_rows);
        rest.reverse();
        while let Some(piece) = rest.pop() {
            let piece = self.within_the_edge(piece, &mut rejects);
            let piece = self.not_taken(piece, &mut wrote).await?;
            if piece.rows() == 0 {
                continue;
            }
            match self.send(&piece).await? {
                Ok(()) => wrote.written += count(piece.rows()),
                Err(PortError::TooLarge { .. }) if piece.rows() > 1 => rest.extend(halves(&piece)),
                Err(PortError::Refused { reason, code, message, .. }) => {
                    let refusal = Refusal { reason, code, why: message };
                    match self.handle(piece, refusal, &mut wrote).await? {
                        Handled::Again(again) => rest.extend(again),
                        Handled::Refused(refused, refusal, again) => {
                            rejects.push((refused, refusal));
                            rest.extend(again);
                        }
                    }
                }
                Err(error) => return Err(self.in_words(&piece, &error).await),
            }
        }
        for (piece, refusal) in &rejects {
            policy::refuse_failing(&self.attempt.spec.options, piece, refusal)?;
            wrote.refused.add(piece.sum());
        }
        wrote.rejected = self.hold(rejects).await?;
        Ok(wrote)
    }

    /// The rows that the target keeps, if it said lately what that is; the others are rejects.
    fn within_the_edge(&self, piece: Piece, rejects: &mut Vec<(Piece, Refusal)>) -> Piece {
        // a target that is to keep more is asked to for every row
        if self.attempt.spec.options.on_keep == OnKeep::Widen {
            return piece;
        }
        let edge = self.edge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(edge) = edge.filter(|edge| edge.learnt.elapsed() < EDGE_KNOWN_FOR) else { return piece };
        let [kept, beyond] = piece.part(|at| at.is_some_and(|at| edge.keeps.contains(at)));
        if beyond.rows() > 0 {
            let refusal = edge.refusal(piece.block().precision());
            rejects.push((beyond, refusal));
        }
        kept
    }

    /// Holds rows that were refused until they are worth a call, and with them what is entered behind them.
    async fn hold(&self, rejects: Vec<(Piece, Refusal)>) -> Worked<u64> {
        let rows: Vec<Reject> = rejects.iter().flat_map(|(piece, why)| self.rejects(piece, why)).collect();
        let rejected = count(rows.len());
        let is_due = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if rejected > 0 {
                self.attempt.ledger.hold_back();
                held.since.get_or_insert_with(Instant::now);
                held.rows.extend(rows);
            }
            let interval = self.attempt.session.timing.commit_interval;
            held.rows.len() >= KEPT_AT_ONCE || held.since.is_some_and(|since| since.elapsed() >= interval)
        };
        if is_due {
            self.flush().await?;
        }
        Ok(rejected)
    }

    /// Keeps the rows that are held; then what was entered behind them may be committed.
    pub(crate) async fn flush(&self) -> Worked<()> {
        let rows = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner)).rows;
        if rows.is_empty() {
            return Ok(());
        }
        let attempt = &self.attempt;
        let store = attempt.session.rejects.of(attempt).await?;
        for rows in rows.chunks(KEPT_AT_ONCE) {
            attempt.ask("keeping rejected rows", Side::Sink, || store.keep(rows)).await?;
        }
        attempt.ledger.let_go();
        let why = rows.first().map_or("", |row| row.refusal.why.as_str());
        tracing::warn!(rows = rows.len(), why, "rows rejected and kept");
        Ok(())
    }

    fn rejects(&self, piece: &Piece, refusal: &Refusal) -> Vec<Reject> {
        let (attempt, tables) = (&self.attempt, piece.table_of_each_row());
        let origin = |row: usize, at| Origin {
            database: attempt.spec.source_database().to_owned(),
            stable: attempt.claimed.stable.clone(),
            table: tables.get(row).copied().unwrap_or_default().to_owned(),
            at,
        };
        Reject::of_block(piece.block(), refusal, origin)
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
pub(super) fn halves(piece: &Piece) -> [Piece; 2] {
    let [first, second] = piece.halves();
    [second, first]
}

impl Edge {
    fn refusal(&self, precision: Precision) -> Refusal {
        let Period { from, to } = self.keeps;
        let why = format!("the target keeps rows from {from} to {to} (in {precision} since 1970)");
        Refusal { reason: RefusedRow::Keep, code: self.code, why }
    }
}

pub(super) fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
