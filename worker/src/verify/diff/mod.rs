//! What differs now, row by row, for a person to read: the walk of a verify shard without its lease, told as it goes.
//! Both sides are only read, and nothing is kept of what was told.

mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value as Json, json};
use tdferry_common::batch::Value;
use tdferry_common::clock::Clock;
use tdferry_common::port::{Connector, Side};
use tdferry_common::schema::{Column, DataType};
use tdferry_common::shard::{Density, Range, Shard, ShardKind};
use tdferry_common::spec::Spec;
use tdferry_common::time::{Period, Precision};
use tdferry_common::timing::Timing;

use self::rows::Rows;
use super::pair::Pair;
use super::slices;
use super::tables::Look;
use super::tags::{self, Differs, OtherTag};
use crate::held::Orders;
use crate::lease::{Asker, Ended, LookedAt, Means, Worked};
use crate::reject;
use crate::sizing;
use crate::structure::Structures;
use crate::waiting::Waiting;

/// Tries in a row after which a database that is away is given up: a person waits, who can ask again.
const TRIES: u32 = 5;
/// What the rows that are walked before any of them is told may come to. All of them may differ, and be held.
const WINDOW_BYTES: u64 = 16 * 1024 * 1024;
/// Fewer rows than these are not worth counts of their own.
const LEAST_WINDOW_ROWS: u64 = 1_000;
/// More rows are not held, however narrow.
const MOST_WINDOW_ROWS: u64 = 100_000;

/// With what both sides are read.
pub struct Deps {
    /// Opens the databases.
    pub connector: Arc<dyn Connector>,
    /// The wall clock, for KEEP.
    pub clock: Clock,
    /// How long a question may take.
    pub timing: Timing,
    /// For the waits between tries.
    pub seed: u64,
}

/// A shard and the tables it is about.
#[derive(Debug, Clone)]
pub struct Place {
    /// A verify shard.
    pub shard: Shard,
    /// Empty for normal tables.
    pub stable: String,
    /// The tables of its range.
    pub names: Vec<String>,
}

/// Something that differs now.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The source's stable; empty of a normal table, and of one that only the target has.
    pub stable: String,
    /// The table by the source's name; by the target's where only that has it.
    pub table: String,
    /// In what.
    pub what: What,
}

/// In what something differs.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The target does not have the table.
    MissingTable,
    /// Only the target has it, with so many rows of the task's time.
    ExtraTable {
        /// How many.
        rows: u64,
    },
    /// Its tags.
    Tags(Vec<Change>),
    /// A row that the target lacks.
    MissingRow(Moment),
    /// A row that only the target has.
    ExtraRow(Moment),
    /// A row that the target has with other values.
    ChangedRow(Moment, Vec<Change>),
}

/// A timestamp with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Units since 1970.
    pub units: i64,
    /// What a unit is.
    pub precision: Precision,
}

/// A column or tag with other values. Whole numbers are numbers; FLOAT and DOUBLE are the shortest text that reads back
/// as the same bits; bytes that are no text are `{"hex": "…"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// By the source's name.
    pub column: Column,
    /// The source's value.
    pub source: Json,
    /// The target's.
    pub target: Json,
}

/// Both sides cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotTell(String);

/// Takes what differs.
pub type Take<'a> = dyn FnMut(Difference) + Send + 'a;

/// Walks shards of one task.
pub struct Diff {
    means: Means,
    spec: Spec,
    /// The only table that is asked for.
    only: Option<String>,
    /// Normal tables that were told to be missing: a shard for each period of theirs may find it.
    lacking: BTreeSet<String>,
    rng: SmallRng,
}

impl Diff {
    /// For a task, or for one of its tables.
    pub fn new(deps: Deps, spec: Spec, only: Option<String>) -> Self {
        let means = Means {
            connector: deps.connector,
            clock: deps.clock,
            timing: deps.timing,
            structures: Structures::default(),
            waiting: Waiting::default(),
            tries: Some(TRIES),
        };
        let (lacking, rng) = (BTreeSet::new(), SmallRng::seed_from_u64(deps.seed));
        Self { means, spec, only, lacking, rng }
    }

    /// Tells all that differs where a shard looked.
    pub async fn shard(&mut self, place: Place, take: &mut Take<'_>) -> Result<(), CannotTell> {
        let Place { shard, stable, mut names } = place;
        if let (Some(only), true) = (&self.only, shard.group.is_some()) {
            names.retain(|name| name == only);
            if names.is_empty() {
                return Ok(());
            }
        }
        let range = Range { from: 0, to: u32::try_from(names.len()).unwrap_or(u32::MAX) };
        let looked_at =
            LookedAt { task: self.spec.name.to_string(), stable, names: names.into(), range, may_go: false };
        let rng = SmallRng::from_rng(&mut self.rng);
        let asker = Asker::new(self.spec.clone(), looked_at, self.means.clone(), Orders::none(), rng);
        let walk = Walk { asker: Arc::new(asker), shard: &shard, only: self.only.as_deref() };
        let lacking = &mut self.lacking;
        let mut once = |found: Difference| {
            let is_normal = found.stable.is_empty() && found.what == What::MissingTable;
            if !is_normal || lacking.insert(found.table.clone()) {
                take(found);
            }
        };
        walk.run(&mut once).await.map_err(|ended: Ended| CannotTell(ended.to_string()))
    }
}

/// One shard.
struct Walk<'a> {
    asker: Arc<Asker>,
    shard: &'a Shard,
    only: Option<&'a str>,
}

impl Walk<'_> {
    async fn run(&self, take: &mut Take<'_>) -> Worked<()> {
        match self.shard.kind {
            ShardKind::VerifyTags => self.tags(take).await,
            ShardKind::VerifyTables => self.extra_tables(take).await,
            ShardKind::Verify(density) => self.rows(density, take).await,
            // none of these compares
            ShardKind::Survey
            | ShardKind::Schema
            | ShardKind::Create
            | ShardKind::Copy(_)
            | ShardKind::Repair(..)
            | ShardKind::Tail => Ok(()),
        }
    }

    async fn tags(&self, take: &mut Take<'_>) -> Worked<()> {
        let asker = self.asker.as_ref();
        let Some(stable) = tags::stable(asker).await? else { return Ok(()) };
        let (source, sink) = (asker.source().await?, asker.sink().await?);
        for names in asker.looked_at.names().chunks(tags::BATCH) {
            let found = tags::differing(asker, source.as_ref(), sink.as_ref(), &stable, names).await?;
            for differs in found {
                let (table, what) = match differs {
                    Differs::Missing(row) => (row.name, What::MissingTable),
                    Differs::Tags(row, other) => {
                        (row.name, What::Tags(other.into_iter().map(Change::from).collect()))
                    }
                };
                take(Difference { stable: stable.name.clone(), table, what });
            }
        }
        Ok(())
    }

    async fn extra_tables(&self, take: &mut Take<'_>) -> Worked<()> {
        let look = Look::begin(&self.asker, self.shard.period).await?;
        for found in look.all(&|_| ()).await? {
            let is = |only| found.table == only || found.names.iter().any(|name| name == only);
            if self.only.is_none_or(is) {
                let what = What::ExtraTable { rows: found.rows };
                take(Difference { stable: String::new(), table: found.table, what });
            }
        }
        Ok(())
    }

    async fn rows(&self, density: Density, take: &mut Take<'_>) -> Worked<()> {
        let pair = Pair::open(Arc::clone(&self.asker)).await?;
        let period = pair.kept(self.shard.period).await?;
        let precision = pair.precision().await?;
        let names = self.asker.looked_at.names();
        let (Density::Sparse, Some(stable)) = (density, pair.stable()) else {
            for table in names {
                self.table(&pair, table, period, &mut Rows::new(precision, take)).await?;
            }
            return Ok(());
        };
        let step = sizing::slice_names(self.shard.estimate, self.shard.range.len());
        for names in names.chunks(usize::try_from(step).unwrap_or(usize::MAX).max(1)) {
            let (_, unlike) = slices::unlike(&pair, stable, names, period).await?;
            for table in unlike {
                self.table(&pair, &table, period, &mut Rows::new(precision, take)).await?;
            }
        }
        Ok(())
    }

    /// One table, in windows of so few rows that all of one can be held until both sides are known to have answered it
    /// whole.
    async fn table(&self, pair: &Pair, table: &str, period: Period, rows: &mut Rows<'_, '_>) -> Worked<()> {
        let most = window_rows(&pair.columns(table));
        if pair.lacking.contains(table) {
            rows.tell(&self.asker.looked_at.stable, table, What::MissingTable);
        }
        let mut left = vec![period];
        while let Some(period) = left.pop() {
            let mut counted = 0;
            for side in [Side::Source, Side::Sink] {
                counted = pair.count(side, table, period).await?.max(counted);
            }
            match halves(period) {
                _ if counted == 0 => {}
                Some((earlier, later)) if counted > most => left.extend([later, earlier]),
                _ => {
                    pair.table(table, period, rows).await?;
                    rows.tell_all(&self.asker.looked_at.stable, table);
                }
            }
        }
        Ok(())
    }
}

/// How many rows of these columns are walked before any is told.
fn window_rows(columns: &[Column]) -> u64 {
    let fitting = WINDOW_BYTES / u64::from(sizing::row_bytes(columns).max(1));
    fitting.clamp(LEAST_WINDOW_ROWS, MOST_WINDOW_ROWS)
}

/// The earlier and the later half; `None` of a single moment.
fn halves(period: Period) -> Option<(Period, Period)> {
    let middle = period.from.midpoint(period.to);
    let halves = (Period { to: middle, ..period }, Period { from: middle, ..period });
    (middle > period.from && middle < period.to).then_some(halves)
}

impl From<OtherTag> for Change {
    fn from(OtherTag { tag, source, target }: OtherTag) -> Self {
        Self { column: tag, source: shown(source), target: shown(target) }
    }
}

fn shown(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) | Value::Timestamp(value) => json!(value),
        Value::UInt(value) => json!(value),
        Value::Float(value) => reject::value(DataType::Float, &value.to_le_bytes()),
        Value::Double(value) => reject::value(DataType::Double, &value.to_le_bytes()),
        Value::Binary(bytes) => reject::value(DataType::Binary, &bytes),
        Value::Nchar(text) | Value::Json(text) => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_halves_of_a_period_are_all_of_it_and_end_at_a_single_moment(
            from: i64, length in 1_i64..i64::MAX, narrow: bool,
        ) {
            let to = from.saturating_add(if narrow { length % 5 + 1 } else { length });
            let period = Period { from, to };
            match halves(period) {
                Some((earlier, later)) => {
                    prop_assert!(!earlier.is_empty() && !later.is_empty());
                    prop_assert_eq!((earlier.from, earlier.to, later.to), (from, later.from, to));
                }
                None => prop_assert!(i128::from(to) - i128::from(from) <= 1),
            }
        }
    }
}
