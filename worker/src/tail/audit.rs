//! Rows that came late: what was passed is counted again on both sides, by buckets of time over several horizons, near
//! ones often and far ones rarely. Only a bucket that differs is counted by subtable, and only those that differ there
//! are read again. Where the task asks for it both sides are read instead, which finds changed rows as well.
//!
//! What is known of buckets lives in memory alone: whoever follows next begins with all horizons anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use tdferry_common::options::{AuditBy, Options};
use tdferry_common::port::{Rows, Tables};
use tdferry_common::time::{Period, Precision};
use tokio::time::Instant;

use super::look::if_there;
use super::take::Taken;
use super::{Follows, Tail};
use crate::edges;
use crate::lease::{Ended, Worked, within};
use crate::structure::Layout;
use crate::verify::{Sums, TableSum};

/// Buckets in a horizon: each costs a count, and is what is counted by subtable where it differs.
const BUCKETS: u32 = 60;
/// A horizon is looked over so often while it passes, within these bounds.
const LOOKS: u32 = 15;
const OFTENEST: Duration = Duration::from_secs(60);
const RAREST: Duration = Duration::from_secs(86_400);
/// Lengths of buckets that both server lines cut time at.
const LENGTHS: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 300, 600, 1_800, 3_600, 7_200, 43_200, 86_400];
/// Names asked for with one question.
const NAMES: usize = 1_000;
/// With more subtables that differ in a bucket it is read again as a whole.
const FEW_TABLES: usize = 32;

/// When and where to look.
#[derive(Debug)]
pub(super) struct Audits {
    horizons: Vec<Horizon>,
    due: VecDeque<Bucket>,
    /// What each side counted in a bucket that stayed different though it was read again.
    given_up: BTreeMap<Bucket, (u64, u64)>,
}

#[derive(Debug)]
struct Horizon {
    units: i64,
    bucket: i64,
    every: Duration,
    due: Instant,
}

/// A stretch of time to be looked at, of one table where there is no stable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Bucket {
    period: Period,
    table: Option<String>,
    /// Rows each side counted.
    counted: (u64, u64),
}

impl Audits {
    pub(super) fn new(options: &Options, precision: Precision) -> Self {
        let now = Instant::now();
        let horizon = |length: Duration| {
            let every = (length / LOOKS).clamp(OFTENEST, RAREST);
            let bucket = precision.units(bucket_length(length));
            Horizon { units: precision.units(length), bucket, every, due: now + every.min(OFTENEST) }
        };
        let horizons = options.audit_window.each().map(horizon).collect();
        Self { horizons, due: VecDeque::new(), given_up: BTreeMap::new() }
    }

    /// Nothing is ever looked at.
    pub(super) fn none() -> Self {
        Self { horizons: Vec::new(), due: VecDeque::new(), given_up: BTreeMap::new() }
    }

    /// Every horizon is due.
    pub(super) fn all_at_once(&mut self) {
        let now = Instant::now();
        self.horizons.iter_mut().for_each(|horizon| horizon.due = now);
    }

    pub(super) fn has_work(&self) -> bool {
        let now = Instant::now();
        !self.due.is_empty() || self.horizons.iter().any(|horizon| now >= horizon.due)
    }

    /// How far back the furthest looks.
    pub(super) fn furthest(&self) -> i64 {
        self.horizons.iter().map(|horizon| horizon.units).max().unwrap_or(0)
    }
}

/// The longest usual length of which the horizon holds enough.
fn bucket_length(horizon: Duration) -> Duration {
    let most = (horizon / BUCKETS).as_secs();
    let fitting = LENGTHS.into_iter().rev().find(|length| *length <= most);
    Duration::from_secs(fitting.unwrap_or(1))
}

impl Tail {
    /// Does one piece of what is due: counts a horizon, or looks into a bucket.
    pub(super) async fn audit(&mut self) -> Worked<()> {
        if let Some(bucket) = self.audits.due.pop_front() {
            return self.look_into(bucket).await;
        }
        let now = Instant::now();
        let Some(horizon) = self.audits.horizons.iter_mut().find(|horizon| now >= horizon.due) else {
            return Ok(());
        };
        horizon.due = now + horizon.every;
        let (units, bucket) = (horizon.units, horizon.bucket);
        let from = self.watermark.saturating_sub(units).max(self.history_from());
        let asked = Period { from, to: self.watermark };
        let oldest = self.watermark.saturating_sub(self.audits.furthest());
        self.audits.given_up.retain(|one, _| one.period.to > oldest);
        let asked = edges::kept(&self.attempt, self.source.as_ref(), self.sink.as_ref(), asked).await?;
        if asked.is_empty() {
            return Ok(());
        }
        self.count_horizon(asked, bucket).await
    }

    async fn count_horizon(&mut self, asked: Period, bucket: i64) -> Worked<()> {
        if !self.attempt.claimed.stable.is_empty() {
            let attempt = Arc::clone(&self.attempt);
            let tables = self.follows.tables(&attempt.claimed);
            return self.count_buckets(tables, None, (asked, bucket)).await;
        }
        for name in self.attempt.claimed.shard_names().to_vec() {
            self.count_buckets(Tables::One { name: &name }, Some(&name), (asked, bucket)).await?;
        }
        Ok(())
    }

    /// Puts up what is to be looked into: what differs, or all of it where both sides are to be read.
    async fn count_buckets(
        &mut self,
        tables: Tables<'_>,
        table: Option<&str>,
        (asked, bucket): (Period, i64),
    ) -> Worked<()> {
        let source = self.buckets(self.source.as_ref(), tables, (asked, bucket)).await?;
        let target = self.buckets(self.sink.as_ref(), tables, (asked, bucket)).await?;
        let by_digest = self.options().audit_by == AuditBy::Digest;
        let starts: std::collections::BTreeSet<i64> = source.keys().chain(target.keys()).copied().collect();
        for start in starts {
            let rows = |side: &BTreeMap<i64, u64>| side.get(&start).copied().unwrap_or(0);
            let counted = (rows(&source), rows(&target));
            let period = Period { from: start, to: start.saturating_add(bucket) }.intersect(asked);
            let found = Bucket { period, table: table.map(str::to_owned), counted };
            let given_up = self.audits.given_up.get(&found.place()) == Some(&counted);
            if by_digest || (counted.0 != counted.1 && !given_up) {
                self.audits.due.push_back(found);
            }
        }
        Ok(())
    }

    async fn buckets(
        &self,
        rows: &dyn Rows,
        tables: Tables<'_>,
        (asked, bucket): (Period, i64),
    ) -> Worked<BTreeMap<i64, u64>> {
        let question = || if_there(rows.count_buckets(tables, asked, bucket));
        self.attempt.ask("counting what was passed", rows.side(), question).await
    }

    async fn look_into(&mut self, bucket: Bucket) -> Worked<()> {
        let late = match &bucket.table {
            Some(table) => vec![table.clone()],
            None => self.differing(bucket.period).await?,
        };
        let taken = self.take_again(&late, bucket.period).await?;
        let (source, target) = bucket.counted;
        if taken.read > 0 {
            let found = source.saturating_sub(target);
            tracing::info!(period = %bucket.period, tables = late.len(), late = found, read = taken.read, "late rows copied");
            self.attempt.ledger.advance_by(None, |_, totals| {
                totals.late = totals.late.saturating_add(found);
                totals.rejected = totals.rejected.saturating_add(taken.wrote.rejected);
            });
        } else if target > source {
            tracing::warn!(period = %bucket.period, source, target, "the target counts more rows than the source");
        }
        self.audits.given_up.insert(bucket.place(), bucket.counted);
        Ok(())
    }

    /// The subtables of a bucket that the target has fewer rows of, or by digest other rows. The target is asked by name:
    /// its stable may hold what others put there.
    async fn differing(&self, period: Period) -> Worked<Vec<String>> {
        let by = self.options().audit_by;
        let stable = self.attempt.claimed.stable.as_str();
        let source = match by {
            AuditBy::Count => self.counts(self.source.as_ref(), self.tables(), period).await?,
            AuditBy::Digest => {
                let listed = self.attempt.claimed.shard_names();
                let listed = (self.follows == Follows::Listed).then_some(listed);
                self.sums(self.source.as_ref(), listed, period).await?
            }
        };
        let names: Vec<_> = source.keys().filter(|table| self.is_planned(table)).cloned().collect();
        let mut differing = Vec::new();
        for names in names.chunks(NAMES) {
            let target = match by {
                AuditBy::Count => {
                    self.counts(self.sink.as_ref(), Tables::Of { stable, names }, period).await?
                }
                AuditBy::Digest => self.sums(self.sink.as_ref(), Some(names), period).await?,
            };
            let fewer = |table: &&String| {
                let of = |side: &BTreeMap<String, TableSum>| side.get(*table).copied().unwrap_or_default();
                let (one, other) = (of(&source), of(&target));
                one.rows >= other.rows && one != other
            };
            differing.extend(names.iter().filter(fewer).cloned());
        }
        Ok(differing)
    }

    async fn counts(
        &self,
        rows: &dyn Rows,
        tables: Tables<'_>,
        period: Period,
    ) -> Worked<BTreeMap<String, TableSum>> {
        let count = || if_there(rows.count_each(tables, period));
        let counted = self.attempt.ask("counting rows by table", rows.side(), count).await?;
        Ok(counted.into_iter().map(|(table, rows)| (table, TableSum::counted(rows))).collect())
    }

    /// What one side holds of each subtable, of all or of these.
    async fn sums(
        &self,
        rows: &dyn Rows,
        names: Option<&[String]>,
        period: Period,
    ) -> Worked<BTreeMap<String, TableSum>> {
        let Layout::Stable { stable, .. } = &self.layout else { return Ok(BTreeMap::new()) };
        let limit = self.attempt.session.timing.database_request;
        let read = self.attempt.outlast(|tries| async move {
            let mut blocks = match names {
                Some(names) => rows.read_many(stable, names, period),
                None => rows.read_all(stable, period),
            };
            let mut sums = Sums::default();
            while let Some(runs) = if_there(within(limit, tries, rows.side(), blocks.try_next())).await? {
                sums.add(&runs);
            }
            Ok(sums.tables)
        });
        let doing = format!("reading `{}` again", stable.name);
        read.await?.map_err(|error| Ended::at_database(&error, &doing))
    }

    async fn take_again(&mut self, tables: &[String], period: Period) -> Worked<Taken> {
        if tables.len() > FEW_TABLES {
            return self.take(period).await;
        }
        self.unsure.read(period);
        let mut all = Taken::default();
        for table in tables {
            all.add(self.table(table, period).await?);
        }
        self.writer.flush().await?;
        Ok(all)
    }
}

impl Bucket {
    /// Where it is, whatever was counted there.
    fn place(&self) -> Self {
        Self { counted: (0, 0), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizon_holds_at_least_sixty_buckets_of_a_usual_length() {
        let of = |seconds| bucket_length(Duration::from_secs(seconds)).as_secs();
        let cases = [(10, 1), (60, 1), (900, 15), (3_600, 60), (86_400, 600), (2_592_000, 43_200)];
        for (horizon, bucket) in cases {
            assert_eq!(of(horizon), bucket, "{horizon} s");
        }
        assert!(LENGTHS.iter().all(|length| 86_400 % length == 0));
    }
}
