//! grow.

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::lease::HeldLease;
use tdferry_common::shard::{Density, Range, Shard, ShardKind};
use tdferry_common::task::TaskState;
use tdferry_common::time::Period;

use crate::record::Group;
use crate::store::tests::env::{Env, GROUP, PLAN, ROWS, TAIL_GROUP, after};
use crate::store::tests::faults::Fault;
use crate::store::{Committed, Grow, Versioned};

/// The tail goes on by ten units, and a subtable that it found is copied up to there.
fn grow<'a>(held: &'a HeldLease, state: &'a Versioned<TaskState>, group: GroupId) -> Grow<'a> {
    let found = Group { stable: "s".into(), names: vec!["found".into()] };
    let (kind, range) = (ShardKind::Copy(Density::Sparse), Range { from: 0, to: 1 });
    let period = Period { from: 0, to: ROWS + 10 };
    let copy = Shard::planned(ShardId::copy(group, 0), kind, Some(group), range, period);
    Grow {
        key: &held.key,
        plan: PLAN,
        state,
        fence: held.fence,
        checkpoint: after(&held.shard, 10),
        groups: vec![(group, found.encode().unwrap(), vec![copy])],
    }
}

async fn state(env: &Env) -> Versioned<TaskState> {
    env.b.read_task(&env.task).await.unwrap().unwrap().state
}

const NEXT: GroupId = GroupId(TAIL_GROUP.0 + 1);

async fn assert_grown(env: &Env, held: &HeldLease) {
    let tail = env.stored(PLAN, &held.key.shard).await.shard;
    assert_eq!((tail.checkpoint.seq, tail.checkpoint.offset.next), (1, ROWS + 10));
    assert_eq!(
        env.b.all_shards(&env.task, PLAN).await.unwrap().len(),
        4,
        "two, the tail, and the one that is new"
    );
    let copy = env.stored(PLAN, &ShardId::copy(NEXT, 0)).await;
    assert_eq!(copy.shard.period.to, tail.checkpoint.offset.next);
    let names = env.b.group(&env.task, PLAN, NEXT).await.unwrap().unwrap();
    assert_eq!(names.names, ["found"]);
    assert_eq!(
        env.commit(&env.a, held, after(&tail, 1)).await,
        Committed::Done,
        "the lease stays on the tail"
    );
    env.claim(&env.b, &copy, env.worker(5).await).await;
}

pub(crate) async fn a_growth_commits_and_adds_what_is_new(env: Env) {
    let held = env.following().await;
    let state = state(&env).await;
    assert_eq!(env.a.grow(&grow(&held, &state, NEXT)).await.unwrap(), Some(Committed::Done));
    let now = self::state(&env).await;
    assert_eq!(now.value, state.value);
    assert!(now.changed > state.changed, "who lists the shards must see that one was added");
    assert_grown(&env, &held).await;
}

pub(crate) async fn a_growth_whose_answer_was_lost_is_done_once(env: Env) {
    let held = env.following().await;
    let state = state(&env).await;
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.grow(&grow(&held, &state, NEXT)).await.unwrap(), Some(Committed::Already));
    // whoever repeats it sees the plan grown, and would number the group anew
    let again = grow(&held, &state, GroupId(NEXT.0 + 1));
    assert_eq!(env.b.grow(&again).await.unwrap(), Some(Committed::Already));
    assert_grown(&env, &held).await;
}

pub(crate) async fn a_growth_that_arrives_twice_is_done_once(env: Env) {
    let held = env.following().await;
    let state = state(&env).await;
    env.plant(Fault::Twice);
    let grown = env.a.grow(&grow(&held, &state, NEXT)).await.unwrap();
    assert!(matches!(grown, Some(Committed::Done | Committed::Already)), "{grown:?}");
    assert_grown(&env, &held).await;
}

pub(crate) async fn a_growth_without_the_lease_is_fenced_and_adds_nothing(env: Env) {
    let held = env.following().await;
    let state = state(&env).await;
    env.b.release(&held.key, None).await.unwrap();
    assert_eq!(env.a.grow(&grow(&held, &state, NEXT)).await.unwrap(), Some(Committed::Fenced));
    assert_eq!(env.b.all_shards(&env.task, PLAN).await.unwrap().len(), 3);
    assert_eq!(env.b.group(&env.task, PLAN, NEXT).await.unwrap(), None);
}

pub(crate) async fn a_growth_puts_no_group_over_another(env: Env) {
    let held = env.following().await;
    let state = state(&env).await;
    for taken in [GROUP, TAIL_GROUP] {
        assert_eq!(env.a.grow(&grow(&held, &state, taken)).await.unwrap(), None, "it is to be numbered anew");
    }
    let names = env.b.group(&env.task, PLAN, GROUP).await.unwrap().unwrap();
    assert_eq!(names.names, ["t0", "t1"]);
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.checkpoint.seq, 0, "nothing was committed");
    assert_eq!(env.a.grow(&grow(&held, &state, NEXT)).await.unwrap(), Some(Committed::Done));
    assert_grown(&env, &held).await;
}

/// Such as one in which the task is not being cut over yet: what is new would never end.
pub(crate) async fn a_growth_by_an_older_state_is_made_anew(env: Env) {
    let held = env.following().await;
    let older = state(&env).await;
    env.b.put_state(&env.task, &older, &older.value).await.unwrap();
    assert_eq!(env.a.grow(&grow(&held, &older, NEXT)).await.unwrap(), None);
    assert_eq!(env.b.group(&env.task, PLAN, NEXT).await.unwrap(), None);
    let newer = state(&env).await;
    assert_eq!(env.a.grow(&grow(&held, &newer, NEXT)).await.unwrap(), Some(Committed::Done));
}
