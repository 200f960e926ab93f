//! A cutover from beginning to end, by the commands that an operator types: no-go, given up, go, and every cell compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use support::live::{self, LOOK_EVERY, PATIENCE, until_equal, until_state, worker};
use support::load;
use support::process::{answer, kill, tdferry};
use support::servers::Servers;
use tdferry_common::clock::wall_now;
use tdferry_standin::MetersSeed;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_cut_over_by_its_commands_and_can_follow_on_until_then() {
    let servers = Servers::standins().await;
    let history = MetersSeed { database: "power".into(), ..MetersSeed::new(4, 500) };
    servers.source_standin().seed_meters(&history).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (coordinator, address) = live::coordinator(folder.path(), &servers, "audit-window = \"1h\"\n").await;
    let ask = async |words: &[&str]| answer(&[words, &["--coordinator", &address]].concat()).await;
    let told = ask(&["cutover", "move-power"]).await;
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(told.stderr.contains("no-go") && told.stderr.contains("\u{2717} live"), "{}", told.stderr);

    let worker = worker(&address);
    until_state(&address, "live").await;
    let source = servers.ask_source();
    let (now, late) = (wall_now(), wall_now() - 60_000);
    load::run(&source, &format!("insert into power.d0 values ({now}, 1.5, 7, 0.25)")).await;

    let ahead = "2099-01-01T00:00:00Z";
    let freeze =
        ["cutover", "move-power", "--freeze", "--mark", ahead, "--max-lag", "60", "--coordinator", &address];
    let waiting = tdferry(&freeze).stderr(std::process::Stdio::null()).spawn().unwrap();
    until_state(&address, "cutting over").await;
    let told = ask(&["cutover", "move-power", "--abort"]).await;
    assert_eq!(told.code, 0, "{}", told.stderr);
    until_state(&address, "live").await;
    kill(waiting).await;

    load::run(&source, &format!("insert into power.d1 values ({late}, 1.5, 7, 0.25)")).await;
    let told =
        timeout(PATIENCE, ask(&["cutover", "move-power", "--freeze", "--max-lag", "60"])).await.unwrap();
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert!(told.stdout.contains("completed. go"), "{}", told.stdout);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(compared.rows, 2_002, "and the row that came late");
    let told = ask(&["cutover", "move-power", "--abort"]).await;
    assert_ne!(told.code, 0, "it has ended");
    for child in [worker, coordinator] {
        kill(child).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stable_that_is_followed_by_lists_of_its_subtables_is_cut_over_too() {
    let servers = Servers::standins().await;
    let history = MetersSeed { database: "power".into(), ..MetersSeed::new(4, 500) };
    servers.source_standin().seed_meters(&history).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = "tail-by = \"names\"\nschema-polling-interval = \"1s\"\n";
    let (coordinator, address) = live::coordinator(folder.path(), &servers, options).await;
    let ask = async |words: &[&str]| answer(&[words, &["--coordinator", &address]].concat()).await;
    let worker = worker(&address);
    until_state(&address, "live").await;
    let (source, now) = (servers.ask_source(), wall_now());
    let rows = format!("({}, 1.5, 7, 0.25) ({now}, 2.5, 8, 0.75)", now - 90_000);
    let new = format!("power.new using power.meters tags (5, 'here') values {rows}");
    load::run(&source, &format!("insert into power.d0 values {rows} {new}")).await;
    let shards = async || {
        let told = ask(&["shard", "list", "move-power", "--json"]).await;
        told.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<serde_json::Value>>()
    };
    timeout(PATIENCE, async {
        // the stable's own tail, that of the list, and that of the new one; what it held before is copied
        let has_come = |shards: &[serde_json::Value]| {
            let named = |one: &serde_json::Value, name: &str| one["id"].as_str().unwrap().starts_with(name);
            let tails = shards.iter().filter(|one| named(one, "tail-")).count();
            tails == 3 && shards.iter().filter(|one| named(one, "copy-")).all(|one| one["state"] == "done")
        };
        while !has_come(&shards().await) {
            sleep(LOOK_EVERY).await;
        }
    })
    .await
    .expect("the new subtable gets a tail");
    let told =
        timeout(PATIENCE, ask(&["cutover", "move-power", "--freeze", "--max-lag", "60"])).await.unwrap();
    assert_eq!(told.code, 0, "{}", told.stderr);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal(), "{:#?}", compared.differences);
    assert_eq!(compared.rows, 2_004);
    for child in [worker, coordinator] {
        kill(child).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_at_the_end_is_repaired_by_the_same_command() {
    let servers = Servers::standins().await;
    let history = MetersSeed { database: "power".into(), ..MetersSeed::new(2, 100) };
    servers.source_standin().seed_meters(&history).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (coordinator, address) = live::coordinator(folder.path(), &servers, "").await;
    let worker = worker(&address);
    until_state(&address, "live").await;
    let ask = async |words: &[&str]| {
        let words = [&["cutover", "move-power", "--freeze"], words, &["--coordinator", &address]].concat();
        timeout(PATIENCE, answer(&words)).await.unwrap()
    };
    let now = wall_now();
    load::run(&servers.ask_source(), &format!("insert into power.d0 values ({now}, 1.5, 7, 0.25)")).await;
    until_equal(&servers).await;
    load::run(&servers.ask_target(), &format!("insert into power.d0 values ({now}, 2.5, 7, 0.25)")).await;

    let told = ask(&["--max-lag", "60"]).await;
    assert_eq!(told.code, 8, "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("no-go") && told.stdout.contains("--freeze --repair"), "{}", told.stdout);
    let told = ask(&["--repair"]).await;
    assert_eq!(told.code, 0, "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("completed. go"), "{}", told.stdout);
    let compared = servers.compare("power", "power").await;
    assert!(compared.is_equal() && compared.rows == 201, "{:#?}", compared.differences);
    for child in [worker, coordinator] {
        kill(child).await;
    }
}
