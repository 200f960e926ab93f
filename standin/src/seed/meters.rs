//! Smart meters: a stable whose subtables and rows are computed, so that no size is too big.

use std::str::FromStr;
use std::sync::{Arc, RwLock};

use super::{SeedError, run};
use crate::config::Flavor;
use crate::exec::Engine;
use crate::store::ComputedSpec;
use crate::sync::write;

/// How many meters there are and how many rows each has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetersSeed {
    /// The database; created if it is missing.
    pub database: String,
    /// The stable.
    pub stable: String,
    /// Subtables are called by this and a number.
    pub prefix: String,
    /// Subtables.
    pub subtables: u64,
    /// Rows of each.
    pub rows: u64,
    /// The first timestamp and the step between rows, in milliseconds.
    pub start_ms: i64,
    /// Milliseconds between rows.
    pub step_ms: i64,
    /// Makes the same rows each time.
    pub seed: u64,
    /// One cell in so many is NULL; 0 for none.
    pub null_every: u64,
}

/// 2026-01-01: within any KEEP worth having.
const START_MS: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 1_000;

impl MetersSeed {
    /// Meters with one row a second from 2026-01-01 on, in `power.meters`.
    #[must_use]
    pub fn new(subtables: u64, rows: u64) -> Self {
        Self {
            database: "power".into(),
            stable: "meters".into(),
            prefix: "d".into(),
            subtables,
            rows,
            start_ms: START_MS,
            step_ms: STEP_MS,
            seed: 1,
            null_every: 0,
        }
    }
}

impl FromStr for MetersSeed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        sizes(text).ok_or_else(|| SeedError::Malformed(text.to_owned()))
    }
}

/// `meters:SUBTABLESxROWS`, and `/MILLISECONDS` between rows where a year of seconds is not enough.
fn sizes(text: &str) -> Option<MetersSeed> {
    let (sizes, step) = match text.split_once('/') {
        Some((sizes, step)) => (sizes, step.parse().ok()?),
        None => (text, STEP_MS),
    };
    let (subtables, rows) = sizes.strip_prefix("meters:")?.split_once('x')?;
    let seed = MetersSeed { step_ms: step, ..MetersSeed::new(subtables.parse().ok()?, rows.parse().ok()?) };
    (seed.subtables > 0 && step > 0).then_some(seed)
}

pub(crate) fn meters(engine: &Arc<Engine>, seed: &MetersSeed) -> Result<(), SeedError> {
    let (database, stable) = (&seed.database, &seed.stable);
    let update = if engine.flavor() == Flavor::V26 { " update 1" } else { "" };
    run(
        engine,
        [
            format!("create database if not exists {database} precision 'ms' keep 36500{update}"),
            format!(
                "create table {database}.{stable} (ts timestamp, current float, voltage int, phase float) \
                 tags (groupid int, location binary(24))"
            ),
        ],
    )?;
    let mut catalog = write(&engine.catalog);
    if let Some(found) = catalog.database_mut(database)
        && let Some(shape) = found.stables.get(stable).map(|stable| stable.shape.clone())
    {
        found.add_computed(ComputedSpec {
            shape,
            prefix: seed.prefix.clone(),
            tables: seed.subtables,
            rows: seed.rows,
            start: seed.start_ms,
            step: seed.step_ms,
            seed: seed.seed,
            null_every: seed.null_every,
            vgroups: found.vgroups,
            taken: RwLock::default(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_nonsense_is_refused() {
        let seed: MetersSeed = "meters:1000x50".parse().unwrap();
        assert_eq!((seed.subtables, seed.rows, seed.step_ms), (1000, 50, 1_000));
        let seed: MetersSeed = "meters:1x50000000/100".parse().unwrap();
        assert_eq!((seed.subtables, seed.rows, seed.step_ms), (1, 50_000_000, 100));
        for text in [
            "meters:1x1/",
            "meters:1x1/0",
            "meters",
            "meters:",
            "meters:x",
            "meters:0x5",
            "meters:5",
            "metres:1x1",
            "meters:1x-1",
        ] {
            assert!(text.parse::<MetersSeed>().is_err(), "{text}");
        }
    }
}
