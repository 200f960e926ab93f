//! The store's log: every revision from the first, watched from whichever member answers, so that nothing is sampled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use etcd_client::{EventType, WatchOptions, WatchStream};
use tdferry_coordinator::invariant::Written;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cast::Cast;
use crate::etcd::{Etcd, MEMBERS};
use crate::wait::until;

/// A member that says nothing for so long may be stopped, or cut off: another is asked.
const SILENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// How far behind the recorder may be on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const TASKS: &str = "/tdferry/v1/task/";

/// Records until it is dropped.
pub(crate) struct Recorder {
    kept: Arc<Mutex<Kept>>,
    _recording: JoinSet<()>,
}

#[derive(Default)]
struct Kept {
    revision: i64,
    /// What was written under each task.
    tasks: BTreeMap<String, Vec<Written>>,
    /// When keys outside of tasks were last written or deleted.
    members: BTreeMap<String, Member>,
    lost: Option<String>,
}

/// What became of a key that hangs on a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) lives: bool,
}

impl Recorder {
    pub(crate) fn start(etcd: Arc<Etcd>) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let mut recording = JoinSet::new();
        recording.spawn(record(etcd, Arc::clone(&kept)));
        Self { kept, _recording: recording }
    }

    fn read<T>(&self, read: impl FnOnce(&Kept) -> T) -> T {
        read(&self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Up to where everything is recorded.
    pub(crate) fn revision(&self) -> i64 {
        self.read(|kept| kept.revision)
    }

    /// Waits until everything that the store holds now is recorded.
    pub(crate) async fn caught_up(&self, cast: &Cast) -> Result<()> {
        let mut client = cast.etcd.any().await?;
        let now = client.get("/", None).await?.header().context("no header")?.revision();
        self.reached(now).await
    }

    /// Waits until everything up to a revision is recorded.
    pub(crate) async fn reached(&self, revision: i64) -> Result<()> {
        let recorded = || async { (self.revision() >= revision).then_some(()) };
        until(PATIENCE, &format!("revision {revision} recorded"), recorded).await
    }

    /// Everything that was written under a task.
    pub(crate) fn of(&self, task: &str) -> Result<Vec<Written>> {
        self.read(|kept| match &kept.lost {
            Some(lost) => bail!("{lost}"),
            None => Ok(kept.tasks.get(task).cloned().unwrap_or_default()),
        })
    }

    /// How many writes were recorded under a task.
    pub(crate) fn written(&self, task: &str) -> usize {
        self.read(|kept| kept.tasks.get(task).map_or(0, Vec::len))
    }

    /// Whether the last that was written of a shard's lease is that this epoch holds it.
    pub(crate) fn is_leased(&self, task: &str, shard: &str, epoch: i64) -> bool {
        let key = format!("{TASKS}{task}/lease/{shard}").into_bytes();
        let last = |log: &Vec<Written>| log.iter().rev().find(|written| written.key == key).cloned();
        let last = self.read(|kept| kept.tasks.get(task).and_then(last));
        last.is_some_and(|last| last.revision == epoch && last.value.is_some())
    }

    /// Whether somebody took the lease of a shard after this epoch.
    pub(crate) fn leased_after(&self, task: &str, shard: &str, epoch: i64) -> bool {
        let key = format!("{TASKS}{task}/lease/{shard}").into_bytes();
        let taken =
            |written: &Written| written.key == key && written.revision > epoch && written.value.is_some();
        self.read(|kept| kept.tasks.get(task).is_some_and(|log| log.iter().rev().any(taken)))
    }

    /// Forgets a task that was checked.
    pub(crate) fn forget(&self, task: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).tasks.remove(task);
    }

    /// What became of the record of a worker.
    pub(crate) fn worker(&self, id: &str) -> Option<Member> {
        self.read(|kept| kept.members.get(&format!("/tdferry/v1/worker/{id}")).copied())
    }
}

async fn record(etcd: Arc<Etcd>, kept: Arc<Mutex<Kept>>) {
    let mut member = 0;
    loop {
        if let Err(lost) = follow(&etcd, member, &kept).await {
            kept.lock().unwrap_or_else(PoisonError::into_inner).lost = Some(lost.to_string());
            return;
        }
        member = (member + 1) % MEMBERS;
        sleep(PAUSE).await;
    }
}

/// Follows one member while it speaks; an error is a part of the log that is gone.
async fn follow(etcd: &Etcd, member: usize, kept: &Mutex<Kept>) -> Result<()> {
    let from = kept.lock().unwrap_or_else(PoisonError::into_inner).revision + 1;
    let Ok(mut stream) = watch(etcd, member, from).await else { return Ok(()) };
    while let Ok(Ok(Some(answer))) = timeout(SILENCE, stream.message()).await {
        if answer.compact_revision() > 0 {
            bail!("the store forgot its log up to {} before {from} was recorded", answer.compact_revision());
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        for event in answer.events() {
            let Some(kv) = event.kv() else { continue };
            let value = (event.event_type() == EventType::Put).then(|| kv.value().to_vec());
            kept.keep(Written { revision: kv.mod_revision(), key: kv.key().to_vec(), value });
        }
    }
    Ok(())
}

async fn watch(etcd: &Etcd, member: usize, from: i64) -> Result<WatchStream> {
    let mut client = etcd.member(member).await?;
    // in pieces: what fills etcd is too much for one message
    let options = WatchOptions::new().with_start_revision(from).with_all_keys().with_fragment();
    Ok(timeout(SILENCE, client.watch("\0", Some(options))).await??)
}

impl Kept {
    fn keep(&mut self, written: Written) {
        self.revision = written.revision;
        let key = String::from_utf8_lossy(&written.key).into_owned();
        match key.strip_prefix(TASKS).and_then(|rest| rest.split_once('/')) {
            Some((task, _)) => self.tasks.entry(task.to_owned()).or_default().push(written),
            None => {
                let member = Member { lives: written.value.is_some() };
                self.members.insert(key, member);
            }
        }
    }
}
