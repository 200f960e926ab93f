//! What is done with rows that the target refuses, by the reason and the task's options.

use std::sync::PoisonError;

use tdferry_common::options::{OnBadName, OnKeep, OnTooLong, Options};
use tdferry_common::port::{RefusedRow, Side};
use tdferry_common::schema::Column;
use tokio::time::{Instant, sleep};

use super::fit::{Made, Room};
use super::piece::Piece;
use super::write::{Edge, Writer, Wrote, halves};
use crate::create;
use crate::lease::{Ended, Worked};
use crate::reject::Refusal;

/// A database that was widened keeps more with its next look around: rows that it should keep are tried so often again.
const WIDENED_TRIES: u32 = 20;
/// Room beyond the oldest row, so that the edge does not reach it while the task runs.
const KEEP_MARGIN_DAYS: u64 = 10;
/// What a 3.x database takes at most.
const MAX_KEEP_DAYS: u64 = 365_000;
const DAY_MILLIS: i64 = 86_400_000;

/// What becomes of rows of which some were refused.
pub(super) enum Handled {
    /// These are to be sent again.
    Again(Vec<Piece>),
    /// These are refused for good, and those are to be sent.
    Refused(Piece, Refusal, Vec<Piece>),
}

/// Ends the shard where the task wants no row of this reason passed over. Nothing of the batch is entered then.
pub(super) fn refuse_failing(options: &Options, piece: &Piece, refusal: &Refusal) -> Worked<()> {
    let (option, fails) = match refusal.reason {
        RefusedRow::Keep => ("on-keep", options.on_keep == OnKeep::Fail),
        RefusedRow::TooLong => ("on-too-long", options.on_too_long == Some(OnTooLong::Fail)),
        // a task that fails for it never came so far
        RefusedRow::BadName => ("on-bad-name", options.on_bad_name == OnBadName::Fail),
    };
    if !fails {
        return Ok(());
    }
    let (rows, tables, why) = (piece.rows(), create::named(&piece.tables()), &refusal.why);
    Err(Ended::Failed(format!(
        "the target refuses {rows} rows of {tables}: {why}; the task says `{option}=fail`; what was written before them \
         stays; mend the target and retry the shard, or create the task again with another `{option}`"
    )))
}

impl Writer {
    pub(super) async fn handle(&self, piece: Piece, refusal: Refusal, wrote: &mut Wrote) -> Worked<Handled> {
        match refusal.reason {
            RefusedRow::Keep => self.beyond_keep(piece, refusal).await,
            RefusedRow::TooLong => self.too_long(piece, refusal, wrote).await,
            RefusedRow::BadName => Ok(self.of_bad_name(&piece, refusal)),
        }
    }

    /// All rows of tables that the target cannot have.
    fn of_bad_name(&self, piece: &Piece, refusal: Refusal) -> Handled {
        let (mapping, tables) = (self.attempt.mapping(), piece.table_of_each_row());
        let is_bad = |row: usize| {
            let table = tables.get(row).copied().unwrap_or_default();
            mapping.rejects(&self.attempt.claimed.stable, table).is_some()
        };
        let [refused, others] = piece.part_rows(is_bad);
        Handled::Refused(refused, refusal, vec![others])
    }

    async fn beyond_keep(&self, piece: Piece, refusal: Refusal) -> Worked<Handled> {
        let precision = piece.block().precision();
        let question = || self.sink.keeps(precision);
        let keeps = self.attempt.ask("asking what the target keeps", Side::Sink, question).await?;
        let [kept, refused] = piece.part(|at| at.is_some_and(|at| keeps.contains(at)));
        let older = piece.span().filter(|span| span.from < keeps.from);
        if let (OnKeep::Widen, Some(span)) = (self.attempt.spec.options.on_keep, older) {
            let now = self.attempt.session.clock.wall_millis();
            let oldest = precision.to_unix_millis(span.from);
            let days = u64::try_from(now.saturating_sub(oldest) / DAY_MILLIS + 1).unwrap_or(0);
            let days = days.saturating_add(KEEP_MARGIN_DAYS);
            if days <= MAX_KEEP_DAYS {
                return self.widened_keep(piece, days).await;
            }
        }
        if refused.rows() > 0 {
            let edge = Edge { keeps, learnt: Instant::now(), code: refusal.code };
            *self.edge.lock().unwrap_or_else(PoisonError::into_inner) = Some(edge);
            return Ok(Handled::Refused(refused, refusal, vec![kept]));
        }
        Ok(divided(piece, refusal))
    }

    /// Has the target keep rows for so many days, and waits until it takes these.
    async fn widened_keep(&self, piece: Piece, days: u64) -> Worked<Handled> {
        let widen = || self.sink.widen_keep(days);
        self.attempt.ask("widening what the target keeps", Side::Sink, widen).await?;
        tracing::warn!(days, "the target's KEEP was widened");
        let precision = piece.block().precision();
        for _ in 0..WIDENED_TRIES {
            let question = || self.sink.keeps(precision);
            let keeps = self.attempt.ask("asking what the target keeps", Side::Sink, question).await?;
            if piece.span().is_none_or(|span| keeps.from <= span.from) {
                return Ok(Handled::Again(vec![piece]));
            }
            sleep(self.attempt.session.timing.commit_interval).await;
        }
        Err(Ended::Erred(format!("the target was told to keep rows for {days} days and does not yet")))
    }

    async fn too_long(&self, piece: Piece, refusal: Refusal, wrote: &mut Wrote) -> Worked<Handled> {
        let (of, target) = self.target_columns(&piece).await?;
        let room = Room::of(&self.attempt.mapping().columns(&of, piece.block().columns()), &target);
        let is_over = |row| room.overfull(piece.block(), row).next().is_some();
        let [over, fitting] = piece.part_rows(is_over);
        if over.rows() == 0 {
            // the target knows better than what it told of its columns
            return Ok(divided(piece, refusal));
        }
        let made = match self.attempt.spec.options.on_too_long {
            None | Some(OnTooLong::Reject | OnTooLong::Fail) => {
                return Ok(Handled::Refused(over, refusal, vec![fitting]));
            }
            Some(OnTooLong::Widen) => {
                self.widen_columns(&over, &room).await?;
                return Ok(Handled::Again(vec![piece]));
            }
            Some(OnTooLong::Truncate) => Made::Shorter,
            Some(OnTooLong::Null) => Made::Null,
        };
        let block = room.fitted(over.block(), made).map_err(|bad| Ended::Erred(bad.to_string()))?;
        let fitted = over.with_block(block);
        tracing::warn!(rows = fitted.rows(), ?made, tables = ?fitted.tables(), "values too long were made to fit");
        // what is written is what will be compared
        wrote.refused.add(over.sum());
        wrote.refused.subtract(fitted.sum());
        Ok(Handled::Again(vec![fitting, fitted]))
    }

    async fn widen_columns(&self, piece: &Piece, room: &Room) -> Worked<()> {
        let tables = piece.tables();
        let stable = self.attempt.claimed.stable.as_str();
        // normal tables come one by one
        let table = if stable.is_empty() { tables.first().map_or("", String::as_str) } else { stable };
        for column in room.lacking(piece.block()) {
            let widen = || self.sink.widen_column(table, &column);
            self.attempt.ask("widening a column of the target", Side::Sink, widen).await?;
            tracing::warn!(
                table,
                column = column.name,
                length = column.length,
                "a column of the target was widened"
            );
        }
        Ok(())
    }

    /// The stable or normal table of these rows, and the columns that the target has of it now.
    async fn target_columns(&self, piece: &Piece) -> Worked<(String, Vec<Column>)> {
        let (stable, doing) = (&self.attempt.claimed.stable, "reading the target's columns");
        if stable.is_empty() {
            // normal tables come one by one
            let tables = piece.tables();
            let found = self.attempt.ask(doing, Side::Sink, || self.sink.tables(&tables)).await?;
            let columns = found.into_iter().next().map(|table| table.columns);
            return Ok((tables.into_iter().next().unwrap_or_default(), columns.unwrap_or_default()));
        }
        let target = self.attempt.mapping().stable(stable);
        let found = self.attempt.list(doing, Side::Sink, || self.sink.stables()).await?;
        let columns = found.into_iter().find(|one| one.name == target).map(|stable| stable.columns);
        Ok((stable.clone(), columns.unwrap_or_default()))
    }
}

/// Nothing tells which of these rows it is: halves, down to a row that is refused alone.
fn divided(piece: Piece, refusal: Refusal) -> Handled {
    if piece.rows() == 1 {
        return Handled::Refused(piece, refusal, Vec::new());
    }
    Handled::Again(halves(&piece).into())
}
