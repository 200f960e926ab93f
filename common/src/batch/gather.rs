//! Laying chosen rows of a block out as a block of their own, column by column.

use std::ops::Range;
use std::sync::Arc;

use super::Block;
use super::layout::{self, Lane, Writer};

impl Block {
    /// These stretches of rows, in this order. They must lie inside the block.
    pub(super) fn gather(&self, kept: &[Range<usize>]) -> Self {
        let rows = kept.iter().map(ExactSizeIterator::len).sum();
        let mut writer = Writer::new(Arc::clone(self.columns()), rows, self.room_for(rows));
        for (col, column) in self.columns().iter().enumerate() {
            writer.begin();
            let lane = self.lanes().get(col).copied().unwrap_or(Lane { head: 0, data: 0, end: 0 });
            match column.data_type.width() {
                Some(width) => self.gather_fixed(&mut writer, lane, width, kept),
                None => self.gather_varied(&mut writer, lane, kept),
            }
            writer.end();
        }
        // Cannot be too large: `check` bounds the sum of all cells of the block these rows are taken from.
        let whole = writer.finish(self.precision());
        whole.unwrap_or_else(|_| Self::empty(Arc::clone(self.columns()), self.precision()))
    }

    fn room_for(&self, rows: usize) -> usize {
        if self.rows() == 0 { 0 } else { self.byte_len() / self.rows() * rows + self.columns().len() * 8 }
    }

    fn gather_fixed(&self, writer: &mut Writer, lane: Lane, width: usize, kept: &[Range<usize>]) {
        let nulls = self.bytes(lane.head..lane.data);
        let any_null = nulls.iter().any(|byte| *byte != 0);
        let mut to = 0;
        for rows in kept {
            let place = lane.data + rows.start * width..lane.data + rows.end * width;
            writer.out.extend_from_slice(self.bytes(place));
            if any_null {
                for (row, to) in rows.clone().zip(to..) {
                    if layout::bit(nulls, row) {
                        writer.mark_null(to);
                    }
                }
            }
            to += rows.len();
        }
    }

    fn gather_varied(&self, writer: &mut Writer, lane: Lane, kept: &[Range<usize>]) {
        for (to, row) in kept.iter().cloned().flatten().enumerate() {
            match self.payload(lane, row) {
                Some(payload) => writer.push_cell(to, payload),
                None => writer.skip_cell(to),
            }
        }
    }
}
