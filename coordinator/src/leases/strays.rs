//! Leases that their own worker does not list: the answer to the claim was lost. After two heartbeats they are orphans.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::id::SessionId;
use tdferry_common::lease::{LeaseKey, SeenLease};
use tokio::time::Instant;

/// Heartbeats in a row that must not list a lease: the first may have set out before the claim was answered.
const MISSES: u32 = 2;

/// Which leases were not listed, since when and how often.
#[derive(Debug, Default)]
pub(crate) struct Strays(Mutex<BTreeMap<LeaseKey, Missed>>);

#[derive(Debug, Clone, Copy)]
struct Missed {
    session: SessionId,
    since: Instant,
    times: u32,
}

impl Strays {
    /// Takes what a worker lists and what its session is seen to hold; gives back the orphans.
    ///
    /// A heartbeat that is sent twice does not count twice: half a heartbeat must have passed.
    pub(crate) fn observe(
        &self,
        session: SessionId,
        listed: &[LeaseKey],
        seen: Vec<SeenLease>,
        (now, heartbeat): (Instant, Duration),
    ) -> Vec<SeenLease> {
        let mut missed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unlisted = |lease: &SeenLease| !listed.contains(&lease.key);
        let strays: BTreeMap<LeaseKey, SeenLease> =
            seen.into_iter().filter(unlisted).map(|lease| (lease.key.clone(), lease)).collect();
        let outlived = |one: &Missed| now >= one.since + heartbeat * 16;
        missed.retain(|key, one| (one.session != session || strays.contains_key(key)) && !outlived(one));
        let mut orphans = Vec::new();
        for (key, lease) in strays {
            let one = missed.entry(key).or_insert(Missed { session, since: now, times: 0 });
            one.times += 1;
            if one.times >= MISSES && now >= one.since + heartbeat / 2 {
                orphans.push(lease);
            }
        }
        orphans
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::{Epoch, ShardId, WorkerId};

    use super::*;

    const BEAT: Duration = Duration::from_secs(5);
    const SESSION: SessionId = SessionId(9);

    fn lease(epoch: i64) -> SeenLease {
        let key = LeaseKey { task: "t".parse().unwrap(), shard: ShardId::survey(), epoch: Epoch(epoch) };
        SeenLease { key, worker: WorkerId(1), session: SESSION }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_an_orphan_after_two_heartbeats_that_do_not_list_it() {
        let (strays, start) = (Strays::default(), Instant::now());
        let beat =
            |at, listed: &[LeaseKey]| strays.observe(SESSION, listed, vec![lease(3)], (at, BEAT)).len();
        assert_eq!(beat(start, &[]), 0);
        assert_eq!(beat(start + BEAT / 100, &[]), 0, "the same heartbeat again");
        assert_eq!(beat(start + BEAT, &[lease(3).key]), 0, "it is known after all");
        assert_eq!(beat(start + BEAT * 2, &[]), 0);
        assert_eq!(beat(start + BEAT * 3, &[]), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_lease_of_the_same_shard_starts_anew() {
        let (strays, start) = (Strays::default(), Instant::now());
        assert_eq!(strays.observe(SESSION, &[], vec![lease(3)], (start, BEAT)).len(), 0);
        assert_eq!(strays.observe(SESSION, &[], vec![lease(4)], (start + BEAT, BEAT)).len(), 0);
    }
}
