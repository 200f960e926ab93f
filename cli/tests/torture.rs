//! A database of everything that is awkward goes through, and every cell, tag and name is equal: between stand-ins in
//! each unit of time, and between real servers where the environment names them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use support::load;
use support::process::{answer, run_args};
use support::servers::Servers;
use tdferry_standin::{Precision, TortureSeed};

/// A number that is another one in every run.
fn fresh() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "seeds and names must differ between processes")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 32)
}

/// Copies and compares; at least so many tables are there.
async fn goes_through(servers: &Servers, seed: &TortureSeed, tables: u64) {
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from(&seed.database), servers.to(&seed.database));
    let answer = answer(&run_args(&from, &to, state.path(), &["--worker-count", "2"])).await;
    let summary = answer.json();
    assert_eq!(answer.code, 0, "seed {}: {summary}\n{}", seed.seed, answer.stderr);
    assert_eq!((&summary["rejected"], &summary["state"]), (&0.into(), &"completed".into()), "{summary}");
    let compared = servers.compare(&seed.database, &seed.database).await;
    assert!(compared.is_equal(), "seed {}: {:#?}", seed.seed, compared.differences);
    assert_eq!(summary["rows"], compared.rows, "{summary}");
    assert!(compared.tables >= tables && compared.rows > 18_000, "the database was made: {compared:?}");
}

async fn on_stand_ins(seed: TortureSeed) {
    let servers = Servers::standins().await;
    servers.source_standin().seed_torture(&seed).unwrap();
    goes_through(&servers, &seed, 360).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_awkward_arrives_as_it_was_in_milliseconds() {
    on_stand_ins(TortureSeed::new("torture")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_awkward_arrives_as_it_was_in_microseconds() {
    on_stand_ins(TortureSeed { precision: Precision::Micro, ..TortureSeed::new("torture") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_awkward_arrives_as_it_was_in_nanoseconds() {
    on_stand_ins(TortureSeed { precision: Precision::Nano, ..TortureSeed::new("torture") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_seed_makes_arrives_as_it_was() {
    let seed = fresh();
    eprintln!("torture of seed {seed}");
    on_stand_ins(TortureSeed { seed, ..TortureSeed::new("torture") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_awkward_arrives_as_it_was_on_real_servers() {
    let Some(servers) = Servers::real() else { return };
    for precision in [Precision::Milli, Precision::Nano] {
        let seed = TortureSeed { precision, ..TortureSeed::new(format!("tdf_torture_{:x}", fresh())) };
        let source = servers.ask_source();
        for sql in seed.statements() {
            load::run(&source, &sql).await;
        }
        goes_through(&servers, &seed, 330).await;
        load::run(&source, &format!("drop database if exists {}", seed.database)).await;
        load::run(&servers.ask_target(), &format!("drop database if exists {}", seed.database)).await;
    }
}
