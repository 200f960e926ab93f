//! Asking both databases of a task: those that are away are waited out, and a drain is noticed between any two questions.
//!
//! An attempt asks by it under its lease; whoever only looks has no lease, and nobody orders him anything.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tdferry_common::clock::Clock;
use tdferry_common::options::RowFilter;
use tdferry_common::port::{Connector, PortError, PortResult, Side, Sink, Source};
use tdferry_common::retry::Backoff;
use tdferry_common::shard::Range;
use tdferry_common::spec::Spec;
use tdferry_common::timing::Timing;
use tokio::time::timeout;

use super::ended::{Ended, Worked};
use crate::held::Orders;
use crate::mapping::{self, Mapping};
use crate::structure::Structures;
use crate::waiting::{Wait, Waiting};

/// The longest wait for a database that is away, in heartbeats: its return is noticed soon, and it is not pestered.
const LONGEST_WAIT_BEATS: u32 = 2;
/// How often a limit of time is doubled, so that a database that became slow is answered with patience.
const MOST_DOUBLINGS: u32 = 4;
/// Listing everything may take this much longer than one question: tables are described one by one.
const LISTING_LIMITS: u32 = 4;

/// Some tables of one stable, or normal tables, that are looked at on both sides.
pub(crate) struct Asker {
    pub(crate) spec: Spec,
    pub(crate) looked_at: LookedAt,
    pub(crate) means: Means,
    orders: Orders,
    rng: Mutex<SmallRng>,
}

/// Which tables of which task.
#[derive(Debug, Clone)]
pub(crate) struct LookedAt {
    /// The task as stored: what was asked for one is kept for all who look at the same.
    pub(crate) task: String,
    /// Empty for normal tables, and where there is no group.
    pub(crate) stable: String,
    /// Of the group; the range picks from them.
    pub(crate) names: Arc<[String]>,
    pub(crate) range: Range,
    /// Normal tables that the source has no more are no error: what is followed may be dropped.
    pub(crate) may_go: bool,
}

/// The way to the databases, shared by all who ask in this process.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) clock: Clock,
    pub(crate) timing: Timing,
    pub(crate) structures: Structures,
    pub(crate) waiting: Waiting,
    /// Tries in a row after which a database that is away is given up; `None` where it is waited for.
    pub(crate) tries: Option<u32>,
}

impl LookedAt {
    /// All tables.
    pub(crate) fn names(&self) -> &[String] {
        let place = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        self.names.get(place(self.range.from)..place(self.range.to)).unwrap_or_default()
    }
}

impl Asker {
    pub(crate) fn new(spec: Spec, looked_at: LookedAt, means: Means, orders: Orders, rng: SmallRng) -> Self {
        Self { spec, looked_at, means, orders, rng: Mutex::new(rng) }
    }

    /// The same for other tables of the group.
    pub(super) fn on(&self, range: Range) -> Self {
        let rng = SmallRng::from_rng(&mut *self.rng.lock().unwrap_or_else(PoisonError::into_inner));
        let looked_at = LookedAt { range, ..self.looked_at.clone() };
        Self::new(self.spec.clone(), looked_at, self.means.clone(), self.orders.clone(), rng)
    }

    /// Returns once a drain is ordered.
    pub(crate) async fn drained(&self) {
        self.orders.draining().await;
    }

    /// Ends the attempt where a drain was ordered.
    pub(crate) fn go_on(&self) -> Worked<()> {
        if self.orders.is_draining() { Err(Ended::Drained) } else { Ok(()) }
    }

    /// The task's source, as it is to be copied.
    pub(crate) async fn source(&self) -> Worked<Arc<dyn Source>> {
        let (connector, stable) = (self.means.connector.as_ref(), &self.looked_at.stable);
        self.ask("opening the source", Side::Source, || mapping::source(connector, &self.spec, stable)).await
    }

    /// The task's sink, under the source's names.
    pub(crate) async fn sink(&self) -> Worked<Arc<dyn Sink>> {
        let (connector, stable) = (self.means.connector.as_ref(), &self.looked_at.stable);
        self.ask("opening the sink", Side::Sink, || mapping::sink(connector, &self.spec, stable)).await
    }

    /// The task's sink under the target's own names.
    pub(crate) async fn target(&self) -> Worked<Arc<dyn Sink>> {
        let connector = self.means.connector.as_ref();
        self.ask("opening the sink", Side::Sink, || connector.sink(&self.spec)).await
    }

    /// The sink under the source's names, of which only rows are read and counted that these conditions take.
    pub(crate) async fn narrowed(&self, stable: &str, conditions: &RowFilter) -> Worked<Arc<dyn Sink>> {
        let connector = self.means.connector.as_ref();
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
        self.ask_within(self.means.timing.database_request, doing, side, question).await
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
        self.means.timing.database_request * LISTING_LIMITS
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
        Outage { asker: self, failed: 0, wait: None }
    }
}

/// A database that is away, perhaps: shown while it lasts, with ever longer waits.
pub(crate) struct Outage<'a> {
    asker: &'a Asker,
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
        let Asker { means, spec, orders, rng, .. } = self.asker;
        let side = error.side();
        if self.wait.as_ref().is_none_or(|(shown, _)| *shown != side) {
            tracing::warn!(%error, "waiting for a database");
            let wait = means.waiting.begin(&spec.name, side, means.clock.wall_millis());
            self.wait = Some((side, wait));
        }
        if let Some((_, wait)) = &self.wait {
            wait.saw(&error.to_string());
        }
        self.failed = self.failed.saturating_add(1);
        if means.tries.is_some_and(|tries| self.failed >= tries) {
            return Err(Ended::Erred(error.to_string()));
        }
        let beat = means.timing.heartbeat;
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
