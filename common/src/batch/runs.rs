//! Rows of many tables in one block: which neighbouring rows belong to which table.

use std::ops::Range;

use super::layout::BadBlock;
use super::{Block, Cell};

/// Neighbouring rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The table's name, verbatim.
    pub table: String,
    /// Its rows in the block.
    pub rows: Range<usize>,
}

/// Rows of many tables. The runs tile the block; a table may have several; the block has no column for the name.
#[derive(Debug, Clone)]
pub struct TableRuns {
    /// The rows.
    pub block: Block,
    /// Whose they are.
    pub runs: Vec<Run>,
}

impl TableRuns {
    /// Takes a block whose first column names the table of each row.
    pub fn from_named(block_with_tbname_first: Block) -> Result<Self, BadBlock> {
        let named = block_with_tbname_first;
        let mut runs: Vec<Run> = Vec::new();
        for row in 0..named.rows() {
            let Cell::Binary(name) = named.cell(row, 0) else {
                return Err(BadBlock::new(format!("row {row} names no table")));
            };
            match runs.last_mut() {
                Some(run) if run.table.as_bytes() == name => run.rows.end = row + 1,
                _ => runs.push(Run { table: table_name(name, row)?, rows: row..row + 1 }),
            }
        }
        Ok(Self { block: named.without_first(), runs })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.block.rows()
    }

    /// How many bytes the rows take.
    pub fn byte_len(&self) -> usize {
        self.block.byte_len()
    }
}

fn table_name(name: &[u8], row: usize) -> Result<String, BadBlock> {
    let not_text = |_| BadBlock::new(format!("the table name in row {row} is not UTF-8"));
    std::str::from_utf8(name).map(str::to_owned).map_err(not_text)
}
