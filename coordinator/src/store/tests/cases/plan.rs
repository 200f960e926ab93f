//! plan page and plan flip.

use tdferry_common::id::{GroupId, PlanId, ShardId};
use tdferry_common::shard::{Density, Range, Shard, ShardKind, ShardState};
use tdferry_common::task::{Phase, TaskState};
use tdferry_common::time::Period;

use crate::record::Group;
use crate::store::tests::env::{Env, PLAN, plan, shards, surveyed};
use crate::store::tests::faults::Fault;
use crate::store::{Committed, Flip, PlanPaged};

fn copy(n: u32) -> Shard {
    let (range, period) = (Range { from: 0, to: 1 }, Period { from: 0, to: 1 });
    Shard::planned(
        ShardId::copy(GroupId(n), 0),
        ShardKind::Copy(Density::Dense),
        Some(GroupId(n)),
        range,
        period,
    )
}

/// Scatters the bits of a number.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

pub(crate) async fn a_large_plan_is_written_in_pages(env: Env) {
    let survey = env.surveying().await;
    // names that hardly compress: 2 MB of groups
    let name = |n: u64| format!("{:016x}{:016x}", mix(n), mix(!n));
    let group = |id: u32| {
        let names = (0..2_500).map(|n| name(u64::from(id) * 2_500 + n)).collect();
        (GroupId(id), Group { stable: "s".into(), names }.encode().unwrap())
    };
    let groups: Vec<_> = (0..60).map(group).collect();
    assert!(groups.iter().map(|(_, packed)| packed.len()).sum::<usize>() > 2_000_000);
    let shards: Vec<_> = (0..1_300).map(copy).collect();
    let paged = env.a.plan_page(&survey.key, survey.fence, PLAN, &groups, &shards).await.unwrap();
    assert_eq!(paged, PlanPaged::Written);
    let listed = env.b.all_shards(&env.task, PLAN).await.unwrap();
    assert_eq!(listed.into_iter().map(|one| one.shard).collect::<Vec<_>>(), shards);
    for (id, packed) in &groups {
        let read = env.b.group(&env.task, PLAN, *id).await.unwrap().unwrap();
        assert_eq!(*read, Group::decode(packed).unwrap());
    }
    // listing across the groups' names neither fails nor misses a shard
    let listed = crate::view::list_once(&env.b).await.unwrap();
    assert_eq!(listed.task(&env.task).unwrap().shards(PLAN).count(), 1_300);
}

pub(crate) async fn a_plan_does_not_count_before_it_is_flipped(env: Env) {
    let survey = env.surveying().await;
    env.a.plan_page(&survey.key, survey.fence, PLAN, &[], &shards()).await.unwrap();
    let task = env.b.read_task(&env.task).await.unwrap().unwrap();
    assert_eq!((task.state.value.plan(), task.state.value.phase()), (PlanId::SURVEY, Some(Phase::Survey)));
    let flipped = env.a.plan_flip(&survey.key, survey.fence, plan(), surveyed(&survey)).await.unwrap();
    assert_eq!(flipped, Flip::Was(Committed::Done));
    let task = env.b.read_task(&env.task).await.unwrap().unwrap();
    assert_eq!(task.state.value, TaskState::Active { phase: Phase::Schema, planned: plan() });
    let survey = env.stored(PlanId::SURVEY, &ShardId::survey()).await;
    assert_eq!(survey.shard.state, ShardState::Done);
}

pub(crate) async fn a_survey_that_lost_its_lease_writes_nothing_more(env: Env) {
    let survey = env.surveying().await;
    env.b.release(&survey.key, None).await.unwrap();
    let paged = env.a.plan_page(&survey.key, survey.fence, PLAN, &[], &shards()).await.unwrap();
    assert_eq!(paged, PlanPaged::Fenced);
    assert_eq!(env.b.all_shards(&env.task, PLAN).await.unwrap(), []);
    let flipped = env.a.plan_flip(&survey.key, survey.fence, plan(), surveyed(&survey)).await.unwrap();
    assert_eq!(flipped, Flip::Was(Committed::Fenced));
    let heir = env.stored(PlanId::SURVEY, &ShardId::survey()).await;
    env.claim(&env.b, &heir, env.worker(2).await).await;
}

pub(crate) async fn a_flip_whose_answer_was_lost_is_done(env: Env) {
    let survey = env.surveying().await;
    env.plant(Fault::Passes); // the read of the state
    env.plant(Fault::AnswerLost);
    for store in [&env.a, &env.b] {
        let flipped = store.plan_flip(&survey.key, survey.fence, plan(), surveyed(&survey)).await.unwrap();
        assert!(matches!(flipped, Flip::Was(Committed::Done | Committed::Already)), "{flipped:?}");
    }
    let task = env.b.read_task(&env.task).await.unwrap().unwrap();
    assert_eq!(task.state.value.planned(), Some(&plan()));
}

pub(crate) async fn a_flip_of_a_deleted_task_is_fenced(env: Env) {
    let survey = env.surveying().await;
    env.b.delete_task(&env.task).await.unwrap();
    let paged = env.a.plan_page(&survey.key, survey.fence, PLAN, &[], &shards()).await.unwrap();
    assert_eq!(paged, PlanPaged::Fenced);
    let flipped = env.a.plan_flip(&survey.key, survey.fence, plan(), surveyed(&survey)).await.unwrap();
    assert_eq!(flipped, Flip::Was(Committed::Fenced));
}
