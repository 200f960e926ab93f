//! release, stall, orphan, and what a session's end does.

use tdferry_common::id::SessionId;
use tdferry_common::lease::{HeldLease, SeenLease};

use crate::store::tests::env::{Env, PLAN, after};
use crate::store::tests::faults::Fault;
use crate::store::{Claimed, Committed, LeaseEnded};
use tdferry_common::id::WorkerId;

fn seen(held: &HeldLease) -> SeenLease {
    SeenLease { key: held.key.clone(), worker: WorkerId(1), session: SessionId(0) }
}

pub(crate) async fn a_release_frees_the_shard_and_may_be_repeated(env: Env) {
    let held = env.held().await;
    env.plant(Fault::AnswerLost);
    env.a.release(&held.key, None).await.unwrap();
    env.b.release(&held.key, None).await.unwrap();
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 1)).await, Committed::Fenced);
    env.claim(&env.b, &env.stored(PLAN, &held.key.shard).await, env.worker(2).await).await;
}

pub(crate) async fn a_claim_that_is_given_back_does_not_count_and_is_given_back_once(env: Env) {
    let held = env.held().await;
    let stored = env.stored(PLAN, &held.key.shard).await;
    assert_eq!(stored.shard.claims, 1);
    env.plant(Fault::AnswerLost);
    env.a.release(&held.key, Some(&stored)).await.unwrap();
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.claims, 0);
    let heir = env.claim(&env.b, &env.stored(PLAN, &held.key.shard).await, env.worker(2).await).await;
    env.b.release(&held.key, Some(&env.stored(PLAN, &held.key.shard).await)).await.unwrap();
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.claims, 1, "the next holder's claim stands");
    assert_eq!(env.commit(&env.b, &heir, after(&heir.shard, 1)).await, Committed::Done);
}

pub(crate) async fn what_is_given_back_by_an_old_look_is_free_all_the_same(env: Env) {
    let held = env.held().await;
    let old = env.stored(PLAN, &held.key.shard).await;
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 1)).await, Committed::Done);
    env.a.release(&held.key, Some(&old)).await.unwrap();
    let now = env.stored(PLAN, &held.key.shard).await;
    assert_eq!((now.shard.claims, now.shard.checkpoint.seq), (0, 1));
    env.claim(&env.b, &now, env.worker(2).await).await;
}

pub(crate) async fn a_late_release_leaves_the_next_holder_alone(env: Env) {
    let held = env.held().await;
    env.plant(Fault::Late);
    env.a.release(&held.key, None).await.unwrap();
    let heir = env.claim(&env.b, &env.stored(PLAN, &held.key.shard).await, env.worker(2).await).await;
    env.deliver_late().await;
    assert_eq!(env.commit(&env.b, &heir, after(&heir.shard, 1)).await, Committed::Done);
}

pub(crate) async fn a_stalled_lease_is_ended_and_its_shard_says_why(env: Env) {
    let held = env.held().await;
    let shard = env.stored(PLAN, &held.key.shard).await;
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.stall(&seen(&held), &shard, "it stood still".into()).await.unwrap(), LeaseEnded::Ended);
    let told = env.stored(PLAN, &held.key.shard).await;
    assert_eq!((told.shard.last_error.as_deref(), told.shard.claims), (Some("it stood still"), 1));
    assert_eq!(env.commit(&env.b, &held, after(&held.shard, 1)).await, Committed::Fenced);
    let heir = env.claim(&env.b, &told, env.worker(2).await).await;
    // whoever stalled one lease has nothing to say about the next
    assert_eq!(env.a.stall(&seen(&held), &shard, "again".into()).await.unwrap(), LeaseEnded::Ended);
    assert_eq!(env.commit(&env.b, &heir, after(&heir.shard, 1)).await, Committed::Done);
    let moved = env.a.stall(&seen(&heir), &told, "no".into()).await.unwrap();
    assert_eq!(moved, LeaseEnded::Alive, "its shard moved on");
}

pub(crate) async fn an_orphan_lease_is_ended(env: Env) {
    let held = env.held().await;
    let shard = env.stored(PLAN, &held.key.shard).await;
    env.plant(Fault::AnswerLost);
    assert_eq!(env.a.delete_lease(&seen(&held), &shard).await.unwrap(), LeaseEnded::Ended);
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 1)).await, Committed::Fenced);
    env.claim(&env.b, &shard, env.worker(2).await).await;
    // the lease that stands now is another one
    assert_eq!(env.a.delete_lease(&seen(&held), &shard).await.unwrap(), LeaseEnded::Ended);
    let now = env.stored(PLAN, &held.key.shard).await;
    assert!(matches!(env.try_claim(&env.b, &now, env.worker(3).await).await, Claimed::Taken));
}

pub(crate) async fn a_lease_whose_shard_moved_on_is_left_alone(env: Env) {
    let held = env.held().await;
    let shard = env.stored(PLAN, &held.key.shard).await;
    assert_eq!(env.commit(&env.b, &held, after(&held.shard, 1)).await, Committed::Done);
    assert_eq!(env.a.delete_lease(&seen(&held), &shard).await.unwrap(), LeaseEnded::Alive);
    let now = env.stored(PLAN, &held.key.shard).await;
    assert_eq!(env.commit(&env.a, &held, after(&now.shard, 1)).await, Committed::Done);
}

pub(crate) async fn the_end_of_a_session_frees_its_leases(env: Env) {
    let shards = env.planned().await;
    let worker = env.worker(1).await;
    for shard in &shards {
        env.claim(&env.a, &env.stored(PLAN, shard).await, worker).await;
    }
    env.b.revoke(worker.session).await.unwrap();
    for shard in &shards {
        let heir = env.claim(&env.a, &env.stored(PLAN, shard).await, env.worker(2).await).await;
        assert_eq!(heir.shard.claims, 2);
    }
}
