//! What every file is like: short, opened by its purpose, without a trace of the machine it was written on.

use crate::tree::File;
use crate::{accepts, hold, refuses};

/// A file holds one concept; a longer one holds two.
const LONGEST: usize = 500;

fn short_and_opened(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let lines = file.text.lines().count();
        if lines > LONGEST {
            broken.push(format!("{}: {lines} lines; cut it by concept", file.path));
        }
        if !file.text.starts_with("//! ") {
            broken.push(format!("{}: does not open with `//!` and what it owns", file.path));
        }
    }
    broken
}

/// Put together here, so that this file does not hold them.
fn foreign() -> Vec<String> {
    let paths = ["work", "tmp", "home", "root"].map(|folder| format!("/{folder}/"));
    let hosts = [["crates", "io"], ["docker", "io"], ["docker", "com"], ["ghcr", "io"], ["quay", "io"]];
    let more = [["gcr", "io"], ["npmjs", "org"], ["pypi", "org"], ["debian", "org"], ["ubuntu", "com"]];
    let hosts = hosts.iter().chain(&more).map(|parts| parts.join("."));
    paths.into_iter().chain(hosts).collect()
}

/// A path counts where it begins; inside a longer one it is another's.
fn begins(text: &str, at: usize, wanted: &str) -> bool {
    let before = text[..at].chars().next_back();
    !wanted.starts_with('/') || !before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
}

fn of_no_machine(files: &[File]) -> Vec<String> {
    let foreign = foreign();
    let mut broken = Vec::new();
    // cargo itself writes the index's name into its lock file
    for file in files.iter().filter(|file| file.path != "Cargo.lock") {
        for wanted in &foreign {
            let found = file.text.match_indices(wanted.as_str());
            for (at, _) in found.filter(|(at, _)| begins(&file.text, *at, wanted)) {
                broken.push(format!("{}:{}: {wanted}", file.path, file.line(at)));
            }
        }
    }
    broken
}

#[test]
fn every_file_is_short_and_opens_with_its_purpose() {
    hold(short_and_opened);
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    hold(of_no_machine);
}

#[test]
fn long_or_unopened_files_are_found() {
    refuses(short_and_opened, "a/src/b.rs", "use std::fmt;\n");
    refuses(short_and_opened, "a/src/b.rs", &format!("//! What.\n{}", "\n".repeat(LONGEST)));
    accepts(short_and_opened, "a/src/b.rs", &format!("//! What.\n{}", "\n".repeat(LONGEST - 1)));
}

#[test]
fn a_machines_paths_and_registries_are_found() {
    for text in foreign() {
        refuses(of_no_machine, "deploy/x.toml", &format!("a = \"{text}x\""));
    }
    accepts(of_no_machine, "deploy/x.toml", "see https://host/a/work/b and var/tmp/x");
}
