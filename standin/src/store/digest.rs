//! What a digest-only sink keeps of a table: its timestamps as runs, and an order-free sum over its rows.
//! A row whose timestamp is already there does not count into the sum again, so that writing a stretch
//! twice, as a migrator does after a crash, leaves the same digest.

use super::rows::{DuplicateRule, WriteBatch};
use super::runs::Runs;
use crate::data::Column;

#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    runs: Runs,
    sum: u64,
}

/// An odd constant whose bits look random (the golden ratio in 64 bits).
pub(crate) const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

impl Digest {
    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    pub(crate) fn write(&mut self, batch: &WriteBatch) {
        let hashes = row_hashes(batch);
        if batch.strictly_ascending() {
            self.add(&batch.ts, &hashes);
            return;
        }
        let winners = batch.winners(DuplicateRule::MergeColumns);
        let ts: Vec<i64> = winners.iter().map(|index| batch.ts[*index]).collect();
        let hashes: Vec<u64> = winners.iter().map(|index| hashes[*index]).collect();
        self.add(&ts, &hashes);
    }

    pub(crate) fn remove(&mut self, from: i64, to: i64) {
        self.runs.remove(from, to);
    }

    fn add(&mut self, ts: &[i64], hashes: &[u64]) {
        let after_all = match (self.runs.last(i64::MIN, i64::MAX), ts.first()) {
            (Some(last), Some(first)) => last < *first,
            _ => true,
        };
        let rows = ts.iter().zip(hashes);
        let fresh = rows.filter(|(ts, _)| after_all || !self.runs.contains(**ts));
        self.sum = fresh.fold(self.sum, |sum, (_, hash)| sum.wrapping_add(*hash));
        self.runs.insert(ts);
    }
}

/// One hash a row, taken column by column so that the loops stay simple. Columns go by their ids.
fn row_hashes(batch: &WriteBatch) -> Vec<u64> {
    let mut hashes: Vec<u64> = batch.ts.iter().map(|ts| ts.cast_unsigned().wrapping_mul(MIX)).collect();
    for (id, column) in &batch.columns {
        let salt = u64::from(*id).wrapping_add(1).wrapping_mul(MIX);
        match column.ty().fixed_width() {
            Some(4) => {
                fold(&mut hashes, salt, words::<4>(column).map(|word| u32::from_le_bytes(word).into()))
            }
            Some(8) => fold(&mut hashes, salt, words::<8>(column).map(u64::from_le_bytes)),
            _ => fold(&mut hashes, salt, (0..column.len()).map(|row| cell_bits(column, row))),
        }
        // on 3.x the sentinel of a NULL is a value like any other
        let nulls = hashes.iter_mut().zip(column.nulls().as_slice().unwrap_or_default());
        nulls.filter(|(_, null)| **null != 0).for_each(|(hash, _)| *hash ^= finish(!salt));
    }
    hashes.iter_mut().for_each(|hash| *hash = finish(*hash));
    hashes
}

/// The values of a fixed column, NULLs by their sentinels.
fn words<const N: usize>(column: &Column) -> impl Iterator<Item = [u8; N]> + '_ {
    column.data().as_chunks().0.iter().copied()
}

fn fold(hashes: &mut [u64], salt: u64, cells: impl Iterator<Item = u64>) {
    for (hash, bits) in hashes.iter_mut().zip(cells) {
        *hash ^= finish(bits ^ salt ^ hash.rotate_left(17));
    }
}

fn cell_bits(column: &Column, row: usize) -> u64 {
    if column.is_null(row) {
        return MIX;
    }
    let words = column.cell(row).chunks(8).map(|word| {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        u64::from_le_bytes(bytes)
    });
    words.fold(0, |hash, word| (hash ^ word).wrapping_mul(MIX).rotate_left(29))
}

pub(crate) fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataType, Value};

    fn batch(rows: &[(i64, i64)]) -> WriteBatch {
        let mut cells = Column::new(DataType::BigInt);
        rows.iter().for_each(|(_, value)| cells.push_value(&Value::Int(*value)));
        WriteBatch { ts: rows.iter().map(|(ts, _)| *ts).collect(), columns: vec![(1, cells)] }
    }

    #[test]
    fn the_sum_ignores_order_and_repeats_and_sees_a_changed_cell() {
        let sum = |batches: &[&[(i64, i64)]]| {
            let mut digest = Digest::default();
            batches.iter().for_each(|rows| digest.write(&batch(rows)));
            (digest.sum(), digest.runs().len())
        };
        let straight = sum(&[&[(1, 1), (2, 2), (3, 3)]]);
        assert_eq!(sum(&[&[(3, 3)], &[(2, 2), (1, 1)]]), straight);
        assert_eq!(sum(&[&[(1, 1), (2, 2)], &[(2, 2), (3, 3)]]), straight);
        assert_ne!(sum(&[&[(1, 1), (2, 9), (3, 3)]]).0, straight.0);
    }

    #[test]
    fn a_null_is_not_the_value_that_stands_for_it_on_2_x() {
        let of = |value: Value| {
            let mut cells = Column::new(DataType::BigInt);
            cells.push_value(&value);
            let mut digest = Digest::default();
            digest.write(&WriteBatch { ts: vec![1], columns: vec![(1, cells)] });
            digest.sum()
        };
        assert_ne!(of(Value::Null), of(Value::Int(i64::MIN)));
    }
}
