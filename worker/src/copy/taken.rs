//! `on-conflict=keep-target`: rows whose place the target has taken already are left out.
//!
//! Looking and writing are two steps: a row that comes to the target between them is written over. Those that an attempt
//! wrote before it ended early are found, and count as the target's.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::options::OnConflict;
use tdferry_common::port::{PortResult, Side, Sink};
use tdferry_common::schema::{Column, Stable};

use super::piece::Piece;
use super::write::{Writer, Wrote, count};
use crate::lease::Worked;

/// Places of rows: a table and a moment.
type Places = BTreeSet<(String, i64)>;

impl Writer {
    /// The rows that the target does not have; the others are counted.
    pub(super) async fn not_taken(&self, piece: Piece, wrote: &mut Wrote) -> Worked<Piece> {
        if self.attempt.spec.options.on_conflict == OnConflict::Overwrite || piece.rows() == 0 {
            return Ok(piece);
        }
        let stable = &self.attempt.claimed.stable;
        let look = || places(self.sink.as_ref(), stable, &piece);
        let taken = self.attempt.ask("reading which rows the target has", Side::Sink, look).await?;
        if taken.is_empty() {
            return Ok(piece);
        }
        let tables = piece.table_of_each_row();
        let is_free = |row: usize| {
            let place = tables.get(row).zip(piece.block().timestamp(row));
            place.is_none_or(|(table, at)| !taken.contains(&((*table).to_owned(), at)))
        };
        let [free, kept] = piece.part_rows(is_free);
        wrote.kept += count(kept.rows());
        wrote.refused.add(kept.sum());
        Ok(free)
    }
}

/// Which rows the target has of these tables, from the piece's first moment to its last.
async fn places(sink: &dyn Sink, stable: &str, piece: &Piece) -> PortResult<Places> {
    let (Some(span), Some(first)) = (piece.span(), piece.block().columns().first()) else {
        return Ok(Places::new());
    };
    let mut taken = Places::new();
    match piece {
        Piece::One { table, .. } => {
            let columns: Arc<[Column]> = Arc::from([first.clone()]);
            let mut blocks = sink.read(table, columns, span);
            while let Some(block) = blocks.try_next().await? {
                let times = (0..block.rows()).filter_map(|row| block.timestamp(row));
                taken.extend(times.map(|at| (table.clone(), at)));
            }
        }
        Piece::Many(_) => {
            let names = piece.tables();
            let only = Stable { name: stable.to_owned(), columns: vec![first.clone()], tags: Vec::new() };
            let mut blocks = sink.read_many(&only, &names, span);
            while let Some(runs) = blocks.try_next().await? {
                for run in &runs.runs {
                    let times = run.rows.clone().filter_map(|row| runs.block.timestamp(row));
                    taken.extend(times.map(|at| (run.table.clone(), at)));
                }
            }
        }
    }
    Ok(taken)
}
