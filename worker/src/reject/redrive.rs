//! Trying kept rows again, against the target as it is now. What the target took is taken off only after it said so, so
//! that this may be killed anywhere and run again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use tdferry_common::options::OnBadName;
use tdferry_common::port::{Connector, PortError, PortResult, RefusedRow, Side, Sink};
use tdferry_common::spec::Spec;

use crate::mapping;

use super::{Kept, Origin, Refusal, Reject, Rejects, Visitor};

/// Rows of one write: a refused one costs a few more.
const ROWS: usize = 4_096;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// Rows that the target has now.
    pub taken: u64,
    /// Rows that it refuses still.
    pub refused: u64,
}

/// Writes every kept row that `wanted` picks to the task's target.
pub async fn redrive(
    connector: &dyn Connector,
    spec: &Spec,
    rejects: &dyn Rejects,
    wanted: &(dyn Fn(&Reject) -> bool + Sync),
) -> PortResult<Redriven> {
    let mut again =
        Again { connector, spec, rejects, wanted, sinks: BTreeMap::new(), done: Redriven::default() };
    rejects.visit(&mut again).await?;
    Ok(again.done)
}

struct Again<'a> {
    connector: &'a dyn Connector,
    spec: &'a Spec,
    rejects: &'a dyn Rejects,
    /// By database and stable of the source.
    sinks: BTreeMap<(String, String), Arc<dyn Sink>>,
    wanted: &'a (dyn Fn(&Reject) -> bool + Sync),
    done: Redriven,
}

#[async_trait]
impl Visitor for Again<'_> {
    async fn page(&mut self, page: Vec<Kept>) -> PortResult<bool> {
        for rows in alike(page.into_iter().filter(|kept| (self.wanted)(&kept.reject))) {
            self.write(rows).await?;
        }
        Ok(true)
    }
}

/// Rows in portions that go out together: of one table, with the same columns.
fn alike(rows: impl Iterator<Item = Kept>) -> Vec<Vec<Kept>> {
    let mut tables: BTreeMap<String, Vec<Vec<Kept>>> = BTreeMap::new();
    for kept in rows {
        let portions = tables.entry(kept.reject.origin.table.clone()).or_default();
        let fits = |portion: &Vec<Kept>| {
            let same = |first: &Kept| {
                (&first.reject.columns, first.reject.precision)
                    == (&kept.reject.columns, kept.reject.precision)
            };
            portion.len() < ROWS && portion.first().is_some_and(same)
        };
        match portions.last_mut().filter(|portion| fits(portion)) {
            Some(portion) => portion.push(kept),
            None => portions.push(vec![kept]),
        }
    }
    tables.into_values().flatten().collect()
}

impl Again<'_> {
    /// Where rows of this one's stable go. The source is not opened: it may be gone.
    async fn sink(&mut self, of: &Origin) -> PortResult<Arc<dyn Sink>> {
        let key = (of.database.clone(), of.stable.clone());
        if let Some(sink) = self.sinks.get(&key) {
            return Ok(Arc::clone(sink));
        }
        let mut spec = Spec { from: self.spec.from.clone().with_database(&of.database), ..self.spec.clone() };
        // a name that the target does not take is a reason to keep rows on, not to stop
        spec.options.on_bad_name = OnBadName::Reject;
        let sink = mapping::sink(self.connector, &spec, &of.stable).await?;
        self.sinks.insert(key, Arc::clone(&sink));
        Ok(sink)
    }

    async fn write(&mut self, rows: Vec<Kept>) -> PortResult<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let sink = self.sink(&first.reject.origin).await?;
        let mut rest = VecDeque::from([rows]);
        while let Some(rows) = rest.pop_front() {
            match send(sink.as_ref(), &rows).await {
                Ok(()) => {
                    self.rejects.take(&rows).await?;
                    self.done.taken += u64::try_from(rows.len()).unwrap_or(u64::MAX);
                }
                Err(PortError::TooLarge { .. }) if rows.len() > 1 => rest.extend(halves(rows)),
                Err(PortError::Refused { reason, code, message, .. }) => {
                    let parts = narrow(sink.as_ref(), rows, reason).await?;
                    rest.extend(parts.again.into_iter().filter(|part| !part.is_empty()));
                    for kept in parts.refused {
                        self.refused(kept, Refusal { reason, code, why: message.clone() }).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn refused(&mut self, kept: Kept, refusal: Refusal) -> PortResult<()> {
        self.done.refused += 1;
        if kept.reject.refusal.reason == refusal.reason {
            return Ok(());
        }
        self.rejects.renew(&kept, refusal).await
    }
}

async fn send(sink: &dyn Sink, rows: &[Kept]) -> PortResult<()> {
    let rejects: Vec<&Reject> = rows.iter().map(|kept| &kept.reject).collect();
    let invalid = |bad: tdferry_common::batch::BadBlock| PortError::Invalid {
        side: Side::Sink,
        message: bad.to_string(),
    };
    match (Reject::to_block(&rejects).map_err(invalid)?, rows.first()) {
        (Some(block), Some(first)) => sink.write(&first.reject.origin.table, &block).await,
        _ => Ok(()),
    }
}

async fn narrow(sink: &dyn Sink, rows: Vec<Kept>, reason: RefusedRow) -> PortResult<Parts> {
    if let (RefusedRow::Keep, Some(first)) = (reason, rows.first()) {
        let keeps = sink.keeps(first.reject.precision).await?;
        let inside = |kept: &Kept| keeps.contains(kept.reject.origin.at);
        let (again, refused): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(inside);
        if !refused.is_empty() {
            return Ok(Parts { again: vec![again], refused });
        }
    }
    // rows that come together are of one table
    if rows.len() == 1 || reason == RefusedRow::BadName {
        return Ok(Parts { again: Vec::new(), refused: rows });
    }
    Ok(Parts { again: halves(rows).into(), refused: Vec::new() })
}

/// What a refusal makes of rows.
struct Parts {
    again: Vec<Vec<Kept>>,
    refused: Vec<Kept>,
}

fn halves(mut rows: Vec<Kept>) -> [Vec<Kept>; 2] {
    let second = rows.split_off(rows.len() / 2);
    [rows, second]
}
