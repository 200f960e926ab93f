//! Each promise is seen broken by a log that breaks it; an honest log holds.

use tdferry_common::id::{ClaimId, GroupId, SessionId, WorkerId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{Density, Range};
use tdferry_common::task::{Cutoff, Found, Phase, Planned};
use tdferry_common::time::{Period, Precision};

use super::*;
use crate::keys;
use crate::record::{encode_fence, encode_state};

const PLAN: PlanId = PlanId(5);

/// A log that is written by hand.
struct Log {
    task: TaskName,
    written: Vec<Written>,
    revision: i64,
}

fn copy(n: u32, from: i64, to: i64) -> Shard {
    let (id, kind) = (ShardId::copy(GroupId(0), n), ShardKind::Copy(Density::Dense));
    Shard::planned(id, kind, Some(GroupId(0)), Range { from: 0, to: 1 }, Period { from, to })
}

fn active() -> TaskState {
    let cutoff = Cutoff { units: 0, precision: Precision::Milli, from_source: true };
    let planned =
        Planned { plan: PLAN, cutoff, fingerprint: 0, found: Found::default(), excused: 0, mark: None };
    TaskState::Active { phase: Phase::Copy, planned }
}

impl Log {
    /// A task with a plan of these shards.
    fn of(shards: &[Shard]) -> Self {
        let mut log = Self { task: "t".parse().unwrap(), written: vec![], revision: 0 };
        log.at(1).fence(1);
        log.at(2);
        for shard in shards {
            log.shard(shard);
        }
        log.at(3).state(&active());
        log
    }

    fn at(&mut self, revision: i64) -> &mut Self {
        self.revision = revision;
        self
    }

    fn write(&mut self, key: String, value: Option<Vec<u8>>) -> &mut Self {
        self.written.push(Written { revision: self.revision, key: key.into_bytes(), value });
        self
    }

    fn shard(&mut self, shard: &Shard) -> &mut Self {
        self.write(keys::shard(&self.task, PLAN, &shard.id), Some(encode_shard(shard)))
    }

    fn group(&mut self, id: GroupId, group: &Group) -> &mut Self {
        self.write(keys::group(&self.task, PLAN, id), Some(group.encode().unwrap()))
    }

    fn state(&mut self, state: &TaskState) -> &mut Self {
        self.write(keys::state(&self.task), Some(encode_state(state)))
    }

    fn fence(&mut self, fence: u64) -> &mut Self {
        self.write(keys::fence(&self.task), Some(encode_fence(fence)))
    }

    fn lease(&mut self, shard: &Shard) -> &mut Self {
        let record = LeaseRecord { worker: WorkerId(1), session: SessionId(1), claim: ClaimId(1) };
        self.write(keys::lease(&self.task, &shard.id), Some(record.encode()))
    }

    fn lease_gone(&mut self, shard: &Shard) -> &mut Self {
        self.write(keys::lease(&self.task, &shard.id), None)
    }

    /// A claim at this revision.
    fn claim(&mut self, revision: i64, shard: &Shard) -> Shard {
        let claimed = shard.clone().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
        self.at(revision).shard(&claimed).lease(shard);
        claimed
    }

    fn broken(&self) -> Option<Promise> {
        check(&self.written).err().map(|broken| broken.promise)
    }
}

fn commit(shard: &Shard, epoch: i64, seq: u64, next: i64) -> Shard {
    let offset = Offset { index: 0, next };
    Shard {
        checkpoint: Checkpoint { epoch: Epoch(epoch), seq, offset, ..shard.checkpoint },
        claims: 0,
        ..shard.clone()
    }
}

#[test]
fn an_honest_log_holds_and_tells_its_commits() {
    let shard = copy(0, 0, 10);
    let mut log = Log::of(std::slice::from_ref(&shard));
    let claimed = log.claim(4, &shard);
    let first = commit(&claimed, 4, 1, 3);
    log.at(5).shard(&first).at(6).lease_gone(&shard);
    let claimed = log.claim(7, &first);
    log.at(8).shard(&commit(&claimed, 7, 2, 5));
    let history = check(&log.written).unwrap();
    let seqs: Vec<_> = history.commits.keys().map(|(key, seq)| (key.epoch.0, *seq)).collect();
    assert_eq!((history.leases, seqs), (2, vec![(4, 1), (7, 2)]));
}

#[test]
fn a_commit_without_the_lease_breaks_s1() {
    let shard = copy(0, 0, 10);
    let leases: [fn(&mut Log, &Shard) -> Shard; 4] = [
        |_, shard| shard.clone(),
        |log, shard| {
            let claimed = log.claim(4, shard);
            log.at(5).lease_gone(shard);
            claimed
        },
        |log, shard| {
            let claimed = log.claim(4, shard);
            log.at(5).lease_gone(shard);
            log.claim(6, &claimed)
        },
        |log, shard| {
            let claimed = log.claim(4, shard);
            log.at(5).fence(2);
            claimed
        },
    ];
    for lease in leases {
        let mut log = Log::of(std::slice::from_ref(&shard));
        let now = lease(&mut log, &shard);
        log.at(9).shard(&commit(&now, 4, 1, 3));
        assert_eq!(log.broken(), Some(Promise::S1));
    }
}

#[test]
fn two_leases_at_once_or_a_fence_that_falls_break_s1() {
    let shard = copy(0, 0, 10);
    let mut log = Log::of(std::slice::from_ref(&shard));
    let claimed = log.claim(4, &shard);
    log.claim(5, &claimed);
    assert_eq!(log.broken(), Some(Promise::S1));
    let mut log = Log::of(&[shard]);
    log.at(4).fence(0);
    assert_eq!(log.broken(), Some(Promise::S1));
}

#[test]
fn a_commit_that_goes_back_or_counts_twice_breaks_s2() {
    let shard = copy(0, 0, 10);
    for (seq, next) in [(1, 5), (3, 5), (2, 4)] {
        let mut log = Log::of(std::slice::from_ref(&shard));
        let claimed = log.claim(4, &shard);
        let first = commit(&claimed, 4, 1, 5);
        let mut second = commit(&first, 4, seq, next);
        second.checkpoint.sum = Some(1);
        log.at(5).shard(&first).at(6).shard(&second);
        assert_eq!(log.broken(), Some(Promise::S2), "{seq} {next}");
    }
}

#[test]
fn a_shard_done_early_or_with_counts_that_differ_breaks_s4() {
    let shard = copy(0, 0, 10);
    for (end, counted) in [(false, 5), (true, 4)] {
        let mut log = Log::of(std::slice::from_ref(&shard));
        let claimed = log.claim(4, &shard);
        let mut done = commit(&claimed, 4, 1, 5);
        done.state = ShardState::Done;
        if end {
            done.checkpoint.offset = shard.end();
        }
        let totals = &mut done.checkpoint.totals;
        (totals.read, totals.written, totals.source_counted, totals.target_counted) = (5, 5, 5, counted);
        log.at(5).shard(&done).lease_gone(&shard);
        assert_eq!(log.broken(), Some(Promise::S4));
    }
}

#[test]
fn a_shard_that_is_done_and_still_leased_is_not_honest() {
    let shard = copy(0, 0, 10);
    for (apart, wanted) in [(false, None), (true, Some(Promise::Honest))] {
        let mut log = Log::of(std::slice::from_ref(&shard));
        let claimed = log.claim(4, &shard);
        let mut done = commit(&claimed, 4, 1, 5);
        done.state = ShardState::Done;
        done.checkpoint.offset = shard.end();
        log.at(5).shard(&done).at(if apart { 6 } else { 5 }).lease_gone(&shard);
        assert_eq!(log.broken(), wanted);
    }
}

#[test]
fn shards_that_overlap_or_lose_ground_when_cut_break_s5() {
    assert_eq!(Log::of(&[copy(0, 0, 10), copy(1, 10, 20)]).broken(), None);
    assert_eq!(Log::of(&[copy(0, 0, 10), copy(1, 9, 20)]).broken(), Some(Promise::S5));
    for (child_from, wanted) in [(6, None), (7, Some(Promise::S5)), (5, Some(Promise::S5))] {
        let shard = copy(0, 0, 10);
        let mut log = Log::of(std::slice::from_ref(&shard));
        let claimed = log.claim(4, &shard);
        let parent = Shard { period: Period { from: 0, to: 6 }, ..commit(&claimed, 4, 1, 3) };
        let child = Shard { id: shard.id.child(0), ..copy(0, child_from, 10) };
        log.at(5).shard(&parent).shard(&child).state(&active());
        assert_eq!(log.broken(), wanted, "child from {child_from}");
    }
}

#[test]
fn a_cut_that_strays_gives_away_what_was_passed_or_hides_its_child_breaks_s5() {
    let shard = copy(0, 0, 10);
    let child = |from, to| Shard { id: shard.id.child(0), ..copy(0, from, to) };
    let cases = [
        ("an honest one", 6, child(6, 10), true, None),
        ("as large, elsewhere", 6, child(10, 14), true, Some(Promise::S5)),
        ("behind the offset", 2, child(2, 10), true, Some(Promise::S5)),
        ("unseen by who completes the task", 6, child(6, 10), false, Some(Promise::S5)),
    ];
    for (what, kept, child, told, wanted) in cases {
        let mut log = Log::of(std::slice::from_ref(&shard));
        let claimed = log.claim(4, &shard);
        let parent = Shard { period: Period { from: 0, to: kept }, ..commit(&claimed, 4, 1, 3) };
        log.at(5).shard(&parent).shard(&child);
        if told {
            log.state(&active());
        }
        assert_eq!(log.broken(), wanted, "{what}");
        assert_eq!(check(&log.written).map_or(0, |history| history.cuts), usize::from(wanted.is_none()));
    }
}

#[test]
fn only_a_commit_may_cut() {
    let shard = copy(0, 0, 10);
    let mut log = Log::of(std::slice::from_ref(&shard));
    let claimed = shard.clone().next(ShardEvent::Claimed { claim: ClaimId(7) }).unwrap();
    let parent = Shard { period: Period { from: 0, to: 6 }, ..claimed };
    let child = Shard { id: shard.id.child(0), ..copy(0, 6, 10) };
    log.at(5).shard(&parent).shard(&child).lease(&shard).state(&active());
    assert_eq!(log.broken(), Some(Promise::Honest));
}

#[test]
fn a_task_completed_with_an_open_shard_breaks_s6() {
    let mut log = Log::of(&[copy(0, 0, 10)]);
    let Some(planned) = active().planned().copied() else { unreachable!() };
    log.at(4).state(&TaskState::Completed { planned, rejected: 0, at_millis: 0 });
    assert_eq!(log.broken(), Some(Promise::S6));
}

#[test]
fn a_record_that_no_event_leads_to_is_not_honest() {
    let shard = copy(0, 0, 10);
    for dishonest in [
        Shard { claims: 2, claim: Some(ClaimId(1)), ..shard.clone() },
        Shard { range: Range { from: 0, to: 2 }, ..shard.clone() },
        Shard { estimate: tdferry_common::shard::Estimate { rows: 9, bytes: 9 }, ..shard.clone() },
    ] {
        let mut log = Log::of(std::slice::from_ref(&shard));
        log.at(4).shard(&dishonest);
        assert_eq!(log.broken(), Some(Promise::Honest));
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let mut log = Log::of(&[copy(0, 0, 10)]);
    let key = keys::fence(&log.task);
    log.at(4).write(key.clone(), Some(vec![1, 2, 3]));
    let broken = check(&log.written).unwrap_err();
    assert_eq!((broken.promise, broken.revision, broken.key), (Promise::Readable, 4, key));
}

/// A stable that is followed, a subtable that its tail found, and what copies that.
struct Growing {
    tail: Shard,
    copy: Shard,
    group: Group,
}

impl Growing {
    fn new() -> Self {
        let found = GroupId(2);
        let period = Period { from: 10, to: i64::MAX };
        let tail =
            Shard::planned(ShardId::tail(GroupId(1)), ShardKind::Tail, Some(GroupId(1)), Range::NONE, period);
        let kind = ShardKind::Copy(Density::Sparse);
        let (range, period) = (Range { from: 0, to: 1 }, Period { from: 0, to: 15 });
        let copy = Shard::planned(ShardId::copy(found, 0), kind, Some(found), range, period);
        Self { tail, copy, group: Group { stable: "s".into(), names: vec!["new".into()] } }
    }

    /// The log of a tail that found it, by a growth that is written as is told.
    fn log(&self, write: impl Fn(&mut Log, &Self, &Shard)) -> Log {
        let mut log = Log { task: "t".parse().unwrap(), written: vec![], revision: 0 };
        let followed = Group { stable: "s".into(), names: Vec::new() };
        log.at(1).fence(1).at(2).group(GroupId(1), &followed).shard(&self.tail).at(3).state(&active());
        let claimed = log.claim(4, &self.tail);
        log.at(5);
        write(&mut log, self, &commit(&claimed, 4, 1, 15));
        log
    }
}

#[test]
fn a_plan_that_a_tail_has_grow_holds() {
    let log = Growing::new().log(|log, growing, tail| {
        log.shard(tail).group(GroupId(2), &growing.group).shard(&growing.copy).state(&active());
    });
    check(&log.written).unwrap();
    let task = "t".parse().unwrap();
    assert_eq!(planned(&log.written, &task).unwrap().into_iter().collect::<Vec<_>>(), ["new"]);
    let followed = rows(&log.written).unwrap().into_iter().find_map(|(revision, said)| match said {
        Said::Followed(_, followed) => Some((revision, followed)),
        _ => None,
    });
    let period = Period { from: 10, to: 15 };
    assert_eq!(followed, Some((5, Followed { stable: "s".into(), tables: Vec::new(), period })));
}

#[test]
fn what_is_followed_by_its_names_has_a_tail_of_its_own_from_where_all_began() {
    let grown = |began: i64| {
        let mut growing = Growing::new();
        growing.copy.period.to = 10;
        growing.log(|log, growing, tail| {
            let (group, range) = (GroupId(2), growing.copy.range);
            let period = Period { from: began, to: i64::MAX };
            let own = Shard::planned(ShardId::tail(group), ShardKind::Tail, Some(group), range, period);
            log.shard(tail).group(group, &growing.group).shard(&growing.copy).shard(&own).state(&active());
        })
    };
    check(&grown(10).written).unwrap();
    assert_eq!(grown(11).broken(), Some(Promise::S5), "a gap before it");
}

#[test]
fn a_plan_that_grows_in_any_other_way_breaks_s5() {
    let with = |change: fn(&mut Growing)| {
        let mut growing = Growing::new();
        change(&mut growing);
        growing.log(|log, growing, tail| {
            log.shard(tail).group(GroupId(2), &growing.group).shard(&growing.copy).state(&active());
        })
    };
    let written = |write: fn(&mut Log, &Growing, &Shard)| Growing::new().log(write);
    let logs = [
        ("a gap before the watermark", with(|growing| growing.copy.period.to = 14)),
        ("copied behind the watermark", with(|growing| growing.copy.period.to = 16)),
        ("of another stable", with(|growing| growing.group.stable = "other".into())),
        ("a part of its group", with(|growing| growing.group.names.push("more".into()))),
        ("followed twice", with(|growing| growing.copy.kind = ShardKind::Tail)),
        (
            "without the state",
            written(|log, growing, tail| {
                log.shard(tail).group(GroupId(2), &growing.group).shard(&growing.copy);
            }),
        ),
        (
            "without a tail",
            written(|log, growing, _| {
                log.group(GroupId(2), &growing.group).shard(&growing.copy).state(&active());
            }),
        ),
        (
            "copied by nothing",
            written(|log, growing, tail| {
                log.shard(tail).group(GroupId(2), &growing.group).state(&active());
            }),
        ),
    ];
    for (what, log) in logs {
        assert_eq!(log.broken(), Some(Promise::S5), "{what}");
    }
}
