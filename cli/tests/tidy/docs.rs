//! What documents and comments point at exists: links, paths of the project, and tests called by name.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tree::{File, root};
use crate::{accepts, hold, refuses};

/// Fewer underscores, and a word in backticks may be anything.
const UNDERSCORES_OF_A_TEST: usize = 3;

/// The first parts of paths that are the project's own.
const TOP: [&str; 10] = [
    "common/",
    "proto/",
    "coordinator/",
    "worker/",
    "embedded/",
    "standin/",
    "cli/",
    "benches/",
    "deploy/",
    "docs/",
];

fn links(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        for (at, _) in file.text.match_indices("](") {
            let target = file.text[at + 2..].split([')', '#']).next().unwrap_or_default();
            let folder = Path::new(&file.path).parent().unwrap_or_else(|| Path::new(""));
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !root().join(folder).join(target).exists() {
                broken.push(format!("{}:{}: no file {target}", file.path, file.line(at)));
            }
        }
    }
    broken
}

fn paths(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    // the rules' own tests point at nothing on purpose
    let looked_at = files.iter().filter(|file| !file.path.starts_with("cli/tests/tidy/"));
    for file in looked_at.filter(|file| file.is("md") || file.is("rs") || file.is("toml")) {
        let quoted = backticked(&file.text).filter(|(_, text)| file.is("md") && is_path(text));
        let plain = words(&file.text).filter(|(_, word)| word.starts_with("docs/") && word.ends_with(".md"));
        for (at, path) in quoted.chain(plain) {
            if !root().join(path).exists() {
                broken.push(format!("{}:{}: no file {path}", file.path, file.line(at)));
            }
        }
    }
    broken
}

/// Needs the whole tree: a name is looked for in every `.rs` file.
fn tests(files: &[File]) -> Vec<String> {
    let mut known = BTreeSet::new();
    for file in files.iter().filter(|file| file.is("rs")) {
        let calls = file.text.match_indices("fn ").map(|(at, _)| &file.text[at + 3..]);
        known.extend(calls.filter_map(|rest| rest.split(|c: char| !is_name(c)).next()));
        // a suite stamps its cases by name
        known.extend(words(&file.text).map(|(_, word)| word).filter(|word| is_test_name(word)));
    }
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        let named = backticked(&file.text).filter(|(_, text)| is_test_name(text) && !known.contains(text));
        broken.extend(named.map(|(at, name)| format!("{}:{}: no test {name}", file.path, file.line(at))));
    }
    broken
}

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

fn is_test_name(text: &str) -> bool {
    text.chars().all(is_name) && text.matches('_').count() >= UNDERSCORES_OF_A_TEST
}

fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    plain && TOP.iter().any(|top| text.starts_with(top))
}

/// What stands between single backticks on one line.
fn backticked(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.split_inclusive('\n').flat_map(move |line| {
        let start = from;
        from += line.len();
        let mut at = start;
        line.split('`').enumerate().filter_map(move |(n, part)| {
            let here = at;
            at += part.len() + 1;
            (n % 2 == 1).then_some((here, part))
        })
    })
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let mut at = 0;
    text.split(move |c| !inside(c)).map(move |word| {
        let here = at;
        // every separator counted here is one byte wide, or the word after it only gets a line too early
        at += word.len() + 1;
        (here.min(text.len()), word)
    })
}

#[test]
fn links_in_documents_lead_to_files() {
    hold(links);
}

#[test]
fn paths_in_documents_and_comments_exist() {
    hold(paths);
}

#[test]
fn tests_that_documents_name_exist() {
    hold(tests);
}

#[test]
fn pointers_to_nothing_are_found() {
    refuses(links, "README.md", "see [this](docs/none.md#x)");
    refuses(links, "docs/adr/a.md", "see [this](README.md)");
    accepts(
        links,
        "docs/adr/a.md",
        "see [this](../../Cargo.toml), [that](https://example.org) and [here](#x)",
    );
    refuses(paths, "README.md", "`coordinator/src/none.rs`");
    refuses(paths, "common/src/lib.rs", "// see docs/none.md.\n// see docs/none.md");
    accepts(paths, "README.md", "`common/src/lib.rs`, `common → proto`");
    refuses(tests, "README.md", "`a_test_that_is_gone`");
}
