//! How far what is followed is behind its source, tail by tail, the worst first.

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::shard::{Shard, ShardKind, ShardState};
use tdferry_common::task::Planned;
use tdferry_common::time::{Precision, show_millis};

use super::TaskShown;
use crate::shared::Core;

/// Tails told of: more would not be read.
const SHOWN: usize = 10;
/// From here on a lag is told as a trouble.
pub(super) const ALARM_SECONDS: f64 = 300.0;

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
}

/// Of all tails that follow rows, how many there are and the worst of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lags {
    pub(crate) tails: u64,
    /// Tails that have passed their source's newest row.
    pub(crate) live: u64,
    pub(crate) worst: Vec<Lag>,
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
    Lags { tails: count(tails), live: count(live), worst: all }
}

fn lag(shard: &Shard, precision: Precision) -> Lag {
    let (watermark, newest) = (shard.checkpoint.offset.next, shard.checkpoint.totals.newest);
    // the watermark is the first moment that is not read yet
    let behind = newest.map_or(0, |newest| newest.saturating_sub(watermark).saturating_add(1)).max(0);
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    let behind_seconds = behind as f64 / precision.per_second() as f64;
    Lag {
        shard: shard.id.clone(),
        stable: String::new(),
        group: shard.group,
        watermark_millis: precision.to_unix_millis(watermark),
        newest_millis: newest.map(|newest| precision.to_unix_millis(newest)),
        behind_seconds,
        late: shard.checkpoint.totals.late,
    }
}

/// A line for each tail that is far behind.
pub(super) fn alarms(lags: &Lags) -> impl Iterator<Item = String> {
    let far = lags.worst.iter().filter(|lag| lag.behind_seconds >= ALARM_SECONDS);
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
        let lags = lags(shards.iter(), Precision::Milli);
        assert_eq!((lags.tails, lags.live), (4, 2));
        let behind: Vec<_> = lags.worst.iter().map(|lag| (lag.shard.as_str(), lag.behind_seconds)).collect();
        assert_eq!(behind[..2], [("tail-00000001", 400.0), ("tail-00000003", 0.001)]);
        let alarms: Vec<_> = alarms(&lags).collect();
        assert_eq!(alarms.len(), 1);
        assert!(alarms[0].contains("400 s behind"), "{alarms:?}");
    }
}
