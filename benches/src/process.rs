//! Processes: one that is measured to its end, and servers that live as long as they are held.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::cpu;

/// Longer than any case takes on a slow machine; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How long a server may take to say that it listens.
const START: Duration = Duration::from_secs(60);
/// How often is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A process that ran to a good end.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its first line on stdout.
    pub(crate) stdout: String,
    /// From its start until it said that line: native clients take whole seconds to leave.
    pub(crate) seconds: f64,
    /// CPU seconds of all its threads, to the end.
    pub(crate) cpu: f64,
}

/// Runs a process to its end. What it writes to stdout must fit into a pipe.
pub(crate) async fn run(command: &mut Command) -> Result<Ran> {
    run_ending(command, &[0]).await
}

/// The same, where other exit codes are good ends as well.
pub(crate) async fn run_ending(command: &mut Command, codes: &[i32]) -> Result<Ran> {
    let mut talk = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(talk.try_clone()?).kill_on_drop(true);
    // where it failed in the code says nothing to whoever measures
    command.env_remove("RUST_BACKTRACE");
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("starting {:?}", command.as_std()))?;
    let pid = child.id().context("it ended before it was looked at")?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
    let hangs = || format!("{:?} hangs", command.as_std());
    let stdout = timeout(PATIENCE, lines.next_line()).await.with_context(hangs)??;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = timeout(PATIENCE, ended(pid)).await.with_context(hangs)??;
    let status = child.wait().await?;
    if !status.code().is_some_and(|code| codes.contains(&code)) {
        let mut said = String::new();
        talk.rewind()?;
        talk.read_to_string(&mut said)?;
        bail!("{:?} ended with {status}: {}", command.as_std(), said.trim());
    }
    Ok(Ran { stdout: stdout.unwrap_or_default(), seconds, cpu })
}

/// CPU seconds of a process that has ended and is not reaped yet.
async fn ended(pid: u32) -> Result<f64> {
    loop {
        let stat = cpu::stat(pid)?;
        if stat.ended {
            return Ok(stat.seconds);
        }
        sleep(LOOK).await;
    }
}

/// A server that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    _child: Child,
    pub(crate) pid: u32,
    /// What stood behind the words that were waited for.
    pub(crate) address: String,
}

impl Server {
    /// Starts a server and waits until its stderr says `words` and an address behind them.
    pub(crate) async fn start(command: &mut Command, words: &str) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let pid = child.id().context("it ended at once")?;
        let mut lines = BufReader::new(child.stderr.take().context("stderr is piped")?).lines();
        let mut said = Vec::new();
        let address = timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, rest)) = line.split_once(words) {
                    let end = rest.find([';', ',', ' ']).unwrap_or(rest.len());
                    return Ok::<_, anyhow::Error>(rest[..end].to_owned());
                }
                said.push(line);
            }
            Ok(String::new())
        });
        let address = address.await.with_context(|| format!("{command:?} does not start"))??;
        ensure!(!address.is_empty(), "{command:?} ended: {}", said.join("\n"));
        // nobody reads it, but a full pipe would stop the server
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { _child: child, pid, address })
    }

    /// Starts a process that says nothing to wait for.
    pub(crate) fn silent(command: &mut Command) -> Result<Self> {
        Self::spawn(command.stderr(Stdio::null()))
    }

    /// The same; what it says goes to a file.
    pub(crate) fn telling(command: &mut Command, talk: &File) -> Result<Self> {
        Self::spawn(command.stderr(talk.try_clone()?))
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { _child: child, pid, address: String::new() })
    }
}
