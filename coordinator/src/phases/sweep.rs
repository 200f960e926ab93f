//! What deleted tasks and abandoned plans left in the store, taken away page by page.

use tdferry_common::id::PlanId;
use tdferry_common::spec::TaskName;
use tdferry_common::task::TaskState;

use super::told;
use crate::shared::Core;
use crate::store::{StoreError, Swept, Versioned};
use crate::view::Mirror;

/// Between two looks, in heartbeats: nobody waits for it but a name that is to be used again.
const EVERY_HEARTBEATS: u32 = 2;

pub(super) async fn run(core: &Core) {
    loop {
        tokio::time::sleep(core.jittered(core.timing().heartbeat * EVERY_HEARTBEATS)).await;
        for task in core.view().swept_tasks() {
            told("sweep", sweep_task(core, &task).await);
        }
        for (task, plan, state) in core.view().read(dead_plans) {
            told("sweep", sweep_plan(core, &task, plan, &state).await);
        }
    }
}

/// Sweeps all that a deleted task left. A task that lives is left alone.
pub(crate) async fn sweep_task(core: &Core, task: &TaskName) -> Result<(), StoreError> {
    while core.store.sweep_task(task).await? == Swept::More {}
    Ok(())
}

async fn sweep_plan(
    core: &Core,
    task: &TaskName,
    plan: PlanId,
    state: &Versioned<TaskState>,
) -> Result<(), StoreError> {
    while core.store.sweep_plan(task, plan, state).await? == Swept::More {}
    Ok(())
}

type DeadPlan = (TaskName, PlanId, Versioned<TaskState>);

fn dead_plans(mirror: &Mirror) -> Vec<DeadPlan> {
    let of_task = |(name, task): (&TaskName, &crate::view::TaskEntry)| -> Vec<DeadPlan> {
        let plans = task.dead_plans().into_iter();
        task.state.iter().cloned().zip(plans).map(|(state, plan)| (name.clone(), plan, state)).collect()
    };
    mirror.tasks().flat_map(of_task).collect()
}
