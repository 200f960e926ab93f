//! `tdferry plan` as a process: it tells what a run then does, reads no row and writes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use serde_json::Value as Json;
use support::process::{Answer, answer};
use support::servers::Servers;
use tdferry_standin::MetersSeed;

/// A source of 200 subtables of 2,000 rows each, and an empty target.
async fn servers() -> Servers {
    let servers = Servers::standins().await;
    servers.source_standin().seed_meters(&MetersSeed::new(200, 2_000)).unwrap();
    servers
}

async fn planned(servers: &Servers, more: &[&str]) -> Answer {
    let (from, to) = (servers.from("power"), servers.to("power"));
    answer(&[&["plan", "--from", &from, "--to", &to, "--json"], more].concat()).await
}

fn number(plan: &Json, path: &str) -> u64 {
    plan.pointer(path).and_then(Json::as_u64).unwrap_or_else(|| panic!("{path}: {plan:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_the_run_then_does_and_writes_nothing() {
    let servers = servers().await;
    let told = planned(&servers, &["--workers", "2", "--slots", "2"]).await;
    let plan = told.json();
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!((number(&plan, "/subtables"), number(&plan, "/rows")), (200, 400_000));
    let stable = &plan["stables"][0];
    assert_eq!((stable["name"].as_str(), number(&plan, "/stables/0/tables")), (Some("meters"), 200));
    assert!(plan["seconds"]["all"]["low"].as_f64() < plan["seconds"]["all"]["high"].as_f64(), "{plan:#}");
    assert_eq!(plan["rates"]["from"], "defaults");
    let source = servers.source_standin().stats();
    // names, counts and bounds: an answer for each table, and no more
    assert!(source.rows_read < 2_000, "{source:?}");
    assert_eq!(servers.rows_written_to_target(), 0);
    let databases = servers.ask_target().query("select name from information_schema.ins_databases").await;
    assert!(!format!("{:?}", databases.unwrap().rows).contains("power"));

    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from("power"), servers.to("power"));
    let ran = answer(&support::process::run_args(
        &from,
        &to,
        state.path(),
        &["--slots", "2", "--worker-count", "2"],
    ))
    .await;
    assert_eq!((ran.code, number(&ran.json(), "/rows")), (0, 400_000), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_task_takes_is_planned() {
    let servers = servers().await;
    let half = planned(&servers, &["--tables", "meters.d1,meters.d2"]).await.json();
    assert_eq!((number(&half, "/subtables"), number(&half, "/shards/create")), (2, 1));
    let none = planned(&servers, &["--schema", "only"]).await.json();
    assert_eq!(
        (number(&none, "/rows"), number(&none, "/shards/dense"), number(&none, "/shards/sparse")),
        (0, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_answered_with_workers_and_a_measured_rate_narrows_the_band() {
    let servers = servers().await;
    let plan = planned(&servers, &["--finish-by", "2m", "--rate", "10000", "--slots", "1"]).await.json();
    // forty seconds of one worker
    let copy = &plan["seconds"]["copy"];
    assert!(copy["low"].as_f64().unwrap() > 30.0 && copy["high"].as_f64().unwrap() < 80.0, "{plan:#}");
    assert_eq!((number(&plan, "/finish_by/workers/low"), number(&plan, "/finish_by/workers/high")), (1, 1));
    let plan = planned(&servers, &["--finish-by", "30s", "--rate", "10000", "--slots", "1"]).await.json();
    assert!(number(&plan, "/finish_by/workers/low") >= 2, "{plan:#}");
    let late = planned(&servers, &["--finish-by", "2020-01-01T00:00:00Z"]).await.json();
    assert_eq!(late["finish_by"]["workers"]["low"], Json::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_ends_with_the_code_of_its_cause() {
    let servers = servers().await;
    let (from, to) = (servers.from("nowhere"), servers.to("power"));
    let missing = answer(&["plan", "--from", &from, "--to", &to]).await;
    assert_eq!(missing.code, 4, "{}", missing.stderr);
    let wrong_way = answer(&["plan", "--from", &to, "--to", &servers.from("power")]).await;
    assert_eq!(wrong_way.code, 4, "{}", wrong_way.stderr);
    let unclear = planned(&servers, &["--finish-by", "soon"]).await;
    assert!(unclear.code == 2 && unclear.stderr.contains("finish-by"), "{}", unclear.stderr);
    let nobody = planned(&servers, &["--coordinator", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.code, 6, "{}", nobody.stderr);
}
