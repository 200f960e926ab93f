//! Cells that no SQL can say: NaN of any kind, infinities, BINARY that is not UTF-8. Some in a swarm, some in rows.

use std::sync::Arc;

use super::super::{SeedError, run};
use super::{START_MS, TortureSeed};
use crate::data::{Column, DataType};
use crate::exec::{BlockWrite, Context, Engine};

/// Subtables of few rows.
const SWARM: usize = 30;
/// Rows of the one that has many.
const ROWS: usize = 5_000;
/// NaNs that 2.x does not keep for NULL.
const NANS: [u64; 3] = [0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0001, 0x7ff0_0000_0000_0001];
const NAN_FLOATS: [u32; 3] = [0x7fc0_0000, 0xffc0_0001, 0x7f80_0001];
const BYTES: [&[u8]; 5] = [b"\xff\xfe", b"\x80", b"a\0b", b"\xc3\x28", b"plain"];

pub(super) fn torture(engine: &Arc<Engine>, seed: &TortureSeed) -> Result<(), SeedError> {
    let database = &seed.database;
    let columns = "ts timestamp, f float, d double, b binary(16), v int";
    let swarm =
        (0..SWARM).map(|at| format!("create table {database}.n{at} using {database}.bits tags ({at})"));
    let all = [
        format!("create table {database}.bits ({columns}) tags (t int)"),
        format!("create table {database}.bits_rows using {database}.bits tags (-1)"),
        format!("create table {database}.bits_plain ({columns})"),
    ];
    run(engine, all.into_iter().chain(swarm))?;
    let names = (0..SWARM).map(|at| (format!("n{at}"), 1 + at % 4));
    for (table, rows) in names.chain([("bits_rows".into(), ROWS), ("bits_plain".into(), 40)]) {
        write(engine, seed, &table, rows)?;
    }
    Ok(())
}

fn write(engine: &Arc<Engine>, seed: &TortureSeed, table: &str, rows: usize) -> Result<(), SeedError> {
    let context = Context { user: "root".into(), read_only: false, database: Some(seed.database.clone()) };
    let names = ["ts", "f", "d", "b", "v"].map(str::to_owned).to_vec();
    let block = BlockWrite { table: table.to_owned(), names, columns: columns(seed, table, rows) };
    let refused = |error| SeedError::Refused { sql: format!("a block for {table}"), error };
    engine.write_block(&context, block).map(drop).map_err(refused)
}

fn columns(seed: &TortureSeed, table: &str, rows: usize) -> Vec<Column> {
    let kinds = [DataType::Timestamp, DataType::Float, DataType::Double, DataType::Binary, DataType::Int];
    let mut columns = kinds.map(Column::new);
    for row in 0..rows {
        let odd = row + table.len();
        let ts = (START_MS + i64::try_from(row).unwrap_or(0)) * seed.precision.per_milli();
        let float = match odd % 6 {
            0 => f32::from_bits(NAN_FLOATS[row % 3]),
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            _ => 1.5,
        };
        let double = match odd % 7 {
            0 => f64::from_bits(NANS[row % 3]),
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            _ => -2.5,
        };
        let [times, floats, doubles, texts, numbers] = &mut columns;
        times.push_cell(&ts.to_le_bytes());
        floats.push_cell(&float.to_le_bytes());
        doubles.push_cell(&double.to_le_bytes());
        texts.push_cell(BYTES[odd % BYTES.len()]);
        if row.is_multiple_of(9) { numbers.push_null() } else { numbers.push_cell(&7_i32.to_le_bytes()) }
    }
    columns.into()
}
