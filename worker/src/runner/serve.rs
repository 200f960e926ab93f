//! The loop of one session: claims into free slots, one task for each lease, until the session or the worker ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_common::lease::LeaseKey;
use tdferry_common::shard::ShardKind;
use tdferry_common::shutdown::StopToken;
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use super::Worker;
use crate::heartbeat;
use crate::held::Order;
use crate::lease::{self, Claimed};
use crate::session::Session;

/// Tails that one worker follows at once, besides its other leases: each asks little and mostly sleeps.
const TAIL_SLOTS: u32 = 64;

/// How a session ended.
pub(super) enum Served {
    /// The coordinator does not know it any more; nothing of it is held.
    Lost,
    /// All leases are given back.
    Drained,
    /// At once, leaving everything to expire.
    Aborted,
}

type Claim = Pin<Box<dyn Future<Output = Result<v1::ClaimResponse, ApiError>> + Send>>;

/// A claim under way is never dropped: its answer may bring leases.
enum Claiming {
    Rest {
        until: Instant,
    },
    /// `outdated` by a lease that ended meanwhile: what it opened may not be in the answer.
    Asked {
        claim: Claim,
        outdated: bool,
    },
}

impl Worker {
    pub(super) async fn serve(&mut self, session: &Arc<Session>, stop: &StopToken) -> Served {
        let mut beats = Box::pin(heartbeat::keep(session, self.slots, stop));
        let mut leases = Leases::default();
        let mut claiming = Claiming::Rest { until: Instant::now() };
        let mut draining = false;
        loop {
            if draining && leases.is_empty() && matches!(claiming, Claiming::Rest { .. }) {
                return Served::Drained;
            }
            let free = if draining { Free::default() } else { leases.free(self.slots) };
            tokio::select! {
                biased;
                () = stop.aborted() => return Served::Aborted,
                () = &mut beats => {
                    session.held.order_all(Order::Abandon);
                    leases.shutdown().await;
                    return Served::Lost;
                }
                () = stop.stopping(), if !draining => {
                    draining = true;
                    session.held.order_all(Order::Drain);
                }
                Some(ended) = leases.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a lease's task died; the lease is found as an orphan");
                    }
                    claiming.at_once();
                }
                answer = claiming.answer(session, free) => {
                    let taken = self.take(session, answer, &mut leases, draining);
                    let outdated = matches!(claiming, Claiming::Asked { outdated: true, .. });
                    let full = leases.free(self.slots).others == 0;
                    claiming = Claiming::Rest { until: self.next_claim(session, taken || outdated, full) };
                }
            }
        }
    }

    /// Starts a task for each lease of an answer, and tells whether there may be more to claim.
    fn take(
        &mut self,
        session: &Arc<Session>,
        answer: Result<v1::ClaimResponse, ApiError>,
        leases: &mut Leases,
        draining: bool,
    ) -> bool {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "nothing claimed");
                return false;
            }
        };
        let any = !answer.leases.is_empty();
        for claimed in answer.leases {
            let key = claimed.key.clone();
            match Claimed::try_from(claimed) {
                Ok(claimed) => self.start(session, claimed, leases, draining),
                Err(error) => {
                    tracing::error!(%error, "a lease that cannot be read is given back");
                    leases.others.spawn(give_back(Arc::clone(session), key));
                }
            }
        }
        any
    }

    fn start(&mut self, session: &Arc<Session>, claimed: Claimed, leases: &mut Leases, draining: bool) {
        let key = claimed.lease.key.clone();
        let span = tracing::info_span!("lease", task = %key.task, shard = %key.shard, epoch = %key.epoch, worker = %self.id);
        let holding = session.held.take(key.clone());
        if draining {
            session.held.order(&key, Order::Drain);
        }
        let rng = SmallRng::seed_from_u64(self.rng.random());
        leases
            .of(claimed.lease.shard.kind)
            .spawn(lease::work(Arc::clone(session), claimed, holding, rng).instrument(span));
    }

    /// At once where there may be more; else later, and not all workers at the same moment. One that is full waits for a
    /// slot, and asks for tails alone seldom.
    fn next_claim(&mut self, session: &Session, more: bool, full: bool) -> Instant {
        let wait = match (full, more) {
            (true, _) => session.timing.heartbeat,
            (false, true) => Duration::ZERO,
            (false, false) => session.timing.claim_poll,
        };
        Instant::now() + wait.mul_f64(self.rng.random_range(0.75..1.25))
    }
}

/// The leases at work, one task for each. Tails have slots of their own, so that they never starve copying.
#[derive(Default)]
struct Leases {
    others: JoinSet<()>,
    tails: JoinSet<()>,
}

/// Slots that nothing is at work in.
#[derive(Debug, Clone, Copy, Default)]
struct Free {
    others: u32,
    tails: u32,
}

impl Leases {
    fn of(&mut self, kind: ShardKind) -> &mut JoinSet<()> {
        match kind {
            ShardKind::Tail => &mut self.tails,
            _ => &mut self.others,
        }
    }

    fn free(&self, slots: u32) -> Free {
        let left = |slots: u32, leases: &JoinSet<()>| {
            slots.saturating_sub(u32::try_from(leases.len()).unwrap_or(u32::MAX))
        };
        Free { others: left(slots, &self.others), tails: left(TAIL_SLOTS, &self.tails) }
    }

    fn is_empty(&self) -> bool {
        self.others.is_empty() && self.tails.is_empty()
    }

    /// The next one that ends; `None` where none is at work.
    async fn join_next(&mut self) -> Option<Result<(), JoinError>> {
        tokio::select! {
            biased;
            Some(ended) = self.others.join_next() => Some(ended),
            Some(ended) = self.tails.join_next() => Some(ended),
            else => None,
        }
    }

    async fn shutdown(&mut self) {
        self.others.shutdown().await;
        self.tails.shutdown().await;
    }
}

impl Claiming {
    fn at_once(&mut self) {
        match self {
            Self::Rest { until } => *until = Instant::now(),
            Self::Asked { outdated, .. } => *outdated = true,
        }
    }

    /// Rests, asks, and returns what was answered. Safe to drop and call again.
    async fn answer(&mut self, session: &Arc<Session>, free: Free) -> Result<v1::ClaimResponse, ApiError> {
        loop {
            match self {
                Self::Asked { claim, .. } => return claim.await,
                Self::Rest { until } => {
                    sleep_until(*until).await;
                    if free.others == 0 && free.tails == 0 {
                        std::future::pending::<()>().await;
                    }
                    *self = Self::Asked { claim: ask(Arc::clone(session), free), outdated: false };
                }
            }
        }
    }
}

fn ask(session: Arc<Session>, free: Free) -> Claim {
    let Free { others: slots, tails: tail_slots } = free;
    let request = v1::ClaimRequest { session: session.id.0, worker: session.worker.0, slots, tail_slots };
    Box::pin(async move { session.client.claim(request).await })
}

async fn give_back(session: Arc<Session>, key: Option<v1::LeaseKey>) {
    let Some(Ok(key)) = key.map(LeaseKey::try_from) else { return };
    if let Err(error) = session.client.release(key).await {
        tracing::warn!(%error, "lease not released; it is found as an orphan");
    }
}
