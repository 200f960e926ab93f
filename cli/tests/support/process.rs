//! The program as a process: started, waited for with a bound, killed by its own pid.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Far longer than any of these tests takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a command answered.
pub(crate) struct Answer {
    /// The exit code.
    pub(crate) code: i32,
    /// What it wrote to stdout.
    pub(crate) stdout: String,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

impl Answer {
    /// The last line of stdout as JSON.
    pub(crate) fn json(&self) -> Json {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|bad| panic!("{bad}: {}\n{}", self.stdout, self.stderr))
    }
}

/// The program with these arguments, killed when the test ends.
pub(crate) fn tdferry(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tdferry"));
    command.args(args).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) async fn answer(args: &[&str]) -> Answer {
    let output = timeout(PATIENCE, tdferry(args).output()).await.expect("ends in time").expect("starts");
    read(output)
}

/// Waits for a process that was started.
pub(crate) async fn wait(child: Child) -> Answer {
    read(timeout(PATIENCE, child.wait_with_output()).await.expect("ends in time").expect("is waited for"))
}

fn read(output: Output) -> Answer {
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `tdferry run --json` from one database to another.
pub(crate) fn run_args<'a>(from: &'a str, to: &'a str, state: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let state = state.to_str().expect("a path of this test");
    let mut args = vec!["run", "--from", from, "--to", to, "--state", state, "--json"];
    if !more.contains(&"--heartbeat") {
        args.extend(["--heartbeat", "200"]);
    }
    args.extend(more);
    args
}

/// Starts a process and waits for a line on its stderr that holds `words`; the rest of stderr is drained.
pub(crate) async fn started(args: &[&str], words: &str) -> (Child, String) {
    let mut child = tdferry(args).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut seen = Vec::new();
    let found = timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains(words) {
                return Some(line);
            }
            seen.push(line);
        }
        None
    });
    let line = found.await.expect("speaks in time").unwrap_or_else(|| panic!("no {words:?} in {seen:#?}"));
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, line)
}

/// Kills a process as a power cut would.
pub(crate) async fn kill(mut child: Child) {
    child.kill().await.expect("is killed");
}
