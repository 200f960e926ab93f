//! drain and rebalance.

use tdferry_common::id::WorkerId;

use crate::record::{Drains, Rebalance};
use crate::store::Store;
use crate::store::tests::env::Env;
use crate::store::tests::faults::Fault;
use crate::view::list_once;

async fn drains(store: &Store) -> Drains {
    list_once(store).await.unwrap().drains().clone()
}

pub(crate) async fn two_operators_who_drain_at_once_are_both_heard(env: Env) {
    let add = |worker| {
        move |drains: &mut Drains| {
            drains.workers.insert(WorkerId(worker));
        }
    };
    env.a.change_drains(add(1)).await.unwrap();
    // the read, and then the change whose answer is lost
    env.plant(Fault::Passes);
    env.plant(Fault::AnswerLost);
    let (one, other) = tokio::join!(env.a.change_drains(add(2)), env.b.change_drains(add(3)));
    one.and(other).unwrap();
    let all = drains(&env.b).await.workers;
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [WorkerId(1), WorkerId(2), WorkerId(3)]);
    env.b.change_drains(|drains| *drains = Drains::default()).await.unwrap();
    assert_eq!(drains(&env.a).await, Drains::default());
}

pub(crate) async fn a_wish_to_rebalance_vanishes_with_its_session(env: Env) {
    env.planned().await;
    env.a.ask_rebalance(&env.task, Rebalance { asked_millis: 5 }).await.unwrap();
    let asked = |mirror: &crate::view::Mirror| mirror.is_to_be_rebalanced(&env.task);
    assert!(asked(&list_once(&env.b).await.unwrap()));
    let key = crate::keys::rebalance(&env.task);
    let found = env.client().get(key, None).await.unwrap();
    let session = found.kvs()[0].lease();
    assert!(session != 0, "nobody sweeps it");
    env.b.revoke(tdferry_common::id::SessionId(session)).await.unwrap();
    assert!(!asked(&list_once(&env.b).await.unwrap()));
    let none = "no-such-task".parse().unwrap();
    env.a.ask_rebalance(&none, Rebalance { asked_millis: 5 }).await.unwrap();
    assert!(!list_once(&env.b).await.unwrap().is_to_be_rebalanced(&none));
}
