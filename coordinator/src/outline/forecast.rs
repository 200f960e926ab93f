//! How long the shards of a plan take so many workers, and how many workers it takes to be through in time. Pure.
//!
//! Shards are handed out as slots become free, so their phase takes no less than all work shared evenly and no less than its
//! longest shard, and no more than both together: that is the band, by the fast rates below and by the slow ones above.

use tdferry_common::shard::{Density, Shard, ShardKind};

use super::band::{Band, Pace, Rates, approximate};
use crate::planner::MIN_SHARD_ROWS;

/// A claim, a few commits, two counts, and what a task's phases wait for each other: per shard.
const SHARD_SECONDS: Band = Band { low: 0.02, high: 0.5 };
/// Stables and normal tables created by the one schema shard, several statements in flight.
const STATEMENTS: Pace = Pace { fast: 1_000.0, slow: 50.0 };
/// Subtables below which creating is not shared any further: less than a batch of DDL.
const LEAST_TABLES: f64 = 256.0;
/// What reading the target back takes of the time of copying: one side is read and nothing written.
const READ_BACK: Band = Band { low: 0.1, high: 0.5 };
/// More workers than this are no answer to any question.
pub const MOST_WORKERS: u32 = 10_000;

/// What there is to do: every shard of a plan by what it costs.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// The slots that the plan was made for.
    pub planned_slots: u32,
    /// Stables and normal tables to create.
    pub statements: u64,
    /// Subtables of each create shard.
    pub creates: Vec<u64>,
    /// Rows and bytes of each dense shard.
    pub dense: Vec<(u64, u64)>,
    /// Rows and bytes of each sparse shard.
    pub sparse: Vec<(u64, u64)>,
    /// Survey and schema shards.
    pub others: u64,
    /// How many of a hundred copy shards are read back.
    pub read_back_percent: u8,
}

/// Who works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    /// Workers.
    pub workers: u32,
    /// Shards each of them works on at once.
    pub slots: u32,
}

/// How long each phase takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Forecast {
    /// Listing what the source holds.
    pub survey: Band,
    /// Creating what the target lacks.
    pub schema: Band,
    /// Copying rows.
    pub copy: Band,
    /// Reading the target back and comparing it; nothing where only counts are compared.
    pub verify: Band,
}

/// How many workers are enough to be through in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// If all goes well; `None` where no number is enough.
    pub low: Option<u32>,
    /// If it goes badly; `None` where no number is enough.
    pub high: Option<u32>,
}

impl Forecast {
    /// From start to end.
    pub fn whole(&self) -> Band {
        self.survey.plus(self.schema).plus(self.copy).plus(self.verify)
    }
}

impl Work {
    pub(super) fn add(&mut self, shard: &Shard) {
        match shard.kind {
            ShardKind::Create => self.creates.push(u64::from(shard.range.len())),
            ShardKind::Copy(Density::Dense) => self.dense.push((shard.estimate.rows, shard.estimate.bytes)),
            ShardKind::Copy(Density::Sparse) => self.sparse.push((shard.estimate.rows, shard.estimate.bytes)),
            _ => self.others += 1,
        }
    }

    /// All shards.
    pub fn shards(&self) -> u64 {
        let listed = self.creates.len() + self.dense.len() + self.sparse.len();
        self.others + u64::try_from(listed).unwrap_or(u64::MAX)
    }

    /// How long it takes these workers at these rates. For more slots than the plan was made for, its shards count as cut
    /// finer, as the planner would and as the cutting of shards at work does.
    pub fn forecast(&self, fleet: Fleet, rates: &Rates) -> Forecast {
        let slots = f64::from(fleet.workers.max(1)) * f64::from(fleet.slots.max(1));
        let finer = (slots / f64::from(self.planned_slots.max(1))).max(1.0);
        let tables: u64 = self.creates.iter().sum();
        let creates = self.creates.iter().map(|&tables| Piece {
            time: rates.creates.time(tables),
            pieces: (approximate(tables) / LEAST_TABLES).clamp(1.0, finer),
        });
        let copies = |shards: &[(u64, u64)], pace: Pace| {
            let one = |&(rows, bytes): &(u64, u64)| Piece {
                time: pace.time(rows).max(rates.bytes.time(bytes)),
                pieces: (approximate(rows) / approximate(MIN_SHARD_ROWS)).clamp(1.0, finer),
            };
            shards.iter().map(one).collect::<Vec<_>>()
        };
        let mut copied = copies(&self.dense, rates.dense_rows);
        copied.extend(copies(&self.sparse, rates.sparse_rows));
        let copy = shared(copied, slots);
        let share = f64::from(self.read_back_percent) / 100.0;
        Forecast {
            verify: Band { low: copy.low * READ_BACK.low * share, high: copy.high * READ_BACK.high * share },
            survey: SHARD_SECONDS.plus(rates.lists.time(tables)),
            schema: SHARD_SECONDS.plus(STATEMENTS.time(self.statements)).plus(shared(creates, slots)),
            copy,
        }
    }

    /// How many workers of so many slots are through within these seconds.
    pub fn workers_for(&self, seconds: f64, slots: u32, rates: &Rates) -> Needed {
        let time = |workers| self.forecast(Fleet { workers, slots }, rates).whole();
        Needed {
            low: fewest(|workers| time(workers).low <= seconds),
            high: fewest(|workers| time(workers).high <= seconds),
        }
    }
}

/// A shard: its work, and into how many it may be cut.
struct Piece {
    time: Band,
    pieces: f64,
}

/// Shards handed out to so many slots as these become free.
fn shared(shards: impl IntoIterator<Item = Piece>, slots: f64) -> Band {
    let (mut sum, mut longest, mut count) = (Band::default(), Band::default(), 0.0);
    for Piece { time, pieces } in shards {
        let per_piece = Band { low: time.low / pieces, high: time.high / pieces }.plus(SHARD_SECONDS);
        sum = sum.plus(Band { low: per_piece.low * pieces, high: per_piece.high * pieces });
        longest = longest.max(per_piece);
        count += pieces;
    }
    // who has more slots than shards has only so many at work
    let at_work = slots.min(count).max(1.0);
    let rest = 1.0 - 1.0 / at_work;
    Band { low: (sum.low / at_work).max(longest.low), high: sum.high / at_work + longest.high * rest }
}

/// The smallest number that is enough, of a question that more never answer worse.
fn fewest(enough: impl Fn(u32) -> bool) -> Option<u32> {
    if !enough(MOST_WORKERS) {
        return None;
    }
    let (mut least, mut most) = (1, MOST_WORKERS);
    while least < most {
        let middle = least + (most - least) / 2;
        if enough(middle) {
            most = middle;
        } else {
            least = middle + 1;
        }
    }
    Some(least)
}
