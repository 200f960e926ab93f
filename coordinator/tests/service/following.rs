//! Tasks that follow their source: how they come to it, who follows, what fails, and how their plan grows.

use std::collections::BTreeSet;
use std::time::Duration;

use tdferry_proto::v1::{self, ClaimedLease, Ending, ShardKind, Verdict};
use tokio::time::{Instant, sleep};

use crate::world::{Admin, Fake, T0, World, commit, create, ended, get, until};

/// Far longer than any phase takes to end.
const LONG: Duration = Duration::from_secs(600);

/// A task that follows, and who brought it there.
async fn live(
    options: &[(&str, &str)],
) -> (World, tdferry_coordinator::Coordinator, Admin, Fake, Vec<String>) {
    let (world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", options).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let order = worker.work_until(&admin, "t", "live").await;
    (world, coordinator, admin, worker, order)
}

/// What is claimed into so many slots of both kinds, as soon as there is anything.
async fn claimed(worker: &Fake, slots: u32, tail_slots: u32) -> Vec<ClaimedLease> {
    until("a lease", || {
        let mut worker = worker.clone();
        async move { Some(worker.claim_into(slots, tail_slots).await).filter(|leases| !leases.is_empty()) }
    })
    .await
}

fn kinds(leases: &[ClaimedLease]) -> BTreeSet<i32> {
    leases.iter().map(|lease| lease.shard.as_ref().unwrap().kind).collect()
}

async fn tail_of(worker: &Fake, stable: &str) -> ClaimedLease {
    let tails = claimed(worker, 0, 64).await;
    tails.into_iter().find(|lease| lease.stable == stable).unwrap()
}

/// Two new subtables, found by a tail that stands five seconds behind T0.
fn two_found(tail: &ClaimedLease) -> v1::GrowRequest {
    let offset = v1::Offset { index: 0, next: T0 + 5_000 };
    let moved = commit(tail, Some(offset), v1::Totals::default(), Ending::Unspecified);
    v1::GrowRequest {
        key: tail.key.clone(),
        fence: tail.fence,
        checkpoint: moved.checkpoint,
        names: vec!["found_1".into(), "found_2".into()],
        from: 7,
        stable: None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_copied_is_verified_and_then_followed_for_ever() {
    for (verify, verifies) in [("count", false), ("digest", true)] {
        let (_world, _coordinator, mut admin, mut worker, order) =
            live(&[("mode", "both"), ("verify", verify)]).await;
        assert!(order.iter().any(|id| id.starts_with("copy-")));
        assert_eq!(order.iter().any(|id| id.contains("verify")), verifies, "{order:?}");
        assert!(!order.iter().any(|id| id.starts_with("tail-")), "{order:?}");
        sleep(LONG).await;
        worker.beat(&[]).await;
        let task = get(&mut admin, "t").await;
        assert_eq!((task.phase.as_str(), task.terminal), ("live", false));
    }
}

/// Or a slot that is free a moment later would stand empty for as long as the answer takes.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_full_but_for_tails_is_answered_at_once() {
    let (_world, coordinator, _admin) = World::alone().await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for (slots, waits) in [(0, false), (1, true)] {
        let asked = Instant::now();
        assert!(worker.claim_into(slots, 64).await.is_empty());
        assert_eq!(asked.elapsed() >= World::timing().claim_poll, waits, "{slots}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_history_a_task_follows_as_soon_as_the_structure_stands() {
    let (_world, _coordinator, _admin, _worker, order) = live(&[("mode", "realtime")]).await;
    assert!(order.iter().any(|id| id.starts_with("create-")));
    assert!(order.iter().all(|id| !id.starts_with("copy-") && !id.contains("verify")), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_structure_is_followed_by_nothing() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "only"), ("mode", "history")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    worker.work_until(&admin, "t", "completed").await;
    assert!(worker.claim_into(4, 64).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn tails_are_claimed_into_slots_of_their_own_and_not_before_all_is_copied() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("mode", "both"), ("verify", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    worker.work_until(&admin, "t", "copying").await;
    let leases = claimed(&worker, 1, 64).await;
    assert_eq!(leases.len(), 1);
    assert!(!kinds(&leases).contains(&ShardKind::Tail.into()), "nothing is followed while others copy");
    worker.finish(&leases[0]).await;
    worker.work_until(&admin, "t", "live").await;
    assert!(worker.claim_into(4, 0).await.is_empty(), "there is nothing to copy, and no slot for a tail");
    let one = claimed(&worker, 0, 1).await;
    assert_eq!((one.len(), kinds(&one)), (1, BTreeSet::from([ShardKind::Tail.into()])));
    let mut all = claimed(&worker, 0, 64).await;
    all.extend(one);
    let stables: BTreeSet<_> = all.iter().map(|lease| lease.stable.as_str()).collect();
    assert_eq!(stables, BTreeSet::from(["", "meters", "sensors"]));
    for lease in &all {
        let from = lease.shard.as_ref().unwrap().period.unwrap().from;
        assert_eq!(from, T0, "history ends where following begins");
        assert!(lease.stable.is_empty() || lease.names.is_empty(), "a stable is followed whole");
    }
    assert!(worker.claim_into(4, 64).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tail_that_fails_shows_and_comes_back_by_a_retry_while_the_others_go_on() {
    let (_world, _coordinator, mut admin, mut worker, _) = live(&[("mode", "realtime")]).await;
    let tails = claimed(&worker, 0, 64).await;
    let (failing, others) = tails.split_first().unwrap();
    let failed = worker.commit(ended(failing, Ending::Failed, "the stable has another type")).await;
    assert_eq!(failed, Verdict::Committed);
    sleep(LONG / 100).await;
    let task = get(&mut admin, "t").await;
    assert_eq!((task.state.as_str(), task.progress.unwrap().shards_failed), ("live", 1));
    let other = commit(&others[0], None, v1::Totals::default(), Ending::Unspecified);
    assert_eq!(worker.commit(other).await, Verdict::Committed);
    assert!(worker.claim_into(4, 64).await.is_empty());
    let request =
        v1::RetryShardRequest { task: "t".into(), shard: failing.shard.as_ref().unwrap().id.clone() };
    assert_eq!(admin.retry_shard(request).await.unwrap().into_inner().retried, 1);
    let again = claimed(&worker, 0, 64).await;
    assert_eq!(again[0].shard.as_ref().unwrap().id, failing.shard.as_ref().unwrap().id);
    assert_eq!(get(&mut admin, "t").await.progress.unwrap().shards_failed, 0);
}

#[tokio::test(start_paused = true)]
async fn where_tails_follow_lists_of_names_what_is_new_gets_a_tail_of_its_own() {
    let (_world, _coordinator, _admin, worker, _) =
        live(&[("mode", "both"), ("tail-by", "names"), ("verify", "none")]).await;
    let mut tails = claimed(&worker, 0, 64).await;
    tails.retain(|lease| lease.stable == "meters");
    let listed: Vec<_> = tails.iter().map(|lease| lease.names.len()).collect();
    assert!(listed.contains(&0) && listed.iter().sum::<usize>() == 10, "{listed:?}");
    let keeper = tails.iter().find(|lease| lease.names.is_empty()).unwrap();
    let growth = two_found(keeper);
    let mut client = worker.client.clone();
    let answer = client.grow(growth.clone()).await.unwrap().into_inner();
    assert_eq!(answer.verdict(), Verdict::Committed, "{}", answer.message);
    for (slots, tail_slots, from, to) in [(4, 0, 7, T0), (0, 64, T0, i64::MAX)] {
        let found = claimed(&worker, slots, tail_slots).await;
        assert_eq!((found.len(), &found[0].names), (1, &growth.names));
        let period = found[0].shard.as_ref().unwrap().period;
        assert_eq!(period, Some(v1::Period { from, to }), "it is followed from where all are");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_tail_finds_is_in_the_plan_once_and_is_copied_while_the_others_are_followed() {
    let (_world, _coordinator, mut admin, mut worker, _) =
        live(&[("mode", "both"), ("verify", "none")]).await;
    let tail = tail_of(&worker, "meters").await;
    let before = get(&mut admin, "t").await.progress.unwrap().shards;
    let growth = two_found(&tail);
    for _ in 0..3 {
        // the first answer may have got lost
        let answer = worker.client.grow(growth.clone()).await.unwrap().into_inner();
        assert_eq!(answer.verdict(), Verdict::Committed, "{}", answer.message);
    }
    assert_eq!(get(&mut admin, "t").await.progress.unwrap().shards, before + 1);
    let copies = claimed(&worker, 4, 0).await;
    let copy = copies[0].shard.as_ref().unwrap();
    assert_eq!((copies.len(), copies[0].names.clone()), (1, growth.names.clone()));
    assert_eq!(copy.period, Some(v1::Period { from: 7, to: T0 + 5_000 }), "up to where it is followed from");
    let (mut names, mut after) = (BTreeSet::new(), None);
    loop {
        let request = v1::NamesRequest { key: tail.key.clone(), after };
        let answer = worker.client.names(request).await.unwrap().into_inner();
        names.extend(answer.names);
        after = answer.group;
        if after.is_none() {
            break;
        }
    }
    assert!(names.len() == 12 && names.contains("found_1") && names.contains("meters_0"), "{names:?}");
    let late = v1::GrowRequest {
        key: tail.key.clone().map(|key| v1::LeaseKey { epoch: key.epoch - 1, ..key }),
        ..growth
    };
    let fenced = worker.client.grow(late).await.unwrap().into_inner();
    assert_eq!(fenced.verdict(), Verdict::Fenced);
}

async fn cutover(
    admin: &mut Admin,
    step: v1::cutover_request::Step,
    mark_unix_millis: Option<i64>,
) -> v1::CutoverResponse {
    let request = v1::CutoverRequest {
        name: "t".into(),
        step: step.into(),
        mark_unix_millis,
        max_lag_seconds: 10.0,
        accept_rejects: false,
    };
    admin.cutover(request).await.unwrap().into_inner()
}

fn open_items(told: &v1::CutoverResponse) -> Vec<&str> {
    told.items.iter().filter(|item| !item.holds).map(|item| item.what.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_tail_tells_a_person_is_shown_and_no_cutover_passes_over_it() {
    let (_world, _coordinator, mut admin, mut worker, _) = live(&[("mode", "realtime")]).await;
    let tail = tail_of(&worker, "meters").await;
    let step = v1::cutover_request::Step::Freeze;
    worker.beat_telling(&tail, &["the target lacks a column"]).await;
    sleep(LONG / 100).await;
    let task = get(&mut admin, "t").await;
    let shard = &tail.shard.as_ref().unwrap().id;
    assert_eq!(task.troubles, [format!("shard {shard}: the target lacks a column")]);
    assert_eq!((task.state.as_str(), task.health.as_str()), ("live", "bounce"));
    let told = cutover(&mut admin, step, None).await;
    assert_eq!(open_items(&told), ["structure"]);
    assert_eq!(told.task.unwrap().state, "live", "nothing was changed");
    worker.beat_telling(&tail, &[]).await;
    sleep(LONG / 100).await;
    assert!(get(&mut admin, "t").await.troubles.is_empty());
    let told = cutover(&mut admin, step, None).await;
    assert!(open_items(&told).is_empty(), "{told:?}");
    assert_eq!(told.task.unwrap().state, "cutting over");
}

#[tokio::test(start_paused = true)]
async fn a_stable_that_is_found_after_the_mark_was_set_is_followed_up_to_it() {
    let (_world, _coordinator, mut admin, worker, _) = live(&[("mode", "both"), ("verify", "none")]).await;
    let tails = claimed(&worker, 0, 64).await;
    let database = tails.iter().find(|lease| lease.shard.as_ref().unwrap().group.is_none()).unwrap();
    let mark = T0 + 60_000;
    let told = cutover(&mut admin, v1::cutover_request::Step::Freeze, Some(mark)).await;
    assert!(open_items(&told).is_empty(), "{told:?}");
    for (stable, names) in [("found", vec![]), ("", vec!["found_normal".to_owned()])] {
        let offset = Some(v1::Offset { index: 0, next: T0 + 5_000 });
        let moved = commit(database, offset, v1::Totals::default(), Ending::Unspecified);
        let mut checkpoint = moved.checkpoint.unwrap();
        checkpoint.seq += u64::from(stable.is_empty());
        let growth = v1::GrowRequest {
            key: database.key.clone(),
            fence: database.fence,
            checkpoint: Some(checkpoint),
            names,
            from: 7,
            stable: Some(stable.into()),
        };
        let mut worker = worker.clone();
        let answer = worker.client.grow(growth).await.unwrap().into_inner();
        assert_eq!(answer.verdict(), Verdict::Committed, "{}", answer.message);
        let found = claimed(&worker, 0, 64).await;
        assert_eq!(found.len(), 1);
        let period = found[0].shard.as_ref().unwrap().period.unwrap();
        assert_eq!((found[0].stable.as_str(), period.from, period.to), (stable, T0, mark));
    }
}

#[tokio::test(start_paused = true)]
async fn how_far_behind_how_many_rows_and_how_long_still_is_shown_and_the_alarm_is_the_tasks_own() {
    let (_world, _coordinator, mut admin, mut worker, _) =
        live(&[("mode", "realtime"), ("lag-alarm", "50s")]).await;
    let tail = tail_of(&worker, "meters").await;
    for second in 1..=70_i64 {
        // two seconds of the source each second, a hundred rows in each, of three hundred seconds
        let next = T0 + second * 2_000;
        let totals = v1::Totals {
            read: u64::try_from(second).unwrap() * 200,
            written: u64::try_from(second).unwrap() * 200,
            newest: Some(T0 + 299_999),
            ..Default::default()
        };
        let mut request = commit(&tail, Some(v1::Offset { index: 0, next }), totals, Ending::Unspecified);
        let checkpoint = request.checkpoint.as_mut().unwrap();
        checkpoint.seq += u64::try_from(second).unwrap() - 1;
        assert_eq!(worker.commit(request).await, Verdict::Committed);
        sleep(Duration::from_secs(1)).await;
        if second % 5 == 0 {
            worker.beat(&[&tail]).await;
        }
    }
    let task = get(&mut admin, "t").await;
    let lag = &task.lags[0];
    assert_eq!((lag.stable.as_str(), lag.behind_seconds, task.lag_alarm_seconds), ("meters", 160.0, 50.0));
    let near = |told: f64, wanted: f64| (told - wanted).abs() <= wanted / 20.0;
    assert!(near(lag.source_seconds_per_second.unwrap(), 2.0), "{lag:?}");
    assert!(near(lag.rows_per_second.unwrap(), 200.0), "{lag:?}");
    assert_eq!((lag.rows_behind, task.rows_behind), (Some(16_000), Some(16_000)));
    let left = lag.live_in_seconds.unwrap();
    assert!((76..=84).contains(&left), "{left}");
    assert!(task.troubles[0].contains("160 s behind"), "{:?}", task.troubles);
    sleep(LONG / 4).await;
    assert_eq!(get(&mut admin, "t").await.lags[0].live_in_seconds, None, "it stands still");
}
