//! What a task does with tables whose names the target does not take, and with columns that it lacks: checked, planned,
//! copied and read back. Between stand-ins always, between real servers where the environment names them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use support::load;
use support::process::{Answer, answer, run_args};
use support::servers::Servers;
use tdferry_common::batch::Value;

/// Rows of each table.
const ROWS: i64 = 30;

/// A name that no other run of these tests uses, on servers that others may use too.
fn fresh(what: &str) -> String {
    format!("tdf_{what}_{}_{:x}", std::process::id(), tdferry_common::clock::wall_now() % 1_000_000)
}

/// A day ago: 2.x refuses what it would not keep.
fn recent() -> i64 {
    tdferry_common::clock::wall_now() - 86_400_000
}

/// Two ordinary subtables and a normal table, and one of each with a dot in its name.
async fn made(servers: &Servers, database: &str) {
    let (source, first) = (servers.ask_source(), recent());
    let run = async |sql: String| load::run(&source, &sql).await;
    run(format!("create database {database} precision 'ms' keep 3650 days 10")).await;
    run(format!("create table {database}.m (ts timestamp, v int, note binary(8)) tags (t int)")).await;
    run(format!("create table {database}.m1 using {database}.m tags (1)")).await;
    run(format!("create table {database}.m2 using {database}.m tags (2)")).await;
    run(format!("create table {database}.`m.3` using {database}.m tags (3)")).await;
    run(format!("create table {database}.n1 (ts timestamp, v int, note binary(8))")).await;
    run(format!("create table {database}.`n.2` (ts timestamp, v int, note binary(8))")).await;
    for table in ["m1", "m2", "`m.3`", "n1", "`n.2`"] {
        let rows: String = (0..ROWS).map(|v| format!(" ({}, {v}, 'r{v}')", first + v * 1_000)).collect();
        run(format!("insert into {database}.{table} values{rows}")).await;
    }
}

async fn checked(servers: &Servers, database: &str, more: &[&str]) -> (i32, BTreeSet<String>, Json) {
    let (from, to) = (servers.from(database), servers.to(database));
    let answer = answer(&[&["check", "--from", &from, "--to", &to, "--json"], more].concat()).await;
    let report = answer.json();
    let findings = report["findings"].as_array().unwrap();
    let codes = findings.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
    (answer.code, codes, report)
}

/// What it answered, and the certificate where one was written.
async fn run(servers: &Servers, database: &str, more: &[&str]) -> (Answer, String) {
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from(database), servers.to(database));
    let all = [&["--name", database, "--verify", "digest", "--certificate-subtables"], more].concat();
    let answer = answer(&run_args(&from, &to, state.path(), &all)).await;
    let certificate = state.path().join(format!("{database}.certificate.json"));
    (answer, std::fs::read_to_string(certificate).unwrap_or_default())
}

async fn forget(servers: &Servers, database: &str) {
    load::run(&servers.ask_source(), &format!("drop database if exists {database}")).await;
    load::run(&servers.ask_target(), &format!("drop database if exists {database}")).await;
}

async fn tables_of_bad_names_are_kept(servers: &Servers) {
    let database = fresh("names");
    made(servers, &database).await;
    let reject = ["-o", "on-bad-name=reject"];
    let (code, codes, _) = checked(servers, &database, &[]).await;
    assert!(code == 7 && codes.contains("dot-in-name"), "{codes:?}");
    let (code, codes, report) = checked(servers, &database, &reject).await;
    assert!(code == 7 && codes.contains("table-rejected") && !codes.contains("dot-in-name"), "{report:#}");
    assert!(!report["statements"].to_string().contains("n.2"), "{report:#}");

    let (from, to) = (servers.from(&database), servers.to(&database));
    let plan = answer(&[&["plan", "--from", &from, "--to", &to, "--json"][..], &reject].concat()).await;
    let plan = plan.json();
    assert_eq!(plan["tables_rejected"]["tables"], 2, "{plan:#}");
    assert_eq!(plan["refusals"]["on-bad-name"], "reject");
    let words = answer(&[&["plan", "--from", &from, "--to", &to][..], &reject].concat()).await;
    assert!(words.stdout.contains("all of their rows will be rejects"), "{}", words.stdout);

    let (refused, _) = run(servers, &database, &[]).await;
    assert!(refused.code != 0 && refused.stderr.contains("on-bad-name=reject"), "{}", refused.stderr);

    for sparse in ["false", "true"] {
        let how = format!("select-from-stable={sparse}");
        let name = format!("{database}-{sparse}");
        let state = tempfile::tempdir().unwrap();
        let more = [&["--name", &name, "--verify", "digest", "-o", &how][..], &reject].concat();
        let ended = answer(&run_args(&from, &to, state.path(), &more)).await;
        let summary = ended.json();
        assert_eq!(
            (ended.code, &summary["rows"], &summary["rejected"]),
            (3, &json!(3 * ROWS), &json!(2 * ROWS)),
            "{summary:#} {}",
            ended.stderr
        );
        assert_eq!(summary["rows_verified"], 3 * ROWS, "{summary:#}");
        let place = ["rejects", "list", &name, "--to", &to, "--tables", "--reason", "bad-name", "--json"];
        let listed = answer(&place).await.json();
        assert_eq!(listed["rows"], 2 * ROWS, "{listed:#}");
        assert!(listed.to_string().contains("m.3") && listed.to_string().contains("n.2"), "{listed:#}");
    }
    let again = ["rejects", "redrive", &format!("{database}-true"), "--to", &to, "--json"];
    let again = answer(&again).await;
    assert_eq!((again.code, &again.json()["refused"]), (3, &json!(2 * ROWS)), "{}", again.stderr);
    redriven_under_another_name(servers, &database).await;
    forget(servers, &database).await;
}

/// Once there is a table for them, rows go there by a task that renames.
async fn redriven_under_another_name(servers: &Servers, database: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (file, name) = (folder.path().join("task.toml"), format!("{database}-true"));
    let task = format!(
        "name = \"{name}\"\ntype = \"TDengine2\"\nfrom = \"{}\"\nto = \"{}\"\n[options]\ndots = \"_\"\n",
        servers.from(database),
        servers.to(database)
    );
    std::fs::write(&file, task).unwrap();
    let target = servers.ask_target();
    load::run(&target, &format!("create table {database}.m_3 using {database}.m tags (3)")).await;
    load::run(&target, &format!("create table {database}.n_2 (ts timestamp, v int, note binary(8))")).await;
    let done = answer(&["rejects", "redrive", &name, "-f", file.to_str().unwrap(), "--json"]).await;
    assert_eq!((done.code, &done.json()["refused"]), (0, &json!(0)), "{}", done.stderr);
    for table in ["m_3", "n_2"] {
        let rows = target.query(&format!("select count(*) from {database}.{table}")).await.unwrap().rows;
        assert_eq!(rows, [[Value::Int(ROWS)]], "{table}");
    }
}

async fn narrow(servers: &Servers, database: &str) {
    let target = servers.ask_target();
    load::run(&target, &format!("create database {database} precision 'ms' keep 3650d")).await;
    load::run(&target, &format!("create stable {database}.m (ts timestamp, v int) tags (t int)")).await;
    load::run(&target, &format!("create table {database}.n1 (ts timestamp, v int)")).await;
}

async fn columns_that_are_missing_are_added_or_left_out(servers: &Servers) {
    for (policy, wanted, loses) in
        [("widen", "target-column-added", false), ("null", "target-column-left-out", true)]
    {
        let database = fresh(policy);
        made(servers, &database).await;
        narrow(servers, &database).await;
        let option = format!("on-missing-column={policy}");
        let some = ["--tables", "m1,m2,n1"];
        let (code, codes, _) = checked(servers, &database, &some).await;
        assert!(code == 7 && codes.contains("target-column-missing"), "{codes:?}");
        let (refused, _) = run(servers, &database, &some).await;
        let told = format!("{}{}", refused.stdout, refused.stderr);
        assert!(refused.code == 1 && told.contains("lacks the column `note`"), "{told}");

        let more = [&some[..], &["-o", &option]].concat();
        let (code, codes, report) = checked(servers, &database, &more).await;
        assert!(codes.contains(wanted) && !codes.contains("target-column-missing"), "{report:#}");
        assert_eq!(code == 7, loses, "{report:#}");
        assert_eq!(report["statements"].to_string().contains("add column `note` "), policy == "widen");
        let (ended, certificate) = run(servers, &database, &more).await;
        let summary = ended.json();
        assert_eq!((ended.code, &summary["rows"]), (0, &json!(3 * ROWS)), "{summary:#} {}", ended.stderr);
        assert_eq!(summary["rows_verified"], 3 * ROWS, "{summary:#}");
        let left_out = format!("{{\"columns\":[\"note\"],\"rows\":{},\"table\":\"m\"}}", 2 * ROWS);
        assert_eq!(certificate.contains(&left_out), policy == "null", "{certificate}");
        let column = if policy == "widen" { "note" } else { "v" };
        let wanted = if policy == "widen" { Value::Binary("r7".into()) } else { Value::Int(7) };
        for table in ["m2", "n1"] {
            let sql = format!("select {column} from {database}.{table} where v = 7");
            let rows = servers.ask_target().query(&sql).await.unwrap().rows;
            assert_eq!(rows, [[wanted.clone()]], "{table}");
        }
        forget(servers, &database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_names_the_target_refuses_are_kept_as_rejects_over_stand_ins() {
    tables_of_bad_names_are_kept(&Servers::standins().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_whose_names_the_target_refuses_are_kept_as_rejects_over_real_servers() {
    if let Some(servers) = Servers::real() {
        tables_of_bad_names_are_kept(&servers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_the_target_lacks_are_added_or_left_out_over_stand_ins() {
    columns_that_are_missing_are_added_or_left_out(&Servers::standins().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_the_target_lacks_are_added_or_left_out_over_real_servers() {
    if let Some(servers) = Servers::real() {
        columns_that_are_missing_are_added_or_left_out(&servers).await;
    }
}
