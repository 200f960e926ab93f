//! What this worker holds, and what it was told to do about each of it.
//!
//! A directive reaches the lease's task through a watch channel; it only ever grows stricter. A cut stands beside it: it
//! is asked for, done, and may be asked for again. Being listed here is
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

/// Into what a shard is to be cut. Sent back as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOrder {
    pub(crate) children: u32,
    pub(crate) least_rows: u64,
}

/// All leases of a session.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<LeaseKey, Told>>>);

/// What was told about one lease.
struct Told {
    order: watch::Sender<Order>,
    cut: Cut,
    end: End,
}

/// Where a tail is to end, as last heard.
type End = Arc<Mutex<Option<i64>>>;

type Cut = Arc<Mutex<Option<CutOrder>>>;

/// One lease's place in [`Held`]; leaves it when dropped.
pub(crate) struct Holding {
    held: Held,
    key: LeaseKey,
    orders: Orders,
}

/// Sees what was ordered about one lease.
#[derive(Clone)]
pub(crate) struct Orders {
    order: watch::Receiver<Order>,
    cut: Cut,
    end: End,
}

impl Held {
    pub(crate) fn take(&self, key: LeaseKey) -> Holding {
        let (sender, receiver) = watch::channel(Order::Work);
        let (cut, end) = (Cut::default(), End::default());
        let told = Told { order: sender, cut: Arc::clone(&cut), end: Arc::clone(&end) };
        self.lock().insert(key.clone(), told);
        Holding { held: self.clone(), key, orders: Orders { order: receiver, cut, end } }
    }

    pub(crate) fn keys(&self) -> Vec<LeaseKey> {
        self.lock().keys().cloned().collect()
    }

    pub(crate) fn order(&self, key: &LeaseKey, order: Order) {
        if let Some(told) = self.lock().get(key) {
            raise(&told.order, order);
        }
    }

    /// Asks that a lease's shard be cut; the last word counts.
    pub(crate) fn order_cut(&self, key: &LeaseKey, order: CutOrder) {
        if let Some(told) = self.lock().get(key) {
            *lock(&told.cut) = Some(order);
        }
    }

    /// Tells where a tail ends; the last word counts.
    pub(crate) fn end_at(&self, key: &LeaseKey, end: i64) {
        if let Some(told) = self.lock().get(key) {
            *told.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        }
    }

    pub(crate) fn order_all(&self, order: Order) {
        self.lock().values().for_each(|told| raise(&told.order, order));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseKey, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(cut: &Cut) -> MutexGuard<'_, Option<CutOrder>> {
    cut.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Of who holds no lease: nobody orders anything.
    pub(crate) fn none() -> Self {
        Self { order: watch::channel(Order::Work).1, cut: Cut::default(), end: End::default() }
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.order.borrow() >= Order::Drain
    }

    /// Where a tail is to end, if that was heard.
    pub(crate) fn ends_at(&self) -> Option<i64> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a cut is asked for.
    pub(crate) fn is_to_be_cut(&self) -> bool {
        lock(&self.cut).is_some()
    }

    /// The cut that is asked for; it is then no more.
    pub(crate) fn take_cut(&self) -> Option<CutOrder> {
        lock(&self.cut).take()
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
        let mut receiver = self.order.clone();
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
    fn a_cut_is_asked_of_one_lease_and_taken_once() {
        let held = Held::default();
        let (one, two) = (held.take(key(1)), held.take(key(2)));
        let cut = CutOrder { children: 2, least_rows: 9 };
        held.order_cut(&key(1), cut);
        assert!(one.orders().is_to_be_cut() && !two.orders().is_to_be_cut());
        assert!(!one.orders().is_draining());
        assert_eq!(one.orders().take_cut(), Some(cut));
        assert_eq!((one.orders().take_cut(), one.orders().is_to_be_cut()), (None, false));
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
