//! How far the target is behind: from the acknowledgement of an insert until all of its rows can be read.
//!
//! The oldest statement that is not there yet is counted again and again, so that what is told is never too little:
//! it is up to one look too much.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use taos::{AsyncQueryable, Taos};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::writer::Sent;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// Rows that take longer are lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// How far behind, of all rows of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Lag {
    pub(crate) p50_seconds: f64,
    pub(crate) p99_seconds: f64,
    pub(crate) max_seconds: f64,
}

/// What was seen to arrive.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) rows: u64,
    pub(crate) statements: u64,
    pub(crate) lag: Lag,
}

/// Waits for every statement that is sent, the oldest first.
pub(crate) async fn watch(target: &Taos, stable: &str, mut sent: UnboundedReceiver<Sent>) -> Result<Seen> {
    let (mut seen, mut lags) = (Seen::default(), Vec::new());
    while let Some(one) = sent.recv().await {
        let arrived = timeout(PATIENCE, arrival(target, stable, one)).await;
        let arrived = arrived.with_context(|| {
            format!("the {} rows of {} are not in the target after {PATIENCE:?}", one.rows, one.ts)
        })??;
        lags.push((arrived - one.acknowledged).as_secs_f64());
        seen.rows += one.rows;
        seen.statements += 1;
    }
    seen.lag = Lag::of(lags);
    Ok(seen)
}

async fn arrival(target: &Taos, stable: &str, sent: Sent) -> Result<Instant> {
    loop {
        if rows_of(target, stable, (sent.ts, sent.ts + 1)).await? >= sent.rows {
            return Ok(Instant::now());
        }
        sleep(LOOK).await;
    }
}

/// Rows from a moment to another.
pub(crate) async fn rows_of(server: &Taos, stable: &str, (from, to): (i64, i64)) -> Result<u64> {
    let count = format!("select count(*) from {stable} where ts >= {from} and ts < {to}");
    // a 2.x says nothing where there is nothing
    Ok(server.query_one::<_, u64>(count).await?.unwrap_or(0))
}

impl Lag {
    /// Each weighs the same: all statements have as many rows.
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            let rank = (all.len() * hundredths).div_ceil(100);
            all.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50_seconds: at(50), p99_seconds: at(99), max_seconds: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_the_least_that_so_many_do_not_exceed() {
        let of = |n: u32| Lag::of((1..=n).rev().map(f64::from).collect());
        assert_eq!(of(200), Lag { p50_seconds: 100.0, p99_seconds: 198.0, max_seconds: 200.0 });
        assert_eq!(of(1), Lag { p50_seconds: 1.0, p99_seconds: 1.0, max_seconds: 1.0 });
        assert_eq!(of(0), Lag::default());
    }
}
