//! Subtables whose rows are a function of (seed, subtable, row): big sources that need no memory.
//! A subtable that is written to becomes an ordinary one: its rows are computed once more and kept.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use super::digest::{MIX, finish};
use super::rows::{DuplicateRule, WriteBatch};
use super::table::{NewTable, ReadRange, Shape, Table, TableRef, Wanted};
use crate::config::SinkMode;
use crate::data::{Batch, Column, DataType, Nulls, Value};
use crate::sync::{read, write};

/// `tables` subtables of one stable, each with the same number of rows at a steady pace.
#[derive(Debug)]
pub(crate) struct ComputedSpec {
    pub(crate) shape: Arc<Shape>,
    /// Subtables are called by this and their index.
    pub(crate) prefix: String,
    pub(crate) tables: u64,
    pub(crate) rows: u64,
    /// The first timestamp and the step, in the database's precision.
    pub(crate) start: i64,
    pub(crate) step: i64,
    pub(crate) seed: u64,
    /// One cell in so many is NULL; 0 for none.
    pub(crate) null_every: u64,
    /// Vgroups of the database, over which subtables are dealt.
    pub(crate) vgroups: u32,
    /// Subtables that are computed no more: written to, or dropped.
    pub(crate) taken: RwLock<BTreeMap<u64, Option<Arc<Table>>>>,
}

/// A subtable with more rows than this stays as it is: keeping them is what computing them is to avoid.
const MAX_KEPT_ROWS: u64 = 2_000_000;

/// Where the computed meters stand.
const PLACES: [&str; 8] = [
    "California.SanFrancisco",
    "California.LosAngeles",
    "California.SanDiego",
    "California.SanJose",
    "California.PaloAlto",
    "California.Campbell",
    "California.Mountain",
    "California.Sunnyvale",
];

impl ComputedSpec {
    pub(crate) fn name(&self, index: u64) -> String {
        format!("{}{index}", self.prefix)
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(self.prefix.as_str())?;
        let canonical = digits == "0" || !digits.starts_with(['0', '+']);
        digits.parse().ok().filter(|index| canonical && *index < self.tables)
    }

    /// The subtable of this index, unless it was dropped.
    pub(crate) fn table(self: &Arc<Self>, index: u64) -> Option<TableRef> {
        match read(&self.taken).get(&index) {
            None => Some(TableRef::Computed { spec: self.clone(), index }),
            Some(taken) => taken.clone().map(TableRef::Stored),
        }
    }

    /// How many subtables are left.
    pub(crate) fn table_count(&self) -> u64 {
        self.tables - read(&self.taken).values().filter(|taken| taken.is_none()).count() as u64
    }

    /// Keeps the rows of a subtable from here on; `None` if they are too many.
    pub(crate) fn keep(&self, index: u64) -> Option<Arc<Table>> {
        let mut taken = write(&self.taken);
        if let Some(kept) = taken.get(&index) {
            return kept.clone();
        }
        if self.rows > MAX_KEPT_ROWS {
            return None;
        }
        let schema = self.shape.schema();
        let tags = schema.tags.iter().map(|tag| (tag.id, self.tag(index, tag.id))).collect();
        let new = NewTable { name: self.name(index), shape: self.shape.clone(), tags, sink: SinkMode::Keep };
        let (created, uid, tid) = self.identity(index);
        let table = Arc::new(Table::new(new, created, (uid, tid), self.vgroup(index)));
        let ts = (0..self.rows).map(|row| self.ts(row)).collect();
        let cells = schema.columns.iter().skip(1);
        let columns =
            cells.map(|def| (def.id, self.cell_column(index, def.id, def.ty, 0..self.rows))).collect();
        table.write(&WriteBatch { ts, columns }, &schema, DuplicateRule::ReplaceRow);
        taken.insert(index, Some(table.clone()));
        Some(table)
    }

    pub(crate) fn drop_table(&self, index: u64) {
        write(&self.taken).insert(index, None);
    }

    /// Creation time, uid and tid, as `show tables` lists them.
    pub(crate) fn identity(&self, index: u64) -> (i64, i64, i32) {
        let offset = i64::try_from(index).unwrap_or(0);
        let tid = i32::try_from(index + 1).unwrap_or(i32::MAX);
        (self.shape.created_ms, self.shape.uid + 1 + offset, tid)
    }

    pub(crate) fn vgroup(&self, index: u64) -> u32 {
        u32::try_from(index % u64::from(self.vgroups.max(1))).unwrap_or(0)
    }

    pub(crate) fn tag(&self, index: u64, id: u32) -> Value {
        let schema = self.shape.schema();
        let Some(tag) = schema.tags.iter().find(|tag| tag.id == id) else { return Value::Null };
        match tag.ty {
            DataType::Binary | DataType::NChar => {
                let place = PLACES[usize::try_from(index % 8).unwrap_or(0)];
                Value::text(place.chars().take(tag.bytes as usize).collect::<String>())
            }
            DataType::Json => Value::text(format!("{{\"group\":{}}}", index % 100)),
            DataType::Bool => Value::Bool(index.is_multiple_of(2)),
            DataType::Float | DataType::Double => Value::Float((index % 100) as f64 + 0.5),
            _ if tag.ty.unsigned_max(crate::Flavor::V3).is_some() => Value::UInt(index % 100),
            _ => Value::Int(i64::try_from(index % 100).unwrap_or(0)),
        }
    }

    pub(crate) fn ts(&self, row: u64) -> i64 {
        self.start + self.step * row.cast_signed()
    }

    /// The rows whose timestamps lie in `from..=to`.
    pub(crate) fn rows_in(&self, from: i64, to: i64) -> Range<u64> {
        let (start, end) = (self.rows_before(i128::from(from)), self.rows_before(i128::from(to) + 1));
        start..end.max(start)
    }

    pub(crate) fn read(
        &self,
        table: u64,
        asked: ReadRange,
        wanted: &[Wanted],
        out: &mut Batch,
    ) -> Option<(i64, i64)> {
        let mut rows = self.rows_in(asked.from, asked.to);
        let keep = (rows.end - rows.start).min(asked.limit as u64);
        if keep == 0 {
            return None;
        }
        rows = if asked.latest { rows.end - keep..rows.end } else { rows.start..rows.start + keep };
        for (want, column) in wanted.iter().zip(&mut out.columns) {
            let computed = match want {
                Wanted::Ts => self.ts_column(rows.clone()),
                Wanted::Cell { id, ty } => self.cell_column(table, *id, *ty, rows.clone()),
                Wanted::Nothing => continue,
            };
            if column.len() == 0 {
                *column = computed;
            } else {
                column.extend(&computed, 0..computed.len());
            }
        }
        out.rows += usize::try_from(keep).unwrap_or(0);
        Some((self.ts(rows.start), self.ts(rows.end - 1)))
    }

    fn rows_before(&self, ts: i128) -> u64 {
        let past = ts - i128::from(self.start);
        if past <= 0 {
            return 0;
        }
        let whole = (past - 1) / i128::from(self.step.max(1)) + 1;
        u64::try_from(whole).unwrap_or(u64::MAX).min(self.rows)
    }

    fn ts_column(&self, rows: Range<u64>) -> Column {
        let data = packed(count(&rows), rows, |row| self.ts(row).to_le_bytes());
        Column::from_fixed(DataType::Timestamp, data, Nulls::default())
    }

    fn cell_column(&self, table: u64, id: u32, ty: DataType, rows: Range<u64>) -> Column {
        let base = finish(self.seed ^ finish(table ^ (u64::from(id) << 48)));
        let rows_count = count(&rows);
        let hashes = rows.map(|row| finish(base.wrapping_add(row.wrapping_mul(MIX))));
        let nulls = match self.null_every {
            0 => Nulls::default(),
            every => Nulls::from_bytes(hashes.clone().map(|hash| u8::from(hash % every == 0)).collect()),
        };
        if ty.fixed_width().is_none() {
            return text_column(ty, hashes, &nulls);
        }
        Column::from_fixed(ty, fixed_cells(ty, rows_count, hashes), nulls)
    }
}

fn count(rows: &Range<u64>) -> usize {
    usize::try_from(rows.end - rows.start).unwrap_or(0)
}

/// Plausible numbers: small, positive, and exact in every type.
fn fixed_cells(ty: DataType, rows: usize, hashes: impl Iterator<Item = u64>) -> Vec<u8> {
    let small = |hash: u64, bits: u32| hash >> (64 - bits);
    match ty.fixed_width() {
        Some(1) if ty == DataType::Bool => packed(rows, hashes, |hash| [u8::from(hash >> 63 == 1)]),
        Some(1) => packed(rows, hashes, |hash| low::<1>(small(hash, 6))),
        Some(2) => packed(rows, hashes, |hash| low::<2>(small(hash, 12))),
        Some(4) if ty == DataType::Float => {
            packed(rows, hashes, |hash| (small(hash, 12) as f32 / 128.0).to_le_bytes())
        }
        Some(4) => packed(rows, hashes, |hash| low::<4>(small(hash, 20))),
        Some(8) if ty == DataType::Double => {
            packed(rows, hashes, |hash| (small(hash, 30) as f64 / 1024.0).to_le_bytes())
        }
        _ => packed(rows, hashes, |hash| small(hash, 40).to_le_bytes()),
    }
}

/// The cells side by side, written in place: this loop is what reading a big source costs.
fn packed<const N: usize, T>(
    rows: usize,
    values: impl Iterator<Item = T>,
    cell: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    let mut data = vec![0; rows * N];
    for (slot, value) in data.as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *slot = cell(value);
    }
    data
}

fn low<const N: usize>(value: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&value.to_le_bytes()[..N]);
    bytes
}

fn text_column(ty: DataType, hashes: impl Iterator<Item = u64>, nulls: &Nulls) -> Column {
    let mut column = Column::new(ty);
    for (row, hash) in hashes.enumerate() {
        if nulls.get(row) {
            column.push_null();
        } else {
            column.push_cell(format!("v{}", hash >> 54).as_bytes());
        }
    }
    column
}
