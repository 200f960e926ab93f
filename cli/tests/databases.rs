//! Several databases of one source: named with flags, or in a task file, planned one by one and moved one after the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::path::PathBuf;

use serde_json::Value as Json;
use support::load::{self, SMALL};
use support::process::{answer, started, tdferry};
use support::servers::Servers;

/// Two databases at the source, and nothing at the target.
async fn servers() -> Servers {
    let servers = Servers::standins().await;
    for (database, seed) in [("one", 21), ("two", 22)] {
        load::load(&servers.ask_source(), database, SMALL, seed).await;
    }
    servers
}

/// A DSN without its database.
fn bare(dsn: &str) -> String {
    dsn.rsplit_once('/').unwrap().0.to_owned()
}

fn file(servers: &Servers, folder: &tempfile::TempDir, databases: &str) -> PathBuf {
    let path = folder.path().join("task.toml");
    let by_reference = |dsn: String| bare(&dsn).replace(":taosdata@", ":${env:TDFERRY_TEST_PASSWORD}@");
    let (from, to) = (by_reference(servers.from("x")), by_reference(servers.to("x")));
    let head = format!("name = \"move\"\ntype = \"TDengine2\"\nfrom = '{from}'\nto = '{to}'\n");
    std::fs::write(&path, format!("{head}[databases]\n{databases}")).unwrap();
    path
}

async fn assert_moved(servers: &Servers, pairs: [(&str, &str); 2]) {
    for (source, target) in pairs {
        let compared = servers.compare(source, target).await;
        assert!(compared.is_equal() && compared.rows > 0, "{source}: {:#?}", compared.differences);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_moves_each_database_that_a_flag_names_to_the_name_it_gives() {
    let servers = servers().await;
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (bare(&servers.from("x")), bare(&servers.to("x")));
    let args = ["run", "--from", &from, "--to", &to, "--state", state.path().to_str().unwrap(), "--json"];
    let more = ["--heartbeat", "200", "--database", "one", "--database", "two=other"];
    let moved = answer(&[&args[..], &more].concat()).await;
    assert_eq!(moved.code, 0, "{}", moved.stderr);
    let summaries: Vec<Json> = moved.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<_> = summaries.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["completed", "completed"], "{}", moved.stdout);
    assert_moved(&servers, [("one", "one"), ("two", "other")]).await;
    // each is a task of its own, which is through
    let again = answer(&[&args[..], &more].concat()).await;
    assert_eq!((again.code, again.stdout.lines().count()), (0, 2), "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_of_the_one_database_that_is_named_and_of_no_two() {
    let servers = servers().await;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (bare(&servers.from("x")), bare(&servers.to("x")));
    let flags = ["plan", "--from", &from, "--to", &to, "--json"];
    let by_flag = answer(&[&flags[..], &["--database", "two=other"]].concat()).await;
    let path = file(&servers, &folder, "two = \"other\"\n");
    let by_file = ["plan", "-f", path.to_str().unwrap(), "--json"];
    let by_file = tdferry(&by_file).env("TDFERRY_TEST_PASSWORD", "taosdata").output().await.unwrap();
    let by_file: Json = serde_json::from_slice(&by_file.stdout).unwrap();
    for plan in [by_flag.json(), by_file] {
        let place = |side: &str| plan[side]["place"].as_str().unwrap().to_owned();
        assert!(place("source").ends_with("/two") && place("target").ends_with("/other"), "{plan:#}");
        assert!(plan["rows"].as_u64().unwrap() > 0, "{plan:#}");
    }
    let two = answer(&[&flags[..], &["--database", "one", "--database", "two"]].concat()).await;
    assert!(two.code == 2 && two.stderr.contains("several"), "{}", two.stderr);
    let path = file(&servers, &folder, "one = \"one\"\ntwo = \"other\"\n");
    let two = answer(&["plan", "-f", path.to_str().unwrap()]).await;
    assert!(two.code == 2 && two.stderr.contains("several databases"), "{}", two.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_file_with_several_databases_becomes_a_task_for_each_on_a_cluster() {
    let servers = servers().await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&servers, &folder, "one = \"one\"\ntwo = \"other\"\n");
    let store = folder.path().join("state");
    let args = ["--listen", "127.0.0.1:0", "--store", store.to_str().unwrap(), "--heartbeat", "500ms"];
    let (coordinator, line) = started(&[&["coordinator"], &args[..]].concat(), "listening on").await;
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let address = format!("http://{}", address.trim_end_matches(','));
    let mut worker = tdferry(&["worker", "--coordinator", &address, "--slots", "2"]);
    let worker = worker.env("TDFERRY_TEST_PASSWORD", "taosdata").stderr(std::process::Stdio::null());
    let worker = worker.spawn().unwrap();
    let ask = async |args: &[&str]| {
        let told = answer(&[args, &["--coordinator", &address]].concat()).await;
        assert_eq!(told.code, 0, "{args:?}: {}", told.stderr);
        told
    };
    ask(&["task", "create", "-f", path.to_str().unwrap()]).await;
    let tasks = ask(&["task", "list", "--json"]).await.json();
    let names: Vec<String> =
        tasks.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "{tasks:#}");
    for name in &names {
        let watched = ask(&["task", "watch", name, "--json"]).await.json();
        assert_eq!(watched["state"], "completed", "{watched:#}");
    }
    assert_moved(&servers, [("one", "one"), ("two", "other")]).await;
    for child in [worker, coordinator] {
        support::process::kill(child).await;
    }
}
