//! Rows that the target refuses, end to end: kept once whatever is killed, listed, shown, exported, and brought in once the
//! target takes them. Between stand-ins always, between real servers where the environment names them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use support::load;
use support::process::{Answer, answer, kill, run_args, tdferry, wait};
use support::servers::Servers;
use tdferry_standin::MetersSeed;
use tokio::time::timeout;

const TABLES: u64 = 20;
const ROWS: u64 = 10_000;
/// Rows of each table that the target does not keep.
const LATE: u64 = 10;
/// Forty minutes: the edge of what is kept moves while a test runs, but never by half of this.
const STEP_MS: i64 = 2_400_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn now_ms() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "what a database keeps goes by the wall clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// Meters of which the target, whose database is there already, keeps all but the oldest rows.
async fn meters(servers: &Servers) -> MetersSeed {
    // the newest row lies a day back
    let start_ms = now_ms() - 86_400_000 - STEP_MS * i64::try_from(ROWS).unwrap();
    let meters = MetersSeed { start_ms, step_ms: STEP_MS, ..MetersSeed::new(TABLES, ROWS) };
    servers.source_standin().seed_meters(&meters).unwrap();
    let edge_ms = start_ms + STEP_MS * i64::try_from(LATE).unwrap() - STEP_MS / 2;
    let minutes = (now_ms() - edge_ms) / 60_000;
    load::run(
        &servers.ask_target(),
        &format!("create database power precision 'ms' keep {minutes}m duration 1d"),
    )
    .await;
    meters
}

async fn rejects(args: &[&str]) -> Answer {
    answer(&[&["rejects"], args].concat()).await
}

/// The rows that `export` prints, by table and time; each must be printed once.
async fn exported(place: &[&str]) -> BTreeSet<(String, i64)> {
    let printed = rejects(&[&["export"], place].concat()).await;
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let rows: Vec<Json> = printed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["reason"] == "keep" && row["stable"] == "meters"));
    let key = |row: &Json| (row["table"].as_str().unwrap().to_owned(), row["at"].as_i64().unwrap());
    let keys: BTreeSet<_> = rows.iter().map(key).collect();
    assert_eq!(keys.len(), rows.len(), "a row is kept once");
    keys
}

async fn rows_flow(servers: &Servers, least: u64) {
    let before = servers.rows_written_to_target();
    while servers.rows_written_to_target() < before + least {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Kills runs in the middle, lets one end, and looks at what was kept; then brings it in, killed in the middle as well.
async fn once_and_in(fails_to: Option<&str>) {
    let servers = Servers::standins().await;
    let meters = meters(&servers).await;
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let option = fails_to.map(|folder| format!("fails-to={folder}"));
    let mut more = vec!["--slots", "3"];
    more.extend(option.iter().flat_map(|option| ["-o", option.as_str()]));
    let args = run_args(&from, &to, state.path(), &more);
    servers.slow_target(Duration::from_millis(50));
    for _ in 0..3 {
        let child = tdferry(&args).spawn().unwrap();
        timeout(PATIENCE, rows_flow(&servers, 20_000)).await.expect("rows flow after a start");
        kill(child).await;
    }
    servers.quick_target();
    let ended = wait(tdferry(&args).spawn().unwrap()).await;
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let summary = ended.json();
    assert_eq!(summary["state"], "completed with rejects", "{summary}");
    let counted = [&summary["rejected"], &summary["rows"]];
    assert_eq!(counted, [&Json::from(200), &Json::from(199_800)], "{summary}");
    let told = summary["rejects"].as_str().unwrap();
    assert!(told.contains(fails_to.unwrap_or("tdferry_rejects")), "{summary}");

    let mut place = vec!["migrate-power", "--to", to.as_str()];
    place.extend(fails_to.iter().flat_map(|folder| ["--folder", folder]));
    let late = |table: u64| {
        (0..i64::try_from(LATE).unwrap()).map(move |n| (format!("d{table}"), meters.start_ms + n * STEP_MS))
    };
    let wanted: BTreeSet<_> = (0..TABLES).flat_map(late).collect();
    assert_eq!(exported(&place).await, wanted);
    let listed = rejects(&[&["list", "--json"], place.as_slice()].concat()).await.json();
    assert_eq!(
        (&listed["rows"], listed["tables"].as_array().unwrap().len()),
        (&Json::from(200), 20),
        "{listed}"
    );
    let shown = rejects(&[&["show", "--limit", "1", "--table", "d7"], place.as_slice()].concat()).await;
    assert!(shown.stdout.contains("power.d7 at") && shown.stdout.contains("voltage = "), "{}", shown.stdout);

    let redrive = [&["redrive", "--json"], place.as_slice()].concat();
    let refused = rejects(&redrive).await;
    assert_eq!((refused.code, &refused.json()["refused"]), (3, &Json::from(200)), "{}", refused.stderr);
    load::run(&servers.ask_target(), "alter database power keep 36500").await;
    servers.slow_target(Duration::from_millis(100));
    let child = tdferry(&[&["rejects"], redrive.as_slice()].concat()).spawn().unwrap();
    timeout(PATIENCE, rows_flow(&servers, 40)).await.expect("rows are brought in");
    kill(child).await;
    servers.quick_target();
    let left = exported(&place).await;
    assert!(!left.is_empty() && left.is_subset(&wanted), "the kill came too late: {left:?}");
    let done = rejects(&redrive).await;
    assert_eq!((done.code, &done.json()["refused"]), (0, &Json::from(0)), "{}", done.stderr);
    assert!(exported(&place).await.is_empty());
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(compared.rows, TABLES * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_kept_once_in_the_target_and_brought_in_whatever_is_killed() {
    once_and_in(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_kept_once_in_a_folder_and_brought_in_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    once_and_in(folder.path().to_str()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_rejects_more_than_its_budget_fails_with_words_and_a_retry_is_a_run_again() {
    let servers = Servers::standins().await;
    meters(&servers).await;
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let args =
        run_args(&from, &to, state.path(), &["--slots", "1", "-o", "reject-budget=50", "-o", "unit=30d"]);
    servers.slow_target(Duration::from_millis(20));
    let stopped = answer(&args).await;
    assert_eq!(stopped.code, 1, "{}", stopped.stderr);
    let summary = stopped.json();
    let reason = summary["reason"].as_str().unwrap();
    assert!(
        reason.contains("`reject-budget` allows 50") && reason.contains("tdferry rejects list"),
        "{reason}"
    );
    assert!(summary["rejected"].as_u64().unwrap() > 50, "{summary}");
}

/// A row outside of KEEP and one that is as wide and odd as any, on real servers.
#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_kept_and_brought_in_on_real_servers() {
    let Some(servers) = Servers::real() else { return };
    let database = format!("reject_{}_{}", std::process::id(), now_ms() % 1_000_000);
    let (source, target) = (servers.ask_source(), servers.ask_target());
    load::run(&source, &format!("create database {database} precision 'us' keep 36500 days 30")).await;
    load::run(
        &source,
        &format!(
            "create table {database}.s (ts timestamp, f double, b binary(16000), n nchar(100)) tags (t int)"
        ),
    )
    .await;
    let (recent, old) = ((now_ms() - 3_600_000) * 1_000, (now_ms() - 90 * 86_400_000) * 1_000);
    let wide = "w\\'\"x".repeat(2_000);
    for table in ["a", "b"] {
        load::run(&source, &format!("create table {database}.{table} using {database}.s tags (1)")).await;
        for at in [recent, old, old + 1] {
            load::run(
                &source,
                &format!("insert into {database}.{table} values ({at}, 0.1, '{wide}', '涛思')"),
            )
            .await;
        }
    }
    load::run(&target, &format!("create database {database} precision 'us' keep 30d duration 10d")).await;
    let state = tempfile::tempdir().unwrap();
    let (from, to, name) = (servers.from(&database), servers.to(&database), format!("reject-{database}"));
    let ended = answer(&run_args(&from, &to, state.path(), &["--name", &name])).await;
    assert_eq!((ended.code, &ended.json()["rejected"]), (3, &Json::from(4)), "{}", ended.stderr);
    let place = [name.as_str(), "--to", to.as_str()];
    let listed = rejects(&[&["list", "--json"], place.as_slice()].concat()).await.json();
    assert_eq!(listed["rows"], 4, "{listed}");
    load::run(&target, &format!("alter database {database} keep 3650d")).await;
    let mut done = rejects(&[&["redrive", "--json"], place.as_slice()].concat()).await;
    // the server takes a moment to keep more
    for _ in 0..30 {
        if done.code == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        done = rejects(&[&["redrive", "--json"], place.as_slice()].concat()).await;
    }
    assert_eq!((done.code, &done.json()["refused"]), (0, &Json::from(0)), "{}", done.stderr);
    let listed = rejects(&[&["list", "--json"], place.as_slice()].concat()).await.json();
    assert_eq!(listed["rows"], 0, "{listed}");
    let compared = servers.compare(&database, &database).await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    load::run(&source, &format!("drop database {database}")).await;
    load::run(&target, &format!("drop database {database}")).await;
}
