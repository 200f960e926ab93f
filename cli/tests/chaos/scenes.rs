//! Faults that need a task, or a process, of their own, because they have an outcome of their own: what is dropped or
//! altered under the copy stops the task with words that name it, and a full disk stops `tdferry run`; once a person
//! put it right, everything arrives.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;
use tdferry_standin::MetersSeed;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::actor::{Actor, PATIENCE};
use crate::cast::{Cast, WORKERS};
use crate::round::{ask, create, show};
use crate::support::load::{Size, load};
use crate::support::process::{run_args, tdferry};
use crate::wait::{Patience, until};

/// Within which each step of a scene happens.
const STEP: Duration = Duration::from_secs(120);
/// What each request to the sink takes, so that things happen while rows flow.
const WRITE: Duration = Duration::from_millis(150);
/// Enough subtables to be altered half-way.
const SIZE: Size = Size { dense: 250, dense_rows: 60, sparse: 100, sparse_rows: 3 };
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Room for a store that has just begun.
const DISK: &str = "size=12m";
/// What a full disk is filled with, at a time.
const FILLING: usize = 4 * 1024;

/// How the program ends without a store.
const NO_STORE: i32 = 6;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scene {
    /// A subtable is gone after it was planned. Expected: the task fails and names it; back again, all is copied.
    SubtableDropped,
    /// A stable has one column more than when it was planned. Expected: the task fails and names the column; with
    /// the column on the target, all is copied.
    ColumnAdded,
    /// No room is left under the store of `tdferry run`. Expected: it ends and says so; with room, it goes on.
    DiskFull,
}

impl Scene {
    pub(crate) const ALL: [Self; 3] = [Self::DiskFull, Self::SubtableDropped, Self::ColumnAdded];

    /// Plays it; an error is an outcome that was not expected.
    pub(crate) async fn play(self, cast: &Cast, number: usize) -> Result<()> {
        let name = format!("scene{number}");
        println!("{name}: {self:?}");
        cast.servers.slow_target(WRITE);
        let played = match self {
            Self::SubtableDropped => subtable_dropped(cast, &name).await,
            Self::ColumnAdded => column_added(cast, &name).await,
            Self::DiskFull => disk_full(cast, &name).await,
        };
        cast.servers.quick_target();
        played.with_context(|| format!("{self:?}"))?;
        let compared = cast.servers.compare(&name, &name).await;
        ensure!(compared.is_equal(), "{self:?}: cells differ: {:#?}", compared.differences);
        let drop = format!("drop database {name}");
        cast.servers.target_standin().execute(&drop)?;
        cast.servers.source_standin().execute(&drop)?;
        Ok(())
    }
}

fn seed(cast: &Cast, database: &str) -> Result<()> {
    let meters = MetersSeed { database: database.to_owned(), ..MetersSeed::new(300, 300) };
    Ok(cast.servers.source_standin().seed_meters(&meters)?)
}

async fn shown(cast: &Cast, task: &str, what: &str, is: impl Fn(&Json) -> bool) -> Result<Json> {
    let mut patience = Patience::of(STEP);
    loop {
        let shown = show(cast, task).await?;
        if is(&shown) {
            return Ok(shown);
        }
        ensure!(patience.lasts(), "{task} is not {what} in time: {shown}");
        sleep(LOOK_EVERY).await;
    }
}

/// Fails with words that hold these.
async fn fails(cast: &Cast, task: &str, words: &str) -> Result<()> {
    let ended = shown(cast, task, "over", |task| task["terminal"] == true).await?;
    let reason = ended["reason"].to_string();
    ensure!(
        ended["state"] == "failed" && reason.contains(words),
        "it is {} because {reason}",
        ended["state"]
    );
    Ok(())
}

/// Opens what failed until all of it is copied: a worker that did not fail may know the structure of a minute ago.
async fn retried(cast: &Cast, task: &str) -> Result<()> {
    cast.servers.quick_target();
    let deadline = Instant::now() + STEP;
    loop {
        ask(cast, &["task", "retry", task]).await?;
        let ended = shown(cast, task, "over", |task| task["terminal"] == true).await?;
        if ended["state"] == "completed" {
            ask(cast, &["task", "delete", task, "--yes"]).await?;
            cast.recorder.forget(task);
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it still fails: {}", ended["reason"]);
    }
}

async fn subtable_dropped(cast: &Cast, task: &str) -> Result<()> {
    seed(cast, task)?;
    let source = cast.servers.source_standin();
    source.execute(&format!("create table {task}.doomed using {task}.meters tags (7, 'north')"))?;
    create(cast, task, "").await?;
    shown(cast, task, "planned", |task| !task["found"].is_null()).await?;
    source.execute(&format!("drop table {task}.doomed"))?;
    fails(cast, task, "doomed").await?;
    source.execute(&format!("create table {task}.doomed using {task}.meters tags (7, 'north')"))?;
    retried(cast, task).await
}

async fn column_added(cast: &Cast, task: &str) -> Result<()> {
    // stored rows: they have nothing in a column that came later
    load(&cast.servers.ask_source(), task, SIZE, 1).await;
    create(cast, task, "").await?;
    shown(cast, task, "copying", |task| task["progress"]["rows_written"].as_u64() > Some(0)).await?;
    let add = format!("alter table {task}.meters add column extra int");
    cast.servers.source_standin().execute(&add)?;
    // leases that began before know the columns that were; those that begin later look again
    for index in 0..WORKERS {
        let killed = cast.workers[index].process.lock().await.take();
        killed.context("it is dead")?.kill().await?;
        cast.start_worker(index).await?;
    }
    fails(cast, task, "extra").await?;
    cast.servers.target_standin().execute(&add)?;
    retried(cast, task).await
}

/// A disk of its own, seen by whoever enters the mount namespace of the process that holds it; it goes with that process.
struct Disk {
    holder: Actor,
    at: PathBuf,
}

impl Disk {
    async fn mount(cast: &Cast, name: &str) -> Result<Self> {
        let at = cast.folder.join(format!("{name}-disk"));
        std::fs::create_dir_all(&at)?;
        let mut command = Command::new("unshare");
        let script =
            format!("mount -t tmpfs -o {DISK} none '{}' && echo mounted && exec sleep 600", at.display());
        command.args(["--mount", "sh", "-c", &script]);
        let holder = Actor::start(&format!("{name}-disk-holder"), command, &cast.folder)?;
        holder.has_said("mounted").await.context("mounting a small disk needs root")?;
        Ok(Self { holder, at })
    }

    fn enter(&self, run: &[&str]) -> Result<Command> {
        let program = tdferry(run);
        let mut command = Command::new("nsenter");
        let pid = self.holder.pid().context("the disk is gone")?.to_string();
        command.args(["--target", &pid, "--mount"]).arg(program.as_std().get_program()).args(run);
        Ok(command)
    }

    /// The disk as seen from here.
    fn path(&self) -> Result<PathBuf> {
        let pid = self.holder.pid().context("the disk is gone")?;
        let inside = self.at.strip_prefix("/")?;
        Ok(Path::new("/proc").join(pid.to_string()).join("root").join(inside))
    }

    /// Leaves no room at all.
    fn fill(&self) -> Result<()> {
        let mut filling = File::create(self.path()?.join("filling"))?;
        while filling.write_all(&[7; FILLING]).is_ok() {}
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path()?.join("filling"))?)
    }
}

async fn disk_full(cast: &Cast, name: &str) -> Result<()> {
    seed(cast, name)?;
    let disk = Disk::mount(cast, name).await?;
    let (from, to) = (cast.servers.from(name), cast.servers.to(name));
    let state = disk.at.join("state");
    let args = run_args(&from, &to, &state, &["--slots", "4"]);
    let mut run = Actor::start(&format!("{name}-full"), disk.enter(&args)?, &cast.folder)?;
    let written = cast.servers.rows_written_to_target();
    let flows = || async { (cast.servers.rows_written_to_target() > written).then_some(()) };
    until(PATIENCE, "rows that flow", flows).await?;
    disk.fill()?;
    let Ok(ended) = timeout(STEP, run.exit()).await else { bail!("it neither ends nor goes on") };
    let (ended, said) = (ended?, run.said());
    ensure!(ended.code() == Some(NO_STORE), "without room it ended with {ended}");
    ensure!(said.contains("No space left"), "it ended with {ended} and did not say why: {said}");
    disk.free()?;
    cast.servers.quick_target();
    let mut run = Actor::start(&format!("{name}-freed"), disk.enter(&args)?, &cast.folder)?;
    let ended = timeout(STEP, run.exit()).await.context("with room it does not end")??;
    ensure!(ended.success(), "with room it ended with {ended}: {}", run.said());
    Ok(())
}
