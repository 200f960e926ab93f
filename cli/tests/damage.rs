//! What is damaged on the target behind tdferry's back: `verify` names each, `diff` tells it row by row, `--repair` makes
//! it alike again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::path::Path;

use serde_json::Value as Json;
use support::load::{self, FIRST, Size, run};
use support::process::{answer, run_args};
use support::servers::Servers;

const SOME: Size = Size { dense: 3, dense_rows: 6_000, sparse: 300, sparse_rows: 4 };

/// A damage: what is done to the target, and the words in which it must be found.
struct Damage {
    statements: Vec<String>,
    found: Vec<String>,
    /// What `diff` tells of it, a line each, as [`differing`] shows them.
    told: Vec<String>,
    /// Rows are left that only the target has.
    leaves_extra: bool,
}

fn damage(statements: &[String], found: &[String], told: &[String]) -> Damage {
    let (statements, found, mut told) = (statements.to_vec(), found.to_vec(), told.to_vec());
    told.sort();
    Damage { statements, found, told, leaves_extra: false }
}

fn damages(db: &str) -> Vec<Damage> {
    let ts = FIRST + 4_321 * 10_000;
    let day = 86_400_000;
    vec![
        damage(
            &[format!("delete from {db}.d1 where ts = {ts}")],
            &[format!("`d1`: 1 missing at {ts}")],
            &[format!("missing d1 {ts}")],
        ),
        // the last bit of a float and one of an integer
        damage(
            &[
                format!("insert into {db}.d0 (ts, voltage) values ({ts}, 179)"),
                format!("insert into {db}.s7 (ts, v) values ({}, 5000)", FIRST + 7),
            ],
            &[format!("`d0`: 1 changed (voltage) at {ts}"), format!("`s7`: 1 changed (v) at {}", FIRST + 7)],
            &[format!("changed d0 {ts} voltage=179"), format!("changed s7 {} v=5000", FIRST + 7)],
        ),
        Damage {
            leaves_extra: true,
            ..damage(
                &[
                    format!("insert into {db}.s5 (ts, v) values ({}, 1)", FIRST + 6),
                    format!("insert into {db}.plain (ts) values ({})", FIRST + 1),
                ],
                &[format!("`s5`: 1 extra at {}", FIRST + 6), format!("`plain`: 1 extra at {}", FIRST + 1)],
                &[format!("extra s5 {}", FIRST + 6), format!("extra plain {}", FIRST + 1)],
            )
        },
        damage(
            &[format!("drop table {db}.s11")],
            &["`s11`: the subtable is missing".to_owned(), format!("`s11`: 4 missing at {}", FIRST + 11)],
            &[
                "missing table s11".to_owned(),
                format!("missing s11 {}", FIRST + 11),
                format!("missing s11 {}", FIRST + day + 11),
                format!("missing s11 {}", FIRST + 2 * day + 11),
                format!("missing s11 {}", FIRST + 3 * day + 11),
            ],
        ),
        damage(
            &[format!("alter table {db}.d2 set tag location = '别处'")],
            &["`d2`: other tags (location)".to_owned()],
            &["other tags d2 location=别处".to_owned()],
        ),
        swapped(db, day),
    ]
}

/// Two rows swapped between subtables: each lacks its own and has the other's.
fn swapped(db: &str, day: i64) -> Damage {
    Damage {
        leaves_extra: true,
        ..damage(
            &[
                format!("delete from {db}.s21 where ts = {}", FIRST + day + 21),
                format!("delete from {db}.s22 where ts = {}", FIRST + day + 22),
                format!("insert into {db}.s21 (ts, v) values ({}, 1)", FIRST + day + 22),
                format!("insert into {db}.s22 (ts, v) values ({}, 1)", FIRST + day + 21),
            ],
            &[
                format!("`s21`: 1 missing at {}, 1 extra at {}", FIRST + day + 21, FIRST + day + 22),
                format!("`s22`: 1 missing at {}, 1 extra at {}", FIRST + day + 22, FIRST + day + 21),
            ],
            &[
                format!("missing s21 {}", FIRST + day + 21),
                format!("extra s21 {}", FIRST + day + 22),
                format!("missing s22 {}", FIRST + day + 22),
                format!("extra s22 {}", FIRST + day + 21),
            ],
        )
    }
}

async fn asked(verb: &str, servers: &Servers, db: &str, state: &Path, more: &[&str]) -> (i32, Json) {
    let (from, to) = (servers.from(db), servers.to(db));
    let mut args = run_args(&from, &to, state, more);
    args[0] = verb;
    let answer = answer(&args).await;
    assert_eq!(answer.stdout.lines().count(), 1, "{}\n{}", answer.stdout, answer.stderr);
    (answer.code, answer.json())
}

/// Compared from nothing, whatever stands in a state folder.
async fn verified(servers: &Servers, db: &str, more: &[&str]) -> (i32, Json) {
    let state = tempfile::tempdir().unwrap();
    asked("verify", servers, db, state.path(), more).await
}

/// What `diff` tells of the task in a state folder, in order; the sum is taken off and looked at.
async fn differing(servers: &Servers, db: &str, state: &Path, more: &[&str]) -> (i32, Vec<String>, Json) {
    let (task, from, to) = (format!("migrate-{db}"), servers.from(db), servers.to(db));
    let mut args =
        vec!["diff", &task, "--json", "--state", state.to_str().unwrap(), "--from", &from, "--to", &to];
    args.extend(more);
    let answer = answer(&args).await;
    let mut lines: Vec<Json> =
        answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = lines.pop().unwrap_or_else(|| panic!("{}", answer.stderr));
    assert_eq!(sum["what"], "sum", "{}", answer.stderr);
    let mut told: Vec<String> = lines.iter().map(in_short).collect();
    told.sort();
    (answer.code, told, sum)
}

fn in_short(line: &Json) -> String {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = vec![text(&line["what"]), text(&line["table"])];
    words.extend(line.get("at").map(text));
    let changes = ["columns", "tags"].iter().filter_map(|key| line.get(key)?.as_array()).flatten();
    words.extend(changes.map(|change| format!("{}={}", text(&change["name"]), text(&change["target"]))));
    words.join(" ")
}

/// Every row is told, and nothing else; fewer where only some are asked for, and then what is left out is counted.
async fn each_row_is_told(servers: &Servers, db: &str, state: &Path, told: &[String]) {
    assert_eq!(differing(servers, db, state, &[]).await.1, told);
    let (code, some, sum) = differing(servers, db, state, &["--limit", "1"]).await;
    assert_eq!((code, some.len(), sum["left_out"].as_u64()), (8, 1, Some(told.len() as u64 - 1)), "{sum}");
    let (code, none, _) = differing(servers, db, state, &["--table", "nobody"]).await;
    assert_eq!((code, none.len()), (0, 0), "{none:?}");
}

async fn every_damage_is_named_and_healed(servers: &Servers, db: &str) {
    load::load(&servers.ask_source(), db, SOME, 5).await;
    let state = tempfile::tempdir().unwrap();
    let (code, summary) = asked("run", servers, db, state.path(), &["--verify", "digest"]).await;
    assert_eq!((code, summary["state"].as_str()), (0, Some("completed")), "{summary:#}");
    assert_eq!(summary["rows_verified"], summary["rows"], "every row is read back once: {summary:#}");
    let (code, summary) = verified(servers, db, &[]).await;
    assert_eq!((code, summary["state"].as_str()), (0, Some("completed")), "a false alarm: {summary:#}");
    for Damage { statements, found, told, leaves_extra } in damages(db) {
        for statement in &statements {
            run(&servers.ask_target(), statement).await;
        }
        let kept = tempfile::tempdir().unwrap();
        let (code, summary) = asked("verify", servers, db, kept.path(), &[]).await;
        let findings = summary["findings"].to_string();
        assert_eq!(code, 8, "{statements:?} was not found: {summary:#}");
        assert!(found.iter().all(|words| findings.contains(words)), "{found:#?} in {summary:#}");
        let named = findings.matches("`: ").count();
        assert_eq!(named, found.len(), "nothing else is named: {summary:#}");
        each_row_is_told(servers, db, kept.path(), &told).await;
        if leaves_extra {
            let (code, summary) = verified(servers, db, &["--repair"]).await;
            assert_eq!(code, 8, "what only the target has is left alone: {summary:#}");
            assert!(!summary["findings"].to_string().contains(" missing at"), "{summary:#}");
        }
        let (code, summary) = verified(servers, db, &["--repair", "--delete-extra"]).await;
        assert_eq!((code, summary["state"].as_str()), (0, Some("completed")), "{statements:?}: {summary:#}");
        let compared = servers.compare(db, db).await;
        assert!(compared.is_equal(), "{statements:?}: {:#?}", compared.differences);
        let (code, rest, sum) = differing(servers, db, kept.path(), &[]).await;
        assert_eq!((code, rest), (0, Vec::new()), "{statements:?} is told though it was repaired: {sum}");
        let (code, _) = asked("verify", servers, db, kept.path(), &[]).await;
        assert_eq!(code, 0, "a comparison that is through does not stand in the way of the next");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_damage_is_named_and_repaired_on_stand_ins() {
    every_damage_is_named_and_healed(&Servers::standins().await, "damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_damage_is_named_and_repaired_on_real_servers() {
    if let Some(servers) = Servers::real() {
        let db = format!("tdf_damaged_{}", std::process::id());
        every_damage_is_named_and_healed(&servers, &db).await;
        for server in [servers.ask_source(), servers.ask_target()] {
            run(&server, &format!("drop database if exists {db}")).await;
        }
    }
}
