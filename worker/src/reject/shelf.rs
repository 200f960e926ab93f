//! How a reject lies in a table of a 3.x database: which subtable, which key, and its cells in parts. Pure.
//!
//! The row's own timestamp cannot be the key: the target may refuse it, and its unit may be another. The database of
//! rejects counts in nanoseconds, and the key is the number of the timestamp's units: every number from zero on is a
//! moment that database takes and keeps, and one below zero is turned round and goes to a subtable of its own. So no
//! two rows of a table share a place, and the same row finds its place again.

use tdferry_common::batch::{TagRow, Value};
use tdferry_common::schema::{Column, DataType, Stable};
use tdferry_common::spec::TaskName;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::Origin;

/// The stable of all rejects.
pub(super) const STABLE: &str = "rejects";
/// Bytes of a row's cells in one part: older servers take no longer VARCHAR than 16,374.
pub(super) const PART_BYTES: usize = 16_000;
/// Bytes of the target's words that are kept.
pub(super) const WHY_BYTES: usize = 1_000;
/// A name of a database or table takes no more on any server.
const NAME_BYTES: u32 = 192;
const TASK_BYTES: u32 = 64;
const REASON_BYTES: u32 = 32;

/// The database of rejects: rows from 1970 on are kept until 2070, whatever their own time is. Every write is on the
/// disk before it is answered; all keys of a task lie close together, so that few files are opened. Three times the
/// duration must stay below S3_KEEPLOCAL, which is 365 days where nobody says otherwise (0x2619 of a 3.3.1).
pub(super) const DATABASE: &str =
    "PRECISION 'ns' KEEP 36500d DURATION 100d VGROUPS 2 BUFFER 32 WAL_LEVEL 2 WAL_FSYNC_PERIOD 0";

/// A subtable of rejects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shelf {
    pub(super) database: String,
    pub(super) stable: String,
    pub(super) table: String,
    pub(super) name: String,
}

/// The stable of all rejects.
pub(super) fn stable() -> Stable {
    let column = |name: &str, data_type: DataType, length| Column { name: name.into(), data_type, length };
    Stable {
        name: STABLE.into(),
        columns: vec![
            column("place", DataType::Timestamp, 8),
            column("at", DataType::BigInt, 8),
            column("unit", DataType::Binary, 2),
            column("kept", DataType::Bool, 1),
            column("reason", DataType::Binary, REASON_BYTES),
            column("code", DataType::UInt, 4),
            column("why", DataType::Binary, u32::try_from(WHY_BYTES).unwrap_or(u32::MAX)),
            column("parts", DataType::Int, 4),
            column("checksum", DataType::UBigInt, 8),
            column("cells", DataType::Binary, u32::try_from(PART_BYTES).unwrap_or(u32::MAX)),
        ],
        tags: vec![
            column("task", DataType::Binary, TASK_BYTES),
            column("from_database", DataType::Binary, NAME_BYTES),
            column("from_stable", DataType::Binary, NAME_BYTES),
            column("from_table", DataType::Binary, NAME_BYTES),
            column("part", DataType::Int, 4),
        ],
    }
}

/// Some of the stable's columns, in its order.
pub(super) fn columns_of(names: &[&str]) -> Stable {
    let whole = stable();
    let columns =
        whole.columns.iter().filter(|column| names.contains(&column.name.as_str())).cloned().collect();
    Stable { columns, ..whole }
}

/// The subtable that holds a part of a row.
pub(super) fn name(task: &TaskName, origin: &Origin, part: usize) -> String {
    let Origin { database, stable, table, at } = origin;
    // a zero byte stands in no name
    let whose = [task.as_str(), database, stable, table].join("\0");
    let before = if *at < 0 { "_before" } else { "" };
    format!("r{:032x}{before}_{part}", xxh3_128(whose.as_bytes()))
}

/// The subtable that holds another part of what one holds the first of.
pub(super) fn name_of_part(first: &str, part: usize) -> String {
    format!("{}_{part}", first.strip_suffix("_0").unwrap_or(first))
}

/// The key of a row in its subtable.
pub(super) const fn key(at: i64) -> i64 {
    if at < 0 { !at } else { at }
}

/// The subtable with its tags.
pub(super) fn tag_row(task: &TaskName, origin: &Origin, part: usize) -> TagRow {
    let text = |text: &str| Value::Binary(text.as_bytes().to_vec());
    let part_number = i64::try_from(part).unwrap_or(i64::MAX);
    TagRow {
        name: name(task, origin, part),
        tags: vec![
            text(task.as_str()),
            text(&origin.database),
            text(&origin.stable),
            text(&origin.table),
            Value::Int(part_number),
        ],
    }
}

/// The shelf of first parts behind a subtable, if it is one of this task.
pub(super) fn shelf(task: &TaskName, row: &TagRow) -> Option<Shelf> {
    let text = |value: &Value| match value {
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let [of, database, stable, table, Value::Int(0)] = row.tags.as_slice() else { return None };
    (text(of)? == task.as_str()).then_some(())?;
    let (database, stable, table) = (text(database)?, text(stable)?, text(table)?);
    Some(Shelf { database, stable, table, name: row.name.clone() })
}

/// A text in parts that end between characters; at least one.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > PART_BYTES {
        let (part, more) = rest.split_at(rest.floor_char_boundary(PART_BYTES));
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

/// What tells that parts belong together.
pub(super) fn checksum(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// As much of a text as fits.
pub(super) fn at_most(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
