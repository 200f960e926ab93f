//! `tdferry run` moves a whole database, and every cell, tag and name is equal on the other side: between
//! stand-ins always, between real servers where the environment names them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use support::load::{self, SMALL, Size};
use support::process::{answer, run_args};
use support::servers::Servers;

/// A name that no other run of these tests uses, on servers that others may use too.
fn fresh(what: &str) -> String {
    #[allow(clippy::disallowed_methods, reason = "names must differ between processes")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("tdf_{what}_{}_{:x}", std::process::id(), now.subsec_nanos())
}

async fn drop_both(servers: &Servers, database: &str) {
    load::run(&servers.ask_source(), &format!("drop database if exists {database}")).await;
    load::run(&servers.ask_target(), &format!("drop database if exists {database}")).await;
}

async fn migrate(servers: &Servers, database: &str, more: &[&str]) -> (i32, Json) {
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from(database), servers.to(database));
    let answer = answer(&run_args(&from, &to, state.path(), more)).await;
    assert!(
        answer.stdout.lines().count() == 1,
        "stdout is one JSON object: {}\n{}",
        answer.stdout,
        answer.stderr
    );
    (answer.code, answer.json())
}

async fn everything_arrives(servers: &Servers) {
    let database = fresh("all");
    load::load(&servers.ask_source(), &database, SMALL, 7).await;
    let (code, summary) = migrate(servers, &database, &["--worker-count", "2"]).await;
    assert_eq!(code, 0, "{summary}");
    assert_eq!(summary["state"], "completed", "{summary}");
    assert_eq!(summary["verified"], true, "{summary}");
    assert_eq!(summary["rejected"], 0, "{summary}");
    let compared = servers.compare(&database, &database).await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(summary["rows"], compared.rows, "{summary}");
    assert!(compared.rows > 50_000, "the database was loaded: {compared:?}");
    drop_both(servers, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_a_database_arrives_on_a_stand_in() {
    everything_arrives(&Servers::standins().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_a_database_arrives_on_real_servers() {
    if let Some(servers) = Servers::real() {
        everything_arrives(&servers).await;
    }
}

const TINY: Size = Size { dense: 2, dense_rows: 300, sparse: 20, sparse_rows: 3 };

async fn structure_only(servers: &Servers) {
    let database = fresh("only");
    load::load(&servers.ask_source(), &database, TINY, 3).await;
    let (code, summary) = migrate(servers, &database, &["--schema", "only"]).await;
    assert_eq!((code, &summary["rows"]), (0, &Json::from(0)), "{summary}");
    let compared = servers.compare(&database, &database).await;
    let other = |difference: &&String| !difference.contains("a page of");
    let structural: Vec<_> = compared.differences.iter().filter(other).collect();
    assert!(structural.is_empty(), "{structural:#?}");
    assert!(compared.differing > 0, "the source has rows, the target has none");
    // the structure is there: without creating any, the rows follow
    let (code, summary) = migrate(servers, &database, &["--schema", "none"]).await;
    assert_eq!(code, 0, "{summary}");
    let compared = servers.compare(&database, &database).await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    drop_both(servers, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_only_leaves_an_equal_structure_that_schema_none_fills() {
    structure_only(&Servers::standins().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_only_and_none_work_on_real_servers() {
    if let Some(servers) = Servers::real() {
        structure_only(&servers).await;
    }
}

async fn what_is_missing_is_named(servers: &Servers) {
    let database = fresh("missing");
    load::load(&servers.ask_source(), &database, TINY, 3).await;
    let (code, summary) = migrate(servers, &database, &["--schema", "only"]).await;
    assert_eq!(code, 0, "{summary}");
    load::run(&servers.ask_target(), &format!("drop table {database}.s7")).await;
    let (code, summary) = migrate(servers, &database, &["--schema", "none", "--stables", "swarm"]).await;
    assert_eq!(code, 1, "{summary}");
    assert!(summary["reason"].as_str().unwrap().contains("s7"), "{summary}");
    load::run(&servers.ask_target(), &format!("alter table {database}.meters drop column phase")).await;
    let (code, summary) = migrate(servers, &database, &["--schema", "none", "--stables", "meters"]).await;
    assert_eq!(code, 1, "{summary}");
    assert!(summary["reason"].as_str().unwrap().contains("phase"), "{summary}");
    let copied =
        servers.ask_target().query(&format!("select count(*) from {database}.meters")).await.unwrap();
    assert_eq!(
        copied.rows,
        vec![vec![tdferry_common::batch::Value::Int(0)]],
        "nothing is copied into the wrong shape"
    );
    drop_both(servers, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_none_names_a_missing_subtable_and_a_missing_column() {
    what_is_missing_is_named(&Servers::standins().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_none_names_what_is_missing_on_real_servers() {
    if let Some(servers) = Servers::real() {
        what_is_missing_is_named(&servers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_range_copies_its_rows_and_no_others() {
    let servers = Servers::standins().await;
    let database = fresh("range");
    load::load(&servers.ask_source(), &database, TINY, 3).await;
    let range = ["--start", "2020-09-13T12:26:41Z", "--end", "2020-09-13T12:27:40Z", "--stables", "meters"];
    let (code, summary) = migrate(&servers, &database, &range).await;
    // rows every ten seconds from :40 on: :50, :00, :10, :20 and :30 lie inside, in each of two subtables
    assert_eq!((code, &summary["rows"]), (0, &Json::from(10)), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_the_target_had_before_are_shown_and_do_no_harm() {
    let servers = Servers::standins().await;
    let database = fresh("before");
    load::load(&servers.ask_source(), &database, TINY, 3).await;
    let (code, first) = migrate(&servers, &database, &[]).await;
    assert_eq!((code, &first["rows_before"]), (0, &Json::from(0)), "{first}");
    let (code, second) = migrate(&servers, &database, &[]).await;
    assert_eq!((code, &second["verified"]), (0, &Json::from(true)), "{second}");
    assert_eq!(second["rows_before"], first["rows"], "{second}");
}
