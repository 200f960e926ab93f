//! One process of the cast: started with its words in a file, signalled by its own pid, never left behind.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::wait::until;

/// Far longer than a process takes to start or to end on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The same command, ended by the system if this process is killed and cannot end it.
fn bound_to_this_process(command: &Command) -> Command {
    let command = command.as_std();
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bound
}

/// A process and what it says. Dropping it kills it.
pub(crate) struct Actor {
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log its own words begin: those who were there before it wrote to the same file.
    began: u64,
}

impl Actor {
    /// Starts it; its words are appended to a file of its name.
    pub(crate) fn start(name: &str, command: Command, folder: &Path) -> Result<Self> {
        let mut command = bound_to_this_process(&command);
        let log = folder.join(format!("{name}.log"));
        let words = File::options().create(true).append(true).open(&log).context("its log")?;
        let began = words.metadata()?.len();
        command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name: name.to_owned(), child, log, began })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} has ended", self.name))?;
        let sent =
            std::process::Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status()?;
        if sent.success() { Ok(()) } else { bail!("{} takes no {signal}", self.name) }
    }

    /// Kills it as a power cut would, and sees it gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        use std::os::unix::process::ExitStatusExt;
        self.signal("KILL")?;
        let status = self.exit().await?;
        if status.signal() == Some(9) { Ok(()) } else { bail!("{} ended by itself: {status}", self.name) }
    }

    /// Waits until it ended.
    pub(crate) async fn exit(&mut self) -> Result<ExitStatus> {
        let exit = timeout(PATIENCE, self.child.wait()).await;
        Ok(exit.with_context(|| format!("{} does not end", self.name))??)
    }

    /// Whether it has ended without being asked.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops it where it is, and sees it stopped.
    pub(crate) async fn freeze(&self) -> Result<()> {
        self.signal("STOP")?;
        let frozen = || async { self.is_frozen().then_some(()) };
        until(PATIENCE, &format!("{} in state T", self.name), frozen).await
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// Whether the system shows it as stopped by a signal.
    pub(crate) fn is_frozen(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// How much was said so far: what is said later is found from here.
    pub(crate) fn mark(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |log| log.len())
    }

    /// What it said since its start.
    pub(crate) fn said(&self) -> String {
        self.said_since(self.began)
    }

    /// What it said since a mark.
    pub(crate) fn said_since(&self, mark: u64) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut log = File::open(&self.log)?;
            log.seek(SeekFrom::Start(mark))?;
            let mut words = Vec::new();
            log.read_to_end(&mut words)?;
            Ok(words)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// Waits until it says something, and returns the line.
    pub(crate) async fn says(&self, words: &str, since: u64) -> Result<String> {
        let line =
            || async { self.said_since(since).lines().find(|line| line.contains(words)).map(str::to_owned) };
        until(PATIENCE, &format!("{words:?} from {}", self.name), line).await
    }

    /// As [`Self::says`], counted from its start.
    pub(crate) async fn has_said(&self, words: &str) -> Result<String> {
        self.says(words, self.began).await
    }
}
