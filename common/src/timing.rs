//! Every duration of the protocol between worker, coordinator and store, derived from one heartbeat.
//!
//! Safety rests on none of these: a lease is fenced by its epoch. They decide how soon the rest goes on.

use std::time::Duration;

use tokio::time::Instant;

/// How often a worker reports, unless the operator says otherwise.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(5);
/// Below it the scheduler's own delays would look like death.
pub const MIN_HEARTBEAT: Duration = Duration::from_millis(50);
/// Above it a dead worker's shards would lie idle for half an hour.
pub const MAX_HEARTBEAT: Duration = Duration::from_secs(300);
/// etcd raises any shorter lease to two seconds.
pub const MIN_SESSION_TTL: Duration = Duration::from_secs(2);

/// Heartbeats a session outlives: enough for an election of etcd's leader (about 4 s) and a few lost packets.
const TTL_HEARTBEATS: u32 = 6;
/// Batches at the usual pace without a commit after which a session that lives is held to be stuck.
const STALL_BATCHES: u32 = 20;
/// Commits fall due this much oftener than heartbeats.
const COMMITS_PER_HEARTBEAT: u32 = 5;

/// All durations of one deployment. Coordinators and workers of a cluster must agree on the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often a worker tells what it holds.
    pub heartbeat: Duration,
    /// How long the store keeps a session that is not heard of.
    pub session_ttl: Duration,
    /// One request to the store.
    pub store_request: Duration,
    /// One write to the target; when it runs out the outcome is unknown and the batch is written again.
    pub sink_write: Duration,
    /// One question to a source or a sink that is no write: a listing, a count, the first row of a read.
    pub database_request: Duration,
    /// How often a worker that copies commits.
    pub commit_interval: Duration,
    /// How long a worker waits before it asks again when there was nothing to claim.
    pub claim_poll: Duration,
    /// How long ground whose rows still change lies idle after its last holder was lost.
    pub handover_grace: Duration,
    /// How long a worker that stops may finish what it holds before it releases it.
    pub drain_grace: Duration,
    /// The least time without a commit that counts as a stall.
    pub stall_floor: Duration,
    /// Room between the last write a worker may start and the end of its session.
    pub write_margin: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self::from_heartbeat(DEFAULT_HEARTBEAT)
    }
}

impl Timing {
    /// All durations in the proportions of the default; a heartbeat out of bounds is moved to the nearest bound.
    pub fn from_heartbeat(heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        let session_ttl = (heartbeat * TTL_HEARTBEATS).max(MIN_SESSION_TTL);
        let sink_write = session_ttl / 3;
        Self {
            heartbeat,
            session_ttl,
            store_request: session_ttl / 10,
            sink_write,
            database_request: session_ttl,
            commit_interval: heartbeat / COMMITS_PER_HEARTBEAT,
            claim_poll: heartbeat / 5,
            handover_grace: session_ttl + sink_write,
            drain_grace: heartbeat * 2,
            stall_floor: session_ttl * 20,
            write_margin: session_ttl / 30,
        }
    }

    /// After this moment a worker starts no write: its session may be over before the write is.
    /// It saves work only; a late write is fenced at its commit.
    pub fn write_deadline(&self, last_good_heartbeat: Instant) -> Instant {
        last_good_heartbeat + (self.session_ttl - self.sink_write - self.write_margin)
    }

    /// How long a live session may go without a commit, given the median time of its batches.
    pub fn stall_after(&self, median_batch: Duration) -> Duration {
        self.stall_floor.max(median_batch.saturating_mul(STALL_BATCHES))
    }

    /// By when another worker with a free slot holds what a killed one held (promise L2), the store's leader unchanged.
    pub fn takeover_bound(&self) -> Duration {
        self.session_ttl + self.heartbeat + Duration::from_secs(2)
    }

    /// The session's time to live as the store takes it: whole seconds, rounded up.
    pub fn session_ttl_seconds(&self) -> i64 {
        let whole = self.session_ttl.as_secs() + u64::from(self.session_ttl.subsec_nanos() > 0);
        i64::try_from(whole).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_is_what_the_documents_promise() {
        let timing = Timing::default();
        let seconds = |s| Duration::from_secs(s);
        assert_eq!(timing.heartbeat, seconds(5));
        assert_eq!(timing.session_ttl, seconds(30));
        assert_eq!(timing.store_request, seconds(3));
        assert_eq!(timing.sink_write, seconds(10));
        assert_eq!(timing.commit_interval, seconds(1));
        assert_eq!(timing.handover_grace, seconds(40));
        assert_eq!(timing.write_margin, seconds(1));
        assert_eq!(timing.stall_after(Duration::ZERO), seconds(600));
        assert_eq!(timing.stall_after(seconds(60)), seconds(1200));
        assert_eq!(timing.takeover_bound(), seconds(37));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_write_may_start_nineteen_seconds_after_the_last_good_heartbeat() {
        let heard = Instant::now();
        assert_eq!(Timing::default().write_deadline(heard), heard + Duration::from_secs(19));
    }

    proptest! {
        #[test]
        fn any_heartbeat_gives_a_timing_that_holds_together(millis in 0u64..1_000_000) {
            let timing = Timing::from_heartbeat(Duration::from_millis(millis));
            prop_assert!(timing.session_ttl >= MIN_SESSION_TTL);
            prop_assert!(timing.session_ttl >= timing.heartbeat * TTL_HEARTBEATS);
            prop_assert!(timing.heartbeat + timing.store_request < timing.session_ttl);
            prop_assert!(timing.sink_write + timing.write_margin < timing.session_ttl);
            prop_assert!(timing.handover_grace >= timing.session_ttl + timing.sink_write);
            prop_assert!(timing.commit_interval > Duration::ZERO && timing.claim_poll > Duration::ZERO);
            let stored = Duration::from_secs(u64::try_from(timing.session_ttl_seconds()).unwrap());
            prop_assert!(stored >= timing.session_ttl && stored < timing.session_ttl + Duration::from_secs(1));
        }
    }
}
