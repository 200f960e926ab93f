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
        let sizes = text.strip_prefix("meters:").and_then(|sizes| sizes.split_once('x'));
        let numbers = sizes.map(|(subtables, rows)| (subtables.parse(), rows.parse()));
        match numbers {
            Some((Ok(subtables), Ok(rows))) if subtables > 0 => Ok(Self::new(subtables, rows)),
            _ => Err(SeedError::Malformed(text.to_owned())),
        }
    }
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
        assert_eq!((seed.subtables, seed.rows), (1000, 50));
        for text in ["meters", "meters:", "meters:x", "meters:0x5", "meters:5", "metres:1x1", "meters:1x-1"] {
            assert!(text.parse::<MetersSeed>().is_err(), "{text}");
        }
    }
}
