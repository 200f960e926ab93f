//! The engine's loop: take what waits, apply it, make it durable, answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::call::{Queued, Turn};
use super::keeper::Keeper;
use super::{Shared, lock, stopped};
use crate::durable::Storage;
use crate::error::Error;

/// The most operations in one batch: the flush is paid once for all of them, and the first of them
/// waits for no more than this many to be applied.
const GROUP: usize = 128;

pub(super) struct Runner {
    waiting: mpsc::Receiver<Queued>,
    shared: Arc<Shared>,
    storage: Box<dyn Storage>,
    durable: watch::Sender<i64>,
    keeper: Keeper,
}

impl Runner {
    pub(super) fn new(
        waiting: mpsc::Receiver<Queued>,
        shared: Arc<Shared>,
        storage: Box<dyn Storage>,
        durable: watch::Sender<i64>,
        history: Duration,
    ) -> Self {
        let keeper = Keeper::new(history, &lock(&shared.state), Instant::now());
        Self { waiting, shared, storage, durable, keeper }
    }

    /// Runs until it is closed, every handle is gone, or the storage fails.
    pub(super) async fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let Some(group) = self.next_group().await else { break };
            let (mut calls, close) = sort_out(group);
            closing = close;
            if let Err(error) = self.turn(&mut calls).await {
                self.fail(&error, calls).await;
                return;
            }
            calls.into_iter().for_each(|call| call.answer(None));
        }
        self.waiting.close();
        self.storage.close().await;
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// What waits, at most a group of it; empty when only time has passed.
    async fn next_group(&mut self) -> Option<Vec<Queued>> {
        let wake = self.keeper.wake(&lock(&self.shared.state), Instant::now());
        let mut group = Vec::new();
        tokio::select! {
            biased;
            taken = self.waiting.recv_many(&mut group, GROUP) => (taken > 0).then_some(group),
            () = async { match wake { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => Some(group),
        }
    }

    async fn turn(&mut self, calls: &mut [Box<dyn Turn>]) -> Result<(), Error> {
        let (batch, revision) = {
            let now = Instant::now();
            let mut state = lock(&self.shared.state);
            self.keeper.look(&mut state, now);
            for call in calls {
                call.apply(&mut state, now);
            }
            self.keeper.trim(&mut state, now);
            (state.take_batch(), state.history.revision())
        };
        if batch.is_empty() {
            return Ok(());
        }
        self.storage.commit(batch).await?;
        self.shared.size.store(self.storage.size(), Ordering::Relaxed);
        self.durable.send_if_modified(|durable| std::mem::replace(durable, revision) != revision);
        Ok(())
    }

    /// The state in memory is ahead of what is stored, so nothing may be answered from it any more.
    async fn fail(mut self, error: &Error, calls: Vec<Box<dyn Turn>>) {
        tracing::error!(%error, "embedded store stopped");
        let _ = self.shared.failure.set(error.to_string());
        let status = stopped(&self.shared);
        calls.into_iter().for_each(|call| call.answer(Some(&status)));
        self.waiting.close();
        while let Some(queued) = self.waiting.recv().await {
            match queued {
                Queued::Call(call) => call.answer(Some(&status)),
                Queued::Close(done) => drop(done.send(())),
            }
        }
        self.storage.close().await;
    }
}

/// Calls queued behind a close are dropped, which tells their callers that the engine is gone.
fn sort_out(group: Vec<Queued>) -> (Vec<Box<dyn Turn>>, Option<oneshot::Sender<()>>) {
    let mut calls = Vec::with_capacity(group.len());
    for queued in group {
        match queued {
            Queued::Call(call) => calls.push(call),
            Queued::Close(done) => return (calls, Some(done)),
        }
    }
    (calls, None)
}
