//! Killed with -9 at ten random moments and started again: the same result, and no shard copied again beyond what
//! was written since its last commit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng, TryRngCore};
use support::process::{kill, run_args, tdferry, wait};
use support::servers::Servers;
use tdferry_standin::MetersSeed;
use tokio::time::{Instant, timeout};

const KILLS: usize = 10;
const SLOTS: u64 = 3;
/// What each write to the target takes while processes are killed, so that a kill finds writes in flight.
const WRITE: Duration = Duration::from_millis(100);
/// Rows of the largest block a 2.x server answers.
const BLOCK: u64 = 4_096;
/// A fifth of the heartbeat, which these tests set to 200 ms.
const COMMIT_INTERVAL: Duration = Duration::from_millis(40);
/// Far longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a slot may have written, or be writing, beyond its last commit: the writes of one commit interval, one that
/// the commit did not cover yet, and one in flight.
fn uncommitted_blocks() -> u64 {
    u64::try_from(COMMIT_INTERVAL.as_millis().div_ceil(WRITE.as_millis())).unwrap() + 2
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_ten_random_moments_it_ends_with_every_cell_equal() {
    let seed = rand::rngs::OsRng.try_next_u64().unwrap();
    eprintln!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let servers = Servers::standins().await;
    let dense = MetersSeed { database: "power".into(), seed, ..MetersSeed::new(50, 20_000) };
    servers.source_standin().seed_meters(&dense).unwrap();
    servers.slow_target(WRITE);
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let slots = SLOTS.to_string();
    let args = run_args(&from, &to, state.path(), &["--slots", &slots]);
    let mut kills_in_flight = 0;
    for _ in 0..KILLS {
        let (before, started) = (servers.rows_written_to_target(), Instant::now());
        let mut child = tdferry(&args).spawn().unwrap();
        timeout(PATIENCE, rows_flow(&servers, before)).await.expect("rows flow again after a start");
        eprintln!("rows flow {} ms after the start", started.elapsed().as_millis());
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
        kills_in_flight += u64::from(child.try_wait().unwrap().is_none());
        kill(child).await;
    }
    servers.quick_target();
    let answer = wait(tdferry(&args).spawn().unwrap()).await;
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let summary = answer.json();
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(summary["rows"], compared.rows, "totals count each row once: {summary}");
    let again = servers.rows_written_to_target() - compared.rows;
    eprintln!("{kills_in_flight} kills in flight, {} rows, {again} written again", compared.rows);
    assert!(kills_in_flight * 2 > KILLS as u64, "most kills hit a process at work: {kills_in_flight}");
    let bound = kills_in_flight * SLOTS * uncommitted_blocks() * BLOCK;
    assert!(again <= bound, "{again} rows were written again in {kills_in_flight} kills, {bound} may be");
}

async fn rows_flow(servers: &Servers, before: u64) {
    while servers.rows_written_to_target() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_wait_for_the_session_of_the_dead() {
    let servers = Servers::standins().await;
    let dense = MetersSeed { database: "power".into(), ..MetersSeed::new(20, 10_000) };
    servers.source_standin().seed_meters(&dense).unwrap();
    servers.slow_target(WRITE);
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    // a session outlives six of these heartbeats, and so outlives the patience of this test by far
    let args = run_args(&from, &to, state.path(), &["--slots", "2", "--heartbeat", "60000"]);
    let child = tdferry(&args).spawn().unwrap();
    timeout(PATIENCE, rows_flow(&servers, 0)).await.expect("rows flow");
    kill(child).await;
    servers.quick_target();
    let again = timeout(PATIENCE, wait(tdferry(&args).spawn().unwrap())).await;
    assert_eq!(again.expect("ends before the dead session does").code, 0);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
}
