//! What this worker holds, and what it was told to do about each of it.
//!
//! A directive reaches the lease's task through a watch channel; it only ever grows stricter. Being listed here is
//! no proof of anything: a commit decides whether a lease still holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tdferry_common::lease::LeaseKey;
use tokio::sync::watch;

/// What to do about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    Work,
    /// Commit, then release.
    Drain,
    /// It is gone: drop everything.
    Abandon,
}

/// All leases of a session.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<LeaseKey, watch::Sender<Order>>>>);

/// One lease's place in [`Held`]; leaves it when dropped.
pub(crate) struct Holding {
    held: Held,
    key: LeaseKey,
    orders: Orders,
}

/// Sees what was ordered about one lease.
#[derive(Clone)]
pub(crate) struct Orders(watch::Receiver<Order>);

impl Held {
    pub(crate) fn take(&self, key: LeaseKey) -> Holding {
        let (sender, receiver) = watch::channel(Order::Work);
        self.lock().insert(key.clone(), sender);
        Holding { held: self.clone(), key, orders: Orders(receiver) }
    }

    pub(crate) fn keys(&self) -> Vec<LeaseKey> {
        self.lock().keys().cloned().collect()
    }

    pub(crate) fn order(&self, key: &LeaseKey, order: Order) {
        if let Some(sender) = self.lock().get(key) {
            raise(sender, order);
        }
    }

    pub(crate) fn order_all(&self, order: Order) {
        self.lock().values().for_each(|sender| raise(sender, order));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseKey, watch::Sender<Order>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise(sender: &watch::Sender<Order>, to: Order) {
    sender.send_if_modified(|order| {
        let raised = to > *order;
        *order = to.max(*order);
        raised
    });
}

impl Holding {
    pub(crate) fn orders(&self) -> Orders {
        self.orders.clone()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.key);
    }
}

impl Orders {
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow() >= Order::Drain
    }

    /// Returns once a drain, or worse, was ordered.
    pub(crate) async fn draining(&self) {
        self.reached(Order::Drain).await;
    }

    /// Returns once the lease is said to be gone.
    pub(crate) async fn abandoned(&self) {
        self.reached(Order::Abandon).await;
    }

    async fn reached(&self, wanted: Order) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|order| *order >= wanted).await.is_err() {
            // whoever held it is gone, and with it anyone who could order
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tdferry_common::id::{Epoch, ShardId};

    use super::*;

    fn key(epoch: i64) -> LeaseKey {
        LeaseKey { task: "t".parse().unwrap(), shard: ShardId::survey(), epoch: Epoch(epoch) }
    }

    #[test]
    fn a_lease_is_listed_until_its_holding_is_dropped() {
        let held = Held::default();
        let (one, two) = (held.take(key(1)), held.take(key(2)));
        assert_eq!(held.keys(), [key(1), key(2)]);
        drop(one);
        assert_eq!(held.keys(), [key(2)]);
        drop(two);
        assert!(held.keys().is_empty());
    }

    #[test]
    fn an_order_reaches_its_lease_alone_and_is_never_softened() {
        let held = Held::default();
        let (one, two) = (held.take(key(1)), held.take(key(2)));
        held.order(&key(1), Order::Abandon);
        held.order(&key(1), Order::Drain);
        assert!(one.orders().abandoned().now_or_never().is_some());
        assert!(!two.orders().is_draining());
        held.order_all(Order::Drain);
        assert!(two.orders().draining().now_or_never().is_some());
        assert!(two.orders().abandoned().now_or_never().is_none());
    }
}
