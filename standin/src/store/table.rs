//! One table: its name, where it lives, its tags and its rows, stored or computed, behind one face.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use super::computed::ComputedSpec;
use super::digest::Digest;
use super::rows::{DuplicateRule, Rows, WriteBatch};
use super::schema::Schema;
use crate::config::SinkMode;
use crate::data::{Batch, DataType, Value};
use crate::sync::{read, write};

/// The columns of a stable (shared by its subtables) or of one normal table.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The stable's name; empty for a normal table.
    pub(crate) stable: String,
    pub(crate) created_ms: i64,
    pub(crate) uid: i64,
    schema: RwLock<Arc<Schema>>,
    /// No row of any of its tables is later. May be later than all of them, where rows were deleted.
    newest: AtomicI64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: Arc<str>,
    pub(crate) created_ms: i64,
    pub(crate) uid: i64,
    pub(crate) tid: i32,
    /// Index of its vgroup inside the database.
    pub(crate) vgroup: u32,
    pub(crate) shape: Arc<Shape>,
    inner: RwLock<Inner>,
}

/// What a table is created with.
pub(crate) struct NewTable {
    pub(crate) name: String,
    pub(crate) shape: Arc<Shape>,
    pub(crate) tags: Vec<(u32, Value)>,
    pub(crate) sink: SinkMode,
}

#[derive(Debug)]
struct Inner {
    /// By tag id; a tag that is missing is NULL.
    tags: Box<[(u32, Value)]>,
    rows: RowStore,
}

#[derive(Debug)]
enum RowStore {
    Kept(Rows),
    Digest(Box<Digest>),
}

/// A table that a statement works on.
#[derive(Clone, Debug)]
pub(crate) enum TableRef {
    Stored(Arc<Table>),
    Computed { spec: Arc<ComputedSpec>, index: u64 },
}

/// A cell column that a read is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    Ts,
    Cell {
        id: u32,
        ty: DataType,
    },
    /// A column that the reader fills in by itself, such as the table's name.
    Nothing,
}

/// Which rows a read is asked for: timestamps in `from..=to`, at most `limit`, off the end if `latest`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRange {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) limit: usize,
    pub(crate) latest: bool,
}

impl Shape {
    pub(crate) fn new(stable: impl Into<String>, schema: Schema, created_ms: i64, uid: i64) -> Self {
        let (schema, newest) = (RwLock::new(Arc::new(schema)), AtomicI64::new(i64::MIN));
        Self { stable: stable.into(), created_ms, uid, schema, newest }
    }

    /// Whether none of its tables can have a row from this moment on: asked before they are gone through, since who
    /// polls a stable of many tables mostly asks about a time in which none was written to.
    pub(crate) fn ends_before(&self, from: i64) -> bool {
        self.newest.load(Ordering::Acquire) < from
    }

    pub(crate) fn saw(&self, newest: i64) {
        self.newest.fetch_max(newest, Ordering::AcqRel);
    }

    pub(crate) fn schema(&self) -> Arc<Schema> {
        read(&self.schema).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Schema)) {
        change(Arc::make_mut(&mut write(&self.schema)));
    }
}

impl Table {
    pub(crate) fn new(new: NewTable, created_ms: i64, (uid, tid): (i64, i32), vgroup: u32) -> Self {
        let rows = match new.sink {
            SinkMode::Keep => RowStore::Kept(Rows::default()),
            SinkMode::Digest => RowStore::Digest(Box::default()),
        };
        let inner = RwLock::new(Inner { tags: new.tags.into_boxed_slice(), rows });
        Self { name: new.name.into(), created_ms, uid, tid, vgroup, shape: new.shape, inner }
    }

    pub(crate) fn set_tag(&self, id: u32, value: Value) {
        let mut inner = write(&self.inner);
        let mut tags = std::mem::take(&mut inner.tags).into_vec();
        tags.retain(|(have, _)| *have != id);
        tags.push((id, value));
        inner.tags = tags.into_boxed_slice();
    }

    /// Stores rows; `false` if the table cannot hold that many bytes.
    pub(crate) fn write(&self, batch: &WriteBatch, schema: &Schema, rule: DuplicateRule) -> bool {
        // before the rows can be seen: nobody finds them and the stable older than they are
        self.shape.saw(batch.ts.iter().copied().max().unwrap_or(i64::MIN));
        match &mut write(&self.inner).rows {
            RowStore::Kept(rows) if rows.has_room(batch) => rows.write(batch, &schema.columns, rule),
            RowStore::Kept(_) => return false,
            RowStore::Digest(digest) => digest.write(batch),
        }
        true
    }

    /// Removes the rows in `from..=to` and says how many there were.
    pub(crate) fn delete(&self, from: i64, to: i64) -> u64 {
        match &mut write(&self.inner).rows {
            RowStore::Kept(rows) => {
                let range = rows.range(from, to);
                let gone = range.len() as u64;
                rows.delete(range);
                gone
            }
            RowStore::Digest(digest) => {
                let gone = digest.runs().count(from, to);
                digest.remove(from, to);
                gone
            }
        }
    }

    /// The order-free sum over its rows, where only a digest is kept.
    pub(crate) fn digest(&self) -> Option<u64> {
        match &read(&self.inner).rows {
            RowStore::Kept(_) => None,
            RowStore::Digest(digest) => Some(digest.sum()),
        }
    }

    pub(crate) fn keeps_rows(&self) -> bool {
        matches!(read(&self.inner).rows, RowStore::Kept(_))
    }

    pub(crate) fn bytes(&self) -> usize {
        match &read(&self.inner).rows {
            RowStore::Kept(rows) => rows.bytes(),
            RowStore::Digest(_) => 0,
        }
    }

    fn tag(&self, id: u32) -> Value {
        let inner = read(&self.inner);
        inner.tags.iter().find(|(have, _)| *have == id).map_or(Value::Null, |(_, value)| value.clone())
    }

    fn count(&self, from: i64, to: i64) -> u64 {
        match &read(&self.inner).rows {
            RowStore::Kept(rows) => rows.range(from, to).len() as u64,
            RowStore::Digest(digest) if from == i64::MIN && to == i64::MAX => digest.runs().len(),
            RowStore::Digest(digest) => digest.runs().count(from, to),
        }
    }

    fn edge(&self, from: i64, to: i64, last: bool) -> Option<i64> {
        match &read(&self.inner).rows {
            RowStore::Kept(rows) => {
                let inside = &rows.timestamps()[rows.range(from, to)];
                if last { inside.last().copied() } else { inside.first().copied() }
            }
            RowStore::Digest(digest) if last => digest.runs().last(from, to),
            RowStore::Digest(digest) => digest.runs().first(from, to),
        }
    }

    fn read(&self, asked: ReadRange, wanted: &[Wanted], out: &mut Batch) -> Option<(i64, i64)> {
        let inner = read(&self.inner);
        let RowStore::Kept(rows) = &inner.rows else { return None };
        let mut range = rows.range(asked.from, asked.to);
        let keep = range.len().min(asked.limit);
        range = if asked.latest { range.end - keep..range.end } else { range.start..range.start + keep };
        let ts = &rows.timestamps()[range.clone()];
        for (want, column) in wanted.iter().zip(&mut out.columns) {
            match want {
                Wanted::Ts => column.push_timestamps(ts),
                Wanted::Cell { id, .. } => match rows.column(*id) {
                    Some(stored) => column.extend(stored, range.clone()),
                    None => column.push_nulls(range.len()),
                },
                Wanted::Nothing => {}
            }
        }
        out.rows += range.len();
        Some((*ts.first()?, *ts.last()?))
    }
}

impl TableRef {
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Stored(table) => Cow::Borrowed(&table.name),
            Self::Computed { spec, index } => Cow::Owned(spec.name(*index)),
        }
    }

    pub(crate) fn shape(&self) -> &Arc<Shape> {
        match self {
            Self::Stored(table) => &table.shape,
            Self::Computed { spec, .. } => &spec.shape,
        }
    }

    pub(crate) fn schema(&self) -> Arc<Schema> {
        self.shape().schema()
    }

    pub(crate) fn tag(&self, id: u32) -> Value {
        match self {
            Self::Stored(table) => table.tag(id),
            Self::Computed { spec, index } => spec.tag(*index, id),
        }
    }

    /// Rows with timestamps in `from..=to`.
    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        match self {
            Self::Stored(table) => table.count(from, to),
            Self::Computed { spec, .. } => {
                let rows = spec.rows_in(from, to);
                rows.end - rows.start
            }
        }
    }

    pub(crate) fn first(&self, from: i64, to: i64) -> Option<i64> {
        match self {
            Self::Stored(table) => table.edge(from, to, false),
            Self::Computed { spec, .. } => {
                let rows = spec.rows_in(from, to);
                (rows.start < rows.end).then(|| spec.ts(rows.start))
            }
        }
    }

    pub(crate) fn last(&self, from: i64, to: i64) -> Option<i64> {
        match self {
            Self::Stored(table) => table.edge(from, to, true),
            Self::Computed { spec, .. } => {
                let rows = spec.rows_in(from, to);
                (rows.start < rows.end).then(|| spec.ts(rows.end - 1))
            }
        }
    }

    /// Adds rows to `out` and tells the first and the last timestamp of what was added.
    pub(crate) fn read(&self, asked: ReadRange, wanted: &[Wanted], out: &mut Batch) -> Option<(i64, i64)> {
        match self {
            Self::Stored(table) => table.read(asked, wanted, out),
            Self::Computed { spec, index } => spec.read(*index, asked, wanted, out),
        }
    }

    pub(crate) fn keeps_rows(&self) -> bool {
        match self {
            Self::Stored(table) => table.keeps_rows(),
            Self::Computed { .. } => true,
        }
    }

    pub(crate) fn vgroup(&self) -> u32 {
        match self {
            Self::Stored(table) => table.vgroup,
            Self::Computed { spec, index } => spec.vgroup(*index),
        }
    }

    /// The table as one that takes rows; `None` for a computed one too big to keep.
    pub(crate) fn kept(&self) -> Option<Arc<Table>> {
        match self {
            Self::Stored(table) => Some(table.clone()),
            Self::Computed { spec, index } => spec.keep(*index),
        }
    }

    /// Creation time, uid and tid, as `show tables` lists them.
    pub(crate) fn identity(&self) -> (i64, i64, i32) {
        match self {
            Self::Stored(table) => (table.created_ms, table.uid, table.tid),
            Self::Computed { spec, index } => spec.identity(*index),
        }
    }
}
