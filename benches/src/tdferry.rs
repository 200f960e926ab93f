//! tdferry by its command line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::plain::CONNECTIONS;
use crate::process::{self, Ran};

/// The program.
pub(crate) struct Tdferry(PathBuf);

/// The part of a run's summary that is looked at.
#[derive(Debug, Deserialize)]
struct Summary {
    state: String,
    subtables: u64,
    rows: u64,
    phases: BTreeMap<String, f64>,
}

/// One whole run.
pub(crate) struct Run {
    /// Subtables or rows, whichever it was for.
    pub(crate) moved: u64,
    pub(crate) ran: Ran,
    /// Seconds of its phases.
    phases: BTreeMap<String, f64>,
}

/// What one run is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// The structure alone.
    Structure,
    /// The rows alone.
    Rows,
}

/// How a run proves that its rows arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verify {
    /// By counts.
    Count,
    /// By reading the target back.
    Digest,
}

impl Verify {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Digest => "digest",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Count => Self::Digest,
            Self::Digest => Self::Count,
        }
    }
}

impl Tdferry {
    /// The program that is named, or the one beside this one.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()?.with_file_name("tdferry"),
        };
        ensure!(
            path.exists(),
            "{} is not there: build it with `cargo build --release --bin tdferry`",
            path.display()
        );
        Ok(Self(path))
    }

    /// The program with these words.
    pub(crate) fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.0);
        command.args(words);
        command
    }

    /// A stand-in on a free port.
    pub(crate) fn standin(&self, flavor: &str, seed: Option<&str>) -> Command {
        let mut command = self.command(["standin", "--listen", "127.0.0.1:0", "--flavor", flavor]);
        command.args(seed.map(|seed| ["--seed", seed]).into_iter().flatten());
        command
    }

    /// One whole `tdferry run`, with as many slots as the plain loop has connections.
    pub(crate) async fn run(&self, from: &str, to: &str, does: Does, verify: Verify) -> Result<Run> {
        let state = tempfile::tempdir()?;
        let folder = state.path().to_str().context("the folder for temporary files has an odd name")?;
        let schema = match does {
            Does::Structure => "only",
            Does::Rows => "none",
        };
        let slots = CONNECTIONS.to_string();
        let words =
            ["run", "--from", from, "--to", to, "--state", folder, "--schema", schema, "--slots", &slots];
        let ran = process::run(self.command(words).args(["--json", "--verify", verify.word()])).await?;
        let summary: Summary = serde_json::from_str(ran.stdout.trim()).context(ran.stdout.clone())?;
        ensure!(summary.state == "completed", "tdferry ended as {}", summary.state);
        let moved = match does {
            Does::Structure => summary.subtables,
            Does::Rows => summary.rows,
        };
        Ok(Run { moved, ran, phases: summary.phases })
    }
}

impl Run {
    /// Seconds of its schema phase, in which everything is created.
    pub(crate) fn creating(&self) -> Option<f64> {
        self.phases.get("schema").copied()
    }

    /// Seconds in which rows were compared, in times of those in which they were copied.
    pub(crate) fn comparing(&self) -> Option<f64> {
        let of = |phase: &str| self.phases.get(phase).copied();
        Some(of("verify")? / of("copy")?)
    }
}
