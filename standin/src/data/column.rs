//! A column of cells of one type, compact and appendable: the form of rows at rest and of rows in flight.
//! A NULL of a fixed type holds 2.x's sentinel, so that a 2.x block is a plain copy of the data.

use std::ops::Range;

use super::types::DataType;
use super::value::Value;

/// Which cells are NULL: one byte a row, and nothing at all until the first NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Nulls(Option<Vec<u8>>);

#[derive(Clone, Debug)]
pub(crate) struct Column {
    ty: DataType,
    len: usize,
    data: Vec<u8>,
    /// Where each cell of a variable type ends in `data`.
    ends: Vec<u32>,
    nulls: Nulls,
}

impl Nulls {
    pub(crate) fn get(&self, row: usize) -> bool {
        self.0.as_ref().is_some_and(|nulls| nulls[row] != 0)
    }

    pub(crate) fn any(&self) -> bool {
        self.0.is_some()
    }

    /// One byte a row, if any row is NULL.
    pub(crate) fn as_slice(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }

    pub(crate) fn from_bytes(nulls: Vec<u8>) -> Self {
        Self(nulls.iter().any(|null| *null != 0).then_some(nulls))
    }

    fn push(&mut self, len: usize, null: bool) {
        match &mut self.0 {
            Some(nulls) => nulls.push(u8::from(null)),
            None if null => {
                let mut nulls = vec![0; len];
                nulls.push(1);
                self.0 = Some(nulls);
            }
            None => {}
        }
    }

    fn extend_known(&mut self, count: usize) {
        if let Some(nulls) = &mut self.0 {
            nulls.resize(nulls.len() + count, 0);
        }
    }

    fn splice(&mut self, len: usize, range: Range<usize>, other: &Nulls, other_range: Range<usize>) {
        match (&mut self.0, &other.0) {
            (None, None) => {}
            (Some(mine), None) => {
                mine.splice(range, std::iter::repeat_n(0, other_range.len()));
            }
            (mine, Some(theirs)) => {
                let nulls = mine.get_or_insert_with(|| vec![0; len]);
                nulls.splice(range, theirs[other_range].iter().copied());
            }
        }
    }
}

impl Column {
    pub(crate) fn new(ty: DataType) -> Self {
        Self { ty, len: 0, data: Vec::new(), ends: Vec::new(), nulls: Nulls::default() }
    }

    /// A column of a fixed type from its packed values; cells marked NULL get the sentinel.
    pub(crate) fn from_fixed(ty: DataType, mut data: Vec<u8>, nulls: Nulls) -> Self {
        let width = ty.fixed_width().unwrap_or(1);
        if let Some(marks) = nulls.as_slice() {
            let cells = data.chunks_exact_mut(width).zip(marks);
            cells.filter(|(_, null)| **null != 0).for_each(|(cell, _)| cell.copy_from_slice(null_bytes(ty)));
        }
        Self { ty, len: data.len() / width, data, ends: Vec::new(), nulls }
    }

    pub(crate) fn ty(&self) -> DataType {
        self.ty
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn nulls(&self) -> &Nulls {
        &self.nulls
    }

    /// The packed values of a fixed type.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row)
    }

    pub(crate) fn reserve(&mut self, rows: usize, bytes: usize) {
        self.data.reserve(bytes);
        if self.ty.fixed_width().is_none() {
            self.ends.reserve(rows);
        }
    }

    /// Whether another `bytes` can be told apart by 32-bit ends.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.ty.fixed_width().is_some() || u32::try_from(self.data.len() + bytes).is_ok()
    }

    /// The raw bytes of one cell.
    pub(crate) fn cell(&self, row: usize) -> &[u8] {
        &self.data[self.span(row..row + 1)]
    }

    pub(crate) fn push_cell(&mut self, cell: &[u8]) {
        self.data.extend_from_slice(cell);
        self.close_cell(false);
    }

    /// Timestamps, packed as they are.
    pub(crate) fn push_timestamps(&mut self, all: &[i64]) {
        let start = self.data.len();
        self.data.resize(start + size_of_val(all), 0);
        let (slots, _) = self.data[start..].as_chunks_mut();
        slots.iter_mut().zip(all).for_each(|(slot, ts)| *slot = ts.to_le_bytes());
        self.nulls.extend_known(all.len());
        self.len += all.len();
    }

    pub(crate) fn push_null(&mut self) {
        if self.ty.fixed_width().is_some() {
            self.data.extend_from_slice(null_bytes(self.ty));
        }
        self.close_cell(true);
    }

    pub(crate) fn push_nulls(&mut self, count: usize) {
        (0..count).for_each(|_| self.push_null());
    }

    pub(crate) fn push_value(&mut self, value: &Value) {
        if self.push_known(value).is_none() {
            self.push_null();
        }
    }

    pub(crate) fn push_repeated(&mut self, value: &Value, count: usize) {
        if count == 0 {
            return;
        }
        let first = self.len;
        self.push_value(value);
        if self.is_null(first) {
            self.push_nulls(count - 1);
            return;
        }
        let cell = self.cell(first).to_vec();
        self.reserve(count, cell.len() * count);
        (1..count).for_each(|_| self.push_cell(&cell));
    }

    pub(crate) fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        decode(self.ty, self.cell(row)).unwrap_or_default()
    }

    pub(crate) fn extend(&mut self, other: &Column, range: Range<usize>) {
        let end = self.len;
        self.splice(end..end, other, range);
    }

    /// Replaces the rows of `range` by rows of another column of the same type.
    pub(crate) fn splice(&mut self, range: Range<usize>, other: &Column, other_range: Range<usize>) {
        self.nulls.splice(self.len, range.clone(), &other.nulls, other_range.clone());
        let old = self.span(range.clone());
        let new = other.span(other_range.clone());
        if self.ty.fixed_width().is_none() {
            self.splice_ends(range.clone(), (old.start, old.end), other, other_range.clone());
        }
        if old.start == self.data.len() {
            self.data.extend_from_slice(&other.data[new]);
        } else if old.len() == new.len() {
            self.data[old].copy_from_slice(&other.data[new]);
        } else {
            self.data.splice(old, other.data[new].iter().copied());
        }
        self.len = self.len - range.len() + other_range.len();
    }

    /// Where the cells of these rows lie in `data`.
    pub(crate) fn span(&self, rows: Range<usize>) -> Range<usize> {
        match self.ty.fixed_width() {
            Some(width) => rows.start * width..rows.end * width,
            None => self.end_before(rows.start)..self.end_before(rows.end),
        }
    }

    /// Memory held, for limits and tests.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.ends.len() * size_of::<u32>() + self.nulls.as_slice().map_or(0, <[u8]>::len)
    }

    fn end_before(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    fn splice_ends(
        &mut self,
        range: Range<usize>,
        (old_start, old_end): (usize, usize),
        other: &Column,
        other_range: Range<usize>,
    ) {
        let base = other.end_before(other_range.start);
        let mut end = old_start;
        let new: Vec<u32> = other.ends[other_range]
            .iter()
            .map(|theirs| {
                end = old_start + (*theirs as usize - base);
                narrow(end)
            })
            .collect();
        let tail = range.start + new.len();
        self.ends.splice(range, new);
        if end != old_end {
            for later in &mut self.ends[tail..] {
                *later = narrow(*later as usize - old_end + end);
            }
        }
    }

    fn close_cell(&mut self, null: bool) {
        if self.ty.fixed_width().is_none() {
            self.ends.push(narrow(self.data.len()));
        }
        self.nulls.push(self.len, null);
        self.len += 1;
    }

    fn push_known(&mut self, value: &Value) -> Option<()> {
        match self.ty {
            DataType::Binary | DataType::NChar | DataType::Json => self.push_cell(value.as_bytes()?),
            DataType::Bool => self.push_cell(&[u8::from(value.as_f64()? != 0.0)]),
            DataType::Float => self.push_cell(&float_bytes(value.as_f64()?)),
            DataType::Double => self.push_cell(&value.as_f64()?.to_le_bytes()),
            _ => {
                let width = self.ty.fixed_width()?;
                let bits = match value {
                    Value::UInt(int) => *int,
                    other => other.as_int()?.cast_unsigned(),
                };
                self.push_cell(&bits.to_le_bytes()[..width]);
            }
        }
        Some(())
    }
}

/// 2.x's NULL of a fixed type (tdengine: every type gives up one of its values).
pub(crate) const fn null_bytes(ty: DataType) -> &'static [u8] {
    match ty {
        DataType::Bool => &[0x02],
        DataType::TinyInt => &[0x80],
        DataType::SmallInt => &[0, 0x80],
        DataType::Int => &[0, 0, 0, 0x80],
        DataType::BigInt | DataType::Timestamp => &[0, 0, 0, 0, 0, 0, 0, 0x80],
        DataType::UTinyInt => &[0xFF],
        DataType::USmallInt => &[0xFF; 2],
        DataType::UInt => &[0xFF; 4],
        DataType::UBigInt => &[0xFF; 8],
        DataType::Float => &[0, 0, 0xF0, 0x7F],
        DataType::Double => &[0, 0, 0, 0, 0, 0xFF, 0xFF, 0x7F],
        DataType::Binary => &[0xFF],
        DataType::NChar | DataType::Json => &[0xFF; 4],
    }
}

pub(crate) fn float_bytes(value: f64) -> [u8; 4] {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a FLOAT column keeps the nearest f32, as TDengine does"
    )]
    let narrow = value as f32;
    narrow.to_le_bytes()
}

pub(crate) fn decode(ty: DataType, cell: &[u8]) -> Option<Value> {
    Some(match ty {
        DataType::Bool => Value::Bool(cell.first()? != &0),
        DataType::TinyInt => Value::Int(i8::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::SmallInt => Value::Int(i16::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::Int => Value::Int(i32::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::BigInt | DataType::Timestamp => Value::Int(i64::from_le_bytes(cell.try_into().ok()?)),
        DataType::UTinyInt => Value::UInt(u8::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::USmallInt => Value::UInt(u16::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::UInt => Value::UInt(u32::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::UBigInt => Value::UInt(u64::from_le_bytes(cell.try_into().ok()?)),
        DataType::Float => Value::Float(f32::from_le_bytes(cell.try_into().ok()?).into()),
        DataType::Double => Value::Float(f64::from_le_bytes(cell.try_into().ok()?)),
        DataType::Binary | DataType::NChar | DataType::Json => Value::Bytes(cell.into()),
    })
}

/// `has_room` is asked before anything is stored, so this never saturates in practice.
fn narrow(end: usize) -> u32 {
    u32::try_from(end).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[Option<&str>]) -> Column {
        let mut column = Column::new(DataType::Binary);
        cells.iter().for_each(|cell| column.push_value(&cell.map_or(Value::Null, Value::from)));
        column
    }

    fn shown(column: &Column) -> Vec<Value> {
        (0..column.len()).map(|row| column.value(row)).collect()
    }

    #[test]
    fn splicing_text_shifts_the_cells_behind_it() {
        let mut column = texts(&[Some("a"), Some("bb"), None, Some("d")]);
        column.splice(1..3, &texts(&[Some("x"), Some("long"), None, Some("y")]), 1..4);
        assert_eq!(shown(&column), shown(&texts(&[Some("a"), Some("long"), None, Some("y"), Some("d")])));
    }

    #[test]
    fn every_type_reads_back_what_was_pushed_and_null_where_nothing_was() {
        let cases = [
            (DataType::Bool, Value::Bool(true)),
            (DataType::TinyInt, Value::Int(-127)),
            (DataType::SmallInt, Value::Int(-32767)),
            (DataType::Int, Value::Int(-5)),
            (DataType::BigInt, Value::Int(i64::MAX)),
            (DataType::Float, Value::Float(0.25)),
            (DataType::Double, Value::Float(1e300)),
            (DataType::Timestamp, Value::Int(1)),
            (DataType::UTinyInt, Value::UInt(254)),
            (DataType::USmallInt, Value::UInt(65534)),
            (DataType::UInt, Value::UInt(7)),
            (DataType::UBigInt, Value::UInt(u64::MAX - 1)),
            (DataType::NChar, Value::from("汉字")),
        ];
        for (ty, value) in cases {
            let mut column = Column::new(ty);
            column.push_value(&value);
            column.push_null();
            column.push_repeated(&value, 2);
            let want = vec![value.clone(), Value::Null, value.clone(), value];
            assert_eq!(shown(&column), want, "{ty:?}");
        }
    }
}
