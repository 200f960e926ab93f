//! Commits of one lease: the ledger's entries, one after the other, each repeated until it is answered.
//!
//! A commit that was sent keeps its number and its content until its fate is known; only then does the next follow.

use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::{Checkpoint, Outcome, Shard};
use tdferry_proto::status::ApiError;
use tdferry_proto::{BadMessage, v1};
use tokio::time::Instant;

use super::claimed::Claimed;
use super::ended::{Ended, Worked};
use super::ledger::{Entry, Growth, Ledger};
use crate::client::Client;
use crate::held::CutOrder;
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
    request: Request,
}

enum Request {
    Commit(v1::CommitRequest),
    Cut(v1::CutRequest),
    Grow(v1::GrowRequest),
}

/// What a coordinator answered, to either.
struct Answer {
    verdict: v1::Verdict,
    message: String,
    /// What the lease is on, after a cut.
    shard: Option<v1::Shard>,
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
        if ledger.committable().version == self.version {
            return Ok(());
        }
        match ledger.take_growth() {
            Some(growth) => self.grow(ledger, growth).await,
            None => self.send(ledger, None).await,
        }
    }

    /// Commits what the ledger holds, and has the plan grow with it.
    async fn grow(&mut self, ledger: &Ledger, growth: Growth) -> Worked<()> {
        let entry = ledger.committable();
        let checkpoint = self.following(&entry);
        let request = v1::GrowRequest {
            key: Some(self.key.clone().into()),
            fence: self.fence,
            checkpoint: Some(checkpoint.into()),
            names: growth.names,
            from: growth.from,
            stable: growth.stable,
        };
        self.in_flight =
            Some(InFlight { version: entry.version, checkpoint, request: Request::Grow(request) });
        self.resolve(ledger).await.map(drop)
    }

    /// Commits what the ledger holds, and with it how the lease ends.
    pub(super) async fn end(&mut self, ledger: &Ledger, outcome: Outcome) -> Worked<()> {
        self.resolve(ledger).await?;
        self.send(ledger, Some(outcome)).await
    }

    /// Commits what the ledger holds and has the shard cut there; what the lease is on then. `None` where the
    /// coordinator cannot cut: then nothing was committed either.
    pub(super) async fn cut(&mut self, ledger: &Ledger, order: CutOrder) -> Worked<Option<Shard>> {
        self.resolve(ledger).await?;
        let entry = ledger.committable();
        let checkpoint = self.following(&entry);
        let CutOrder { children, least_rows } = order;
        let request = v1::CutRequest {
            key: Some(self.key.clone().into()),
            fence: self.fence,
            checkpoint: Some(checkpoint.into()),
            order: Some(v1::CutOrder { children, least_rows }),
        };
        self.in_flight =
            Some(InFlight { version: entry.version, checkpoint, request: Request::Cut(request) });
        let shard = self.resolve(ledger).await?;
        let read = |bad: BadMessage| Ended::Erred(format!("what a cut left cannot be read: {bad}"));
        shard.map(|shard| Shard::try_from(shard).map_err(read)).transpose()
    }

    async fn send(&mut self, ledger: &Ledger, outcome: Option<Outcome>) -> Worked<()> {
        let entry = ledger.committable();
        let checkpoint = self.following(&entry);
        let (ending, reason) = outcome.map_or((v1::Ending::Unspecified, String::new()), v1::Ending::of);
        let request = v1::CommitRequest {
            key: Some(self.key.clone().into()),
            fence: self.fence,
            checkpoint: Some(checkpoint.into()),
            ending: ending.into(),
            reason,
        };
        self.in_flight =
            Some(InFlight { version: entry.version, checkpoint, request: Request::Commit(request) });
        self.resolve(ledger).await.map(drop)
    }

    /// The checkpoint after the last one committed.
    fn following(&self, entry: &Entry) -> Checkpoint {
        Checkpoint {
            epoch: self.key.epoch,
            seq: self.committed.seq + 1,
            offset: entry.offset,
            totals: entry.totals,
            sum: entry.sum,
        }
    }

    /// Repeats what is in flight until it is answered; what a cut left.
    async fn resolve(&mut self, ledger: &Ledger) -> Worked<Option<v1::Shard>> {
        let Some(InFlight { request, .. }) = &self.in_flight else { return Ok(None) };
        let answer = self.ask(request).await;
        let Some(sent) = self.in_flight.take() else { return Ok(None) };
        let answer = answer.map_err(|error| Ended::at_coordinator(&error))?;
        match answer.verdict {
            v1::Verdict::Unspecified if matches!(sent.request, Request::Cut(_)) => Ok(None),
            v1::Verdict::Committed => {
                self.committed = sent.checkpoint;
                self.version = sent.version;
                self.last = Instant::now();
                ledger.committed(sent.version);
                Ok(answer.shard)
            }
            v1::Verdict::Fenced => Err(Ended::Lost(format!("a commit was fenced: {}", answer.message))),
            v1::Verdict::Refused | v1::Verdict::Unspecified => {
                Err(Ended::Erred(format!("the coordinator refused a commit: {}", answer.message)))
            }
        }
    }

    async fn ask(&self, request: &Request) -> Result<Answer, ApiError> {
        Ok(match request {
            Request::Commit(request) => {
                let answer = self.client.commit(request.clone()).await?;
                Answer { verdict: answer.verdict(), message: answer.message, shard: None }
            }
            Request::Grow(request) => {
                let answer = self.client.grow(request.clone()).await?;
                Answer { verdict: answer.verdict(), message: answer.message, shard: None }
            }
            Request::Cut(request) => {
                let answer = self.client.cut(request.clone()).await?;
                Answer { verdict: answer.verdict(), message: answer.message, shard: answer.shard }
            }
        })
    }
}
