//! Storing rows that are parsed already: the checks and the counting that every write path shares.

use std::sync::Arc;

use super::{Context, Engine};
use crate::config::Flavor;
use crate::data::{Column, DataType};
use crate::error::{SqlError, SqlResult};
use crate::store::{Database, DuplicateRule, Table, WriteBatch};
use crate::sync::read;

/// The last timestamps 3.x takes, per precision (ms and us: the year 2970; ns: 2262).
const V3_MAX_TS: [i64; 3] = [31_556_995_200_000, 31_556_995_200_000_000, 9_214_646_400_000_000_000];
const MINUTE_MS: i64 = 60_000;

/// A raw block for one table: the names of its columns and their cells.
#[derive(Debug)]
pub(crate) struct BlockWrite {
    pub(crate) table: String,
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<Column>,
}

/// What a database says about the rows it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteRules {
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
    pub(crate) duplicates: DuplicateRule,
}

impl Engine {
    pub(crate) fn write_rules(&self, database: &Database) -> WriteRules {
        let options = &database.options;
        let tick = options.precision.per_milli();
        let now = self.now_ms();
        let keep = options.keep_minutes[2].saturating_mul(MINUTE_MS);
        let newest = match self.flavor() {
            Flavor::V26 => (now + options.duration_minutes.saturating_mul(MINUTE_MS)).saturating_mul(tick),
            Flavor::V3 => V3_MAX_TS[usize::from(options.precision.code())],
        };
        let duplicates = match (self.flavor(), options.number("update")) {
            (Flavor::V26, 0) => DuplicateRule::FirstWins,
            (Flavor::V26, 1) => DuplicateRule::ReplaceRow,
            _ => DuplicateRule::MergeColumns,
        };
        WriteRules { oldest: now.saturating_sub(keep).saturating_mul(tick), newest, duplicates }
    }

    /// Stores rows whose range was checked.
    pub(crate) fn store(&self, table: &Table, batch: &WriteBatch, rules: WriteRules) -> SqlResult<()> {
        if table.write(batch, &table.shape.schema(), rules.duplicates) {
            Ok(())
        } else {
            Err(SqlError::new(0x0102, "Out of Memory: one table's column is limited to 4 GiB here"))
        }
    }

    /// Takes a raw block, by the rules that were seen on a real 3.3.1: the table must exist in the current
    /// database, types must match, one bad row refuses the block, and a column the table lacks is dropped
    /// in silence together with every column after it.
    pub(crate) fn write_block(&self, context: &Context, block: BlockWrite) -> SqlResult<u64> {
        self.refuse_read_only(context, true)?;
        let database = self.database_of(context, None)?;
        let (table, rules) = {
            let catalog = read(&self.catalog);
            let found = catalog.database(database).ok_or_else(|| SqlError::no_database(self.flavor()))?;
            (self.writable(found, &block.table)?, self.write_rules(found))
        };
        let rows = block.columns.first().map_or(0, Column::len) as u64;
        let batch = block_batch(&table, block)?;
        check_range(&batch.ts, rules)?;
        self.store(&table, &batch, rules)?;
        self.counters.rows_by_block(rows);
        Ok(rows)
    }

    /// The columns of a table in the current database, for blocks that come without names.
    pub(crate) fn column_names(&self, context: &Context, table: &str) -> SqlResult<Vec<String>> {
        let database = self.database_of(context, None)?;
        let catalog = read(&self.catalog);
        let found = catalog.database(database).ok_or_else(|| SqlError::no_database(self.flavor()))?;
        let schema = self.writable(found, table)?.shape.schema();
        Ok(schema.columns.iter().map(|def| def.name.clone()).collect())
    }

    pub(crate) fn writable(&self, database: &Database, name: &str) -> SqlResult<Arc<Table>> {
        let table = database.table(name).ok_or_else(|| SqlError::no_table_to_write(self.flavor()))?;
        table.kept().ok_or_else(too_big)
    }
}

pub(crate) fn too_big() -> SqlError {
    SqlError::new(0x0512, "the stand-in computes the rows of this table, and they are too many to be kept")
}

pub(crate) fn check_range(ts: &[i64], rules: WriteRules) -> SqlResult<()> {
    // no early exit: the loop stays simple enough to be fast, and a refusal is rare
    let (low, high) = ts.iter().fold((i64::MAX, i64::MIN), |(low, high), ts| (low.min(*ts), high.max(*ts)));
    let inside = ts.is_empty() || (rules.oldest <= low && high <= rules.newest);
    if inside { Ok(()) } else { Err(SqlError::out_of_range()) }
}

fn block_batch(table: &Table, block: BlockWrite) -> SqlResult<WriteBatch> {
    let invalid = || SqlError::new(0x0118, "Invalid parameters");
    let schema = table.shape.schema();
    let mut ts = None;
    let mut columns = Vec::new();
    for (name, column) in block.names.iter().zip(block.columns) {
        // the real server stops matching here: what follows is lost as well
        let Some(at) = schema.column(name) else { break };
        let def = &schema.columns[at];
        if def.ty != column.ty() {
            return Err(invalid());
        }
        if at == 0 {
            ts = Some(timestamps(&column).ok_or_else(invalid)?);
            continue;
        }
        let var = def.ty.fixed_width().is_none();
        if var && !(0..column.len()).all(|row| column.is_null(row) || def.fits(column.cell(row))) {
            return Err(SqlError::new(0x2653, format!("Value too long for column/tag: {name}")));
        }
        columns.push((def.id, column));
    }
    Ok(WriteBatch { ts: ts.ok_or_else(invalid)?, columns })
}

/// The timestamps of a column without NULLs.
fn timestamps(column: &Column) -> Option<Vec<i64>> {
    if column.nulls().any() || column.ty() != DataType::Timestamp {
        return None;
    }
    let (words, _) = column.data().as_chunks();
    Some(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
}
