//! Who may name whom in the source: the database client, etcd's client and the generated types each have their place.

use crate::tree::File;
use crate::{accepts, hold, refuses};

/// The adapter alone knows the database client.
const TAOS: [&str; 1] = ["common/src/tdengine/"];

/// The store alone knows etcd's client, and the in-process server is made of its stubs.
const ETCD: [&str; 2] = ["coordinator/src/store/", "embedded/"];

/// Where messages are made and taken apart; everything else speaks the words of `common`.
const WIRE: [&str; 11] = [
    "proto/",
    "benches/src/scale/wire.rs",
    "cli/",
    "coordinator/src/api/",
    "worker/src/client/",
    "worker/src/lease/",
    "worker/src/runner/",
    "worker/src/survey/",
    "worker/src/heartbeat.rs",
    "worker/src/notices.rs",
    "worker/src/waiting.rs",
];

fn only_in(files: &[File], name: &str, places: &[&str]) -> Vec<String> {
    let outside = |file: &&File| !places.iter().any(|place| file.path.starts_with(place));
    let shipped = files.iter().filter(|file| file.is("rs") && !file.is_test());
    let mut broken = Vec::new();
    for file in shipped.filter(outside) {
        let code = file.code();
        let named = code.identifiers().filter(|(at, found)| *found == name && code.is_path(*at, name));
        broken.extend(named.map(|(at, _)| format!("{}:{}: {name}", file.path, file.line(at))));
    }
    broken
}

fn taos(files: &[File]) -> Vec<String> {
    only_in(files, "taos", &TAOS)
}

fn etcd(files: &[File]) -> Vec<String> {
    only_in(files, "etcd_client", &ETCD)
}

fn wire(files: &[File]) -> Vec<String> {
    only_in(files, "v1", &WIRE)
}

#[test]
fn the_database_client_is_named_in_the_adapter_only() {
    hold(taos);
}

#[test]
fn etcds_client_is_named_in_the_store_and_the_embedded_server_only() {
    hold(etcd);
}

#[test]
fn generated_types_stay_where_messages_are_made_and_taken_apart() {
    hold(wire);
}

#[test]
fn uses_out_of_place_are_found() {
    refuses(taos, "worker/src/copy/mod.rs", "use taos::AsyncQueryable;");
    refuses(etcd, "coordinator/src/queue.rs", "fn f(c: etcd_client::Client) {}");
    refuses(etcd, "worker/src/lib.rs", "use etcd_client as store;");
    refuses(wire, "worker/src/copy/mod.rs", "use tdferry_proto::v1;");
    refuses(wire, "coordinator/src/planner/mod.rs", "fn f(shard: v1::Shard) {}");
}

#[test]
fn uses_in_place_pass() {
    accepts(taos, "common/src/tdengine/conn.rs", "use taos::AsyncQueryable;");
    accepts(taos, "standin/tests/round_trip.rs", "use taos::AsyncQueryable;");
    accepts(taos, "common/src/dsn/mod.rs", "// taos::x\nlet a = \"taos::x\"; let taos = 1;");
    accepts(wire, "coordinator/src/keys.rs", "const ROOT: &str = \"/tdferry/v1/\";");
}
