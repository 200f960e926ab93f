//! cut.

use tdferry_common::lease::HeldLease;
use tdferry_common::shard::Shard;
use tdferry_common::time::Period;

use crate::planner::Recut;
use crate::store::tests::env::{Env, PLAN, ROWS, after};
use crate::store::tests::faults::Fault;
use crate::store::{Committed, Cut};

/// The parent keeps what it has read, a child gets the rest of the period.
fn cut(held: &HeldLease) -> Cut<'_> {
    let shard = &held.shard;
    let child = Shard::planned(
        shard.id.child(0),
        shard.kind,
        shard.group,
        shard.range,
        Period { from: 60, to: ROWS },
    );
    Cut {
        key: &held.key,
        plan: PLAN,
        fence: held.fence,
        checkpoint: after(shard, 10),
        recut: Recut {
            range: shard.range,
            period: Period { from: 0, to: 60 },
            estimate: shard.estimate,
            children: vec![child],
        },
    }
}

async fn assert_cut(env: &Env, held: &HeldLease) {
    let parent = env.stored(PLAN, &held.key.shard).await.shard;
    assert_eq!((parent.period, parent.checkpoint.seq), (Period { from: 0, to: 60 }, 1));
    let child = env.stored(PLAN, &held.key.shard.child(0)).await;
    assert_eq!(child.shard.period, Period { from: 60, to: ROWS });
    assert_eq!(
        env.commit(&env.a, held, after(&parent, 1)).await,
        Committed::Done,
        "the lease stays on the parent"
    );
    env.claim(&env.b, &child, env.worker(5).await).await;
}

pub(crate) async fn a_cut_shrinks_the_parent_and_puts_the_children(env: Env) {
    let held = env.held().await;
    let before = env.b.read_task(&env.task).await.unwrap().unwrap().state;
    assert_eq!(env.a.cut(cut(&held)).await.unwrap(), Committed::Done);
    let now = env.b.read_task(&env.task).await.unwrap().unwrap().state;
    assert_eq!(now.value, before.value);
    assert!(now.changed > before.changed, "who completes the task must see that a shard was added");
    assert_cut(&env, &held).await;
}

pub(crate) async fn a_cut_whose_answer_was_lost_is_done(env: Env) {
    let held = env.held().await;
    env.plant(Fault::Passes); // the read of the state
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.cut(cut(&held)).await.unwrap(), Committed::Already);
    assert_eq!(env.b.cut(cut(&held)).await.unwrap(), Committed::Already);
    assert_cut(&env, &held).await;
}

pub(crate) async fn a_cut_without_the_lease_is_fenced(env: Env) {
    let held = env.held().await;
    env.b.release(&held.key, None).await.unwrap();
    assert_eq!(env.a.cut(cut(&held)).await.unwrap(), Committed::Fenced);
    assert_eq!(env.b.all_shards(&env.task, PLAN).await.unwrap().len(), 2);
}
