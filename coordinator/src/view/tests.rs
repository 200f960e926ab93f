//! Changes go in in any order that may come: own answers early, the watch late, a listing over both.

use tdferry_common::id::{GroupId, PlanId, ShardId};
use tdferry_common::shard::{Density, Range, Shard, ShardKind};
use tdferry_common::spec::TaskName;
use tdferry_common::task::{Control, Cutoff, Found as Surveyed, Phase, Planned, TaskState};
use tdferry_common::time::{Period, Precision};

use super::{Change, Mirror, View};
use crate::keys;
use crate::record::{encode_control, encode_fence, encode_shard, encode_state};

fn task() -> TaskName {
    "t".parse().unwrap()
}

fn put(key: String, value: Vec<u8>, changed: i64) -> Change {
    Change { key: key.into_bytes(), value: Some(value), created: changed, changed }
}

fn control(control: Control, changed: i64) -> Change {
    put(keys::control(&task()), encode_control(control), changed)
}

fn gone(changed: i64) -> Change {
    Change::gone(keys::control(&task()).into_bytes(), changed)
}

fn shown(view: &View) -> Option<Control> {
    view.read(|mirror| mirror.task(&task())?.control.as_ref().map(|control| control.value))
}

#[test]
fn of_two_changes_the_newer_wins_in_whichever_order_they_come() {
    let view = View::new();
    view.apply([control(Control::Pause, 12)]);
    view.take(&[control(Control::Run, 11)], 11);
    assert_eq!(shown(&view), Some(Control::Pause), "an older event of the watch");
    view.take(&[control(Control::Stop, 13)], 13);
    view.apply([control(Control::Run, 12)]);
    assert_eq!(shown(&view), Some(Control::Stop), "an older answer of our own");
}

#[test]
fn what_an_answer_showed_gone_stays_gone_until_the_watch_is_past_it() {
    let view = View::new();
    view.take(&[control(Control::Run, 5)], 5);
    view.apply([gone(9)]);
    view.take(&[control(Control::Pause, 7)], 7);
    assert_eq!(shown(&view), None);
    view.take(&[gone(9), control(Control::Stop, 10)], 10);
    assert_eq!(shown(&view), Some(Control::Stop));
}

#[test]
fn a_fresh_listing_keeps_what_our_own_answers_brought_since() {
    let view = View::new();
    view.apply([control(Control::Pause, 20)]);
    let mut listed = Mirror::default();
    listed.apply_watched(&control(Control::Run, 15));
    listed.apply_watched(&put(keys::fence(&task()), encode_fence(3), 14));
    listed.complete_up_to(18);
    view.replace(listed);
    assert_eq!(shown(&view), Some(Control::Pause));
    let fence = view.read(|mirror| mirror.task(&task()).and_then(|task| task.fence.clone()));
    assert_eq!(fence.map(|fence| fence.value), Some(3));
    assert!(view.is_filled());
}

#[test]
fn a_damaged_record_is_told_and_the_one_before_stays() {
    let view = View::new();
    view.take(&[control(Control::Run, 5)], 5);
    view.take(&[put(keys::control(&task()), vec![1, 2, 3], 6)], 6);
    assert_eq!(shown(&view), Some(Control::Run));
    let damaged = |view: &View| view.read(|mirror| mirror.damaged().count());
    assert_eq!(damaged(&view), 1);
    view.take(&[control(Control::Stop, 7)], 7);
    assert_eq!((shown(&view), damaged(&view)), (Some(Control::Stop), 0));
}

fn shard(plan: PlanId, n: u32, changed: i64) -> Change {
    let (id, kind) = (ShardId::copy(GroupId(0), n), ShardKind::Copy(Density::Dense));
    let shard =
        Shard::planned(id, kind, Some(GroupId(0)), Range { from: 0, to: 1 }, Period { from: 0, to: 1 });
    put(keys::shard(&task(), plan, &shard.id), encode_shard(&shard), changed)
}

fn state(plan: PlanId, changed: i64) -> Change {
    let cutoff = Cutoff { units: 0, precision: Precision::Milli, from_source: true };
    let planned =
        Planned { plan, cutoff, fingerprint: 0, found: Surveyed::default(), excused: 0, mark: None };
    put(keys::state(&task()), encode_state(&TaskState::Active { phase: Phase::Copy, planned }), changed)
}

#[test]
fn only_shards_of_the_plan_that_counts_are_kept() {
    let (dead, counts) = (PlanId(1), PlanId(2));
    let view = View::new();
    view.take(&[put(keys::state(&task()), encode_state(&TaskState::Surveying), 1)], 1);
    view.take(&[shard(dead, 0, 2), shard(counts, 0, 3), shard(counts, 1, 3)], 3);
    let plans = |view: &View| {
        view.read(|mirror| {
            let task = mirror.task(&task()).unwrap();
            (task.shards(dead).count(), task.current().count(), task.dead_plans())
        })
    };
    assert_eq!(plans(&view), (1, 0, vec![]), "while surveying any plan may come to count");
    view.take(&[state(counts, 4)], 4);
    assert_eq!(plans(&view), (0, 2, vec![dead]));
    view.take(&[shard(dead, 7, 5)], 5);
    assert_eq!(plans(&view), (0, 2, vec![dead]));
    view.forget_plan(&task(), dead);
    assert_eq!(plans(&view), (0, 2, vec![]));
}

#[test]
fn a_deleted_task_is_to_be_swept_until_its_fence_is_gone() {
    let view = View::new();
    view.take(&[state(PlanId(1), 1), put(keys::fence(&task()), encode_fence(1), 1)], 1);
    assert!(view.swept_tasks().is_empty());
    view.take(&[Change::gone(keys::state(&task()).into_bytes(), 2)], 2);
    assert_eq!(view.swept_tasks().into_iter().collect::<Vec<_>>(), [task()]);
    view.take(&[Change::gone(keys::fence(&task()).into_bytes(), 3)], 3);
    assert!(view.swept_tasks().is_empty());
    assert!(view.read(|mirror| mirror.task(&task()).is_none()));
}

#[tokio::test]
async fn whoever_waits_is_woken_by_a_change() {
    let view = View::new();
    let mut changed = view.changed();
    view.apply([control(Control::Run, 1)]);
    changed.changed().await.unwrap();
    assert!(view.shard(&task(), PlanId(1), &ShardId::schema()).is_none());
}
