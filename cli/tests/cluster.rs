//! Two coordinators and four workers as processes of their own, on a real etcd: one task, one answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::time::Duration;

use support::load::{self, SMALL};
use support::process::{Answer, answer, started, wait};
use support::servers::{Servers, task_file};
use tdferry_embedded::testing::RealEtcd;

async fn coordinator(store: &str) -> (tokio::process::Child, String) {
    let args = ["coordinator", "--listen", "127.0.0.1:0", "--store", store, "--heartbeat", "500ms"];
    let (child, line) = started(&args, "listening on").await;
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    (child, format!("http://{}", address.trim_end_matches(',')))
}

fn worker(coordinators: &str, label: &str) -> tokio::process::Child {
    let args = ["worker", "--coordinator", coordinators, "--slots", "2", "--label", label];
    let mut command = support::process::tdferry(&args);
    command.env("TDFERRY_TEST_PASSWORD", "taosdata").stderr(std::process::Stdio::null());
    command.spawn().unwrap()
}

async fn ask(coordinator: &str, args: &[&str]) -> Answer {
    let args: Vec<_> = args.iter().copied().chain(["--coordinator", coordinator]).collect();
    let answer = answer(&args).await;
    assert_eq!(answer.code, 0, "{args:?}: {}", answer.stderr);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn two_coordinators_and_four_workers_finish_one_task_on_a_real_etcd() {
    let etcd = RealEtcd::start().await.expect("etcd starts");
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 11).await;
    let store = format!("etcd://{}", etcd.endpoint().trim_start_matches("http://"));
    let (one, first) = coordinator(&store).await;
    let (two, second) = coordinator(&store).await;
    let both = format!("{first},{second}");
    let workers: Vec<_> = (0..4).map(|_| worker(&both, "dc=a")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task.toml");
    std::fs::write(&file, task_file("move-power", &servers, "power")).unwrap();
    ask(&first, &["task", "create", "-f", file.to_str().unwrap()]).await;
    // watched through one coordinator, created through the other
    let watched = ask(&second, &["task", "watch", "move-power", "--json"]).await;
    assert_eq!(watched.json()["state"], "completed", "{}", watched.stdout);
    let (on_first, on_second) = (show(&first).await, show(&second).await);
    assert_eq!(on_first, on_second, "both coordinators tell the same");
    let workers_seen = ask(&first, &["worker", "list", "--json"]).await.json();
    assert_eq!(workers_seen.as_array().map(Vec::len), Some(4), "{workers_seen}");
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    let exported = ask(&second, &["task", "export", "move-power"]).await.stdout;
    assert!(
        exported.contains("${env:TDFERRY_TEST_PASSWORD}") && !exported.contains("taosdata@"),
        "{exported}"
    );
    for mut child in workers.into_iter().chain([one, two]) {
        terminate(&child);
        let _ = child.wait().await;
    }
}

/// Everything but the rates, which each coordinator measures for itself.
async fn show(coordinator: &str) -> serde_json::Value {
    let mut task = ask(coordinator, &["task", "show", "move-power", "--json"]).await.json();
    let progress = task["progress"].as_object_mut().unwrap();
    progress.retain(|key, _| !key.contains("per_second") && !key.contains("eta"));
    task
}

fn terminate(child: &tokio::process::Child) {
    if let Some(pid) = child.id() {
        let _ = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_stands_alone_keeps_its_tasks_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("state");
    let servers = Servers::standins().await;
    let file = folder.path().join("task.toml");
    std::fs::write(&file, task_file("move-power", &servers, "power")).unwrap();
    let (child, address) = coordinator(store.to_str().unwrap()).await;
    ask(&address, &["task", "create", "-f", file.to_str().unwrap()]).await;
    ask(&address, &["task", "pause", "move-power"]).await;
    ask(&address, &["task", "copy", "move-power", "again"]).await;
    terminate(&child);
    let ended = wait(child).await;
    assert_eq!(ended.code, 0, "a coordinator that is told to stop ends well");
    let (child, address) = coordinator(store.to_str().unwrap()).await;
    let tasks = ask(&address, &["task", "list", "--json"]).await.json();
    let names: Vec<_> = tasks.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["again", "move-power"], "{tasks}");
    assert_eq!(tasks[1]["control"], "pause", "{tasks}");
    ask(&address, &["task", "delete", "again", "--yes"]).await;
    terminate(&child);
}

/// Waits until what a verb tells is as wanted.
async fn until(coordinator: &str, args: &[&str], wanted: impl Fn(&serde_json::Value) -> bool) {
    let looked = tokio::time::timeout(Duration::from_secs(60), async {
        while !wanted(&ask(coordinator, args).await.json()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(looked.await.is_ok(), "{args:?}: {}", answer(args).await.stdout);
}

/// State and number of leases of the worker with this label.
fn standing<'a>(workers: &'a serde_json::Value, label: &str) -> Option<(&'a str, usize)> {
    let worker = workers.as_array()?.iter().find(|worker| worker["labels"]["dc"] == label)?;
    Some((worker["state"].as_str()?, worker["leases"].as_array()?.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_site_hands_its_leases_on_and_gets_work_again_when_it_is_let() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 12).await;
    let store = folder.path().join("state");
    let (coordinator, address) = coordinator(store.to_str().unwrap()).await;
    let workers = [worker(&address, "dc=a"), worker(&address, "dc=b")];
    let list = ["worker", "list", "--json"];
    until(&address, &list, |workers| workers.as_array().is_some_and(|workers| workers.len() == 2)).await;
    let file = folder.path().join("task.toml");
    std::fs::write(&file, task_file("move-power", &servers, "power")).unwrap();
    // it must not end while its workers are led about
    servers.slow_target(Duration::from_millis(200));
    ask(&address, &["task", "create", "-f", file.to_str().unwrap()]).await;
    until(&address, &list, |workers| standing(workers, "a").is_some_and(|(_, leases)| leases > 0)).await;
    ask(&address, &["worker", "drain", "--label", "dc=a"]).await;
    until(&address, &list, |workers| standing(workers, "a") == Some(("drained", 0))).await;
    until(&address, &list, |workers| standing(workers, "b").is_some_and(|(_, leases)| leases > 0)).await;
    ask(&address, &["worker", "undrain", "--label", "dc=a"]).await;
    ask(&address, &["task", "rebalance", "move-power"]).await;
    until(&address, &list, |workers| {
        standing(workers, "a").is_some_and(|(state, leases)| state == "working" && leases > 0)
    })
    .await;
    servers.quick_target();
    let watched = ask(&address, &["task", "watch", "move-power", "--json"]).await.json();
    assert_eq!((watched["state"].as_str(), watched["health"].as_str()), (Some("completed"), Some("idle")));
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    for mut child in workers.into_iter().chain([coordinator]) {
        terminate(&child);
        let _ = child.wait().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_by_the_workers_of_a_cluster_and_by_what_they_copy_at_the_moment() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 13).await;
    let store = folder.path().join("state");
    let (coordinator, address) = coordinator(store.to_str().unwrap()).await;
    let workers = [worker(&address, "dc=a"), worker(&address, "dc=b")];
    let list = ["worker", "list", "--json"];
    until(&address, &list, |workers| workers.as_array().is_some_and(|workers| workers.len() == 2)).await;
    let (from, to) = (servers.from("power"), servers.to("power"));
    let plan = ["plan", "--from", &from, "--to", &to, "--json"];
    let idle = ask(&address, &plan).await.json();
    assert_eq!(idle["fleet"], serde_json::json!({ "workers": 2, "slots": 2 }), "{idle:#}");
    assert_eq!(idle["rates"]["from"], "defaults", "{idle:#}");
    let one = ask(&address, &[&plan[..], &["--workers", "1"]].concat()).await.json();
    assert_eq!(one["fleet"]["workers"], 1, "a flag goes before the cluster");

    let file = folder.path().join("task.toml");
    std::fs::write(&file, task_file("move-power", &servers, "power")).unwrap();
    // it must still copy when it is asked about
    servers.slow_target(Duration::from_millis(200));
    ask(&address, &["task", "create", "-f", file.to_str().unwrap()]).await;
    until(&address, &plan, |plan| plan["rates"]["from"] == "cluster").await;
    let busy = ask(&address, &plan).await.json();
    assert!(busy["rates"]["rows_per_slot"].as_f64().is_none_or(|rows| rows > 0.0), "{busy:#}");
    servers.quick_target();
    let watched = ask(&address, &["task", "watch", "move-power", "--json"]).await.json();
    assert_eq!(watched["state"], "completed");
    for mut child in workers.into_iter().chain([coordinator]) {
        terminate(&child);
        let _ = child.wait().await;
    }
}
