//! The demo's database: dense meters, a swarm of sparse sensors, and tables without a stable.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{MetersSeed, SeedError, meters, run};
use crate::exec::Engine;

const METERS: u64 = 40;
const METER_ROWS: u64 = 20_000;
const SENSORS: u64 = 2_000;
const SENSOR_ROWS: u64 = 20;
const MINUTE_MS: i64 = 60_000;
const START_MS: i64 = 1_767_225_600_000;

pub(crate) fn demo(engine: &Arc<Engine>, database: &str) -> Result<(), SeedError> {
    let dense = MetersSeed { database: database.into(), ..MetersSeed::new(METERS, METER_ROWS) };
    meters(engine, &dense)?;
    let sparse = MetersSeed {
        stable: "sensors".into(),
        prefix: "sensor_".into(),
        subtables: SENSORS,
        rows: SENSOR_ROWS,
        step_ms: MINUTE_MS,
        null_every: 50,
        seed: 2,
        ..dense
    };
    meters(engine, &sparse)?;
    run(engine, normal_tables(database))
}

fn normal_tables(database: &str) -> Vec<String> {
    let mut events = format!("insert into {database}.events values");
    for row in 0..500_i64 {
        let (ts, level) = (START_MS + row * MINUTE_MS, row % 5);
        let _ = write!(events, " ({ts}, {level}, 'event {row}')");
    }
    vec![
        format!("create table {database}.events (ts timestamp, severity int, message nchar(40))"),
        events,
        format!("create table {database}.settings (ts timestamp, name binary(32), setting double)"),
        format!(
            "insert into {database}.settings values ({START_MS}, 'limit', 12.5) ({}, 'floor', null)",
            START_MS + 1
        ),
    ]
}
