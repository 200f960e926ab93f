//! One attempt at a shard: what all kinds of work share. It asks databases, waits out those that are away, and
//! notices a drain between any two questions.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tdferry_common::lease::HeldLease;
use tdferry_common::options::RowFilter;
use tdferry_common::port::{PortError, PortResult, Side, Sink, Source};
use tdferry_common::retry::Backoff;
use tdferry_common::shard::Shard;
use tdferry_common::spec::Spec;
use tokio::time::timeout;

use super::claimed::Claimed;
use super::ended::{Ended, Worked};
use super::ledger::Ledger;
use crate::held::Orders;
use crate::mapping::{self, Mapping};
use crate::session::Session;
use crate::waiting::Wait;

/// The longest wait for a database that is away, in heartbeats: its return is noticed soon, and it is not pestered.
const LONGEST_WAIT_BEATS: u32 = 2;
/// How often a limit of time is doubled, so that a database that became slow is answered with patience.
const MOST_DOUBLINGS: u32 = 4;
/// Listing everything may take this much longer than one question: tables are described one by one.
const LISTING_LIMITS: u32 = 4;

/// One attempt at one shard.
pub(crate) struct Attempt {
    pub(crate) session: Arc<Session>,
    pub(crate) claimed: Claimed,
    pub(crate) spec: Spec,
    pub(crate) ledger: Arc<Ledger>,
    orders: Orders,
    rng: Mutex<SmallRng>,
}

impl Attempt {
    pub(super) fn new(
        session: Arc<Session>,
        claimed: Claimed,
        spec: Spec,
        orders: Orders,
        rng: SmallRng,
    ) -> Self {
        let ledger = Arc::new(Ledger::from_checkpoint(&claimed.lease.shard.checkpoint));
        Self { session, claimed, spec, ledger, orders, rng: Mutex::new(rng) }
    }

    /// The same attempt, gone on with what a cut left of its shard.
    pub(super) fn on(&self, shard: Shard) -> Self {
        let lease = HeldLease { shard, ..self.claimed.lease.clone() };
        let rng = SmallRng::from_rng(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner));
        Self {
            session: Arc::clone(&self.session),
            claimed: Claimed { lease, ..self.claimed.clone() },
            spec: self.spec.clone(),
            ledger: Arc::clone(&self.ledger),
            orders: self.orders.clone(),
            rng: Mutex::new(rng),
        }
    }

    /// Whether to stop at the next good place, so that the shard can be cut there.
    pub(crate) fn is_to_be_cut(&self) -> bool {
        self.orders.is_to_be_cut()
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.claimed.lease.shard
    }

    /// Ends the attempt where a drain was ordered.
    pub(crate) fn go_on(&self) -> Worked<()> {
        if self.orders.is_draining() { Err(Ended::Drained) } else { Ok(()) }
    }

    /// Where a tail is to end, as last heard.
    pub(crate) fn ends_at(&self) -> i64 {
        self.orders.ends_at().unwrap_or(self.shard().period.to)
    }

    /// Returns once a drain is ordered.
    pub(crate) async fn drained(&self) {
        self.orders.draining().await;
    }

    /// The task's source, as it is to be copied.
    pub(crate) async fn source(&self) -> Worked<Arc<dyn Source>> {
        let (connector, stable) = (self.session.connector.as_ref(), &self.claimed.stable);
        self.ask("opening the source", Side::Source, || mapping::source(connector, &self.spec, stable)).await
    }

    /// The task's sink, under the source's names.
    pub(crate) async fn sink(&self) -> Worked<Arc<dyn Sink>> {
        let (connector, stable) = (self.session.connector.as_ref(), &self.claimed.stable);
        self.ask("opening the sink", Side::Sink, || mapping::sink(connector, &self.spec, stable)).await
    }

    /// The task's sink under the target's own names.
    pub(crate) async fn target(&self) -> Worked<Arc<dyn Sink>> {
        let connector = self.session.connector.as_ref();
        self.ask("opening the sink", Side::Sink, || connector.sink(&self.spec)).await
    }

    /// The sink under the source's names, of which only rows are read and counted that these conditions take.
    pub(crate) async fn narrowed(&self, stable: &str, conditions: &RowFilter) -> Worked<Arc<dyn Sink>> {
        let connector = self.session.connector.as_ref();
        let open = || mapping::narrowed(connector, &self.spec, stable, conditions);
        self.ask("opening the sink", Side::Sink, open).await
    }

    /// What the target calls what the source has.
    pub(crate) fn mapping(&self) -> Mapping {
        Mapping::of(&self.spec)
    }

    /// Asks a database, however long it is away. Any other error ends the attempt; `doing` says in what.
    pub(crate) async fn ask<T, F>(&self, doing: &str, side: Side, question: impl Fn() -> F) -> Worked<T>
    where
        F: Future<Output = PortResult<T>>,
    {
        self.ask_within(self.session.timing.database_request, doing, side, question).await
    }

    /// The same, with the time that listing everything may take.
    pub(crate) async fn list<T, F>(&self, doing: &str, side: Side, question: impl Fn() -> F) -> Worked<T>
    where
        F: Future<Output = PortResult<T>>,
    {
        self.ask_within(self.listing_limit(), doing, side, question).await
    }

    /// How long a first try to list everything may take.
    pub(crate) fn listing_limit(&self) -> Duration {
        self.session.timing.database_request * LISTING_LIMITS
    }

    async fn ask_within<T, F>(
        &self,
        limit: Duration,
        doing: &str,
        side: Side,
        question: impl Fn() -> F,
    ) -> Worked<T>
    where
        F: Future<Output = PortResult<T>>,
    {
        let answer = self.outlast(|tries| within(limit, tries, side, question())).await?;
        answer.map_err(|error| Ended::at_database(&error, doing))
    }

    /// Tries until the database is there. `op` is told how many tries failed before.
    pub(crate) async fn outlast<T, F>(&self, op: impl Fn(u32) -> F) -> Worked<PortResult<T>>
    where
        F: Future<Output = PortResult<T>>,
    {
        let mut outage = self.outage();
        loop {
            self.go_on()?;
            match op(outage.failed()).await {
                Err(error) if error.is_away() => outage.wait(&error).await?,
                answer => return Ok(answer),
            }
        }
    }

    /// For whoever must try again in a way of his own.
    pub(crate) fn outage(&self) -> Outage<'_> {
        Outage { attempt: self, failed: 0, wait: None }
    }
}

/// A database that is away, perhaps: shown while it lasts, with ever longer waits.
pub(crate) struct Outage<'a> {
    attempt: &'a Attempt,
    failed: u32,
    wait: Option<(Side, Wait)>,
}

impl Outage<'_> {
    /// Tries that failed in a row.
    pub(crate) const fn failed(&self) -> u32 {
        self.failed
    }

    /// It is there.
    pub(crate) fn over(&mut self) {
        self.failed = 0;
        self.wait = None;
    }

    /// It is away: waits, and ends the attempt when a drain is ordered meanwhile.
    pub(crate) async fn wait(&mut self, error: &PortError) -> Worked<()> {
        let Attempt { session, spec, orders, rng, .. } = self.attempt;
        let side = error.side();
        if self.wait.as_ref().is_none_or(|(shown, _)| *shown != side) {
            tracing::warn!(%error, "waiting for a database");
            let wait = session.waiting.begin(&spec.name, side, session.clock.wall_millis());
            self.wait = Some((side, wait));
        }
        if let Some((_, wait)) = &self.wait {
            wait.saw(&error.to_string());
        }
        self.failed = self.failed.saturating_add(1);
        let beat = session.timing.heartbeat;
        let backoff = Backoff::endless(beat / 20, beat * LONGEST_WAIT_BEATS);
        let delay = backoff.delay(self.failed, &mut *rng.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::select! {
            biased;
            () = orders.draining() => Err(Ended::Drained),
            () = tokio::time::sleep(delay.unwrap_or(beat)) => Ok(()),
        }
    }
}

/// Bounds a question in time; no answer is an outage. The bound doubles with the tries that failed.
pub(crate) async fn within<T>(
    limit: Duration,
    tries: u32,
    side: Side,
    question: impl Future<Output = PortResult<T>>,
) -> PortResult<T> {
    let limit = limit.saturating_mul(1 << tries.min(MOST_DOUBLINGS));
    let late = |_| PortError::Away { side, message: format!("no answer within {limit:?}") };
    timeout(limit, question).await.map_err(late)?
}
