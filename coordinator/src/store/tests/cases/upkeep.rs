//! The store itself: its id, sessions, damage, groups, upkeep, and the mirror.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::id::WorkerId;
use tdferry_common::task::Control;
use tokio::time::timeout;

use crate::keys;
use crate::record::{WorkerRecord, encode_shard};
use crate::sessions;
use crate::store::tests::env::{Env, GROUP, PLAN, after};
use crate::store::tests::faults::Fault;
use crate::store::{Beat, Claim, Store, StoreError};
use crate::view::{Change, Mirror, follow, list_once, watch_until_lost};

const SOON: Duration = Duration::from_secs(20);

fn worker(n: u64) -> WorkerRecord {
    WorkerRecord {
        worker: WorkerId(n),
        session: tdferry_common::id::SessionId(0),
        host: "h".into(),
        version: "0".into(),
        slots: 4,
        labels: BTreeMap::new(),
        draining: false,
        waiting: vec![],
        notices: vec![],
    }
}

pub(crate) async fn two_coordinators_find_the_same_store(env: Env) {
    assert_eq!(env.a.id(), env.b.id());
}

pub(crate) async fn a_session_lives_as_long_as_it_is_kept(env: Env) {
    let session = sessions::open(&env.a, worker(71)).await.unwrap();
    assert_eq!(env.b.keep_alive(session).await.unwrap(), Beat::Alive);
    let draining = WorkerRecord { session, draining: true, ..worker(71) };
    assert_eq!(sessions::beat(&env.a, &draining).await.unwrap(), Beat::Alive);
    assert!(list_once(&env.b).await.unwrap().worker(WorkerId(71)).is_some_and(|shown| shown.draining));
    sessions::close(&env.b, WorkerId(71), session).await.unwrap();
    assert!(list_once(&env.b).await.unwrap().worker(WorkerId(71)).is_none());
    assert_eq!(sessions::beat(&env.a, &draining).await.unwrap(), Beat::Gone);
    assert_eq!(env.a.put_worker(&draining).await.unwrap(), Beat::Gone);
    assert_eq!(env.a.revoke(session).await.unwrap(), Beat::Gone);
}

pub(crate) async fn a_grant_whose_answer_was_lost_is_one_session(env: Env) {
    let before = env.client().leases().await.unwrap().leases().len();
    env.a.wire().faults.lose_answer();
    let session = env.a.grant().await.unwrap();
    assert_eq!(env.client().leases().await.unwrap().leases().len(), before + 1);
    assert_eq!(env.b.keep_alive(session).await.unwrap(), Beat::Alive);
    // the same id drawn by another coordinator is not taken for its own
    let twin = Store::open(env.client(), *env.a.timing(), env.seed).await.unwrap();
    assert_ne!(twin.grant().await.unwrap(), session);
    env.a.wire().faults.lose_answer();
    assert_eq!(env.a.revoke(session).await.unwrap(), Beat::Gone);
}

pub(crate) async fn a_damaged_record_is_named_and_left_alone(env: Env) {
    let held = env.held().await;
    let key = keys::shard(&env.task, PLAN, &held.key.shard);
    let mut bytes = crate::record::encode_shard(&held.shard);
    bytes[20] ^= 4;
    env.client().put(key.clone(), bytes.clone(), None).await.unwrap();
    let commit = crate::store::Commit {
        key: &held.key,
        plan: PLAN,
        fence: held.fence,
        checkpoint: after(&held.shard, 1),
        outcome: None,
    };
    let refused = env.a.commit(commit).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Damaged { key: named, .. } if *named == key), "{refused:?}");
    assert!(matches!(env.b.all_shards(&env.task, PLAN).await, Err(StoreError::Damaged { .. })));
    let listed = list_once(&env.b).await.unwrap();
    assert!(listed.damaged().any(|(named, _)| named == key));
    let stored = env.client().get(key, None).await.unwrap();
    assert_eq!(stored.kvs()[0].value(), bytes);
    env.b.delete_task(&env.task).await.unwrap();
    while env.b.sweep_task(&env.task).await.unwrap() == crate::store::Swept::More {}
}

pub(crate) async fn names_of_a_group_are_read_on_demand(env: Env) {
    env.planned().await;
    let group = env.b.group(&env.task, PLAN, GROUP).await.unwrap().unwrap();
    assert_eq!(group.names, ["t0", "t1"]);
    let again = env.b.group(&env.task, PLAN, GROUP).await.unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&group, &again), "the second comes from the cache");
    assert_eq!(env.b.group(&env.task, PLAN, tdferry_common::id::GroupId(9)).await.unwrap(), None);
}

pub(crate) async fn the_store_tells_its_revision_its_size_and_no_alarm(env: Env) {
    let before = env.a.revision().await.unwrap();
    env.a.create_task(&env.task, "{}").await.unwrap();
    assert_eq!(env.b.revision().await.unwrap(), before + 1);
    env.a.compact(before).await.unwrap();
    env.b.compact(before).await.unwrap();
    let upkeep = env.a.upkeep().await.unwrap();
    assert_eq!(upkeep.alarms, []);
    assert!(upkeep.db_bytes >= 0 && upkeep.version.starts_with('3'), "{upkeep:?}");
}

/// What two mirrors must agree on.
fn shown(mirror: &Mirror) -> String {
    let mut shown = String::new();
    for (name, task) in mirror.tasks() {
        let shards: Vec<_> = task.current().collect();
        let leases: Vec<_> = task.leases().collect();
        shown +=
            &format!("{name} {:?} {:?} {:?} {shards:?} {leases:?}\n", task.state, task.control, task.fence);
    }
    let workers: Vec<_> = mirror.workers().collect();
    shown + &format!("{workers:?}")
}

/// Waits until the mirror of `a` shows what a fresh listing shows.
async fn catches_up(env: &Env) {
    let mut changed = env.a.view().changed();
    let caught_up = async {
        loop {
            changed.mark_unchanged();
            let listed = list_once(&env.b).await.unwrap();
            if env.a.view().read(shown) == shown(&listed) {
                return;
            }
            changed.changed().await.unwrap();
        }
    };
    timeout(SOON, caught_up).await.expect("the mirror catches up");
}

async fn some_changes(env: &Env, via: &Store) {
    let shards = env.b.all_shards(&env.task, PLAN).await.unwrap();
    let session = sessions::open(via, worker(72)).await.unwrap();
    let fence = env.fence().await;
    for (n, shard) in (0..).zip(&shards) {
        let claim = tdferry_common::id::ClaimId(n);
        via.claim(Claim { shard, fence, claim, worker: WorkerId(72), session }).await.unwrap();
    }
    via.set_control(&env.task, Control::Pause).await.unwrap();
}

pub(crate) async fn the_mirror_shows_what_the_store_holds(env: Env) {
    env.planned().await;
    tokio::select! {
        err = follow(&env.a) => panic!("{err}"),
        () = async {
            catches_up(&env).await;
            some_changes(&env, &env.b).await;
            catches_up(&env).await;
            env.plant(Fault::Passes); // the read before it
            env.plant(Fault::AnswerLost);
            env.a.set_control(&env.task, Control::Run).await.unwrap();
            let control = |mirror: &Mirror| mirror.task(&env.task).and_then(|task| task.control.clone());
            assert_eq!(env.a.view().read(control).unwrap().value, Control::Run, "own answers go in at once");
            env.b.delete_task(&env.task).await.unwrap();
            while env.b.sweep_task(&env.task).await.unwrap() == crate::store::Swept::More {}
            catches_up(&env).await;
            assert!(env.a.view().read(|mirror| mirror.task(&env.task).is_none()));
        } => {}
    }
}

pub(crate) async fn the_mirror_is_listed_anew_when_history_is_gone(env: Env) {
    env.planned().await;
    // a mirror that was filled long ago
    env.a.view().replace(list_once(&env.a).await.unwrap());
    some_changes(&env, &env.b).await;
    env.b.compact(env.b.revision().await.unwrap()).await.unwrap();
    timeout(SOON, watch_until_lost(&env.a)).await.expect("the watch tells that history is gone");
    tokio::select! {
        err = follow(&env.a) => panic!("{err}"),
        () = catches_up(&env) => {}
    }
    assert!(env.a.view().is_filled());
}

pub(crate) async fn a_watch_that_broke_within_a_revision_brings_the_rest_of_it(env: Env) {
    let shards = env.planned().await;
    env.a.view().replace(list_once(&env.a).await.unwrap());
    let worker = env.worker(1).await;
    env.claim(&env.b, &env.stored(PLAN, &shards[0]).await, worker).await;
    // of a claim's two records only the shard was heard of
    let shard = env.stored(PLAN, &shards[0]).await;
    let key = keys::shard(&env.task, PLAN, &shard.shard.id).into_bytes();
    let (value, changed) = (Some(encode_shard(&shard.shard)), shard.changed.0);
    env.a.view().take(&[Change { key, value, created: 0, changed }], changed);
    tokio::select! {
        () = watch_until_lost(&env.a) => panic!("the watch was lost"),
        () = catches_up(&env) => {}
    }
}
