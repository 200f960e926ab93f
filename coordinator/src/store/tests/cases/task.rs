//! create, delete, phase and completion, retry, control.

use tdferry_common::id::PlanId;
use tdferry_common::shard::{Outcome, ShardState};
use tdferry_common::task::{Control, Phase, TaskEvent, TaskState};

use crate::planner::Recut;
use crate::store::tests::env::{Env, PLAN, after, plan, shards};
use crate::store::tests::faults::Fault;
use crate::store::{Committed, ControlSet, Created, Cut, Deleted, Retried, StatePut, Swept};

async fn sweep(env: &Env) {
    for _ in 0..20 {
        match env.b.sweep_task(&env.task).await.unwrap() {
            Swept::More => {}
            Swept::Done => return,
            Swept::Kept => panic!("a deleted task is swept"),
        }
    }
    panic!("sweeping does not end");
}

pub(crate) async fn a_task_is_created_once(env: Env) {
    assert_eq!(env.a.create_task(&env.task, "{}").await.unwrap(), Created::Created);
    assert_eq!(env.b.create_task(&env.task, "{}").await.unwrap(), Created::Exists);
    let task = env.b.read_task(&env.task).await.unwrap().unwrap();
    assert_eq!((task.spec.as_str(), task.state.value, task.fence), ("{}", TaskState::Surveying, 1));
    assert_eq!(task.control.value, Control::Run);
    assert_eq!(env.b.all_shards(&env.task, PlanId::SURVEY).await.unwrap().len(), 1);
}

pub(crate) async fn a_creation_whose_answer_was_lost_is_ours(env: Env) {
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.create_task(&env.task, "{}").await.unwrap(), Created::Created);
}

pub(crate) async fn a_deleted_task_fences_what_is_in_flight_and_is_swept(env: Env) {
    let held = env.held().await;
    assert_eq!(env.a.sweep_task(&env.task).await.unwrap(), Swept::Kept);
    env.plant(Fault::Passes); // the read before it
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.delete_task(&env.task).await.unwrap(), Deleted::Done);
    assert_eq!(env.b.delete_task(&env.task).await.unwrap(), Deleted::Done);
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 1)).await, Committed::Fenced);
    assert_eq!(env.a.set_control(&env.task, Control::Pause).await.unwrap(), ControlSet::NoTask);
    assert_eq!(env.a.raise_fence(&env.task).await.unwrap(), None);
    assert_eq!(env.a.create_task(&env.task, "{}").await.unwrap(), Created::StillSwept);
    sweep(&env).await;
    assert_eq!(env.a.delete_task(&env.task).await.unwrap(), Deleted::NoTask);
    assert_eq!(env.b.all_shards(&env.task, PLAN).await.unwrap(), []);
    assert_eq!(env.a.create_task(&env.task, "{}").await.unwrap(), Created::Created);
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 1)).await, Committed::Fenced);
}

pub(crate) async fn a_phase_ends_only_if_no_shard_was_added_meanwhile(env: Env) {
    let held = env.held().await;
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    let next = read.value.clone().next(done(Some(Phase::Copy))).unwrap();
    let cut = Cut {
        key: &held.key,
        plan: PLAN,
        fence: held.fence,
        checkpoint: after(&held.shard, 1),
        recut: Recut {
            range: held.shard.range,
            period: held.shard.period,
            estimate: held.shard.estimate,
            children: vec![],
        },
    };
    assert_eq!(env.b.cut(cut).await.unwrap(), Committed::Done);
    assert_eq!(env.a.put_state(&env.task, &read, &next).await.unwrap(), StatePut::Changed);
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    assert!(matches!(env.a.put_state(&env.task, &read, &next).await.unwrap(), StatePut::Done(_)));
    assert_eq!(env.b.read_task(&env.task).await.unwrap().unwrap().state.value, next);
}

fn done(next: Option<Phase>) -> TaskEvent {
    TaskEvent::PhaseDone { next, rejected: 0, at_millis: 4 }
}

pub(crate) async fn a_state_whose_answer_was_lost_is_stored(env: Env) {
    env.planned().await;
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    let next = read.value.clone().next(done(None)).unwrap();
    env.plant(Fault::AnswerLost);
    assert!(matches!(env.a.put_state(&env.task, &read, &next).await.unwrap(), StatePut::Done(_)));
    assert_eq!(env.b.put_state(&env.task, &read, &next).await.unwrap(), StatePut::Changed);
}

pub(crate) async fn failed_shards_are_opened_again_and_the_task_with_them(env: Env) {
    let held = env.held().await;
    let failed = Some(Outcome::Failed { reason: "no such column".into() });
    assert_eq!(env.end(&env.a, &held, after(&held.shard, 9), failed).await, Committed::Done);
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    let next =
        read.value.clone().next(TaskEvent::ShardsFailed { reason: "1 shard".into(), at_millis: 1 }).unwrap();
    env.a.put_state(&env.task, &read, &next).await.unwrap();
    let other = shards()[1].id.clone();
    assert_eq!(env.b.retry_shards(&env.task, Some(&other)).await.unwrap(), Retried::Opened(0));
    assert_eq!(env.b.retry_shards(&env.task, None).await.unwrap(), Retried::Opened(1));
    assert_eq!(env.b.retry_shards(&env.task, None).await.unwrap(), Retried::Opened(0));
    let task = env.a.read_task(&env.task).await.unwrap().unwrap().state.value;
    assert_eq!(task, TaskState::Active { phase: Phase::Schema, planned: plan() });
    let shard = env.stored(PLAN, &held.key.shard).await;
    assert_eq!((&shard.shard.state, shard.shard.checkpoint.offset.next), (&ShardState::Open, 9));
    env.claim(&env.a, &shard, env.worker(3).await).await;
}

pub(crate) async fn a_late_pause_does_not_undo_a_resume(env: Env) {
    env.planned().await;
    env.plant(Fault::Passes); // the read before it
    env.plant(Fault::Late);
    assert_eq!(env.a.set_control(&env.task, Control::Pause).await.unwrap(), ControlSet::Done);
    assert_eq!(env.b.set_control(&env.task, Control::Run).await.unwrap(), ControlSet::Done);
    env.deliver_late().await;
    assert_eq!(env.b.read_task(&env.task).await.unwrap().unwrap().control.value, Control::Run);
}

pub(crate) async fn only_plans_that_do_not_count_are_swept(env: Env) {
    let dead = PlanId(0x99);
    let survey = env.surveying().await;
    env.a.plan_page(&survey.key, survey.fence, dead, &[], &shards()).await.unwrap();
    env.a.plan_page(&survey.key, survey.fence, PLAN, &[], &shards()).await.unwrap();
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    assert_eq!(env.a.sweep_plan(&env.task, dead, &read).await.unwrap(), Swept::Kept, "it may yet count");
    env.a
        .plan_flip(&survey.key, survey.fence, plan(), crate::store::tests::env::surveyed(&survey))
        .await
        .unwrap();
    let read = env.a.read_task(&env.task).await.unwrap().unwrap().state;
    assert_eq!(env.a.sweep_plan(&env.task, PLAN, &read).await.unwrap(), Swept::Kept);
    assert_eq!(env.a.sweep_plan(&env.task, dead, &read).await.unwrap(), Swept::More);
    assert_eq!(env.a.sweep_plan(&env.task, dead, &read).await.unwrap(), Swept::Done);
    assert_eq!(env.b.all_shards(&env.task, dead).await.unwrap(), []);
    assert_eq!(env.b.all_shards(&env.task, PLAN).await.unwrap().len(), 2);
}
