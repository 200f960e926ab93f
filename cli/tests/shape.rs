//! What a task takes and changes on the way, by its flags: patterns, columns, conditions, renaming, the unit of time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use support::load;
use support::process::{answer, run_args};
use support::servers::Servers;
use tdferry_common::batch::Value;
use tdferry_common::tdengine::Reader;

const FIRST: i64 = 1_700_000_000_000;

/// A name that no other run of these tests uses, on servers that others may use too.
fn fresh(what: &str) -> String {
    #[allow(clippy::disallowed_methods, reason = "names must differ between processes")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("tdf_{what}_{}_{:x}", std::process::id(), now.subsec_nanos())
}

/// Two stables and a normal table; `v` counts from 0 to 9 in each.
async fn made(to: &Reader, database: &str) {
    load::run(to, &format!("create database {database} precision 'ms' keep 36500")).await;
    for stable in ["meters", "weather"] {
        let path = format!("{database}.{stable}");
        load::run(to, &format!("create table {path} (ts timestamp, v int, raw binary(8)) tags (site int)"))
            .await;
        for at in 0..4 {
            load::run(to, &format!("create table {database}.{stable}_{at} using {path} tags ({at})")).await;
        }
    }
    load::run(to, &format!("create table {database}.plain (ts timestamp, v int)")).await;
    let tables = ["meters", "weather"].map(|stable| (0..4).map(move |at| format!("{stable}_{at}")));
    for table in tables.into_iter().flatten() {
        let rows: String = (0..10).map(|v| format!(" ({}, {v}, 'r{v}')", FIRST + v * 1_000)).collect();
        load::run(to, &format!("insert into {database}.{table} values{rows}")).await;
    }
    let rows: String = (0..10).map(|v| format!(" ({}, {v})", FIRST + v * 1_000)).collect();
    load::run(to, &format!("insert into {database}.plain values{rows}")).await;
}

async fn run(servers: &Servers, database: &str, more: &[&str]) -> (i32, Json) {
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from(database), servers.to(database));
    let answer = answer(&run_args(&from, &to, state.path(), more)).await;
    (answer.code, answer.json())
}

async fn asked(servers: &Servers, sql: &str) -> Vec<Vec<Value>> {
    servers.ask_target().query(sql).await.unwrap().rows
}

/// The names in the first column.
async fn names(servers: &Servers, sql: &str) -> BTreeSet<String> {
    let text = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Binary(bytes)) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    asked(servers, sql).await.into_iter().map(text).collect()
}

async fn tables(servers: &Servers, database: &str) -> BTreeSet<String> {
    let sql = format!("select table_name from information_schema.ins_tables where db_name = '{database}'");
    names(servers, &sql).await
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn forget(servers: &Servers, database: &str) {
    load::run(&servers.ask_source(), &format!("drop database if exists {database}")).await;
    load::run(&servers.ask_target(), &format!("drop database if exists {database}")).await;
}

async fn patterns_choose(servers: &Servers) {
    let database = fresh("pattern");
    made(&servers.ask_source(), &database).await;
    let (code, summary) = run(servers, &database, &["--tables", "met*.re:.*_[12],plai?"]).await;
    assert_eq!((code, &summary["rows"]), (0, &30.into()), "{summary}");
    assert_eq!(tables(servers, &database).await, set(&["meters_1", "meters_2", "plain"]));
    forget(servers, &database).await;
}

async fn conditions_choose(servers: &Servers) {
    let database = fresh("where");
    made(&servers.ask_source(), &database).await;
    let some = [
        "--where",
        "v >= 8 or v = 0",
        "--where",
        "weather: raw = 'r3'",
        "--tables",
        "meters_*,weather_*,plain",
    ];
    let (code, summary) = run(servers, &database, &some).await;
    assert_eq!((code, &summary["rows"]), (0, &(4 * 3 + 4 + 3).into()), "{summary}");
    let sql = format!("select v from {database}.meters_2 order by ts");
    assert_eq!(asked(servers, &sql).await, [[Value::Int(0)], [Value::Int(8)], [Value::Int(9)]]);
    let sql = format!("select v from {database}.weather_2");
    assert_eq!(asked(servers, &sql).await, [[Value::Int(3)]]);
    // by the way of many tables in one query, and over rows that are there
    let (code, summary) =
        run(servers, &database, &["--where", "v < 2", "-o", "select-from-stable=true"]).await;
    assert_eq!((code, &summary["rows"]), (0, &18.into()), "{summary}");
    forget(servers, &database).await;
}

async fn a_bad_condition_is_told(servers: &Servers) {
    let database = fresh("badwhere");
    made(&servers.ask_source(), &database).await;
    let (code, summary) = run(servers, &database, &["--where", "volts > 8"]).await;
    let reason = summary["reason"].as_str().unwrap_or_default();
    assert_eq!(code, 1, "{summary}");
    assert!(reason.contains("does not take the condition") && reason.contains("volts > 8"), "{summary}");
    forget(servers, &database).await;
}

async fn names_and_columns_change(servers: &Servers) {
    let database = fresh("names");
    made(&servers.ask_source(), &database).await;
    let more = [
        "--transform",
        "rename-super-table:prefix:st_",
        "--transform",
        "rename-child-table:replace_with_regex:^(\\w+)_(\\d)$::$2 of $1",
        "--transform",
        "rename-column:map:meters.v,voltage",
        "--transform",
        "add-tag:origin=北 1",
        "--columns",
        "!*.raw",
    ];
    let (code, summary) = run(servers, &database, &more).await;
    assert_eq!((code, &summary["rows"], &summary["rejected"]), (0, &90.into(), &0.into()), "{summary}");
    let sql = format!("select stable_name from information_schema.ins_stables where db_name = '{database}'");
    assert_eq!(names(servers, &sql).await, set(&["st_meters", "st_weather"]));
    let all = tables(servers, &database).await;
    assert!(all.len() == 9 && all.contains("3 of meters") && all.contains("plain"), "{all:?}");
    let sql = format!("select sum(voltage), origin from {database}.st_meters group by origin");
    assert_eq!(asked(servers, &sql).await, [[Value::Int(180), Value::Binary("北 1".as_bytes().to_vec())]]);
    let sql = format!("describe {database}.st_weather");
    assert_eq!(names(servers, &sql).await, set(&["ts", "v", "site", "origin"]));
    // what is there fits, and is found again under its own names
    let (code, summary) = run(servers, &database, &more).await;
    assert_eq!((code, &summary["rows_before"]), (0, &90.into()), "{summary}");
    forget(servers, &database).await;
}

async fn the_unit_of_time_changes(servers: &Servers) {
    let database = fresh("unit");
    made(&servers.ask_source(), &database).await;
    let (code, summary) = run(servers, &database, &["-o", "precision=ns"]).await;
    assert_eq!((code, &summary["rows"]), (0, &90.into()), "{summary}");
    let sql = format!(
        "select first(ts), count(*) from {database}.meters where ts < {}",
        (FIRST + 1_000) * 1_000_000
    );
    assert_eq!(asked(servers, &sql).await, [[Value::Timestamp(FIRST * 1_000_000), Value::Int(4)]]);
    forget(servers, &database).await;
}

macro_rules! on_both {
    ($($name:ident, $real:ident, $test:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $test(&Servers::standins().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn $real() {
                if let Some(servers) = Servers::real() {
                    $test(&servers).await;
                }
            }
        )+
    };
}

on_both! {
    globs_and_expressions_choose_tables, globs_and_expressions_choose_tables_on_real_servers, patterns_choose;
    conditions_choose_rows_on_either_way_of_copying, conditions_choose_rows_on_real_servers, conditions_choose;
    a_condition_that_the_source_does_not_take_ends_the_survey, a_bad_condition_is_told_on_real_servers, a_bad_condition_is_told;
    names_columns_and_tags_change_and_are_found_again, names_columns_and_tags_change_on_real_servers, names_and_columns_change;
    a_finer_unit_of_time_loses_nothing, a_finer_unit_of_time_loses_nothing_on_real_servers, the_unit_of_time_changes;
}
