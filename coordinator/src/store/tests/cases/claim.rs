//! claim.

use tdferry_common::id::ShardId;
use tdferry_common::shard::ShardState;
use tdferry_common::task::Control;

use crate::store::claim::MAX_CLAIMS;
use crate::store::tests::env::{Env, PLAN};
use crate::store::tests::faults::Fault;
use crate::store::{Claimed, Committed, LeaseEnded, Store, StoredShard};
use tdferry_common::lease::SeenLease;

async fn first(env: &Env) -> StoredShard {
    let shards = env.planned().await;
    env.stored(PLAN, &shards[0]).await
}

/// The one lease of a shard, as a coordinator without memory sees it.
async fn seen(env: &Env, shard: &ShardId) -> Option<SeenLease> {
    let fresh = Store::open(env.client(), *env.a.timing(), 77).await.unwrap();
    let listed = crate::view::list_once(&fresh).await.unwrap();
    listed.task(&env.task).and_then(|task| task.lease(shard).cloned())
}

pub(crate) async fn a_claim_takes_the_lease_and_counts_itself(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    let held = env.claim(&env.a, &shard, worker).await;
    let now = env.stored(PLAN, &shard.shard.id).await;
    assert_eq!((now.shard.claims, now.shard.clone()), (1, held.shard.clone()));
    let lease = seen(&env, &shard.shard.id).await.unwrap();
    assert_eq!((lease.key, lease.worker, lease.session), (held.key.clone(), worker.id, worker.session));
    assert_eq!(held.key.epoch.0, now.changed.0, "the epoch is the revision of the claim");
}

pub(crate) async fn a_claim_whose_answer_was_lost_is_ours(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    let fence = env.fence().await;
    assert_eq!(fence, 1);
    env.plant(Fault::AnswerLost);
    let held = env.claim(&env.a, &shard, worker).await;
    let lease = seen(&env, &shard.shard.id).await.unwrap();
    assert_eq!(lease.key, held.key);
    assert_eq!(env.stored(PLAN, &shard.shard.id).await.shard.claims, 1);
}

pub(crate) async fn a_claim_that_arrives_twice_is_ours_once(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    env.plant(Fault::Twice);
    let held = env.claim(&env.a, &shard, worker).await;
    assert_eq!(seen(&env, &shard.shard.id).await.unwrap().key, held.key);
    assert_eq!(held.shard.claims, 1);
}

pub(crate) async fn a_shard_that_is_held_is_taken(env: Env) {
    let shard = first(&env).await;
    env.claim(&env.a, &shard, env.worker(1).await).await;
    let (now, other) = (env.stored(PLAN, &shard.shard.id).await, env.worker(2).await);
    assert!(matches!(env.try_claim(&env.b, &now, other).await, Claimed::Taken));
    assert!(matches!(env.try_claim(&env.b, &shard, other).await, Claimed::Taken));
}

pub(crate) async fn a_shard_that_changed_since_it_was_read_is_stale(env: Env) {
    let shard = first(&env).await;
    let held = env.claim(&env.a, &shard, env.worker(1).await).await;
    env.a.release(&held.key, None).await.unwrap();
    assert!(matches!(env.try_claim(&env.b, &shard, env.worker(2).await).await, Claimed::Stale));
}

pub(crate) async fn a_paused_task_hands_out_nothing(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    for control in [Control::Pause, Control::Stop] {
        env.b.set_control(&env.task, control).await.unwrap();
        assert!(matches!(env.try_claim(&env.a, &shard, worker).await, Claimed::NotRunning));
    }
    env.b.set_control(&env.task, Control::Run).await.unwrap();
    env.claim(&env.a, &shard, worker).await;
}

pub(crate) async fn a_raised_fence_hides_what_was_read_before(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    env.b.raise_fence(&env.task).await.unwrap();
    let claim = tdferry_common::id::ClaimId(4);
    let old =
        crate::store::Claim { shard: &shard, fence: 1, claim, worker: worker.id, session: worker.session };
    assert!(matches!(env.a.claim(old).await.unwrap(), Claimed::Fenced));
    env.claim(&env.a, &shard, worker).await;
}

pub(crate) async fn a_session_that_is_over_gets_no_lease(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    env.a.revoke(worker.session).await.unwrap();
    assert!(matches!(env.try_claim(&env.a, &shard, worker).await, Claimed::SessionGone));
    assert_eq!(env.stored(PLAN, &shard.shard.id).await, shard, "nothing was written");
}

pub(crate) async fn a_shard_claimed_too_often_fails_alone(env: Env) {
    let id = first(&env).await.shard.id;
    for n in 0..MAX_CLAIMS {
        let held = env.claim(&env.a, &env.stored(PLAN, &id).await, env.worker(u64::from(n)).await).await;
        env.a.release(&held.key, None).await.unwrap();
    }
    let poison = env.stored(PLAN, &id).await;
    let worker = env.worker(99).await;
    env.plant(Fault::AnswerLost);
    assert!(matches!(env.try_claim(&env.a, &poison, worker).await, Claimed::Poisoned));
    let now = env.stored(PLAN, &id).await.shard;
    let ShardState::Failed { reason } = &now.state else { panic!("{now:?}") };
    assert!(reason.contains("5 times"), "{reason}");
    assert_eq!(seen(&env, &id).await, None);
}

pub(crate) async fn a_late_claim_is_found_as_an_orphan_and_ended(env: Env) {
    let shard = first(&env).await;
    let worker = env.worker(1).await;
    let fence = env.fence().await;
    env.b.set_control(&env.task, Control::Pause).await.unwrap();
    env.plant(Fault::Late);
    let claim = tdferry_common::id::ClaimId(4);
    let claim =
        crate::store::Claim { shard: &shard, fence, claim, worker: worker.id, session: worker.session };
    assert!(matches!(env.a.claim(claim).await.unwrap(), Claimed::NotRunning));
    env.b.set_control(&env.task, Control::Run).await.unwrap();
    env.deliver_late().await;
    let orphan = seen(&env, &shard.shard.id).await.unwrap();
    let now = env.stored(PLAN, &shard.shard.id).await;
    assert_eq!(env.b.delete_lease(&orphan, &now).await.unwrap(), LeaseEnded::Ended);
    let held = env.claim(&env.b, &now, env.worker(2).await).await;
    let checkpoint = crate::store::tests::env::after(&held.shard, 3);
    assert_eq!(env.commit(&env.a, &held, checkpoint).await, Committed::Done);
}
