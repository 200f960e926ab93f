//! `tdferry check` on two servers: planted hazards are found by their codes, a clean database has none, nothing is written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::Value as Json;
use support::load::run;
use support::process::answer;
use support::servers::Servers;
use tdferry_standin::TortureSeed;

/// Well inside what is kept, well before now.
const LONG_AGO: i64 = 1_600_000_000_000;

async fn checked(from: &str, to: &str, more: &[&str]) -> (i32, Json) {
    let args = [&["check", "--from", from, "--to", to, "--json"], more].concat();
    let answer = answer(&args).await;
    (answer.code, answer.json())
}

fn codes(report: &Json) -> BTreeSet<String> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

async fn all(to: &tdferry_common::tdengine::Reader, statements: &[String]) {
    for statement in statements {
        run(to, statement).await;
    }
}

async fn plain(servers: &Servers) {
    let source = servers.ask_source();
    all(
        &source,
        &[
            "create database power keep 3650 days 10".to_owned(),
            "create table power.meters (ts timestamp, current float, voltage int) tags (groupid int)"
                .to_owned(),
            "create table power.d1 using power.meters tags (1)".to_owned(),
            format!("insert into power.d1 values ({}, 1.5, 220)", recent()),
        ],
    )
    .await;
}

/// A day ago: 2.x refuses what it would not keep.
fn recent() -> i64 {
    tdferry_common::clock::wall_now() - 86_400_000
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_database_has_no_finding_above_a_note_and_nothing_is_written() {
    let servers = Servers::standins().await;
    plain(&servers).await;
    let (from, to) = (servers.from("power"), servers.to("power"));
    let (code, report) = checked(&from, &to, &[]).await;
    let severe = ["loses", "blocks", "changes"].map(|word| report["counts"][word].as_u64().unwrap());
    assert_eq!((code, severe), (0, [0, 0, 0]), "{report:#}");
    assert_eq!((&report["ok"], &report["rows"]), (&Json::Bool(true), &Json::from(1)));
    let statements = report["statements"].as_array().unwrap();
    assert!(statements[0].as_str().unwrap().starts_with("create database if not exists `power`"));
    assert!(report["subtable_example"].as_str().unwrap().contains("`d1` using `meters`"));
    let databases = servers.ask_target().query("select name from information_schema.ins_databases").await;
    let databases = databases.unwrap().rows;
    assert!(!format!("{databases:?}").contains("power"), "{databases:?}");
    assert_eq!(servers.rows_written_to_target(), 0);
}

/// What stands in the source and is found whatever the target holds.
const IN_SOURCE: [&str; 12] = [
    "dot-in-name",
    "names-fold-together",
    "reserved-word",
    "needs-backticks",
    "json-tag",
    "json-number-too-large",
    "stable-empty",
    "rows-after-now",
    "target-untried",
    "disk-unknown",
    "rights-unknown",
    "source-user-writes",
];

async fn hazards(servers: &Servers) {
    let (source, now) = (servers.ask_source(), tdferry_common::clock::wall_now());
    all(
        &source,
        &[
            "create database odd keep 36500 days 30 wal 2 replica 1".to_owned(),
            "create table odd.meters (ts timestamp, `value` int, note binary(20)) tags (site nchar(8))"
                .to_owned(),
            "create table odd.docs (ts timestamp, v int) tags (j json)".to_owned(),
            "create table odd.nobody (ts timestamp, v int) tags (t int)".to_owned(),
            "create table odd.j1 using odd.docs tags ('{\"a\":1}')".to_owned(),
            "create table odd.j2 using odd.docs tags ('{\"emoji\":\"😀\",\"big\":1e300}')".to_owned(),
            "create table odd.d1 using odd.meters tags ('a')".to_owned(),
            "create table odd.`D1` using odd.meters tags ('b')".to_owned(),
            "create table odd.`d.2` using odd.meters tags ('c')".to_owned(),
            "create table odd.lone (ts timestamp, v int)".to_owned(),
            format!("insert into odd.d1 values ({LONG_AGO}, 1, 'x') ({}, 2, 'y')", now + 3 * 86_400_000),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_hazard_is_found_by_its_code() {
    let servers = Servers::standins().await;
    hazards(&servers).await;
    let target = servers.ask_target();
    all(
        &target,
        &[
            "create database narrow precision 'ms' keep 30d duration 10d".to_owned(),
            "create stable narrow.meters (ts timestamp, `value` bigint, more int) tags (site nchar(8))"
                .to_owned(),
            "create table narrow.d1 using narrow.meters tags ('a')".to_owned(),
            format!("insert into narrow.d1 values ({}, 1, 2)", recent()),
            "create stable narrow.lone (ts timestamp, v int) tags (t int)".to_owned(),
            "create database fine precision 'us'".to_owned(),
        ],
    )
    .await;
    let from = servers.from("odd");
    let (code, narrow) = checked(&from, &servers.to("narrow"), &[]).await;
    let standing = [
        "target-column-missing",
        "target-column-differs",
        "target-column-extra",
        "target-has-rows",
        "target-name-taken",
        "rows-before-keep",
        "target-database-exists",
    ];
    let wanted: BTreeSet<_> = IN_SOURCE.iter().chain(&standing).map(|code| (*code).to_owned()).collect();
    let missed: Vec<_> = wanted.difference(&codes(&narrow)).cloned().collect();
    assert!(missed.is_empty() && code == 7, "{code}: {missed:?} not in {narrow:#}");
    let (code, fine) = checked(&from, &servers.to("fine"), &["--schema", "none"]).await;
    assert!(
        code == 7
            && codes(&fine)
                .is_superset(&["precision-differs", "target-table-missing"].map(str::to_owned).into()),
        "{fine:#}"
    );
    let (code, none) = checked(&from, &servers.to("nowhere"), &["-o", "assert=off"]).await;
    assert!(code == 7 && codes(&none).contains("target-database-missing"), "{none:#}");
    let (_, late) = checked(&from, &servers.to("nowhere"), &["--start", "2500-01-01T00:00:00Z"]).await;
    assert!(codes(&late).contains("nothing-in-period"), "{late:#}");
    let (code, named) = checked(&from, &servers.to("nowhere"), &["--stables", "metres"]).await;
    assert!(code == 7 && codes(&named).contains("selected-name-missing"), "{named:#}");
}

/// Kinds of findings about the torture database, before a target that is new and one that is there and does not fit.
#[tokio::test(flavor = "multi_thread")]
async fn the_torture_database_has_more_than_twenty_kinds_of_findings() {
    let servers = Servers::standins().await;
    servers.source_standin().seed_torture(&TortureSeed::new("torture")).unwrap();
    let now = tdferry_common::clock::wall_now();
    let odd = [
        "create table torture.`d.2` (ts timestamp, v int)".to_owned(),
        "create table torture.`a*b` (ts timestamp, v int)".to_owned(),
        "create table torture.mixed (ts timestamp, v int)".to_owned(),
        "create table torture.`MIXED` (ts timestamp, v int)".to_owned(),
        "create table torture.big using torture.tagged tags ('{\"big\":1e300}')".to_owned(),
        format!("insert into torture.mixed values ({}, 1)", now + 86_400_000),
    ];
    all(&servers.ask_source(), &odd).await;
    let awkward = [
        "create database torture precision 'us' keep 30d duration 10d single_stable 1".to_owned(),
        "create stable torture.tagged (ts timestamp, more int) tags (j nchar(8))".to_owned(),
        "create stable torture.`Odd Names` (ts timestamp, `value` int, `Count` int, `表` nchar(4)) tags (`Group` int)"
            .to_owned(),
        "create table torture.`texts` (ts timestamp, v int)".to_owned(),
        format!("insert into torture.texts values ({}000, 1)", recent()),
    ];
    all(&servers.ask_target(), &awkward).await;
    let from = servers.from("torture");
    let (new_code, new) = checked(&from, &servers.to("nowhere"), &[]).await;
    let (code, there) = checked(&from, &servers.to("torture"), &[]).await;
    let found: BTreeSet<_> = codes(&new).union(&codes(&there)).cloned().collect();
    eprintln!("{} kinds: {found:?}", found.len());
    assert!(found.len() > 20 && (new_code, code) == (7, 7), "{found:?}");
    let severe = |report: &Json, word: &str| report["counts"][word].as_u64().unwrap();
    assert!(severe(&new, "blocks") >= 2 && severe(&there, "blocks") > severe(&new, "blocks"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_cannot_be_used_and_wrong_words_have_their_exit_codes() {
    let servers = Servers::standins().await;
    plain(&servers).await;
    let (from, to) = (servers.from("power"), servers.to("power"));
    let cases: [(&str, &str, i32, &str); 5] = [
        (&from.replace("taosdata", "letmein"), &to, 4, "source-denied"),
        (&from, "taos+ws://root:taosdata@127.0.0.1:1", 4, "target-unreachable"),
        (&servers.from("nosuch"), &to, 4, "source-database-missing"),
        (&from, "taos+wss://root:taosdata@127.0.0.1:1", 4, "tls-not-built-in"),
        (&to, &from, 7, "source-not-2x"),
    ];
    for (from, to, wanted, found) in cases {
        let (code, report) = checked(from, to, &[]).await;
        assert!(code == wanted && codes(&report).contains(found), "{from} {to}: {code} {report:#}");
        assert!(!report.to_string().contains("taosdata"));
    }
    for args in [vec!["check", "--from", &from], vec!["check", "-f", "task.toml", "--from", &from]] {
        assert_eq!(answer(&args).await.code, 2, "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_comes_for_a_task_file_as_words_and_as_a_page() {
    let servers = Servers::standins().await;
    plain(&servers).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("task.toml"), folder.path().join("report.html"));
    let task = format!(
        "name = \"t\"\ntype = \"TDengine2\"\nfrom = \"{}\"\nto = \"{}\"\n",
        servers.from("power"),
        servers.to("power")
    );
    std::fs::write(&file, task).unwrap();
    let args = ["check", "-f", file.to_str().unwrap(), "--html", page.to_str().unwrap()];
    let answer = answer(&args).await;
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let page = std::fs::read_to_string(page).unwrap();
    for word in ["disk-unknown", "`meters`", "Nothing would lose data or block", "1 subtable,"] {
        let on_screen = word.starts_with("Nothing") || answer.stdout.contains(word);
        assert!(on_screen && page.contains(word), "{word}: {}", answer.stdout);
    }
}
