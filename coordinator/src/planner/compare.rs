//! Which shards compare what others copied, and which repair what was found to differ. Pure: ids and places follow
//! from the shards that are there, so that every coordinator comes to the same.

use std::collections::{BTreeMap, BTreeSet};

use tdferry_common::id::{GroupId, ShardId};
use tdferry_common::options::Verify;
use tdferry_common::shard::{Density, Estimate, Extra, Range, Shard, ShardKind, ShardState};
use tdferry_common::time::Period;

/// The period of a shard that moves no rows.
const NO_ROWS: Period = Period { from: 0, to: 0 };

/// The shards that compare what a plan created and copied, in the first round.
pub(crate) fn verifies(shards: &[Shard], verify: Verify) -> Vec<Shard> {
    if !verify.reads_back() {
        return Vec::new();
    }
    let mut groups: BTreeMap<GroupId, u32> = BTreeMap::new();
    for shard in shards.iter().filter(|one| matches!(one.kind, ShardKind::Create | ShardKind::Copy(_))) {
        let Some(group) = shard.group else { continue };
        let tables = groups.entry(group).or_default();
        *tables = shard.range.to.max(*tables);
    }
    let copied = shards.iter().filter(|one| is_sampled(one, verify)).filter_map(verify_of);
    groups.into_iter().map(|(group, tables)| tags_of(group, tables)).chain(copied).collect()
}

/// The shard that looks for tables that only the target has, over all of the time that is copied or compared.
pub(crate) fn tables(shards: &[Shard]) -> Option<Shard> {
    let rows = |one: &&Shard| matches!(one.kind, ShardKind::Copy(_) | ShardKind::Verify(_)) && one.round == 0;
    let whole = |a: Period, b: Period| Period { from: a.from.min(b.from), to: a.to.max(b.to) };
    let period = shards.iter().filter(rows).map(|one| one.period).reduce(whole)?;
    Some(Shard::planned(ShardId::tables(), ShardKind::VerifyTables, None, Range::NONE, period))
}

/// What a plan that only compares has in place of a shard that creates or copies.
pub(crate) fn in_place_of(shard: Shard) -> Shard {
    match (shard.kind, shard.group) {
        (ShardKind::Create, Some(group)) => tags_of(group, shard.range.to),
        (ShardKind::Copy(density), group) => {
            let (id, kind) = (shard.id.verify(0), ShardKind::Verify(density));
            let planned = Shard::planned(id, kind, group, shard.range, shard.period);
            Shard { estimate: shard.estimate, ..planned }
        }
        _ => shard,
    }
}

/// The shards that repair what those of a round found to differ.
pub(crate) fn repairs(shards: &[Shard], round: u32, extra: Extra) -> Vec<Shard> {
    let differ = |one: &&Shard| one.round == round && matches!(one.state, ShardState::Differs { .. });
    let repair = |found: &Shard| {
        let density = match found.kind {
            ShardKind::Verify(density) => density,
            _ => Density::Sparse,
        };
        let (id, kind) = (found.id.repair(round + 1), ShardKind::Repair(density, extra));
        let planned = Shard::planned(id, kind, found.group, found.range, found.period);
        Shard { estimate: found.estimate, round: round + 1, ..planned }
    };
    shards.iter().filter(differ).map(repair).collect()
}

/// The shards that compare what those of a round repaired.
pub(crate) fn verifies_again(shards: &[Shard], round: u32) -> Vec<Shard> {
    let again = |repaired: &Shard| {
        let ShardKind::Repair(density, _) = repaired.kind else { return None };
        let kind = match repaired.group {
            None => ShardKind::VerifyTables,
            Some(_) if repaired.period.is_empty() => ShardKind::VerifyTags,
            Some(_) => ShardKind::Verify(density),
        };
        let planned =
            Shard::planned(repaired.id.verify(round), kind, repaired.group, repaired.range, repaired.period);
        let planned = Shard { estimate: repaired.estimate, round, ..planned };
        (repaired.round == round).then(|| expecting(repaired, planned))
    };
    shards.iter().filter_map(again).collect()
}

/// The shards that compare what was followed, from where tails began to where they ended.
pub(crate) fn followed(shards: &[Shard]) -> Vec<Shard> {
    let round = next_round(shards);
    let tails = || shards.iter().filter(|one| one.kind == ShardKind::Tail && one.group.is_some());
    let Some(period) = tails()
        .map(|tail| tail.period)
        .reduce(|one, other| Period { from: one.from.min(other.from), to: one.to.max(other.to) })
    else {
        return Vec::new();
    };
    // a group that is no stable's has neither; one of a stable that has neither is read one by one, too
    let sparse = |one: &&Shard| matches!(one.kind, ShardKind::Create | ShardKind::Copy(Density::Sparse));
    let by_tail: BTreeSet<_> =
        tails().filter(|tail| !tail.range.is_empty()).filter_map(|tail| tail.group).collect();
    let of_stables: BTreeSet<_> = shards.iter().filter(sparse).filter_map(|one| one.group).collect();
    let mut groups: BTreeMap<GroupId, u32> = BTreeMap::new();
    let held = |one: &&Shard| matches!(one.kind, ShardKind::Create | ShardKind::Copy(_) | ShardKind::Tail);
    for shard in shards.iter().filter(held) {
        let Some(group) = shard.group else { continue };
        let tables = groups.entry(group).or_default();
        *tables = shard.range.to.max(*tables);
    }
    let verify = |(group, tables): (GroupId, u32)| {
        let dense = by_tail.contains(&group) && !of_stables.contains(&group);
        let density = if dense { Density::Dense } else { Density::Sparse };
        let (id, range) = (ShardId::tail(group).verify(round), Range { from: 0, to: tables });
        let planned = Shard::planned(id, ShardKind::Verify(density), Some(group), range, period);
        Shard { round, ..planned }
    };
    groups.into_iter().filter(|(_, tables)| *tables > 0).map(verify).collect()
}

/// The round after all that were.
pub(crate) fn next_round(shards: &[Shard]) -> u32 {
    let compares = |one: &&Shard| {
        matches!(one.kind, ShardKind::VerifyTags | ShardKind::VerifyTables | ShardKind::Verify(_))
    };
    shards.iter().filter(compares).map(|one| one.round + 1).max().unwrap_or(0)
}

fn tags_of(group: GroupId, tables: u32) -> Shard {
    let range = Range { from: 0, to: tables };
    Shard::planned(ShardId::tags(group, 0), ShardKind::VerifyTags, Some(group), range, NO_ROWS)
}

fn verify_of(copied: &Shard) -> Option<Shard> {
    let ShardKind::Copy(density) = copied.kind else { return None };
    let totals = copied.checkpoint.totals;
    let planned = Shard::planned(
        copied.id.verify(0),
        ShardKind::Verify(density),
        copied.group,
        copied.range,
        copied.period,
    );
    let estimate = Estimate { rows: totals.read, bytes: totals.bytes };
    Some(expecting(copied, Shard { estimate, ..planned }))
}

/// A shard that compares with what another one wrote, and knows what that left out.
fn expecting(wrote: &Shard, mut planned: Shard) -> Shard {
    planned.expected = wrote.checkpoint.sum;
    planned.checkpoint.totals.left_out = wrote.checkpoint.totals.left_out;
    planned
}

/// A share of the shards, always the same ones.
fn is_sampled(shard: &Shard, verify: Verify) -> bool {
    match verify {
        Verify::Count => false,
        Verify::Digest => true,
        Verify::Sample(percent) => crc32fast::hash(shard.id.as_str().as_bytes()) % 100 < u32::from(percent),
    }
}

#[cfg(test)]
mod tests {
    use tdferry_common::shard::{Differing, Totals};

    use super::*;

    fn copied(group: u32, n: u32, sum: Option<u128>) -> Shard {
        let group = GroupId(group);
        let (range, period) = (Range { from: n, to: n + 5 }, Period { from: 10, to: 20 });
        let kind = ShardKind::Copy(Density::Sparse);
        let mut shard = Shard::planned(ShardId::copy(group, n), kind, Some(group), range, period);
        shard.checkpoint.sum = sum;
        Shard { state: ShardState::Done, ..shard }
    }

    #[test]
    fn every_copied_place_is_compared_with_its_sum_and_every_group_by_its_tags() {
        let shards = [copied(0, 0, Some(7)), copied(0, 1, None), copied(1, 0, Some(9))];
        let verifies = verifies(&shards, Verify::Digest);
        let ids: Vec<_> = verifies.iter().map(|one| one.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "tags-0-00000000",
                "tags-0-00000001",
                "verify-0-00000000-0000",
                "verify-0-00000000-0001",
                "verify-0-00000001-0000"
            ]
        );
        assert_eq!(verifies[0].range, Range { from: 0, to: 6 });
        assert_eq!(
            verifies[2..].iter().map(|one| one.expected).collect::<Vec<_>>(),
            [Some(7), None, Some(9)]
        );
        assert_eq!((verifies[3].range, verifies[3].period), (shards[1].range, shards[1].period));
    }

    #[test]
    fn counting_alone_compares_nothing_and_a_sample_about_its_share() {
        let shards: Vec<_> = (0..1_000).map(|n| copied(0, n, None)).collect();
        assert_eq!(verifies(&shards, Verify::Count), []);
        let sampled = verifies(&shards, Verify::Sample(10)).len();
        assert!((60..140).contains(&sampled), "{sampled}");
        assert_eq!(verifies(&shards, Verify::Sample(100)).len(), 1_001);
    }

    #[test]
    fn tables_that_only_the_target_has_are_looked_for_once_over_all_of_the_tasks_time() {
        let mut late = copied(1, 0, None);
        late.period = Period { from: 20, to: 35 };
        let tables = tables(&[copied(0, 0, None), late]).unwrap();
        assert_eq!((tables.id.as_str(), tables.period), ("tables", Period { from: 10, to: 35 }));
        assert_eq!(super::tables(&[]), None);
        let found = Shard { state: ShardState::Differs { finding: String::new() }, ..tables };
        let repairs = repairs(&[found], 0, Extra::Deleted);
        assert_eq!(repairs[0].kind, ShardKind::Repair(Density::Sparse, Extra::Deleted));
        let again = verifies_again(&repairs, 1);
        assert_eq!((again[0].id.as_str(), again[0].kind), ("verify-1-tables", ShardKind::VerifyTables));
    }

    #[test]
    fn only_what_differs_is_repaired_and_only_what_was_repaired_is_compared_again() {
        let mut shards = verifies(&[copied(0, 0, Some(7)), copied(0, 1, Some(8))], Verify::Digest);
        shards.iter_mut().for_each(|shard| shard.state = ShardState::Done);
        let finding = String::new();
        for found in [0, 2] {
            shards[found].state = ShardState::Differs { finding: finding.clone() };
            shards[found].checkpoint.totals.differing = Differing { tables: 1, ..Differing::default() };
        }
        let mut repairs = repairs(&shards, 0, Extra::Deleted);
        let ids: Vec<_> = repairs.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["repair-1-00000000", "repair-1-00000000-0001"]);
        assert_eq!(repairs[1].kind, ShardKind::Repair(Density::Sparse, Extra::Deleted));
        repairs[1].checkpoint.sum = Some(5);
        repairs[1].checkpoint.totals.left_out = 6;
        shards.extend(repairs);
        let again = verifies_again(&shards, 1);
        let kinds: Vec<_> = again.iter().map(|one| (one.id.as_str(), one.kind, one.expected)).collect();
        assert_eq!(
            kinds,
            [
                ("verify-1-00000000", ShardKind::VerifyTags, Some(0)),
                ("verify-1-00000000-0001", ShardKind::Verify(Density::Sparse), Some(5))
            ]
        );
        assert_eq!(again[1].checkpoint.totals, Totals { left_out: 6, ..Totals::default() });
        assert_eq!(again[1].period, Period { from: 10, to: 20 });
    }

    #[test]
    fn what_was_followed_is_compared_whole_in_a_round_of_its_own() {
        let tail = |group, tables| {
            let (range, period) = (Range { from: 0, to: tables }, Period { from: 10, to: 90 });
            Shard::planned(
                ShardId::tail(GroupId(group)),
                ShardKind::Tail,
                Some(GroupId(group)),
                range,
                period,
            )
        };
        // a stable's tail has no names, its groups have; the tail of normal tables has its own
        let mut shards = vec![tail(0, 0), copied(1, 0, Some(1)), copied(1, 4, Some(1)), tail(2, 3)];
        let of = |shards: &[Shard]| -> Vec<_> {
            let all = followed(shards).into_iter();
            all.map(|one| (one.id.to_string(), one.kind, one.range.to, one.period, one.expected)).collect()
        };
        let period = Period { from: 10, to: 90 };
        let (sparse, dense) = (ShardKind::Verify(Density::Sparse), ShardKind::Verify(Density::Dense));
        let wanted = vec![
            ("verify-0-tail-00000001".to_owned(), sparse, 9, period, None),
            ("verify-0-tail-00000002".to_owned(), dense, 3, period, None),
        ];
        assert_eq!(of(&shards), wanted);
        // nor does it matter that a list of a stable's subtables has a tail of its own
        assert_eq!(of(&[&shards[..], &[tail(1, 9)]].concat()), wanted);
        shards.extend(verifies(&shards.clone(), Verify::Digest));
        assert_eq!(next_round(&shards), 1);
        assert_eq!(of(&shards)[0].0, "verify-1-tail-00000001");
        assert_eq!(followed(&[copied(0, 0, None)]), [], "nothing was followed");
    }
}
