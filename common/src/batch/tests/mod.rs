//! Blocks against bytes written by hand, and against what was put into them.

mod block;
mod raw;
mod v2;

use std::sync::Arc;

use proptest::prelude::*;

use super::{Block, BlockBuilder, Value};
use crate::schema::{Column, DataType};
use crate::time::Precision;

fn column(data_type: DataType) -> Column {
    let length = data_type.width().map_or(Ok(20), u32::try_from).unwrap();
    Column { name: format!("c{}", data_type.code()), data_type, length }
}

fn columns(kinds: &[DataType]) -> Arc<[Column]> {
    kinds.iter().copied().map(column).collect()
}

fn build(kinds: &[DataType], rows: &[Vec<Value>]) -> Block {
    let mut builder = BlockBuilder::new(columns(kinds), Precision::Milli);
    for row in rows {
        builder.push_row(row).unwrap();
    }
    builder.finish().unwrap()
}

fn values(block: &Block) -> Vec<Vec<Value>> {
    let row = |row| (0..block.columns().len()).map(|col| block.cell(row, col).to_value()).collect();
    (0..block.rows()).map(row).collect()
}

/// Any value that a column of this type can hold in 3.x.
fn value(data_type: DataType) -> BoxedStrategy<Value> {
    let some = match data_type {
        DataType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        DataType::TinyInt => any::<i8>().prop_map(|n| Value::Int(n.into())).boxed(),
        DataType::SmallInt => any::<i16>().prop_map(|n| Value::Int(n.into())).boxed(),
        DataType::Int => any::<i32>().prop_map(|n| Value::Int(n.into())).boxed(),
        DataType::BigInt => any::<i64>().prop_map(Value::Int).boxed(),
        DataType::UTinyInt => any::<u8>().prop_map(|n| Value::UInt(n.into())).boxed(),
        DataType::USmallInt => any::<u16>().prop_map(|n| Value::UInt(n.into())).boxed(),
        DataType::UInt => any::<u32>().prop_map(|n| Value::UInt(n.into())).boxed(),
        DataType::UBigInt => any::<u64>().prop_map(Value::UInt).boxed(),
        DataType::Float => any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))).boxed(),
        DataType::Double => any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))).boxed(),
        DataType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
        DataType::Binary => prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Binary).boxed(),
        DataType::Nchar => "\\PC{0,6}".prop_map(Value::Nchar).boxed(),
        DataType::Json => "[a-z\"{}:]{0,8}".prop_map(Value::Json).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
}

/// One to five columns of any type, up to 20 rows, so that bitmaps end inside a byte, at its end and behind it.
fn table() -> impl Strategy<Value = (Vec<DataType>, Vec<Vec<Value>>)> {
    let kinds = prop::collection::vec(prop::sample::select(DataType::ALL.to_vec()), 1..6);
    kinds.prop_flat_map(|kinds| {
        let row: Vec<_> = kinds.iter().copied().map(value).collect();
        (Just(kinds), prop::collection::vec(row, 0..20))
    })
}
