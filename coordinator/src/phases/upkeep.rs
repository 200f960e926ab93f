//! What the store itself needs: history forgotten in time, alarms told to a person.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::told;
use crate::shared::Core;
use crate::store::{Alarm, StoreError};

/// An etcd that is not compacted is full within hours.
const EVERY: Duration = Duration::from_secs(300);
/// What a mirror that lost its watch may still catch up with.
const KEPT: Duration = Duration::from_secs(600);

pub(super) async fn run(core: &Core) {
    let mut revisions = VecDeque::new();
    loop {
        told("compaction", compact(core, &mut revisions).await);
        told("alarms", watch_alarms(core).await);
        tokio::time::sleep(core.jittered(EVERY)).await;
    }
}

/// Forgets what came before the newest revision that is old enough.
async fn compact(core: &Core, revisions: &mut VecDeque<(Instant, i64)>) -> Result<(), StoreError> {
    let now = core.clock.monotonic();
    revisions.push_back((now, core.store.revision().await?));
    let mut due = None;
    while let Some((_, revision)) = revisions.pop_front_if(|(seen, _)| now >= *seen + KEPT) {
        due = Some(revision);
    }
    match due {
        Some(revision) => core.store.compact(revision).await,
        None => Ok(()),
    }
}

async fn watch_alarms(core: &Core) -> Result<(), StoreError> {
    let upkeep = core.store.upkeep().await?;
    for alarm in &upkeep.alarms {
        match alarm {
            Alarm::NoSpace => tracing::error!(
                db_bytes = upkeep.db_bytes,
                "the store is full: compact and defragment etcd, then disarm its alarm; work waits and nothing is lost"
            ),
            Alarm::Corrupt => {
                tracing::error!("a member of the store is corrupt: restore it before anything else")
            }
        }
    }
    tracing::debug!(db_bytes = upkeep.db_bytes, version = %upkeep.version, "store looked after");
    Ok(())
}
