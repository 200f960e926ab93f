//! The same rows under other names of columns, or in another unit of time.

use std::sync::Arc;

use super::layout::{BadBlock, bit};
use super::{Block, Cell};
use crate::schema::{Column, DataType};
use crate::time::Precision;

impl Block {
    /// The same rows with these columns, which must differ in their names alone. Cheap: no row is touched.
    pub fn renamed(&self, columns: Arc<[Column]>) -> Result<Self, BadBlock> {
        let own = self.columns().iter().map(|column| column.data_type);
        if !own.eq(columns.iter().map(|column| column.data_type)) {
            return Err(BadBlock::new("columns of other types cannot take its rows"));
        }
        Ok(self.clone().with_columns(columns))
    }

    /// The same rows in another unit of time; what the finer unit had more is cut off. Refused where a moment is
    /// beyond what the unit can count.
    pub fn to_precision(&self, precision: Precision) -> Result<Self, BadBlock> {
        if precision == self.precision() {
            return Ok(self.clone());
        }
        let whole = self.slice_anew();
        let mut raw = whole.raw().to_vec();
        for (column, lane) in whole.columns().iter().zip(whole.lanes()) {
            if column.data_type != DataType::Timestamp {
                continue;
            }
            let nulls = whole.bytes(lane.head..lane.data).to_vec();
            let Some(values) = raw.get_mut(lane.data..lane.end) else { continue };
            for (row, value) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                if bit(&nulls, row) {
                    continue;
                }
                let units = i64::from_le_bytes(*value);
                let there = self.precision().convert(units, precision).ok_or_else(|| {
                    BadBlock::column(
                        column,
                        &format!("{units} {} is no moment in {precision}", self.precision()),
                    )
                })?;
                *value = there.to_le_bytes();
            }
        }
        Self::from_raw(Arc::clone(whole.columns()), precision, raw.into())
    }

    /// Of neighbouring rows with the same timestamp the last.
    #[must_use]
    pub fn last_of_each_moment(&self) -> Self {
        self.filter(|row| row + 1 == self.rows() || self.cell(row, 0) != self.cell(row + 1, 0))
    }

    /// Laid out anew, so that no column is hidden in front.
    fn slice_anew(&self) -> Self {
        self.gather(std::slice::from_ref(&(0..self.rows())))
    }
}

/// Whether two rows, each of its own block, have the same timestamp.
pub fn same_moment(one: (&Block, usize), other: (&Block, usize)) -> bool {
    match (one.0.cell(one.1, 0), other.0.cell(other.1, 0)) {
        (Cell::Timestamp(one), Cell::Timestamp(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BlockBuilder, Value};

    fn column(name: &str, data_type: DataType) -> Column {
        Column { name: name.into(), data_type, length: 8 }
    }

    fn block(rows: &[(i64, Option<i64>)]) -> Block {
        let columns = [
            column("ts", DataType::Timestamp),
            column("c", DataType::BigInt),
            column("at", DataType::Timestamp),
        ];
        let mut builder = BlockBuilder::new(Arc::from(columns), Precision::Micro);
        for (ts, at) in rows {
            let at = at.map_or(Value::Null, Value::Timestamp);
            builder.push_row(&[Value::Timestamp(*ts), Value::Int(*ts), at]).unwrap();
        }
        builder.finish().unwrap()
    }

    fn values(block: &Block) -> Vec<Vec<Value>> {
        let row = |row| (0..block.columns().len()).map(|column| block.cell(row, column).to_value()).collect();
        (0..block.rows()).map(row).collect()
    }

    #[test]
    fn every_timestamp_changes_its_unit_and_nothing_else() {
        let there = block(&[(1_999, Some(-1)), (-1_001, None)]).to_precision(Precision::Milli).unwrap();
        assert_eq!(there.precision(), Precision::Milli);
        let wanted = [
            vec![Value::Timestamp(1), Value::Int(1_999), Value::Timestamp(-1)],
            vec![Value::Timestamp(-2), Value::Int(-1_001), Value::Null],
        ];
        assert_eq!(values(&there), wanted);
        let back = block(&[(5, Some(7))]).to_precision(Precision::Nano).unwrap();
        assert_eq!(values(&back)[0], [Value::Timestamp(5_000), Value::Int(5), Value::Timestamp(7_000)]);
        let hidden = block(&[(5, Some(7_000))]).without_first().to_precision(Precision::Milli).unwrap();
        assert_eq!(values(&hidden), [vec![Value::Int(5), Value::Timestamp(7)]]);
    }

    #[test]
    fn a_moment_that_the_unit_cannot_count_is_refused() {
        let error = block(&[(i64::MAX / 10, None)]).to_precision(Precision::Nano).unwrap_err().to_string();
        assert!(error.contains("is no moment in ns"), "{error}");
    }

    #[test]
    fn of_rows_of_one_moment_the_last_is_left() {
        let there =
            block(&[(1, Some(1)), (1, Some(2)), (2, None), (3, None), (3, Some(9))]).last_of_each_moment();
        let kept: Vec<_> = values(&there).into_iter().map(|row| (row[0].clone(), row[2].clone())).collect();
        let moment = Value::Timestamp;
        assert_eq!(kept, [(moment(1), moment(2)), (moment(2), Value::Null), (moment(3), moment(9))]);
    }

    #[test]
    fn names_of_columns_change_and_types_do_not() {
        let own = block(&[(1, None)]);
        let names = [
            column("a", DataType::Timestamp),
            column("b", DataType::BigInt),
            column("c", DataType::Timestamp),
        ];
        let renamed = own.renamed(Arc::from(names.clone())).unwrap();
        assert_eq!((values(&renamed), renamed.columns()[1].name.as_str()), (values(&own), "b"));
        assert!(own.renamed(Arc::from(&names[..2])).is_err());
    }
}
