//! Types, values and columns of values: what tables, results and blocks are made of.

mod column;
mod types;
mod value;

pub(crate) use column::{Column, Nulls, decode, float_bytes, null_bytes};
pub use types::{DataType, Field, Precision};
pub use value::Value;

/// Rows in columns, on their way from a table to a client or back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}
