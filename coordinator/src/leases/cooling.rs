//! A shard whose attempt erred is left alone for a while, so that five quick attempts do not make poison of what one
//! minute would have cured. Each coordinator remembers by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::id::ShardId;
use tdferry_common::spec::TaskName;
use tokio::time::Instant;

use crate::store::{Revision, StoredShard};

/// What was seen this many steps ago is forgotten; by then every wait is over.
const REMEMBERED_STEPS: u32 = 32;

/// When shards were first seen in the state they erred in.
#[derive(Debug, Default)]
pub(crate) struct Cooling(Mutex<BTreeMap<(TaskName, ShardId), (Revision, Instant)>>);

impl Cooling {
    /// Whether a shard may be claimed: at once, or after an error one step more for each claim in a row.
    pub(crate) fn may_be_tried(&self, shard: &StoredShard, now: Instant, step: Duration) -> bool {
        if shard.shard.claims == 0 || shard.shard.last_error.is_none() {
            return true;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (shard.task.clone(), shard.shard.id.clone());
        match seen.get(&at) {
            Some((changed, since)) if *changed == shard.changed => now >= *since + step * shard.shard.claims,
            _ => {
                seen.retain(|_, (_, since)| now < *since + step * REMEMBERED_STEPS);
                seen.insert(at, (shard.changed, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::PlanId;
    use tdferry_common::shard::{Range, Shard, ShardKind};
    use tdferry_common::time::Period;

    use super::*;

    const STEP: Duration = Duration::from_secs(5);

    fn erred(claims: u32, changed: i64) -> StoredShard {
        let period = Period { from: 0, to: 0 };
        let shard = Shard::planned(ShardId::survey(), ShardKind::Survey, None, Range::NONE, period);
        let shard = Shard { claims, last_error: Some("away".into()), ..shard };
        StoredShard { task: "t".parse().unwrap(), plan: PlanId::SURVEY, shard, changed: Revision(changed) }
    }

    #[tokio::test(start_paused = true)]
    async fn each_error_in_a_row_is_waited_for_longer() {
        let (cooling, start) = (Cooling::default(), Instant::now());
        assert!(!cooling.may_be_tried(&erred(1, 7), start, STEP));
        assert!(!cooling.may_be_tried(&erred(1, 7), start + STEP / 2, STEP));
        assert!(cooling.may_be_tried(&erred(1, 7), start + STEP, STEP));
        assert!(!cooling.may_be_tried(&erred(2, 9), start + STEP, STEP), "it erred again");
        assert!(!cooling.may_be_tried(&erred(2, 9), start + STEP * 2, STEP));
        assert!(cooling.may_be_tried(&erred(2, 9), start + STEP * 3, STEP));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_lost_its_worker_is_free_at_once() {
        let mut lost = erred(3, 1);
        lost.shard.last_error = None;
        assert!(Cooling::default().may_be_tried(&lost, Instant::now(), STEP));
    }
}
