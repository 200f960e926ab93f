//! Workers that are to hold nothing, versions that do not fit, shards that are cut for idle workers.

use std::time::Duration;

use tdferry_proto::v1::set_drain_request::Who;
use tdferry_proto::v1::{self, ClaimedLease, Directive, Verdict};
use tokio::time::sleep;
use tonic::Code;

use crate::world::{Admin, Catalog, Fake, World, commit, create, done, get, until, until_state};

async fn drain(admin: &mut Admin, who: Who, drain: bool) -> Vec<u64> {
    let request = v1::SetDrainRequest { who: Some(who), drain };
    admin.set_drain(request).await.unwrap().into_inner().workers
}

#[tokio::test(start_paused = true)]
async fn a_drained_worker_gives_back_what_it_holds_and_gets_nothing_from_any_coordinator_until_it_may_work() {
    let (world, one, mut admin) = World::alone().await;
    let two = world.coordinator(2).await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&one, 1).await;
    let lease = worker.claim_one().await;
    assert_eq!(worker.directive(&lease).await, Directive::Continue);
    assert_eq!(drain(&mut admin, Who::Worker(1), true).await, [1]);
    assert_eq!(worker.directive(&lease).await, Directive::Drain);
    worker.release(&lease).await;
    for coordinator in [&one, &two] {
        let mut there = worker.at(coordinator).await;
        sleep(Duration::from_secs(1)).await;
        assert!(there.claim(4).await.leases.is_empty());
    }
    // a coordinator that comes later knows as well
    let three = world.coordinator(3).await;
    assert!(worker.at(&three).await.claim(4).await.leases.is_empty());
    let shown = admin.list_workers(v1::ListWorkersRequest {}).await.unwrap().into_inner().workers;
    assert!(shown[0].drained && !shown[0].draining);
    assert_eq!(get(&mut admin, "t").await.state, "no workers");
    assert_eq!(drain(&mut admin, Who::Worker(1), false).await, [1]);
    worker.claim_one().await;
}

#[tokio::test(start_paused = true)]
async fn a_label_drains_all_that_carry_it_and_those_that_come_later() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let far = Fake::register_with(&coordinator, 1, env!("CARGO_PKG_VERSION"), &[("dc", "a")]).await.unwrap();
    let mut near =
        Fake::register_with(&coordinator, 2, env!("CARGO_PKG_VERSION"), &[("dc", "b")]).await.unwrap();
    assert_eq!(drain(&mut admin, Who::Label("dc=a".into()), true).await, [1]);
    let later =
        Fake::register_with(&coordinator, 3, env!("CARGO_PKG_VERSION"), &[("dc", "a")]).await.unwrap();
    for mut drained in [far, later] {
        assert!(drained.claim(4).await.leases.is_empty());
    }
    assert_eq!(near.claim(4).await.leases.len(), 1);
    let listed = admin.list_workers(v1::ListWorkersRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.drained_labels, ["dc=a"]);
    let request = v1::SetDrainRequest { who: Some(Who::Label("dc".into())), drain: true };
    let refused = admin.set_drain(request).await.unwrap_err();
    assert!(
        refused.code() == Code::InvalidArgument && refused.message().contains("key=value"),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_one_minor_version_behind_works_and_one_of_another_major_version_is_told_why_not() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let own: Vec<u64> = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    for other in ["", "no version", &format!("{}.0.0", own[0] + 1)] {
        let refused = Fake::register_with(&coordinator, 9, other, &[]).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("same major version"), "{}", refused.message());
    }
    let behind = format!("{}.{}.0", own[0], own[1].abs_diff(1));
    let mut worker = Fake::register_with(&coordinator, 1, &behind, &[]).await.unwrap();
    worker.work_until(&admin, "t", "completed").await;
}

/// A task that copies, and a lease on its one copy shard.
async fn copying(coordinator: &tdferry_coordinator::Coordinator, admin: &mut Admin) -> (Fake, ClaimedLease) {
    create(admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(coordinator, 1).await;
    let survey = worker.claim_one().await;
    // all of it in one shard
    let catalog = Catalog { stables: vec![("meters", 40, 2_500)], normal_tables: 0, ..Catalog::small() };
    assert_eq!(worker.survey(&survey, &catalog).await.verdict(), Verdict::Committed);
    let schema = worker.claim_one().await;
    worker.finish(&schema).await;
    until_state(admin, "t", "copying").await;
    let leases = worker.claim(64).await.leases;
    let (last, others) = leases.split_last().unwrap();
    for lease in others {
        worker.finish(lease).await;
    }
    (worker, last.clone())
}

/// The next commit of a shard, after so many of its subtables and rows.
fn passed(lease: &ClaimedLease, seq: u64, tables: u32, rows: u64) -> v1::CommitRequest {
    let shard = lease.shard.as_ref().unwrap();
    let offset = v1::Offset { index: shard.range.unwrap().from + tables, next: shard.period.unwrap().from };
    let totals = v1::Totals { read: rows, written: rows, before: Some(0), ..Default::default() };
    let mut request = commit(lease, Some(offset), totals, v1::Ending::Unspecified);
    request.checkpoint.as_mut().unwrap().seq = seq;
    request
}

async fn told_to_cut(worker: &mut Fake, lease: &ClaimedLease) -> Option<v1::CutOrder> {
    let told = worker.beat(&[lease]).await.directives.remove(0);
    (told.directive() == Directive::Cut).then(|| told.cut.unwrap())
}

#[tokio::test(start_paused = true)]
async fn when_nothing_is_left_to_claim_an_idle_worker_gets_part_of_what_another_holds() {
    let (_world, coordinator, mut admin) = World::alone().await;
    let (mut busy, lease) = copying(&coordinator, &mut admin).await;
    let range = lease.shard.as_ref().unwrap().range.unwrap();
    assert!(range.to - range.from > 2, "{range:?}");
    let mut idle = Fake::register(&coordinator, 2).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(busy.commit(passed(&lease, 1, 0, 1_000)).await, Verdict::Committed);
    let order = until("a directive to cut", || {
        let (mut busy, mut idle, lease) = (busy.clone(), idle.clone(), lease.clone());
        async move {
            idle.beat(&[]).await;
            told_to_cut(&mut busy, &lease).await
        }
    })
    .await;
    assert!(order.children >= 1 && order.least_rows > 0, "{order:?}");

    let asked = passed(&lease, 2, 1, 2_500);
    let request = v1::CutRequest {
        key: lease.key.clone(),
        fence: lease.fence,
        checkpoint: asked.checkpoint.clone(),
        order: Some(order),
    };
    let cut = busy.client.cut(request.clone()).await.unwrap().into_inner();
    assert_eq!(cut.verdict(), Verdict::Committed, "{}", cut.message);
    let parent = cut.shard.clone().unwrap();
    assert!(parent.range.unwrap().to < range.to, "{parent:?}");
    let again = busy.client.cut(request).await.unwrap().into_inner();
    assert_eq!(again, cut, "an answer that got lost");
    assert_eq!(told_to_cut(&mut busy, &lease).await, None, "not again at once");

    let mut children = idle.claim(4).await.leases;
    let mut pieces: Vec<_> =
        children.iter().map(|child| child.shard.as_ref().unwrap().range.unwrap()).collect();
    pieces.push(parent.range.unwrap());
    pieces.sort_by_key(|piece| piece.from);
    assert_eq!((pieces[0].from, pieces[pieces.len() - 1].to), (range.from, range.to));
    assert!(pieces.windows(2).all(|pair| pair[0].to == pair[1].from), "{pieces:?}");
    let shrunk = ClaimedLease { shard: Some(parent), ..lease };
    assert_eq!(busy.commit(done(&shrunk)).await, Verdict::Committed, "the lease stayed on the parent");
    for child in children.drain(..) {
        idle.finish(&child).await;
    }
    until_state(&admin, "t", "completed").await;
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_shares_what_is_not_worth_it_by_itself_and_says_what_it_found() {
    let (world, coordinator, mut admin) = World::alone().await;
    let (mut busy, lease) = copying(&coordinator, &mut admin).await;
    Fake::register(&coordinator, 2).await;
    let rows = lease.shard.as_ref().unwrap().estimated_rows;
    let beat = World::timing().heartbeat;
    // through in about four heartbeats more: less than two for each
    for (seq, part) in [(1, 4), (2, 5), (3, 6)] {
        sleep(beat).await;
        assert_eq!(busy.commit(passed(&lease, seq, 0, rows * part / 10)).await, Verdict::Committed);
        assert_eq!(told_to_cut(&mut busy, &lease).await, None, "not by itself");
    }
    let request = v1::RebalanceRequest { task: "t".into() };
    let found = admin.rebalance(request.clone()).await.unwrap().into_inner();
    assert!(found.idle_slots >= 4 && found.leases == 1, "{found:?}");
    assert!(told_to_cut(&mut busy, &lease).await.is_some());
    // another coordinator has heard of it, too
    let elsewhere = busy.at(&world.coordinator(2).await).await;
    sleep(beat).await;
    assert_eq!(busy.commit(passed(&lease, 4, 0, rows * 7 / 10)).await, Verdict::Committed);
    let told = until("another coordinator tells to cut", || {
        let (mut elsewhere, lease) = (elsewhere.clone(), lease.clone());
        async move { told_to_cut(&mut elsewhere, &lease).await }
    });
    assert!(told.await.children > 0);
    let nothing = admin.rebalance(v1::RebalanceRequest { task: "none".into() }).await.unwrap_err();
    assert_eq!(nothing.code(), Code::NotFound);
}
