//! One attempt at a shard: what all kinds of work share. How it asks databases is [`Asker`]'s.

use std::ops::Deref;
use std::sync::Arc;

use rand::rngs::SmallRng;
use tdferry_common::lease::HeldLease;
use tdferry_common::shard::{Shard, ShardKind};
use tdferry_common::spec::Spec;

use super::asker::{Asker, LookedAt, Means};
use super::claimed::Claimed;
use super::ledger::Ledger;
use crate::held::Orders;
use crate::session::Session;

/// One attempt at one shard.
pub(crate) struct Attempt {
    pub(crate) session: Arc<Session>,
    pub(crate) claimed: Claimed,
    pub(crate) ledger: Arc<Ledger>,
    orders: Orders,
    asker: Arc<Asker>,
}

/// An attempt asks by itself.
impl Deref for Attempt {
    type Target = Asker;

    fn deref(&self) -> &Asker {
        &self.asker
    }
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
        let asker = Asker::new(spec, looked_at(&claimed), means(&session), orders.clone(), rng);
        let asker = Arc::new(asker);
        Self { session, claimed, ledger, orders, asker }
    }

    /// The same attempt, gone on with what a cut left of its shard.
    pub(super) fn on(&self, shard: Shard) -> Self {
        let asker = Arc::new(self.asker.on(shard.range));
        let lease = HeldLease { shard, ..self.claimed.lease.clone() };
        Self {
            session: Arc::clone(&self.session),
            claimed: Claimed { lease, ..self.claimed.clone() },
            ledger: Arc::clone(&self.ledger),
            orders: self.orders.clone(),
            asker,
        }
    }

    /// Who asks in this attempt.
    pub(crate) fn asker(&self) -> Arc<Asker> {
        Arc::clone(&self.asker)
    }

    /// Whether to stop at the next good place, so that the shard can be cut there.
    pub(crate) fn is_to_be_cut(&self) -> bool {
        self.orders.is_to_be_cut()
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.claimed.lease.shard
    }

    /// Where a tail is to end, as last heard.
    pub(crate) fn ends_at(&self) -> i64 {
        self.orders.ends_at().unwrap_or_else(|| self.shard().period.to)
    }
}

fn looked_at(claimed: &Claimed) -> LookedAt {
    LookedAt {
        task: claimed.spec.clone(),
        stable: claimed.stable.clone(),
        names: Arc::clone(&claimed.names),
        range: claimed.lease.shard.range,
        may_go: claimed.lease.shard.kind == ShardKind::Tail,
    }
}

/// As a lease asks: a database that is away is waited for.
fn means(session: &Session) -> Means {
    Means {
        connector: Arc::clone(&session.connector),
        clock: session.clock.clone(),
        timing: session.timing,
        structures: session.structures.clone(),
        waiting: session.waiting.clone(),
        tries: None,
    }
}
