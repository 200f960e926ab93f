//! Commits of one lease: the ledger's entries, one after the other, each repeated until it is answered.
//!
//! A commit that was sent keeps its number and its content until its fate is known; only then does the next follow.

use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Outcome};
use tdferry_proto::v1;
use tokio::time::Instant;

use super::claimed::Claimed;
use super::ended::{Ended, Worked};
use super::ledger::Ledger;
use crate::client::Client;
use crate::session::Session;

/// The one who commits for a lease.
pub(super) struct Committer {
    client: Client,
    interval: std::time::Duration,
    key: LeaseKey,
    fence: u64,
    committed: Checkpoint,
    version: u64,
    last: Instant,
    in_flight: Option<InFlight>,
}

/// A commit that was sent, perhaps more than once, and whose answer is not known.
struct InFlight {
    version: u64,
    checkpoint: Checkpoint,
    request: v1::CommitRequest,
}

impl Committer {
    pub(super) fn new(session: &Session, claimed: &Claimed) -> Self {
        Self {
            client: session.client.clone(),
            interval: session.timing.commit_interval,
            key: claimed.lease.key.clone(),
            fence: claimed.lease.fence,
            committed: claimed.lease.shard.checkpoint,
            version: 0,
            last: Instant::now(),
            in_flight: None,
        }
    }

    /// Commits whenever it is due, until the lease turns out to be lost. Safe to drop at any point and call again.
    pub(super) async fn keep(&mut self, ledger: &Ledger) -> Ended {
        loop {
            ledger.due(self.last, self.interval).await;
            if let Err(ended) = self.push(ledger).await {
                return ended;
            }
        }
    }

    /// Commits what the ledger holds now, if that is news.
    pub(super) async fn push(&mut self, ledger: &Ledger) -> Worked<()> {
        self.resolve(ledger).await?;
        if ledger.entry().version == self.version {
            return Ok(());
        }
        self.send(ledger, None).await
    }

    /// Commits what the ledger holds, and with it how the lease ends.
    pub(super) async fn end(&mut self, ledger: &Ledger, outcome: Outcome) -> Worked<()> {
        self.resolve(ledger).await?;
        self.send(ledger, Some(outcome)).await
    }

    async fn send(&mut self, ledger: &Ledger, outcome: Option<Outcome>) -> Worked<()> {
        let entry = ledger.entry();
        let checkpoint = Checkpoint {
            epoch: self.key.epoch,
            seq: self.committed.seq + 1,
            offset: entry.offset,
            totals: entry.totals,
            sum: self.committed.sum,
        };
        let (ending, reason) = outcome.map_or((v1::Ending::Unspecified, String::new()), v1::Ending::of);
        let request = v1::CommitRequest {
            key: Some(self.key.clone().into()),
            fence: self.fence,
            checkpoint: Some(checkpoint.into()),
            ending: ending.into(),
            reason,
        };
        self.in_flight = Some(InFlight { version: entry.version, checkpoint, request });
        self.resolve(ledger).await
    }

    async fn resolve(&mut self, ledger: &Ledger) -> Worked<()> {
        let Some(InFlight { request, .. }) = &self.in_flight else { return Ok(()) };
        let answer = self.client.commit(request.clone()).await;
        let Some(sent) = self.in_flight.take() else { return Ok(()) };
        let answer = answer.map_err(|error| Ended::at_coordinator(&error))?;
        match answer.verdict() {
            v1::Verdict::Committed => {
                self.committed = sent.checkpoint;
                self.version = sent.version;
                self.last = Instant::now();
                ledger.committed(sent.version);
                Ok(())
            }
            v1::Verdict::Fenced => Err(Ended::Lost(format!("a commit was fenced: {}", answer.message))),
            v1::Verdict::Refused | v1::Verdict::Unspecified => {
                Err(Ended::Erred(format!("the coordinator refused a commit: {}", answer.message)))
            }
        }
    }
}
