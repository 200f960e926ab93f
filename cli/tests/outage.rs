//! Source or sink away in the middle: the task says what it waits for, and ends complete without help.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use serde_json::Value as Json;
use support::load::{self, Size};
use support::process::{answer, run_args, started, tdferry, wait};
use support::servers::Servers;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

const SIZE: Size = Size { dense: 12, dense_rows: 8_000, sparse: 400, sparse_rows: 3 };

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
enum Away {
    Source,
    Sink,
}

/// Runs a migration, stops one side once rows flow, waits until the program says so, and brings it back.
async fn outage(away: Away, words: &str) {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SIZE, 5).await;
    servers.slow_target(Duration::from_millis(30));
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let mut child = tdferry(&run_args(&from, &to, state.path(), &["--slots", "2"])).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    wait_for(&mut lines, "copying").await;
    let server = match away {
        Away::Source => servers.source_standin(),
        Away::Sink => servers.target_standin(),
    };
    server.suspend().await;
    wait_for(&mut lines, words).await;
    server.resume().await.unwrap();
    servers.quick_target();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let answer = wait(child).await;
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    assert_eq!(answer.json()["state"], "completed", "{}", answer.stdout);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
}

type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStderr>>;

async fn wait_for(lines: &mut Lines, words: &str) {
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return;
            }
        }
        panic!("stderr ended before {words:?}");
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{words:?} was not said in time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stops_is_waited_for_and_named() {
    outage(Away::Source, "waiting for source").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_stops_is_waited_for_and_named() {
    outage(Away::Sink, "waiting for sink").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_commits_and_the_next_run_goes_on_from_there() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SIZE, 6).await;
    servers.slow_target(Duration::from_millis(30));
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let args = run_args(&from, &to, state.path(), &["--slots", "2"]);
    let (child, _) = started(&args, "copying").await;
    let pid = child.id().unwrap().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    let stopped = wait(child).await;
    assert_eq!(stopped.code, 5, "{}", stopped.stdout);
    servers.quick_target();
    let finished = answer(&args).await;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    let summary: Json = finished.json();
    assert_eq!(summary["rows"], compared.rows, "{summary}");
    // what was committed at the signal was not written again
    assert_eq!(servers.rows_written_to_target(), compared.rows);
}
