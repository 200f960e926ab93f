//! Who may depend on whom, read from the manifests. What only tests need is exempt.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::File;
use crate::{accepts, hold, refuses};

/// Our crates that each may use.
const OURS: [(&str, &[&str]); 8] = [
    ("common", &[]),
    ("embedded", &[]),
    ("standin", &[]),
    ("proto", &["common"]),
    ("coordinator", &["common", "proto"]),
    ("worker", &["common", "proto"]),
    ("cli", &["common", "proto", "coordinator", "worker", "embedded", "standin"]),
    ("benches", &["common", "proto", "coordinator", "worker", "embedded", "standin", "cli"]),
];

/// Crates of others that only some of ours may use.
const THEIRS: [(&str, &[&str]); 5] = [
    ("etcd-client", &["coordinator", "embedded", "cli"]),
    // the plain loop that tdferry is measured against is the client and nothing else
    ("taos", &["common", "benches"]),
    ("redb", &["embedded"]),
    ("tonic", &["proto", "coordinator", "worker", "embedded", "cli", "benches"]),
    ("clap", &["cli", "benches"]),
];

/// Who turns the adapter to real databases on.
const DATABASES: [&str; 3] = ["worker", "cli", "benches"];

fn layers(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, file) in manifests(files) {
        let Some((_, allowed)) = OURS.iter().find(|(one, _)| *one == name) else {
            broken.push(format!("{}: say in this test what {name} may depend on", file.path));
            continue;
        };
        for (dependency, line) in dependencies(&file.text) {
            let ours = dependency.strip_prefix("tdferry-");
            let theirs = THEIRS.iter().find(|(one, _)| *one == dependency);
            let adapter = ours == Some("common") && line.contains("\"taos\"") && !DATABASES.contains(&name);
            let refused = ours.is_some_and(|ours| !allowed.contains(&ours))
                || theirs.is_some_and(|(_, users)| !users.contains(&name))
                || adapter;
            if refused {
                broken.push(format!("{}: {name} must not depend on {line}", file.path));
            }
        }
    }
    broken
}

fn lints(files: &[File]) -> Vec<String> {
    let without =
        manifests(files).into_iter().filter(|(_, file)| !file.text.contains("[lints]\nworkspace = true"));
    without.map(|(_, file)| format!("{}: does not take the workspace's lints", file.path)).collect()
}

/// The manifests of our crates by folder.
fn manifests(files: &[File]) -> BTreeMap<&str, &File> {
    files.iter().filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?, file))).collect()
}

/// Names and lines of what is shipped or needed to build it.
fn dependencies(manifest: &str) -> BTreeSet<(&str, &str)> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            let table = line.trim_matches(['[', ']']).strip_prefix("dependencies.");
            found.extend(table.map(|name| (name, line)));
        } else if matches!(section, "[dependencies]" | "[build-dependencies]") && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty());
            found.extend(name.map(|name| (name, line)));
        }
    }
    found
}

#[test]
fn crates_depend_on_no_other_than_the_architecture_says() {
    hold(layers);
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    hold(lints);
}

#[test]
fn dependencies_across_layers_are_found() {
    for (path, text) in [
        ("worker/Cargo.toml", "[dependencies]\ntdferry-coordinator = { workspace = true }"),
        ("worker/Cargo.toml", "[dependencies]\netcd-client.workspace = true"),
        ("coordinator/Cargo.toml", "[dependencies]\ntdferry-common = { features = [\"taos\"] }"),
        ("common/Cargo.toml", "[build-dependencies]\ntonic = \"1\""),
        ("embedded/Cargo.toml", "[dependencies.tdferry-common]\nworkspace = true"),
        ("other/Cargo.toml", "[dependencies]\n"),
    ] {
        refuses(layers, path, text);
    }
    let dev =
        "[dependencies]\ntdferry-common = { workspace = true }\n[dev-dependencies]\ntdferry-embedded = \"1\"";
    accepts(layers, "coordinator/Cargo.toml", dev);
    refuses(lints, "worker/Cargo.toml", "[package]\nname = \"w\"\n");
}
