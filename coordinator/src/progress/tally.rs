//! Sums over the shards of a plan.

use std::collections::BTreeMap;

use tdferry_common::id::GroupId;
use tdferry_common::shard::{Differing, Range, Shard, ShardKind, ShardState, Totals};

/// What the shards of a plan add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) shards: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Subtables and normal tables through with the step that counts: copied, or with no copy shard created.
    pub(crate) tables_done: u64,
    /// Rows there will be, as far as is known by now.
    pub(crate) rows_estimated: u64,
    /// Rows that open shards are still expected to bring.
    pub(crate) rows_left: u64,
    /// Over all copy shards; `tables` over all create shards, `differing` over the last round of verify shards.
    pub(crate) totals: Totals,
    /// Rows of the target that were read back and compared, over the last round of verify shards.
    pub(crate) verified: u64,
    pub(crate) round: u32,
}

/// Adds up shards, which come in the order of their ids.
pub(crate) fn tally<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> Tally {
    let mut tally = Tally::default();
    let mut copied = Groups::default();
    for shard in shards {
        tally.shards += 1;
        tally.done += u64::from(shard.state == ShardState::Done);
        tally.failed += u64::from(matches!(shard.state, ShardState::Failed { .. }));
        match shard.kind {
            ShardKind::Survey | ShardKind::Schema => {}
            ShardKind::Create => tally.totals.tables += shard.checkpoint.totals.tables,
            ShardKind::Copy(_) => {
                add_copy(&mut tally, shard);
                copied.add(shard);
            }
            ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_) => {
                add_verify(&mut tally, shard)
            }
            ShardKind::Repair(..) => tally.rows_left += left(shard),
            ShardKind::Tail => add_tail(&mut tally, shard),
        }
    }
    tally.tables_done = if copied.0.is_empty() { tally.totals.tables } else { copied.done() };
    tally
}

fn add_copy(tally: &mut Tally, shard: &Shard) {
    let (sum, one) = (&mut tally.totals, &shard.checkpoint.totals);
    sum.read += one.read;
    sum.written += one.written;
    sum.rejected += one.rejected;
    sum.kept += one.kept;
    sum.merged += one.merged;
    sum.bytes += one.bytes;
    sum.source_counted += one.source_counted;
    sum.target_counted += one.target_counted;
    sum.expired += one.expired;
    if let Some(before) = one.before {
        *sum.before.get_or_insert(0) += before;
    }
    let left = left(shard);
    tally.rows_left += left;
    tally.rows_estimated += one.read + left;
}

fn add_tail(tally: &mut Tally, shard: &Shard) {
    let (sum, one) = (&mut tally.totals, &shard.checkpoint.totals);
    sum.read += one.read;
    sum.written += one.written;
    sum.rejected += one.rejected;
    sum.kept += one.kept;
    sum.bytes += one.bytes;
    sum.late += one.late;
    tally.rows_estimated += one.read;
}

fn add_verify(tally: &mut Tally, shard: &Shard) {
    if shard.round > tally.round {
        (tally.round, tally.verified, tally.totals.differing) = (shard.round, 0, Differing::default());
    }
    if shard.round == tally.round {
        tally.rows_left += left(shard);
        tally.verified += shard.checkpoint.totals.read;
        // of a task that copied its copies told it
        tally.totals.merged += shard.checkpoint.totals.merged;
        tally.totals.differing = tally.totals.differing.and(shard.checkpoint.totals.differing);
    }
}

fn left(shard: &Shard) -> u64 {
    if shard.is_terminal() { 0 } else { shard.estimate.rows.saturating_sub(shard.checkpoint.totals.read) }
}

/// Which tables of each group are through in all periods.
#[derive(Default)]
struct Groups(BTreeMap<GroupId, Group>);

#[derive(Default)]
struct Group {
    tables: u32,
    /// Ranges that some shard still has to copy.
    open: Vec<Range>,
}

impl Groups {
    fn add(&mut self, shard: &Shard) {
        let Some(id) = shard.group else { return };
        let group = self.0.entry(id).or_default();
        group.tables = group.tables.max(shard.range.to);
        if shard.state != ShardState::Done {
            let from = shard.checkpoint.offset.index.clamp(shard.range.from, shard.range.to);
            group.open.push(Range { from, to: shard.range.to });
        }
    }

    fn done(self) -> u64 {
        self.0.into_values().map(Group::done).sum()
    }
}

impl Group {
    fn done(mut self) -> u64 {
        self.open.sort();
        let (mut open, mut reached) = (0, 0);
        for range in self.open {
            let fresh = Range { from: range.from.max(reached), to: range.to };
            open += fresh.len();
            reached = reached.max(range.to);
        }
        u64::from(self.tables.saturating_sub(open))
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::id::ShardId;
    use tdferry_common::offset::Offset;
    use tdferry_common::shard::{Density, Estimate};
    use tdferry_common::time::Period;

    use super::*;

    fn copy(n: u32, range: (u32, u32), read: u64, state: ShardState) -> Shard {
        let kind = ShardKind::Copy(Density::Dense);
        let range = Range { from: range.0, to: range.1 };
        let period = Period { from: i64::from(n), to: i64::from(n) + 1 };
        let id = ShardId::copy(GroupId(0), n);
        let mut shard = Shard::planned(id, kind, Some(GroupId(0)), range, period);
        shard.checkpoint.totals = Totals { read, written: read, bytes: read * 8, ..Totals::default() };
        Shard { estimate: Estimate { rows: 100, bytes: 800 }, state, ..shard }
    }

    #[test]
    fn what_is_found_replaces_what_was_estimated_once_a_shard_ends() {
        let failed = ShardState::Failed { reason: "x".into() };
        let shards = [
            copy(0, (0, 10), 130, ShardState::Done),
            copy(1, (0, 10), 30, ShardState::Open),
            copy(2, (0, 10), 150, ShardState::Open),
            copy(3, (0, 10), 5, failed),
        ];
        let sums = tally(&shards);
        assert_eq!((sums.shards, sums.done, sums.failed), (4, 1, 1));
        assert_eq!((sums.rows_estimated, sums.rows_left), (130 + 100 + 150 + 5, 70));
        assert_eq!((sums.totals.read, sums.totals.bytes), (315, 315 * 8));
    }

    #[test]
    fn a_table_is_done_when_all_its_periods_are() {
        let mut second = copy(1, (0, 10), 1, ShardState::Open);
        second.checkpoint.offset = Offset { index: 4, next: 1 };
        let shards = [copy(0, (0, 10), 1, ShardState::Done), second, copy(2, (6, 8), 1, ShardState::Open)];
        assert_eq!(tally(&shards).tables_done, 4);
    }

    #[test]
    fn without_copy_shards_a_table_is_done_when_it_is_created() {
        let range = Range { from: 0, to: 9 };
        let id = ShardId::create(GroupId(0));
        let mut create =
            Shard::planned(id, ShardKind::Create, Some(GroupId(0)), range, Period { from: 0, to: 0 });
        create.checkpoint.totals.tables = 5;
        assert_eq!(tally(&[create]).tables_done, 5);
    }
}
