//! Rejects in a database of their own on the target: a subtable for each table of the source, a row for each row.
//!
//! A row that was taken off stays with `kept` false, for whoever wants to look it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use tdferry_common::batch::{BlockBuilder, Run, TableRuns, TagRow, Value};
use tdferry_common::port::{PortError, PortResult, RefusedRow, Side, Sink};
use tdferry_common::schema::Column;
use tdferry_common::spec::TaskName;
use tdferry_common::time::{Period, Precision};

use super::shelf::{self, Shelf};
use super::{Kept, Mark, Origin, Refusal, Reject, Rejects, Visitor, encode};

/// Subtables read together.
const SHELVES: usize = 100;
/// Names of subtables that are known to exist; when there are more, all are asked for again.
const MOST_KNOWN: usize = 100_000;

/// The rejects of one task in a database of the target.
pub struct TargetRejects {
    task: TaskName,
    sink: Arc<dyn Sink>,
    /// The database that rows were meant for: rejects are kept on as many replicas.
    beside: Arc<dyn Sink>,
    /// Subtables that exist; `None` until the stable does.
    known: Mutex<Option<BTreeSet<String>>>,
}

impl TargetRejects {
    /// Rejects of this task in the database that `sink` writes to, beside the one that rows were meant for.
    pub fn new(task: TaskName, sink: Arc<dyn Sink>, beside: Arc<dyn Sink>) -> Self {
        Self { task, sink, beside, known: Mutex::new(None) }
    }

    fn known(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_once(&self, rows: &[Reject]) -> PortResult<()> {
        let bodies: Vec<String> = rows.iter().map(encode::encode_row).collect();
        let parts: Vec<Vec<&str>> = bodies.iter().map(|body| shelf::parts(body)).collect();
        let count = |parts: &Vec<&str>| parts.len();
        self.make_room(rows, parts.iter().map(count)).await?;
        // a row is there when its first part is
        for part in (1..parts.iter().map(count).max().unwrap_or(0)).rev() {
            let having = rows.iter().zip(&parts).filter_map(|(row, parts)| Some((row, *parts.get(part)?)));
            let values = |(row, text): (&Reject, &str)| {
                let name = shelf::name(&self.task, &row.origin, part);
                (name, vec![Value::Timestamp(shelf::key(row.origin.at)), binary(text)])
            };
            self.write(&["place", "cells"], having.map(values).collect()).await?;
        }
        let firsts = rows.iter().zip(&bodies).zip(&parts);
        let all: Vec<String> = shelf::stable().columns.into_iter().map(|column| column.name).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let values = |((row, body), parts): ((&Reject, &String), &Vec<&str>)| {
            let first = parts.first().copied().unwrap_or_default();
            (shelf::name(&self.task, &row.origin, 0), first_part(row, body, first, parts.len()))
        };
        self.write(&all, firsts.map(values).collect()).await
    }

    /// Creates what is missing for these rows.
    async fn make_room(&self, rows: &[Reject], parts: impl Iterator<Item = usize>) -> PortResult<()> {
        let begins = self.known().is_none();
        if begins {
            let replicas = self.beside.database().await?.and_then(|one| one.options.get("replica").cloned());
            let options = replicas.map_or_else(
                || shelf::DATABASE.to_owned(),
                |replicas| format!("{} REPLICA {replicas}", shelf::DATABASE),
            );
            self.sink.create_database(&options).await?;
            self.sink.create_stable(&shelf::stable()).await?;
            self.known().get_or_insert_default();
        }
        let wanted: BTreeMap<String, TagRow> = rows
            .iter()
            .zip(parts)
            .flat_map(|(row, parts)| (0..parts).map(|part| shelf::tag_row(&self.task, &row.origin, part)))
            .map(|row| (row.name.clone(), row))
            .collect();
        let missing: Vec<TagRow> = {
            let known = self.known();
            let is_known = |name: &String| known.as_ref().is_some_and(|known| known.contains(name));
            wanted.into_values().filter(|row| !is_known(&row.name)).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        self.sink.create_subtables(&shelf::stable(), &missing).await?;
        if let Some(known) = self.known().as_mut() {
            if known.len() > MOST_KNOWN {
                known.clear();
            }
            known.extend(missing.into_iter().map(|row| row.name));
        }
        Ok(())
    }

    /// Writes rows of these columns, each to its table.
    async fn write(&self, columns: &[&str], rows: Vec<(String, Vec<Value>)>) -> PortResult<()> {
        let columns: Arc<[Column]> = shelf::columns_of(columns).columns.into();
        let mut builder = BlockBuilder::new(columns, Precision::Nano);
        let mut runs: Vec<Run> = Vec::new();
        for (table, values) in rows {
            let row = builder.rows();
            builder.push_row(&values).map_err(|bad| unreadable(&bad.to_string()))?;
            match runs.last_mut() {
                Some(run) if run.table == table => run.rows.end = row + 1,
                _ => runs.push(Run { table, rows: row..row + 1 }),
            }
        }
        let block = builder.finish().map_err(|bad| unreadable(&bad.to_string()))?;
        self.sink.write_many(&TableRuns { block, runs }).await
    }

    /// The task's subtables, in the order of what they are for.
    async fn shelves(&self) -> PortResult<Vec<Shelf>> {
        let stable = shelf::stable();
        let mut shelves = Vec::new();
        let mut pages = self.sink.all_tags(&stable);
        while let Some(page) = pages.try_next().await? {
            shelves.extend(page.iter().filter_map(|row| shelf::shelf(&self.task, row)));
        }
        drop(pages);
        shelves.sort();
        Ok(shelves)
    }

    async fn visit_shelves(&self, shelves: &[Shelf], visitor: &mut dyn Visitor) -> PortResult<bool> {
        let (stable, by_name) = (shelf::stable(), by_name(shelves));
        let names: Vec<String> = by_name.keys().map(|name| (*name).to_owned()).collect();
        let mut blocks = self.sink.read_many(&stable, &names, Period::ALL);
        while let Some(runs) = blocks.try_next().await? {
            let mut page = Vec::new();
            for run in &runs.runs {
                let Some(shelf) = by_name.get(run.table.as_str()) else { continue };
                for row in run.rows.clone() {
                    let cells = (0..stable.columns.len()).map(|col| runs.block.cell(row, col).to_value());
                    page.extend(self.read(shelf, &cells.collect::<Vec<_>>()).await?);
                }
            }
            if !page.is_empty() && !visitor.page(page).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The kept row behind a first part; `None` for one that was taken off.
    async fn read(&self, shelf: &Shelf, first: &[Value]) -> PortResult<Option<Kept>> {
        let [
            Value::Timestamp(key),
            Value::Int(at),
            Value::Binary(unit),
            Value::Bool(kept),
            Value::Binary(reason),
            Value::UInt(code),
            Value::Binary(why),
            Value::Int(parts),
            Value::UInt(checksum),
            Value::Binary(body),
        ] = first
        else {
            return Err(unreadable(&format!("`{}` holds a row of other columns", shelf.name)));
        };
        if !kept {
            return Ok(None);
        }
        let mut body = text(body);
        for part in 1..usize::try_from(*parts).unwrap_or(0) {
            body.push_str(&self.part(&shelf::name_of_part(&shelf.name, part), *key).await?);
        }
        let damaged = |what: &str| unreadable(&format!("`{}`, row {key}: {what}", shelf.name));
        if shelf::checksum(&body) != *checksum {
            return Err(damaged(
                "its parts do not belong together; it was kept while this was read, or is damaged",
            ));
        }
        let (columns, cells) = encode::decode_row(&body).map_err(|bad| damaged(&bad.to_string()))?;
        let reason = RefusedRow::from_word(&text(reason)).ok_or_else(|| damaged("an unknown reason"))?;
        let precision =
            Precision::from_word(&text(unit)).ok_or_else(|| damaged("an unknown unit of time"))?;
        let (database, stable, table) = (shelf.database.clone(), shelf.stable.clone(), shelf.table.clone());
        let reject = Reject {
            origin: Origin { database, stable, table, at: *at },
            refusal: Refusal { reason, code: u32::try_from(*code).unwrap_or(u32::MAX), why: text(why) },
            precision,
            columns: columns.into(),
            cells,
        };
        Ok(Some(Kept { reject, mark: Mark::Row { table: shelf.name.clone(), key: *key } }))
    }

    /// A further part of a row; empty where there is none.
    async fn part(&self, name: &str, key: i64) -> PortResult<String> {
        let (stable, names) = (shelf::columns_of(&["place", "cells"]), [name.to_owned()]);
        let period = Period { from: key, to: key.saturating_add(1) };
        let mut blocks = self.sink.read_many(&stable, &names, period);
        let mut part = String::new();
        while let Some(runs) = blocks.try_next().await? {
            for row in 0..runs.rows() {
                if let Value::Binary(bytes) = runs.block.cell(row, 1).to_value() {
                    part = text(&bytes);
                }
            }
        }
        Ok(part)
    }
}

#[async_trait]
impl Rejects for TargetRejects {
    async fn keep(&self, rows: &[Reject]) -> PortResult<()> {
        match self.keep_once(rows).await {
            // somebody dropped the database: it is made anew
            Err(PortError::Missing { .. }) => {
                *self.known() = None;
                self.keep_once(rows).await
            }
            kept => kept,
        }
    }

    async fn visit(&self, visitor: &mut dyn Visitor) -> PortResult<()> {
        let shelves = match self.shelves().await {
            // nothing was ever rejected there
            Err(PortError::Missing { .. }) => return Ok(()),
            shelves => shelves?,
        };
        for some in shelves.chunks(SHELVES) {
            if !self.visit_shelves(some, visitor).await? {
                break;
            }
        }
        Ok(())
    }

    async fn take(&self, rows: &[Kept]) -> PortResult<()> {
        let places = rows.iter().filter_map(|kept| match &kept.mark {
            Mark::Row { table, key } => {
                Some((table.clone(), vec![Value::Timestamp(*key), Value::Bool(false)]))
            }
            Mark::Lines(_) => None,
        });
        self.write(&["place", "kept"], places.collect()).await
    }

    async fn renew(&self, kept: &Kept, refusal: Refusal) -> PortResult<()> {
        self.keep(&[Reject { refusal, ..kept.reject.clone() }]).await
    }
}

fn first_part(row: &Reject, body: &str, first: &str, parts: usize) -> Vec<Value> {
    let Refusal { reason, code, why } = &row.refusal;
    vec![
        Value::Timestamp(shelf::key(row.origin.at)),
        Value::Int(row.origin.at),
        binary(row.precision.as_str()),
        Value::Bool(true),
        binary(reason.word()),
        Value::UInt(u64::from(*code)),
        binary(shelf::at_most(why, shelf::WHY_BYTES)),
        Value::Int(i64::try_from(parts).unwrap_or(i64::MAX)),
        Value::UInt(shelf::checksum(body)),
        binary(first),
    ]
}

fn by_name(shelves: &[Shelf]) -> BTreeMap<&str, &Shelf> {
    shelves.iter().map(|shelf| (shelf.name.as_str(), shelf)).collect()
}

fn binary(text: &str) -> Value {
    Value::Binary(text.as_bytes().to_vec())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unreadable(what: &str) -> PortError {
    PortError::Invalid { side: Side::Sink, message: format!("the database of rejects: {what}") }
}
