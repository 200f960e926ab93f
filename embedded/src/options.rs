//! What an owner may choose.

use std::time::Duration;

/// How long superseded values and past events stay readable. etcd's advice for periodic compaction is
/// minutes: long enough for a watcher to come back, short enough that the file stays small.
const HISTORY: Duration = Duration::from_secs(600);

/// The choices of one server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Makes the ids of the store and of its leases, once, when the store is created.
    pub seed: u64,
    /// How much history is kept for watches and reads of old revisions.
    pub history: Duration,
}

impl Options {
    /// The defaults, with ids that follow from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, history: HISTORY }
    }
}
