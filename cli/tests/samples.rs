//! What is shipped as a sample, and what the documents list, held against the code that reads it.
//!
//! Examples in documents are parsed by the command line itself; tables of options and keys are compared with the code's.
#![expect(clippy::unwrap_used, reason = "a test that cannot read what it looks at has failed")]

use std::path::Path;

use clap::Parser;
use tdferry_cli::cli::Cli;
use tdferry_cli::exit;
use tdferry_common::config::{self, CoordinatorConfig, Layers, RoleConfig, WorkerConfig};
use tdferry_common::options;
use tdferry_common::spec::Spec;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Loads a sample as the role would, and sees that it shows every key, if only in a comment.
fn load<T: RoleConfig>(sample: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(sample);
    let file = config::read_file(&path).unwrap();
    for key in T::KEYS {
        let shown = file
            .text
            .lines()
            .any(|line| line.trim_start_matches("# ").starts_with(&format!("{} =", key.name)));
        assert!(shown, "{sample} does not show `{}`", key.name);
    }
    config::load(&Layers { file: Some(&file), env: &|_| None, flags: &[] }).unwrap()
}

/// The sample with what it comments out as an example taken in: that must be right as well.
fn with_examples<T: RoleConfig>(sample: &str) -> T {
    let known = |line: &str| T::KEYS.iter().any(|key| line.starts_with(&format!("{} =", key.name)));
    let taken_in = |line: &str| line.strip_prefix("# ").filter(|line| known(line)).unwrap_or(line).to_owned();
    let text: Vec<_> = read(sample).lines().map(taken_in).collect();
    let file = config::ConfigFile { path: sample.into(), text: text.join("\n") };
    config::load(&Layers { file: Some(&file), env: &|_| None, flags: &[] }).unwrap()
}

#[test]
fn the_coordinators_sample_is_a_configuration_that_shows_every_key() {
    let config: CoordinatorConfig = load("deploy/coordinator.toml");
    assert!(config.store.starts_with("etcd://"));
    let whole: CoordinatorConfig = with_examples("deploy/coordinator.toml");
    assert!(whole.store_user.is_some() && whole.store_cert.is_some() && whole.advertise.is_some());
}

#[test]
fn the_workers_sample_is_a_configuration_that_shows_every_key() {
    let config: WorkerConfig = load("deploy/worker.toml");
    assert_eq!(config.coordinators.len(), 2);
}

#[test]
fn the_sample_task_may_be_stored_and_run() {
    let spec = Spec::from_toml(&read("deploy/task.toml")).unwrap();
    spec.check_stored().unwrap();
    assert_eq!((spec.source_database(), spec.target_database()), ("power", "power"));
}

/// The first cells of a table's rows and all cells of each, from the document's section under a heading.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let section = text.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("{document} has no section {heading:?}"));
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn the_table_of_findings_is_the_codes() {
    let documented = table("docs/check.md", "Findings");
    let known: Vec<_> = tdferry_worker::check::KINDS
        .iter()
        .map(|kind| [kind.code, kind.severity.as_str(), kind.does, kind.cure].map(str::to_owned).to_vec())
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn the_table_of_options_is_the_codes() {
    let documented = table("docs/configuration.md", "Options of a task");
    let documented: Vec<_> = documented.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let names = |key: &options::OptionKey| [&[key.name], key.aliases].concat().join(", ");
    let known: Vec<_> = options::KEYS.iter().map(|key| (names(key), key.default)).collect();
    let known: Vec<_> = known.iter().map(|(names, default)| (names.as_str(), *default)).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_tables_of_keys_are_the_codes() {
    let documented = |heading| -> Vec<String> {
        table("docs/configuration.md", heading).iter().map(|row| row[0].clone()).collect()
    };
    let known = |keys: &[config::ConfigKey]| keys.iter().map(|key| key.name.to_owned()).collect::<Vec<_>>();
    assert_eq!(documented("A coordinator's keys"), known(CoordinatorConfig::KEYS));
    assert_eq!(documented("A worker's keys"), known(WorkerConfig::KEYS));
}

#[test]
fn the_table_of_exit_codes_is_the_codes() {
    let documented = table("docs/commands.md", "Exit codes");
    let documented: Vec<_> = documented.iter().map(|row| row[0].as_str()).collect();
    let (_, codes) = exit::HELP.split_once(':').unwrap();
    let known: Vec<_> = codes.split('·').map(|code| code.split_whitespace().next().unwrap()).collect();
    assert_eq!(documented, known);
}

/// The commands in a document's shell blocks, or of a unit; what a shell would do to them is left out.
fn commands(document: &str) -> Vec<Vec<String>> {
    let text = read(document).replace("\\\n", " ");
    let blocks: Vec<&str> = match document.ends_with(".md") {
        true => text.split("```").skip(1).step_by(2).collect(),
        false => vec![&text],
    };
    let mut commands = Vec::new();
    for line in blocks.into_iter().flat_map(str::lines) {
        let line = line.trim_start_matches("ExecStart=/usr/local/bin/").trim_start();
        for command in line.split(" && ").filter(|command| command.starts_with("tdferry ")) {
            let command = command.split(['>', '#', '&']).next().unwrap_or_default();
            commands.push(command.split_whitespace().map(|word| word.replace('\'', "")).collect());
        }
    }
    commands
}

#[test]
fn every_command_in_documents_and_units_is_one() {
    let mut seen = 0;
    for document in [
        "README.md",
        "docs/check.md",
        "docs/commands.md",
        "docs/configuration.md",
        "deploy/systemd/tdferry-coordinator.service",
        "deploy/systemd/tdferry-worker.service",
    ] {
        for command in commands(document) {
            if let Err(error) = Cli::try_parse_from(&command) {
                assert!(!error.use_stderr(), "{document}: {}\n{error}", command.join(" "));
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} commands were found");
}
