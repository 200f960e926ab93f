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
use support::load::{self, Size};
use support::process::{kill, run_args, tdferry, wait};
use support::servers::Servers;

const KILLS: usize = 10;

/// Enough that ten runs of a second or two do not finish it.
const SIZE: Size = Size { dense: 40, dense_rows: 5_000, sparse: 3_000, sparse_rows: 4 };

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_ten_random_moments_it_ends_with_every_cell_equal() {
    let seed = rand::rngs::OsRng.try_next_u64().unwrap();
    eprintln!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SIZE, seed).await;
    // a slow target, so that a kill finds work in flight
    servers.slow_target(Duration::from_millis(25));
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let args = run_args(&from, &to, state.path(), &["--slots", "3"]);
    let mut killed = 0;
    for _ in 0..KILLS {
        let child = tdferry(&args).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(rng.random_range(300..1_500))).await;
        kill(child).await;
        killed += 1;
    }
    servers.quick_target();
    let answer = wait(tdferry(&args).spawn().unwrap()).await;
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let summary = answer.json();
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(summary["rows"], compared.rows, "totals count each row once: {summary}");
    let written = servers.rows_written_to_target();
    let again = written - compared.rows;
    eprintln!("{killed} kills, {} rows, {again} written again", compared.rows);
    // three slots, each with at most what it wrote in one commit interval before the kill, and a batch in flight
    let per_kill = 3 * (200 / 25 + 2) * 4_096;
    assert!(again <= per_kill * KILLS as u64, "{again} rows were written again in {killed} kills");
}
