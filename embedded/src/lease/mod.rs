//! Leases: how long they live, which keys they hold, when they end. Time is an argument everywhere.
//! Deadlines are never stored: a restart gives each lease its full time again, as etcd does.

mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// etcd's shortest TTL in seconds: one and a half election timeouts of a second, rounded up.
const MIN_TTL: i64 = 2;
/// etcd's longest TTL in seconds; above it, adding to a clock could overflow there.
const MAX_TTL: i64 = 9_000_000_000;

/// The live leases.
#[derive(Debug)]
pub(crate) struct Leases {
    by_id: BTreeMap<i64, Lease>,
    deadlines: BTreeSet<(Instant, i64)>,
    seed: u64,
    granted: u64,
}

#[derive(Debug)]
struct Lease {
    ttl: i64,
    deadline: Instant,
    keys: BTreeSet<Bytes>,
}

/// What a client may ask about a lease.
#[derive(Debug)]
pub(crate) struct LeaseState {
    pub(crate) granted_ttl: i64,
    pub(crate) remaining: i64,
    pub(crate) keys: Vec<Bytes>,
}

impl Leases {
    /// No leases; ids that clients leave to us follow from `seed` and the number of grants so far,
    /// which is stored, so that an id is never given twice.
    pub(crate) fn new(seed: u64, granted: u64) -> Self {
        Self { by_id: BTreeMap::new(), deadlines: BTreeSet::new(), seed, granted }
    }

    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Grants a lease as etcd does: id 0 asks for a free one, a short TTL is raised. Returns id and TTL.
    pub(crate) fn grant(&mut self, id: i64, ttl: i64, now: Instant) -> Result<(i64, i64), Refusal> {
        let id = if id == 0 { self.next_id() } else { id };
        if ttl > MAX_TTL {
            return Err(Refusal::LeaseTtlTooLarge);
        }
        if self.by_id.contains_key(&id) {
            return Err(Refusal::LeaseExists);
        }
        let ttl = ttl.max(MIN_TTL);
        self.insert(id, ttl, now);
        Ok((id, ttl))
    }

    /// Puts a lease in place with its full time ahead of it.
    pub(crate) fn insert(&mut self, id: i64, ttl: i64, now: Instant) {
        let deadline = now + length(ttl);
        self.by_id.insert(id, Lease { ttl, deadline, keys: BTreeSet::new() });
        self.deadlines.insert((deadline, id));
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Gives the lease its full time again and returns it; `None` if there is no such lease.
    pub(crate) fn renew(&mut self, id: i64, now: Instant) -> Option<i64> {
        let lease = self.by_id.get_mut(&id)?;
        self.deadlines.remove(&(lease.deadline, id));
        lease.deadline = now + length(lease.ttl);
        self.deadlines.insert((lease.deadline, id));
        Some(lease.ttl)
    }

    /// After a time in which nobody could be heard, nobody may be declared dead.
    pub(crate) fn renew_all(&mut self, now: Instant) {
        self.deadlines.clear();
        for (id, lease) in &mut self.by_id {
            lease.deadline = now + length(lease.ttl);
            self.deadlines.insert((lease.deadline, *id));
        }
    }

    /// Takes the lease away and returns the keys it held, by name.
    pub(crate) fn remove(&mut self, id: i64) -> Option<BTreeSet<Bytes>> {
        let lease = self.by_id.remove(&id)?;
        self.deadlines.remove(&(lease.deadline, id));
        Some(lease.keys)
    }

    pub(crate) fn attach(&mut self, id: i64, key: Bytes) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.insert(key);
        }
    }

    pub(crate) fn detach(&mut self, id: i64, key: &Bytes) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.remove(key);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The lease that is due first, if one is due.
    pub(crate) fn due(&self, now: Instant) -> Option<i64> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }

    /// Ids, the one that ends first in front, as etcd lists them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = i64> {
        self.deadlines.iter().map(|(_, id)| *id)
    }

    pub(crate) fn state(&self, id: i64, now: Instant) -> Option<LeaseState> {
        let lease = self.by_id.get(&id)?;
        let remaining = lease.deadline.saturating_duration_since(now).as_secs();
        Some(LeaseState {
            granted_ttl: lease.ttl,
            remaining: i64::try_from(remaining).unwrap_or(i64::MAX),
            keys: lease.keys.iter().cloned().collect(),
        })
    }

    fn next_id(&mut self) -> i64 {
        loop {
            self.granted += 1;
            let id = i64::try_from(mix(self.seed.wrapping_add(self.granted)) >> 1).unwrap_or(0);
            if id != 0 && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

/// Spreads consecutive numbers over all 64 bits, without two of them meeting (splitmix64's finisher).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn length(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}
