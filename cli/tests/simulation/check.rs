//! Every promise, held against the log of one simulation. What only the store's records show is the coordinator's own
//! `invariant`; here stand those for which the sink's log is needed too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tdferry_common::lease::LeaseKey;
use tdferry_common::testing::{MemDatabase, differences};
use tdferry_common::time::Period;
use tdferry_coordinator::invariant::{self, Followed, Ground, Said, Written};

use crate::faults::QUIET_FROM;
use crate::log::Entry;
use crate::world::World;

/// Differences told when the sink does not hold what the source holds.
const TOLD: usize = 5;

/// What is new is in the plan so long after the last fault.
const FOUND_WITHIN: Duration = Duration::from_secs(4);

/// What a log that holds shows.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) commits: u64,
    pub(crate) leases: u64,
    /// Shards cut while they were worked on.
    pub(crate) cuts: u64,
    pub(crate) rows: u64,
    pub(crate) rows_again: u64,
}

/// Holds everything against every promise.
pub(crate) fn check(world: &World) -> Result<Shown, String> {
    let entries = world.log.entries();
    let stored: Vec<Written> = entries.iter().flat_map(written).cloned().collect();
    if let Some(pair) = stored.windows(2).find(|pair| pair[1].revision < pair[0].revision) {
        return Err(format!(
            "the store went back from revision {} to {}",
            pair[0].revision, pair[1].revision
        ));
    }
    let history = invariant::check(&stored).map_err(|broken| broken.to_string())?;
    let source = world.source.held();
    let mut replay = Replay::new(&source, &stored)?;
    for entry in &entries {
        if let Entry::Produced { table, ts, .. } = entry {
            replay.produced(table, *ts, |row| *row = Row { to_come: true, produced: true, ..*row });
        }
    }
    replay.all(&entries)?;
    let planned = invariant::planned(&stored, &world.task()).map_err(|broken| broken.to_string())?;
    let tables: BTreeSet<String> = source.tables.keys().cloned().collect();
    if planned != tables && ended(world) {
        let other: Vec<_> = planned.symmetric_difference(&tables).collect();
        return Err(format!("S9: planned or in the source, but not both: {other:?}"));
    }
    let counters = world.sink.counters();
    Ok(Shown {
        commits: u64::try_from(history.commits.len()).unwrap_or(u64::MAX),
        leases: u64::try_from(history.leases).unwrap_or(u64::MAX),
        cuts: u64::try_from(history.cuts).unwrap_or(u64::MAX),
        rows: counters.rows_written(),
        rows_again: counters.rows_again(),
    })
}

/// Once the task is completed: every cell.
pub(crate) fn equal(world: &World) -> Result<(), String> {
    let found = differences(&world.source.held(), &world.sink.held(), world.asked(), TOLD);
    if found.is_empty() { Ok(()) } else { Err(format!("the sink differs: {}", found.join("; "))) }
}

fn ended(world: &World) -> bool {
    let followed = world.is_live() && world.log.now() > QUIET_FROM + FOUND_WITHIN;
    followed || world.seen.lock().unwrap().as_ref().is_some_and(|task| task.terminal)
}

fn written(entry: &Entry) -> &[Written] {
    match entry {
        Entry::Stored { written, .. } => written,
        _ => &[],
    }
}

/// A row's fate so far.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// Stands so many entries into the log when it first was in the sink.
    applied: Option<usize>,
    /// How often a writer was told that it is written.
    acknowledged: u64,
    /// How often it may be written: once for each lease before it, once more for each read that failed.
    allowed: u64,
    /// It is not there yet: production writes it later.
    to_come: bool,
    /// Production wrote it later than the task waits for: whoever passes its time does not say that it is in the sink.
    late: bool,
    /// Production wrote it: it may be read again.
    produced: bool,
}

impl Row {
    /// Whoever passes its time says that it is in the sink.
    const fn is_due(&self) -> bool {
        !self.to_come && !self.late
    }
}

struct Replay {
    rows: BTreeMap<String, BTreeMap<i64, Row>>,
    /// The stable of each table.
    tables: BTreeMap<String, Option<String>>,
    said: BTreeMap<i64, Vec<Said>>,
    /// Epoch and number of the commit at which each shard stands.
    stands: BTreeMap<String, (i64, u64)>,
    /// Tables of which some read ended early without an error.
    short: BTreeSet<String>,
}

impl Replay {
    fn new(source: &MemDatabase, stored: &[Written]) -> Result<Self, String> {
        let mut said: BTreeMap<i64, Vec<Said>> = BTreeMap::new();
        for (revision, one) in invariant::rows(stored).map_err(|broken| broken.to_string())? {
            said.entry(revision).or_default().push(one);
        }
        let rows = |table: &tdferry_common::testing::MemTable| {
            table.rows.keys().map(|ts| (*ts, Row::default())).collect::<BTreeMap<_, _>>()
        };
        let rows = source.tables.iter().map(|(name, table)| (name.clone(), rows(table))).collect();
        let tables = source.tables.iter().map(|(name, table)| (name.clone(), table.stable.clone())).collect();
        Ok(Self { rows, tables, said, stands: BTreeMap::new(), short: BTreeSet::new() })
    }

    fn all(&mut self, entries: &[Entry]) -> Result<(), String> {
        entries.iter().enumerate().try_for_each(|(at, entry)| self.one(at, entry))
    }

    fn one(&mut self, at: usize, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Stored { began, written } => {
                let revisions: BTreeSet<i64> = written.iter().map(|one| one.revision).collect();
                revisions.into_iter().try_for_each(|revision| self.revision(revision, *began))
            }
            Entry::Applied { table, rows, period } => self.applied(at, table, *rows, *period),
            Entry::Acknowledged { worker, table, period } => self.acknowledged(*worker, table, *period),
            Entry::ReadFailed { tables, period } => {
                tables.iter().for_each(|table| self.allow(table, *period));
                Ok(())
            }
            Entry::Short { tables } => {
                tables.iter().for_each(|table| self.allow(table, Period::ALL));
                self.short.extend(tables.iter().cloned());
                Ok(())
            }
            Entry::Refused { shard, epoch, seq } => self.refused(shard, *epoch, *seq),
            Entry::Produced { table, ts, late } => {
                self.produced(table, *ts, |row| *row = Row { to_come: false, late: *late, ..*row });
                Ok(())
            }
            Entry::Note { .. } => Ok(()),
        }
    }

    fn produced(&mut self, table: &str, ts: i64, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(table).and_then(|rows| rows.get_mut(&ts)) {
            change(row);
        }
    }

    /// Promise S2: a commit that stands is never called one that does not count.
    fn refused(&self, shard: &str, epoch: i64, seq: u64) -> Result<(), String> {
        if self.stands.get(shard) == Some(&(epoch, seq)) {
            return Err(format!(
                "S2: commit {seq} of epoch {epoch} of shard {shard} stands, and its worker was told that it does not"
            ));
        }
        Ok(())
    }

    fn revision(&mut self, revision: i64, began: usize) -> Result<(), String> {
        for said in self.said.remove(&revision).unwrap_or_default() {
            match said {
                Said::Leased(_, rest) => {
                    rest.iter().for_each(|ground| self.allow(&ground.table, ground.period))
                }
                // where counts differ, what was kept back is copied again by each lease until one gets through
                Said::Behind(_, passed) => {
                    let again: Vec<Ground> =
                        passed.into_iter().filter(|ground| self.short.contains(&ground.table)).collect();
                    again.iter().for_each(|ground| self.allow(&ground.table, ground.period));
                }
                Said::Passed(key, passed) => {
                    // commits are numbered without a gap, or the log would not have held so far
                    let stands = self.stands.entry(key.shard.to_string()).or_default();
                    *stands = (key.epoch.0, stands.1 + 1);
                    // what a read kept back without a word can only be found by the counts at the end
                    let told = |ground: &&Ground| !self.short.contains(&ground.table);
                    let told: Vec<Ground> = passed.iter().filter(told).cloned().collect();
                    self.in_sink(revision, &key, &told, began)?;
                }
                Said::Done(key, all) => self.in_sink(revision, &key, &all, began)?,
                Said::Followed(key, followed) => self.followed(revision, &key, &followed, began)?,
            }
        }
        Ok(())
    }

    fn in_sink(
        &mut self,
        revision: i64,
        key: &LeaseKey,
        ground: &[Ground],
        began: usize,
    ) -> Result<(), String> {
        let Some(missing) = ground.iter().find_map(|ground| self.missing(ground, began)) else {
            return Ok(());
        };
        let LeaseKey { shard, epoch, .. } = key;
        Err(format!(
            "S3: at revision {revision} epoch {epoch} of shard {shard} committed past {missing}, which is not in the sink"
        ))
    }

    /// Promise S3 for a watermark.
    fn followed(
        &mut self,
        revision: i64,
        key: &LeaseKey,
        followed: &Followed,
        began: usize,
    ) -> Result<(), String> {
        let Followed { stable, tables, period } = followed;
        let of_stable =
            self.tables.iter().filter(|(_, of)| of.as_ref() == Some(stable)).map(|(name, _)| name);
        let names: Vec<String> = of_stable.chain(tables).cloned().collect();
        let lost =
            |row: &Row| row.produced && row.is_due() && row.applied.is_none_or(|applied| applied >= began);
        let whole: Vec<String> = names.into_iter().filter(|table| !self.short.contains(table)).collect();
        for table in &whole {
            let rows: Vec<(i64, Row)> = self.rows_in(table, *period).map(|(ts, row)| (*ts, *row)).collect();
            if let Some((ts, _)) = rows.iter().find(|(_, row)| lost(row)) {
                let LeaseKey { shard, epoch, .. } = key;
                return Err(format!(
                    "S3: at revision {revision} the watermark of epoch {epoch} of shard {shard} passed row {ts} of \
                     {table:?}, which came in time and is not in the sink"
                ));
            }
        }
        Ok(())
    }

    /// A row that a commit passed, and that was not in the sink when the store was asked to commit.
    fn missing(&mut self, ground: &Ground, began: usize) -> Option<String> {
        let mut rows = self.rows_in(&ground.table, ground.period);
        let lost = |row: &Row| row.is_due() && row.applied.is_none_or(|applied| applied >= began);
        let (ts, _) = rows.find(|(_, row)| lost(row))?;
        Some(format!("row {ts} of {:?}", ground.table))
    }

    fn applied(&mut self, at: usize, table: &str, rows: usize, period: Period) -> Result<(), String> {
        let mut found = 0;
        let mut late = 0;
        for (_, row) in self.rows_in(table, period).filter(|(_, row)| !row.to_come) {
            row.applied.get_or_insert(at);
            found += 1;
            late += usize::from(row.late);
        }
        // one that came late may have come after the read
        if (found - late..=found).contains(&rows) {
            Ok(())
        } else {
            Err(format!("{rows} rows of {table:?} in {period} were written, not {found}"))
        }
    }

    fn acknowledged(&mut self, worker: usize, table: &str, period: Period) -> Result<(), String> {
        for (ts, row) in self.rows_in(table, period) {
            row.acknowledged += 1;
            // what is followed is read again at a handover, when the structure changes, where counts differ
            if row.acknowledged > row.allowed && !row.produced {
                let Row { acknowledged, allowed, .. } = *row;
                return Err(format!(
                    "S7: worker {worker} had row {ts} of {table:?} written for the {acknowledged}th time, and only \
                     {allowed} leases and failed reads began before it"
                ));
            }
        }
        Ok(())
    }

    fn allow(&mut self, table: &str, period: Period) {
        self.rows_in(table, period).for_each(|(_, row)| row.allowed += 1);
    }

    fn rows_in(&mut self, table: &str, period: Period) -> impl Iterator<Item = (&i64, &mut Row)> {
        let rows = self.rows.get_mut(table).into_iter();
        rows.flat_map(move |rows| rows.range_mut(period.from..period.to.max(period.from)))
    }
}
