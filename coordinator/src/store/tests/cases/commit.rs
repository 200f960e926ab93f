//! commit and finish.

use tdferry_common::offset::Offset;
use tdferry_common::shard::{Checkpoint, IllegalTransition, Outcome, ShardState};

use crate::store::Committed;
use crate::store::tests::env::{Env, PLAN, after, finished};
use crate::store::tests::faults::Fault;

pub(crate) async fn a_commit_moves_the_record_and_forgets_the_claims(env: Env) {
    let held = env.held().await;
    let checkpoint = after(&held.shard, 10);
    assert_eq!(env.commit(&env.a, &held, checkpoint).await, Committed::Done);
    let now = env.stored(PLAN, &held.key.shard).await.shard;
    assert_eq!(now.checkpoint, Checkpoint { epoch: held.key.epoch, ..checkpoint });
    assert_eq!(now.claims, 0);
}

pub(crate) async fn a_commit_whose_answer_was_lost_counts_once(env: Env) {
    let held = env.held().await;
    let checkpoint = after(&held.shard, 10);
    for (fault, wanted) in [
        (Fault::AnswerLost, Committed::Already),
        (Fault::Twice, Committed::Already),
        (Fault::RequestLost, Committed::Already),
    ] {
        env.plant(fault);
        assert_eq!(env.commit(&env.a, &held, checkpoint).await, wanted);
    }
    assert_eq!(env.commit(&env.b, &held, checkpoint).await, Committed::Already);
    let now = env.stored(PLAN, &held.key.shard).await.shard;
    assert_eq!((now.checkpoint.seq, now.checkpoint.totals.read), (1, 10));
}

pub(crate) async fn a_late_duplicate_of_a_commit_changes_nothing(env: Env) {
    let held = env.held().await;
    let first = after(&held.shard, 10);
    env.plant(Fault::Late);
    assert_eq!(env.commit(&env.a, &held, first).await, Committed::Done);
    let mut shard = held.shard.clone();
    shard.checkpoint = first;
    assert_eq!(env.commit(&env.a, &held, after(&shard, 10)).await, Committed::Done);
    let before = env.stored(PLAN, &held.key.shard).await;
    env.deliver_late().await;
    assert_eq!(env.stored(PLAN, &held.key.shard).await, before);
}

pub(crate) async fn a_commit_after_the_session_ended_is_fenced(env: Env) {
    let shards = env.planned().await;
    let worker = env.worker(1).await;
    let held = env.claim(&env.a, &env.stored(PLAN, &shards[0]).await, worker).await;
    env.b.revoke(worker.session).await.unwrap();
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 10)).await, Committed::Fenced);
    assert_eq!(env.stored(PLAN, &shards[0]).await.shard.checkpoint.seq, 0);
}

pub(crate) async fn a_commit_after_the_fence_was_raised_is_fenced(env: Env) {
    let held = env.held().await;
    assert_eq!(env.b.raise_fence(&env.task).await.unwrap(), Some(2));
    for store in [&env.a, &env.b] {
        assert_eq!(env.commit(store, &held, after(&held.shard, 10)).await, Committed::Fenced);
    }
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.checkpoint.seq, 0);
}

pub(crate) async fn a_commit_of_an_earlier_epoch_is_fenced(env: Env) {
    let zombie = env.held().await;
    env.b.release(&zombie.key, None).await.unwrap();
    let heir = env.claim(&env.b, &env.stored(PLAN, &zombie.key.shard).await, env.worker(2).await).await;
    assert!(heir.key.epoch > zombie.key.epoch);
    assert_eq!(env.commit(&env.a, &zombie, after(&zombie.shard, 10)).await, Committed::Fenced);
    assert_eq!(env.commit(&env.b, &heir, after(&heir.shard, 5)).await, Committed::Done);
    assert_eq!(env.commit(&env.b, &zombie, after(&zombie.shard, 10)).await, Committed::Fenced);
    assert_eq!(env.stored(PLAN, &heir.key.shard).await.shard.checkpoint.epoch, heir.key.epoch);
}

pub(crate) async fn a_coordinator_that_saw_nothing_of_it_takes_the_commit(env: Env) {
    let held = env.held().await;
    let first = after(&held.shard, 10);
    assert_eq!(env.commit(&env.b, &held, first).await, Committed::Done);
    let mut shard = held.shard.clone();
    shard.checkpoint = first;
    // the mirror of `a` still shows the shard as it was claimed
    assert_eq!(env.commit(&env.a, &held, after(&shard, 10)).await, Committed::Done);
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.checkpoint.seq, 2);
}

pub(crate) async fn a_commit_that_does_not_follow_is_refused(env: Env) {
    let held = env.held().await;
    assert_eq!(env.commit(&env.a, &held, after(&held.shard, 10)).await, Committed::Done);
    let stored = env.stored(PLAN, &held.key.shard).await;
    let skips = Checkpoint { seq: 3, ..after(&stored.shard, 1) };
    let back = Checkpoint { offset: Offset { index: 0, next: 4 }, ..after(&stored.shard, 1) };
    let other = Checkpoint { sum: Some(1), ..stored.shard.checkpoint };
    for store in [&env.a, &env.b] {
        let refused = |committed| match committed {
            Committed::Refused(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(matches!(
            refused(env.commit(store, &held, skips).await),
            IllegalTransition::Seq { asked: 3, .. }
        ));
        assert!(matches!(refused(env.commit(store, &held, back).await), IllegalTransition::Offset { .. }));
        assert!(matches!(
            refused(env.commit(store, &held, other).await),
            IllegalTransition::Seq { asked: 1, .. }
        ));
    }
    assert_eq!(env.stored(PLAN, &held.key.shard).await, stored);
}

pub(crate) async fn a_finish_ends_shard_and_lease_at_once(env: Env) {
    let held = env.held().await;
    let before = env.a.revision().await.unwrap();
    assert_eq!(env.end(&env.a, &held, finished(&held.shard), Some(Outcome::Done)).await, Committed::Done);
    assert_eq!(env.a.revision().await.unwrap(), before + 1);
    let now = env.stored(PLAN, &held.key.shard).await.shard;
    assert_eq!(now.state, ShardState::Done);
    let other = env.worker(2).await;
    assert!(!matches!(
        env.try_claim(&env.b, &env.stored(PLAN, &now.id).await, other).await,
        crate::store::Claimed::Ours(_)
    ));
    assert_eq!(env.commit(&env.a, &held, after(&now, 0)).await, Committed::Fenced);
}

pub(crate) async fn a_finish_whose_answer_was_lost_is_done(env: Env) {
    let held = env.held().await;
    let last = finished(&held.shard);
    env.plant(Fault::AnswerLost);
    assert_eq!(env.end(&env.a, &held, last, Some(Outcome::Done)).await, Committed::Already);
    assert_eq!(env.end(&env.b, &held, last, Some(Outcome::Done)).await, Committed::Already);
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard.state, ShardState::Done);
}

pub(crate) async fn an_attempt_that_erred_leaves_the_shard_open_with_its_reason(env: Env) {
    let held = env.held().await;
    let erred = Outcome::Erred { reason: "sink is not reachable".into() };
    assert_eq!(env.end(&env.a, &held, after(&held.shard, 7), Some(erred)).await, Committed::Done);
    let now = env.stored(PLAN, &held.key.shard).await;
    assert_eq!((&now.shard.state, now.shard.claims), (&ShardState::Open, 1));
    assert_eq!(now.shard.last_error.as_deref(), Some("sink is not reachable"));
    let heir = env.claim(&env.b, &now, env.worker(2).await).await;
    assert_eq!(heir.shard.checkpoint.offset.next, 7);
    let failed = Outcome::Failed { reason: "no such column".into() };
    assert_eq!(env.end(&env.b, &heir, after(&heir.shard, 0), Some(failed)).await, Committed::Done);
    assert!(env.stored(PLAN, &held.key.shard).await.shard.is_terminal());
}

pub(crate) async fn a_shard_is_not_done_before_its_end_or_with_other_counts(env: Env) {
    let held = env.held().await;
    let early = after(&held.shard, 7);
    let mut short = finished(&held.shard);
    short.totals.target_counted -= 1;
    for checkpoint in [early, short] {
        let committed = env.end(&env.a, &held, checkpoint, Some(Outcome::Done)).await;
        assert!(matches!(committed, Committed::Refused(IllegalTransition::NotDone { .. })), "{committed:?}");
    }
    assert_eq!(env.stored(PLAN, &held.key.shard).await.shard, held.shard);
}
