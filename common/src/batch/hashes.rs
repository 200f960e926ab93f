//! A hash of every row of a block, made column by column: what is compared is values, never layouts.
//!
//! Each row has a state of two words that starts with its table's hash. Two columns at a time are folded into it by one
//! multiplication of 64 by 64 bits, whose both halves are kept, so that a row of eight columns costs five of them and
//! no row is ever put together. NULLs are noted apart, since any bits are some value.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::Block;
use super::layout;
use crate::schema::{Column, DataType};

/// Rows hashed at a time: all their states lie in the first cache. A multiple of eight, so that bitmaps begin at a byte.
const STRETCH: usize = 512;
/// What makes the columns' keys differ, and the last fold unlike all others. Any odd numbers would do.
const KEY: u64 = 0x9e37_79b9_7f4a_7c15;
const NULLS: u64 = 0xd6e8_feb8_6659_fd93;

/// The states of some rows while their columns are folded in.
struct States {
    a: Vec<u64>,
    b: Vec<u64>,
    nulls: Vec<u64>,
    first: Vec<u64>,
    second: Vec<u64>,
}

impl Block {
    /// A hash of each row. `seeds` tells whose rows they are, in order: the hash of a table's name and its rows.
    pub fn hash_rows(&self, seeds: &[(u128, Range<usize>)]) -> Vec<u128> {
        let keys: Vec<u64> =
            self.columns().iter().enumerate().map(|(at, column)| column_key(at, column)).collect();
        let mut states = States::new(STRETCH.min(self.rows()));
        let mut hashes = Vec::with_capacity(self.rows());
        let mut seeds = seeds.iter().flat_map(|(seed, rows)| std::iter::repeat_n(*seed, rows.len()));
        for start in (0..self.rows()).step_by(STRETCH) {
            let rows = start..(start + STRETCH).min(self.rows());
            states.begin(rows.len(), &mut seeds);
            for (pair, keys) in (0..keys.len()).step_by(2).zip(keys.chunks(2)) {
                self.fill(pair, rows.clone(), &mut states, false);
                self.fill(pair + 1, rows.clone(), &mut states, true);
                states.fold(keys.first().copied().unwrap_or(KEY), keys.get(1).copied().unwrap_or(KEY));
            }
            states.finish(&mut hashes);
        }
        hashes
    }

    /// Puts a column's values into one of the two lanes; zeros where there is no such column.
    fn fill(&self, col: usize, rows: Range<usize>, states: &mut States, second: bool) {
        let values = if second { &mut states.second } else { &mut states.first };
        let (Some(column), Some(lane)) = (self.columns().get(col), self.lanes().get(col).copied()) else {
            return values.fill(0);
        };
        let Some(width) = column.data_type.width() else {
            for ((row, value), nulls) in rows.zip(values).zip(&mut states.nulls) {
                let payload = self.payload(lane, row);
                *value = payload.map_or(0, xxh3_64);
                if payload.is_none() {
                    note_null(nulls, col);
                }
            }
            return;
        };
        let cells = self.bytes(lane.data + rows.start * width..lane.data + rows.end * width);
        widen(column.data_type, cells, values);
        let bitmap = self.bytes(lane.head + rows.start / 8..lane.head + rows.end.div_ceil(8));
        if bitmap.iter().any(|byte| *byte != 0) {
            mark_nulls(col, bitmap, values, &mut states.nulls);
        }
    }
}

impl States {
    fn new(rows: usize) -> Self {
        let zeros = || vec![0; rows];
        Self { a: zeros(), b: zeros(), nulls: zeros(), first: zeros(), second: zeros() }
    }

    fn begin(&mut self, rows: usize, seeds: &mut impl Iterator<Item = u128>) {
        for lane in [&mut self.a, &mut self.b, &mut self.nulls, &mut self.first, &mut self.second] {
            lane.resize(rows, 0);
        }
        self.nulls.fill(0);
        for ((a, b), seed) in self.a.iter_mut().zip(&mut self.b).zip(seeds) {
            (*a, *b) = halves(seed);
        }
    }

    fn fold(&mut self, first: u64, second: u64) {
        let states = self.a.iter_mut().zip(&mut self.b);
        for ((a, b), (value, other)) in states.zip(self.first.iter().zip(&self.second)) {
            (*a, *b) = folded(*a, *b, value ^ first, other ^ second);
        }
    }

    fn finish(&mut self, hashes: &mut Vec<u128>) {
        let states = self.a.iter().zip(&self.b).zip(&self.nulls);
        hashes.extend(states.map(|((a, b), nulls)| {
            let (a, b) = folded(*a, *b, nulls ^ NULLS, KEY);
            u128::from(a) << 64 | u128::from(b)
        }));
    }
}

/// Two more values in a state. Its former words are kept beside the product, lest a factor of zero lose them.
const fn folded(a: u64, b: u64, value: u64, other: u64) -> (u64, u64) {
    let (high, low) = halves((a ^ value) as u128 * (b ^ other) as u128);
    (low ^ b, high ^ a)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn halves(whole: u128) -> (u64, u64) {
    ((whole >> 64) as u64, whole as u64)
}

/// Differs by place and by what kind of value it is, so that a number is never taken for a moment of the same bits.
const fn column_key(at: usize, column: &Column) -> u64 {
    let kind = match column.data_type {
        DataType::Bool => 1,
        DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt => 2,
        DataType::UTinyInt | DataType::USmallInt | DataType::UInt | DataType::UBigInt => 3,
        DataType::Float => 4,
        DataType::Double => 5,
        DataType::Timestamp => 6,
        DataType::Binary => 7,
        DataType::Nchar => 8,
        DataType::Json => 9,
    };
    let mixed = (at as u64 * 16 + kind).wrapping_mul(KEY);
    (mixed ^ (mixed >> 29)).wrapping_mul(NULLS)
}

fn note_null(nulls: &mut u64, col: usize) {
    *nulls = nulls.wrapping_add(col as u64 + 1).wrapping_mul(KEY);
}

/// The values of a column of one width, each in 64 bits: numbers by their sign, all else by their bits.
fn widen(data_type: DataType, cells: &[u8], values: &mut [u64]) {
    match data_type {
        DataType::Bool => each(cells, values, |[byte]: [u8; 1]| u64::from(byte != 0)),
        DataType::TinyInt => each(cells, values, |bytes| i64::from(i8::from_le_bytes(bytes)).cast_unsigned()),
        DataType::SmallInt => {
            each(cells, values, |bytes| i64::from(i16::from_le_bytes(bytes)).cast_unsigned());
        }
        DataType::Int => each(cells, values, |bytes| i64::from(i32::from_le_bytes(bytes)).cast_unsigned()),
        DataType::UTinyInt => each(cells, values, |bytes| u8::from_le_bytes(bytes).into()),
        DataType::USmallInt => each(cells, values, |bytes| u16::from_le_bytes(bytes).into()),
        DataType::UInt | DataType::Float => each(cells, values, |bytes| u32::from_le_bytes(bytes).into()),
        DataType::BigInt | DataType::UBigInt | DataType::Double | DataType::Timestamp => {
            each(cells, values, u64::from_le_bytes);
        }
        DataType::Binary | DataType::Nchar | DataType::Json => values.fill(0),
    }
}

fn each<const N: usize>(cells: &[u8], values: &mut [u64], value: impl Fn([u8; N]) -> u64) {
    for (to, cell) in values.iter_mut().zip(cells.as_chunks::<N>().0) {
        *to = value(*cell);
    }
}

/// What lies under a NULL is left over from somewhere: it counts for nothing.
fn mark_nulls(col: usize, bitmap: &[u8], values: &mut [u64], nulls: &mut [u64]) {
    for (row, (value, nulls)) in values.iter_mut().zip(nulls).enumerate() {
        if layout::bit(bitmap, row) {
            *value = 0;
            note_null(nulls, col);
        }
    }
}
