//! A shard that is cut: parent and children of one revision tile what the parent was, and nothing that was passed is
//! given away (promise S5).

use std::collections::BTreeMap;

use tdferry_common::id::PlanId;
use tdferry_common::shard::{Range, Shard, ShardKind};
use tdferry_common::spec::TaskName;

/// The copy shards of one plan that one revision changed.
#[derive(Default)]
pub(super) struct Changed<'a> {
    /// Before and after, where the place is another.
    pub(super) moved: Vec<(&'a Shard, &'a Shard)>,
    /// Not there before.
    pub(super) new: Vec<&'a Shard>,
}

/// By task and plan.
pub(super) type ByPlan<'a> = BTreeMap<(TaskName, PlanId), Changed<'a>>;

impl Changed<'_> {
    /// What is wrong with it, if anything, the plan being the one that counts.
    pub(super) fn wrong(&self, states_put: bool) -> Option<String> {
        let parents = self.moved.iter().map(|(before, _)| area(before)).sum::<i128>();
        let pieces =
            self.moved.iter().map(|(_, after)| area(after)).chain(self.new.iter().map(|new| area(new)));
        let covered: i128 = pieces.sum();
        if covered != parents {
            return Some(format!("what was cut covers {} more than before", covered - parents));
        }
        if !self.new.is_empty() && !states_put {
            return Some(
                "a shard was added without the task's state: who completes the task may miss it".to_owned(),
            );
        }
        self.gives_away_what_was_passed().or_else(|| self.strays()).or_else(|| self.meeting())
    }

    fn gives_away_what_was_passed(&self) -> Option<String> {
        let kept = |(before, after): &&(&Shard, &Shard)| !keeps_what_was_passed(before, after);
        let (before, after) = self.moved.iter().find(kept)?;
        let offset = after.checkpoint.offset;
        Some(format!("{} was cut at {offset} from {} to {}", before.id, place(before), place(after)))
    }

    /// A piece that lies in no parent.
    fn strays(&self) -> Option<String> {
        let afters = self.moved.iter().map(|(_, after)| *after);
        let mut pieces = afters.chain(self.new.iter().copied()).filter(|piece| area(piece) > 0);
        let inside = |piece: &Shard| self.moved.iter().any(|(before, _)| lies_in(piece, before));
        let stray = pieces.find(|piece| !inside(piece))?;
        Some(format!("{} at {} lies in nothing that was cut", stray.id, place(stray)))
    }

    fn meeting(&self) -> Option<String> {
        let afters = self.moved.iter().map(|(_, after)| *after);
        let (one, other) = super::overlap(afters.chain(self.new.iter().copied()))?;
        Some(format!("{one} and {other} overlap"))
    }
}

/// Subtables times units of time: what cutting must keep.
pub(super) fn area(shard: &Shard) -> i128 {
    match shard.kind {
        ShardKind::Copy(_) => {
            let length = i128::from(shard.period.to) - i128::from(shard.period.from);
            i128::from(shard.range.len()) * length
        }
        ShardKind::Survey
        | ShardKind::Schema
        | ShardKind::Create
        | ShardKind::VerifyTags
        | ShardKind::VerifyTables
        | ShardKind::Verify(_)
        | ShardKind::Repair(..)
        | ShardKind::Tail => 0,
    }
}

/// All that lies before the offset is inside of what the parent keeps.
fn keeps_what_was_passed(before: &Shard, after: &Shard) -> bool {
    let offset = after.checkpoint.offset;
    let begins_alike = after.range.from == before.range.from && after.period.from == before.period.from;
    let whole_subtables = offset.index == before.range.from || after.period.to == before.period.to;
    let begun = offset.next > before.period.from;
    let under_way = !begun || (offset.index < after.range.to && offset.next <= after.period.to);
    begins_alike && offset.index <= after.range.to && whole_subtables && under_way
}

fn lies_in(piece: &Shard, whole: &Shard) -> bool {
    let tables = |inner: Range, outer: Range| inner.from >= outer.from && inner.to <= outer.to;
    let alike = piece.group == whole.group && piece.kind == whole.kind;
    alike && tables(piece.range, whole.range) && piece.period.intersect(whole.period) == piece.period
}

fn place(shard: &Shard) -> String {
    format!("[{}, {}) × {}", shard.range.from, shard.range.to, shard.period)
}
