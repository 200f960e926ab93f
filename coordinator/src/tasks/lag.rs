//! How far what is followed is behind its source, tail by tail, the worst first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::spec::TaskName;
use tdferry_common::task::Planned;
use tdferry_common::time::{Precision, show_millis};

use super::TaskShown;
use crate::progress::{Pace, Standing};
use crate::shared::Core;

/// Tails told of: more would not be read.
const SHOWN: usize = 10;
/// No alarm is set to less, and specs are not read for it every second.
const LEAST_LOOKED_AT: f64 = 1.0;
/// One tail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lag {
    pub(crate) shard: ShardId,
    /// Empty for normal tables, and until it is looked up.
    pub(crate) stable: String,
    group: Option<GroupId>,
    /// Wall time up to which everything is at the target.
    pub(crate) watermark_millis: i64,
    /// Wall time of the source's newest row when it was last asked.
    pub(crate) newest_millis: Option<i64>,
    /// From the watermark to the newest row; zero where that is passed.
    pub(crate) behind_seconds: f64,
    /// Rows that came after the watermark had passed them, found and copied.
    pub(crate) late: u64,
    /// How it comes on.
    pub(crate) pace: Pace,
}

/// Of all tails that follow rows, how many there are and the worst of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lags {
    pub(crate) tails: u64,
    /// Tails that have passed their source's newest row.
    pub(crate) live: u64,
    pub(crate) worst: Vec<Lag>,
    /// Rows that all of them are behind, as far as can be told.
    pub(crate) rows_behind: Option<u64>,
    /// Until the last of them has caught up; `None` where that cannot be told of one.
    pub(crate) live_in_seconds: Option<u64>,
    /// From there on a lag is a trouble; zero: never.
    pub(crate) alarm: Duration,
}

impl Lags {
    /// Puts in how the tails come on.
    pub(super) fn add_paces(&mut self, paces: &BTreeMap<ShardId, Pace>) {
        for lag in &mut self.worst {
            lag.pace = paces.get(&lag.shard).copied().unwrap_or_default();
        }
        self.rows_behind = paces.values().filter_map(|pace| pace.rows_behind).reduce(u64::saturating_add);
        let all: Option<Vec<_>> = paces.values().map(|pace| pace.live_in_seconds).collect();
        self.live_in_seconds = all.and_then(|all| all.into_iter().max());
    }
}

/// Which tasks are told to be behind, so that it is told when that begins and when it is over.
#[derive(Debug, Default)]
pub(crate) struct LagAlarms(Mutex<BTreeSet<TaskName>>);

impl LagAlarms {
    /// Looks at how far the worst tail of each live task is behind; the tasks of which something is to be told, and
    /// whether it begins. `alarm` is asked only where it may matter.
    pub(crate) fn watch(
        &self,
        worst: &BTreeMap<TaskName, f64>,
        alarm: impl Fn(&TaskName) -> Duration,
    ) -> Vec<(TaskName, bool)> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|task| worst.contains_key(task));
        let mut news = Vec::new();
        for (task, behind) in worst {
            let is_told = told.contains(task);
            let may_matter = is_told || *behind >= LEAST_LOOKED_AT;
            let is_far = may_matter && is_far(*behind, alarm(task));
            if is_far != is_told {
                news.push((task.clone(), is_far));
            }
            if is_far {
                told.insert(task.clone());
            } else {
                told.remove(task);
            }
        }
        news
    }
}

fn is_far(behind_seconds: f64, alarm: Duration) -> bool {
    !alarm.is_zero() && behind_seconds >= alarm.as_secs_f64()
}

pub(super) fn lags<'a>(shards: impl Iterator<Item = &'a Shard>, precision: Precision) -> Lags {
    let tails = shards
        .filter(|one| one.kind == ShardKind::Tail && one.group.is_some() && one.state != ShardState::Done);
    let mut all: Vec<Lag> = tails.map(|one| lag(one, precision)).collect();
    let live = all.iter().filter(|lag| lag.behind_seconds == 0.0).count();
    let tails = all.len();
    all.sort_by(|one, other| other.behind_seconds.total_cmp(&one.behind_seconds));
    all.truncate(SHOWN);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Lags { tails: count(tails), live: count(live), worst: all, ..Lags::default() }
}

fn lag(shard: &Shard, precision: Precision) -> Lag {
    let (watermark, newest) = (shard.checkpoint.offset.next, shard.checkpoint.totals.newest);
    Lag {
        shard: shard.id.clone(),
        stable: String::new(),
        group: shard.group,
        watermark_millis: precision.to_unix_millis(watermark),
        newest_millis: newest.map(|newest| precision.to_unix_millis(newest)),
        behind_seconds: Standing::of(shard, precision).behind_seconds(),
        late: shard.checkpoint.totals.late,
        pace: Pace::default(),
    }
}

/// A line for each tail that is far behind.
pub(super) fn alarms(lags: &Lags) -> impl Iterator<Item = String> {
    let far = lags.worst.iter().filter(|lag| is_far(lag.behind_seconds, lags.alarm));
    far.map(|lag| format!("tail {} is {:.0} s behind the source's newest row", lag.shard, lag.behind_seconds))
}

/// A line where a tail cannot end at its mark, since its source has rows there or later.
pub(super) fn passed<'a>(shards: impl Iterator<Item = &'a Shard>, planned: &Planned) -> Option<String> {
    let mark = planned.mark?;
    let tails = shards.filter(|one| one.kind == ShardKind::Tail && one.state == ShardState::Open);
    let newest =
        tails.filter_map(|one| one.checkpoint.totals.newest).filter(|newest| *newest >= mark).max()?;
    let precision = planned.cutoff.precision;
    let [newest, mark] = [newest, mark].map(|units| show_millis(precision.to_unix_millis(units)));
    Some(format!(
        "the source has rows up to {newest}, and the mark is {mark}: stop its writers and set a later mark \
         (`tdferry cutover TASK --freeze --mark TIME`), or follow on (`--abort`)"
    ))
}

/// The same with the names of the stables, which the mirror does not hold.
pub(crate) async fn named(core: &Core, mut shown: TaskShown) -> TaskShown {
    let plan = core.view().read(|mirror| Some(mirror.task(&shown.name)?.state.as_ref()?.value.plan()));
    let Some(plan) = plan else { return shown };
    for lag in &mut shown.lags.worst {
        let Some(group) = lag.group else { continue };
        // a name that cannot be read now is left out: the numbers are what counts
        if let Ok(Some(group)) = core.store.group(&shown.name, plan, group).await {
            lag.stable.clone_from(&group.stable);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use tdferry_common::shard::Range;
    use tdferry_common::time::Period;

    use super::*;

    fn tail(n: u32, watermark: i64, newest: Option<i64>) -> Shard {
        let (id, group) = (ShardId::tail(GroupId(n)), Some(GroupId(n)));
        let mut shard =
            Shard::planned(id, ShardKind::Tail, group, Range::NONE, Period { from: 0, to: i64::MAX });
        (shard.checkpoint.offset.next, shard.checkpoint.totals.newest) = (watermark, newest);
        shard
    }

    #[test]
    fn the_worst_tails_come_first_and_those_that_passed_the_newest_row_are_live() {
        let mut shards = vec![tail(0, 1_000, Some(999)), tail(1, 1_000, Some(400_999)), tail(2, 5, None)];
        shards.push(tail(3, 1_000, Some(1_000)));
        let mut database = tail(4, 0, None);
        database.group = None;
        shards.push(database);
        let mut lags = lags(shards.iter(), Precision::Milli);
        assert_eq!((lags.tails, lags.live), (4, 2));
        let behind: Vec<_> = lags.worst.iter().map(|lag| (lag.shard.as_str(), lag.behind_seconds)).collect();
        assert_eq!(behind[..2], [("tail-00000001", 400.0), ("tail-00000003", 0.001)]);
        for (alarm, told) in [(400, 1), (401, 0), (0, 0)] {
            lags.alarm = Duration::from_secs(alarm);
            let alarms: Vec<_> = alarms(&lags).collect();
            assert_eq!(alarms.len(), told, "{alarm} s");
            assert!(alarms.iter().all(|line| line.contains("400 s behind")), "{alarms:?}");
        }
    }

    #[test]
    fn rows_behind_are_added_up_and_the_last_tail_decides_when_all_are_live() {
        let shards = [tail(0, 1_000, Some(3_000)), tail(1, 1_000, Some(999))];
        let mut lags = lags(shards.iter(), Precision::Milli);
        let pace =
            |rows, live_in| Pace { rows_behind: Some(rows), live_in_seconds: live_in, ..Pace::default() };
        let mut paces = BTreeMap::from([
            (ShardId::tail(GroupId(0)), pace(70, Some(9))),
            (ShardId::tail(GroupId(1)), pace(0, Some(0))),
        ]);
        lags.add_paces(&paces);
        assert_eq!((lags.rows_behind, lags.live_in_seconds), (Some(70), Some(9)));
        assert_eq!(lags.worst[0].pace, paces[&lags.worst[0].shard]);
        paces.insert(ShardId::tail(GroupId(2)), pace(5, None));
        lags.add_paces(&paces);
        assert_eq!((lags.rows_behind, lags.live_in_seconds), (Some(75), None));
        lags.add_paces(&BTreeMap::new());
        assert_eq!((lags.rows_behind, lags.live_in_seconds), (None, None));
    }

    #[test]
    fn an_alarm_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let (alarms, task) = (LagAlarms::default(), "t".parse::<TaskName>().unwrap());
        let told = |behind: f64, alarm: u64| {
            let worst = BTreeMap::from([(task.clone(), behind)]);
            let news = alarms.watch(&worst, |_| Duration::from_secs(alarm));
            news.into_iter().map(|(_, begins)| begins).collect::<Vec<_>>()
        };
        let course: [(f64, &[bool]); 7] = [
            (299.0, &[]),
            (300.0, &[true]),
            (900.0, &[]),
            (300.0, &[]),
            (299.0, &[false]),
            (10.0, &[]),
            (301.0, &[true]),
        ];
        for (behind, news) in course {
            assert_eq!(told(behind, 300), news, "{behind} s");
        }
        assert_eq!(told(1e9, 0), [false], "switched off meanwhile");
        assert!(told(1e9, 0).is_empty());
    }
}
