//! The certificate of a task as a file: it says what happened, and any change to it shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::path::Path;

use serde_json::Value as Json;
use support::load::{self, SMALL, Size, run};
use support::process::{Answer, answer, run_args, started};
use support::servers::Servers;

/// The entries of a kind, as they stand in the file.
fn entries(file: &str, kind: &str) -> Vec<Json> {
    let whole: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let entries = whole["entries"].as_array().unwrap().iter().map(|entry| &entry["entry"]);
    entries.filter(|entry| entry["kind"] == kind).map(|entry| entry["body"].clone()).collect()
}

async fn checked(file: &str, more: &[&str]) -> Answer {
    answer(&[&["certificate", "check", file], more].concat()).await
}

async fn ran(servers: &Servers, state: &Path, more: &[&str]) -> Answer {
    let (from, to) = (servers.from("power"), servers.to("power"));
    answer(&run_args(&from, &to, state, more)).await
}

fn number(value: &Json, path: &str) -> u64 {
    value.pointer(path).and_then(Json::as_u64).unwrap_or_else(|| panic!("{path}: {value:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_a_certificate_that_says_what_it_did_and_in_which_any_change_shows() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 11).await;
    let state = tempfile::tempdir().unwrap();
    let asked = [
        "--verify",
        "digest",
        "--certificate-subtables",
        "-o",
        "database.vgroups=5",
        "-o",
        "database.keep=5000d",
    ];
    let ran = ran(&servers, state.path(), &asked).await;
    let summary = ran.json();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let file = summary["certificate"].as_str().unwrap();
    let head = summary["certificate_head"].as_str().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("taosdata") && !text.contains("root"), "no user and no secret");

    let rows = number(&summary, "/rows");
    let stables = entries(file, "stable");
    assert_eq!(stables.iter().map(|stable| number(stable, "/rows/written")).sum::<u64>(), rows);
    assert_eq!(stables.iter().map(|stable| number(stable, "/rows_read_back")).sum::<u64>(), rows);
    let tables = entries(file, "subtable");
    assert_eq!(u64::try_from(tables.len()).unwrap(), number(&summary, "/subtables"));
    assert_eq!(tables.iter().map(|table| number(table, "/target/rows")).sum::<u64>(), rows);
    assert!(tables.iter().all(|table| table["equal"] == true), "{tables:?}");
    sums_add_up(&stables, &entries(file, "shard"), &tables);
    assert_eq!(entries(file, "target")[0]["options"]["vgroups"], "5");
    let keep = entries(file, "option").into_iter().find(|option| option["option"] == "keep").unwrap();
    assert_eq!((keep["target"].as_str(), keep["why"].as_str()), (Some("KEEP 5000d"), Some("asked")));
    assert_eq!(entries(file, "verdict")[0]["state"], "completed");
    let page = std::fs::read_to_string(Path::new(file).with_extension("html")).unwrap();
    assert!(page.contains(head) && page.contains("meters"), "the page shows the same");

    assert_eq!(checked(file, &["--head", head]).await.code, 0);
    let changed = state.path().join("changed.json");
    let changed = changed.to_str().unwrap();
    std::fs::write(changed, text.replacen("\"state\":\"completed\"", "\"state\":\"Completed\"", 1)).unwrap();
    let found = checked(changed, &["--json"]).await;
    assert!(
        found.code == 1 && found.json()["why"].as_str().unwrap().contains("(verdict)"),
        "{}",
        found.stdout
    );
    assert_eq!(checked(file, &["--head", &"0".repeat(16)]).await.code, 1);
    assert_eq!(checked("nowhere.json", &[]).await.code, 2);
}

/// A stable's sum is that of its copy shards, and of its tables as they were read again on either side.
fn sums_add_up(stables: &[Json], shards: &[Json], tables: &[Json]) {
    let value = |sum: &Json| u128::from_str_radix(sum.as_str().unwrap(), 16).unwrap();
    let add = |sums: Vec<u128>| sums.into_iter().fold(0_u128, u128::wrapping_add);
    for stable in stables {
        let name = &stable["name"];
        let copies = shards
            .iter()
            .filter(|one| one["stable"] == *name && one["kind"].as_str().unwrap().starts_with("copy"));
        assert_eq!(add(copies.map(|shard| value(&shard["sum"])).collect()), value(&stable["sum"]), "{name}");
        let own = tables.iter().filter(|table| table["stable"] == *name);
        for side in ["source", "target"] {
            let sums = own.clone().map(|table| value(&table[side]["sum"]));
            assert_eq!(add(sums.collect()), value(&stable["sum"]), "{name} {side}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_differs_gets_a_certificate_that_says_so_and_names_the_table() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 12).await;
    let state = tempfile::tempdir().unwrap();
    assert_eq!(ran(&servers, state.path(), &[]).await.code, 0);
    run(&servers.ask_target(), "insert into power.plain (ts) values (1)").await;
    let (from, to, place) = (servers.from("power"), servers.to("power"), state.path().join("compared"));
    let certificate = state.path().join("differs.json");
    let certificate = certificate.to_str().unwrap();
    let args = [
        "verify",
        "--from",
        &from,
        "--to",
        &to,
        "--state",
        place.to_str().unwrap(),
        "--json",
        "--certificate",
        certificate,
    ];
    let found = answer(&[&args[..], &["--certificate-subtables"]].concat()).await;
    assert_eq!(found.code, 8, "{}", found.stderr);
    assert_eq!(checked(certificate, &[]).await.code, 0, "it is as it was written");
    let verdict = &entries(certificate, "verdict")[0];
    assert_eq!((verdict["state"].as_str(), number(verdict, "/tables_unequal")), (Some("differs"), 1));
    let normal = entries(certificate, "stable").into_iter().find(|stable| stable["name"] == "").unwrap();
    assert_eq!((number(&normal, "/differing/tables"), number(&normal, "/differing/extra")), (1, 1));
    let unequal: Vec<_> =
        entries(certificate, "subtable").into_iter().filter(|table| table["equal"] == false).collect();
    assert_eq!((unequal.len(), unequal[0]["table"].as_str()), (1, Some("plain")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinators_task_gets_its_certificate_when_it_has_ended() {
    let servers = Servers::standins().await;
    load::load(&servers.ask_source(), "power", SMALL, 13).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, json, html) =
        (folder.path().join("task.toml"), folder.path().join("c.json"), folder.path().join("c.html"));
    let [store, file, json, html] =
        [folder.path().join("store"), file, json, html].map(|path| path.to_str().unwrap().to_owned());
    std::fs::write(&file, support::servers::task_file("move-power", &servers, "power")).unwrap();
    let args = ["coordinator", "--listen", "127.0.0.1:0", "--store", &store, "--heartbeat", "300ms"];
    let (coordinator, line) = started(&args, "listening on").await;
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let url = format!("http://{}", address.trim_end_matches(','));
    let write = async |more: &[&str]| {
        let args =
            ["certificate", "write", "move-power", "--coordinator", &url, "--json", &json, "--html", &html];
        let mut command = support::process::tdferry(&[&args[..], more].concat());
        command.env("TDFERRY_TEST_PASSWORD", "taosdata");
        support::process::wait(command.spawn().unwrap()).await
    };
    let created = answer(&["task", "create", "-f", &file, "--coordinator", &url]).await;
    assert_eq!(created.code, 0, "{}", created.stderr);
    let early = write(&[]).await;
    assert!(early.code == 2 && early.stderr.contains("has ended"), "{}", early.stderr);
    let mut worker = support::process::tdferry(&["worker", "--coordinator", &url, "--slots", "2"]);
    worker.env("TDFERRY_TEST_PASSWORD", "taosdata").stderr(std::process::Stdio::null());
    let worker = worker.spawn().unwrap();
    let watched = answer(&["task", "watch", "move-power", "--json", "--coordinator", &url]).await;
    assert_eq!(watched.json()["state"], "completed", "{}", watched.stdout);
    let written = write(&["--subtables"]).await;
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert_eq!(checked(&json, &[]).await.code, 0);
    assert!(entries(&json, "source")[0]["version"].as_str().unwrap().starts_with('2'));
    assert!(entries(&json, "subtable").iter().all(|table| table["equal"] == true));
    assert!(std::fs::read_to_string(&html).unwrap().contains("move-power"));
    assert_eq!(write(&["--offline"]).await.code, 0);
    assert_eq!(entries(&json, "source")[0]["version"], Json::Null);
    for child in [worker, coordinator] {
        support::process::kill(child).await;
    }
}

/// Options of a database as a task names them, and as the target's server then tells them.
const OPTIONS: [(&str, &str, &str, &str); 10] = [
    ("database.keep", "4000d", "keep", "5760000m,5760000m,5760000m"),
    ("database.duration", "20d", "duration", "28800m"),
    ("database.vgroups", "3", "vgroups", "3"),
    ("database.buffer", "32", "buffer", "32"),
    ("database.cachemodel", "both", "cachemodel", "both"),
    ("database.wal-level", "2", "wal_level", "2"),
    ("database.wal-fsync-period", "1000", "wal_fsync_period", "1000"),
    ("database.comp", "1", "comp", "1"),
    ("database.minrows", "50", "minrows", "50"),
    ("database.maxrows", "3000", "maxrows", "3000"),
];

async fn created_as_asked(servers: &Servers, database: &str) {
    let few = Size { dense: 2, dense_rows: 30, sparse: 5, sparse_rows: 1 };
    load::load(&servers.ask_source(), database, few, 14).await;
    let state = tempfile::tempdir().unwrap();
    let (from, to) = (servers.from(database), servers.to(database));
    let pairs: Vec<String> = OPTIONS.iter().map(|(name, value, ..)| format!("{name}={value}")).collect();
    let mut asked: Vec<&str> = pairs.iter().flat_map(|pair| ["-o", pair]).collect();
    // real servers may take longer than the tests' short times allow
    asked.extend(["--schema", "only", "--heartbeat", "1000"]);
    let ran = answer(&run_args(&from, &to, state.path(), &asked)).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let target = entries(ran.json()["certificate"].as_str().unwrap(), "target").remove(0);
    for (_, value, option, told) in OPTIONS {
        assert_eq!(target["options"][option], told, "{option} {value}: {target:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_is_what_the_task_asks_for() {
    created_as_asked(&Servers::standins().await, "power").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_is_what_the_task_asks_for_on_real_servers() {
    let Some(servers) = Servers::real() else { return };
    let database = format!("tdferry_asked_{}", std::process::id());
    created_as_asked(&servers, &database).await;
    for side in [servers.ask_source(), servers.ask_target()] {
        run(&side, &format!("drop database {database}")).await;
    }
}
