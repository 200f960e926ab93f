//! create: everything a new task consists of, if nothing of that name is left.

use tdferry_common::id::{PlanId, ShardId};
use tdferry_common::shard::{Range, Shard, ShardKind};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, TaskState};
use tdferry_common::time::Period;

use super::Store;
use super::error::StoreError;
use super::guarded::{Answer, Guarded};
use crate::keys;
use crate::record::{encode_control, encode_fence, encode_shard, encode_spec, encode_state};

/// The fence of a new task.
const FIRST_FENCE: u64 = 1;
/// A survey is of no stretch of time: it ends where it starts.
const NO_PERIOD: Period = Period { from: 0, to: 0 };

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the other two say why it was not")]
pub(crate) enum Created {
    /// The task is there, to be surveyed.
    Created,
    /// There is a task of that name.
    Exists,
    /// There was one, and it is not yet swept away: try again shortly.
    StillSwept,
}

impl Store {
    /// Stores a new task.
    pub(crate) async fn create_task(&self, task: &TaskName, spec_json: &str) -> Result<Created, StoreError> {
        let spec = encode_spec(spec_json);
        let survey = Shard::planned(ShardId::survey(), ShardKind::Survey, None, Range::NONE, NO_PERIOD);
        let txn = Guarded::new("create")
            .absent(&keys::spec(task))
            .absent(&keys::state(task))
            .absent(&keys::control(task))
            .absent(&keys::fence(task))
            .none_under(&keys::plans(task))
            .none_under(&keys::leases(task))
            .put(keys::spec(task), spec.clone())
            .put(keys::state(task), encode_state(&TaskState::Surveying))
            .put(keys::control(task), encode_control(Control::Run))
            .put(keys::fence(task), encode_fence(FIRST_FENCE))
            .put(keys::shard(task, PlanId::SURVEY, &survey.id), encode_shard(&survey))
            .otherwise_read(keys::state(task))
            .otherwise_read(keys::spec(task));
        let Answer::Lost { mut reads, repeated } = self.run(txn).await? else { return Ok(Created::Created) };
        let (found, state) = (reads.pop().flatten(), reads.pop().flatten());
        Ok(match (state, found) {
            (Some(_), Some(found)) if repeated && found.value == spec => Created::Created,
            (Some(_), _) => Created::Exists,
            (None, _) => Created::StillSwept,
        })
    }
}
