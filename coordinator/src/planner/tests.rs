//! Whatever a survey tells, the plan tiles it; and the cuts lie where the bounds say.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tdferry_common::shard::Density;

use super::bounds::{Bounds, MAX_SHARD_BYTES, MAX_SHARD_ROWS};
use super::*;

const DAY: i64 = 86_400_000;
const ASKED: Asked = Asked {
    schema: SchemaMode::Always,
    unit: None,
    grouped: None,
    slots: 4,
    read_back_percent: 0,
    mode: Mode::History,
    retro: 0,
    tail_by: TailBy::Stable,
};

struct Plan {
    groups: Vec<PlannedGroup>,
    found: Found,
}

impl Plan {
    fn copies(&self) -> impl Iterator<Item = &Shard> {
        self.groups
            .iter()
            .flat_map(|group| &group.shards)
            .filter(|shard| matches!(shard.kind, ShardKind::Copy(_)))
    }
}

type Catalog = Vec<(StableSeen, Vec<TableSeen>)>;

fn plan(asked: Asked, period: Period, catalog: Catalog) -> Plan {
    let totals = Totals {
        period,
        stables: u64::try_from(catalog.len()).unwrap(),
        subtables: catalog.iter().map(|(stable, _)| stable.tables).sum(),
        rows: catalog.iter().map(|(stable, _)| stable.rows).sum(),
        cutoff: period.to,
    };
    let mut planner = Planner::new(asked, totals);
    assert_eq!(planner.first_shards()[0].kind, ShardKind::Schema);
    let mut groups = Vec::new();
    for (stable, tables) in catalog {
        groups.extend(planner.stable(stable));
        for page in tables.chunks(100) {
            groups.extend(planner.tables(page.to_vec()));
        }
    }
    groups.extend(planner.close());
    Plan { groups, found: planner.found() }
}

/// A stable of `tables` subtables with `each` rows over ten days, not counted one by one.
fn even(name: &str, tables: u64, each: u64) -> (StableSeen, Vec<TableSeen>) {
    let period = Some(Period { from: 0, to: 10 * DAY });
    let stable = StableSeen { name: name.into(), rows: tables * each, tables, period, row_bytes: 20 };
    let tables = (0..tables).map(|n| TableSeen { name: format!("{name}_{n}"), ..TableSeen::default() });
    (stable, tables.collect())
}

fn counted(mut stable: (StableSeen, Vec<TableSeen>), rows: &[u64]) -> (StableSeen, Vec<TableSeen>) {
    for (table, &rows) in stable.1.iter_mut().zip(rows) {
        table.rows = Some(rows);
    }
    stable.0.rows = rows.iter().sum();
    stable
}

const TO_T0: Period = Period { from: i64::MIN, to: 11 * DAY };

#[test]
fn few_large_subtables_are_cut_by_period_alone_the_oldest_first() {
    let plan = plan(ASKED, TO_T0, vec![even("meters", 10, 10_000_000)]);
    let copies: Vec<_> = plan.copies().collect();
    assert_eq!(copies.len(), 32, "8 for each of 4 slots");
    assert!(copies.iter().all(|shard| shard.range == Range { from: 0, to: 10 }));
    assert!(copies.iter().all(|shard| shard.kind == ShardKind::Copy(Density::Dense)));
    assert!(copies.windows(2).all(|pair| pair[0].period.to == pair[1].period.from));
    assert_eq!((copies[0].period.from, copies[31].period.to), (i64::MIN, 11 * DAY));
    assert_eq!(copies.iter().map(|shard| shard.estimate.rows).sum::<u64>(), 100_000_000);
}

#[test]
fn no_query_is_made_to_answer_too_few_rows() {
    for (row_bytes, rows) in [(20, 5_000), (20, 500_000), (100_000, 5_000)] {
        let mut stable = even("meters", 2_000, rows);
        stable.0.row_bytes = row_bytes;
        let plan = plan(ASKED, TO_T0, vec![stable]);
        for shard in plan.copies().filter(|shard| shard.period != TO_T0) {
            let each = shard.estimate.rows / u64::from(shard.range.len());
            assert!(each >= Bounds::query_rows(row_bytes), "{shard:?}");
        }
        assert!(plan.copies().count() >= 32);
    }
    assert_eq!([20, 100, 100_000].map(Bounds::query_rows), [131_072, 83_886, 1_000]);
}

#[test]
fn swarms_of_small_subtables_are_read_together_over_all_of_time() {
    let plan = plan(ASKED, TO_T0, vec![even("sensors", 50_000, 20)]);
    assert!(
        plan.copies().all(|shard| shard.kind == ShardKind::Copy(Density::Sparse) && shard.period == TO_T0)
    );
    assert_eq!(plan.groups.len(), 33, "about 8 groups for each slot share the work of creating them");
    assert_eq!(plan.copies().count(), 33);
}

#[test]
fn a_subtable_far_larger_than_a_shard_is_cut_by_period_alone_and_apart_from_the_others() {
    let mut rows = vec![10; 500];
    rows[250] = 60_000_000;
    let plan = plan(ASKED, TO_T0, vec![counted(even("skewed", 500, 0), &rows)]);
    let names = &plan.groups[0].names;
    assert_eq!(names[0], "skewed_250");
    let (giant, others): (Vec<_>, Vec<_>) =
        plan.copies().partition(|shard| shard.range == Range { from: 0, to: 1 });
    assert_eq!(giant.len(), 32);
    assert!(giant.iter().all(|shard| shard.kind == ShardKind::Copy(Density::Dense)));
    assert!(
        others.iter().all(|shard| shard.kind == ShardKind::Copy(Density::Sparse) && shard.range.len() > 200)
    );
    assert_eq!(others.len(), plan.groups.len());
}

#[test]
fn a_stable_without_rows_costs_one_sparse_shard_per_group_and_still_has_all_its_subtables() {
    let plan = plan(ASKED, TO_T0, vec![even("empty", 1_000, 0)]);
    assert_eq!(plan.copies().count(), plan.groups.len());
    assert!(plan.copies().all(|shard| shard.kind == ShardKind::Copy(Density::Sparse)));
    assert_eq!(plan.copies().map(|shard| u64::from(shard.range.len())).sum::<u64>(), 1_000);
}

#[test]
fn normal_tables_are_read_one_by_one_and_made_by_the_schema_shard() {
    let mut normal = even("n", 300, 3);
    normal.0.name = String::new();
    let plan = plan(ASKED, TO_T0, vec![normal]);
    assert!(
        plan.groups
            .iter()
            .flat_map(|group| &group.shards)
            .all(|shard| shard.kind == ShardKind::Copy(Density::Dense))
    );
    assert_eq!((plan.found.normal_tables, plan.found.subtables, plan.found.stables), (300, 0, 0));
}

#[test]
fn the_schema_mode_says_which_shards_there_are() {
    let kinds = |schema| {
        let plan = plan(Asked { schema, ..ASKED }, TO_T0, vec![even("m", 10, 10)]);
        plan.groups[0].shards.iter().map(|shard| shard.kind).collect::<Vec<_>>()
    };
    let copy = ShardKind::Copy(Density::Sparse);
    assert_eq!(kinds(SchemaMode::Always), [ShardKind::Create, copy]);
    assert_eq!(kinds(SchemaMode::None), [copy]);
    assert_eq!(kinds(SchemaMode::Only), [ShardKind::Create]);
}

#[test]
fn a_unit_bounds_the_length_of_a_period_where_rows_are_known_to_lie() {
    let asked = Asked { unit: Some(DAY), ..ASKED };
    let period = Period { from: 0, to: 10 * DAY };
    let plan = plan(asked, period, vec![even("m", 10, 1_000)]);
    assert_eq!(plan.copies().count(), 10);
    assert!(plan.copies().all(|shard| shard.period.to - shard.period.from <= DAY));
}

#[test]
fn a_unit_of_a_second_does_not_flood_the_store() {
    let asked = Asked { unit: Some(1_000), ..ASKED };
    let plan = plan(asked, TO_T0, vec![even("a", 10, 1_000), even("b", 10, 1_000)]);
    assert!(plan.copies().count() <= 2 * 1_024);
}

#[test]
fn only_rows_inside_the_tasks_period_are_planned_for() {
    let last_day = Period { from: 9 * DAY, to: 10 * DAY };
    let plan = plan(ASKED, last_day, vec![even("m", 10, 1_000_000)]);
    assert_eq!(plan.found.rows, 1_000_000);
    assert!(plan.copies().all(|shard| last_day.from <= shard.period.from && shard.period.to <= last_day.to));
}

#[test]
fn select_from_stable_overrules_density() {
    for (grouped, density) in [(true, Density::Sparse), (false, Density::Dense)] {
        for each in [3, 3_000] {
            let plan = plan(Asked { grouped: Some(grouped), ..ASKED }, TO_T0, vec![even("m", 10, each)]);
            assert!(plan.copies().all(|shard| shard.kind == ShardKind::Copy(density)));
        }
    }
}

#[test]
fn a_group_never_outgrows_a_value_of_the_store() {
    let long = |n| TableSeen { name: format!("{n:0>190}"), ..TableSeen::default() };
    let mut stable = even("long", 0, 0);
    stable.0.tables = 3_000_000;
    stable.1 = (0..3_000).map(long).collect();
    let plan = plan(ASKED, TO_T0, vec![stable]);
    for group in &plan.groups {
        assert!(group.names.iter().map(|name| name.len() + 4).sum::<usize>() <= 64 * 1024);
        assert!(group.names.len() <= 4_096);
    }
}

#[test]
fn a_million_subtables_make_a_few_hundred_groups_and_shards() {
    let plan = plan(Asked { slots: 16, ..ASKED }, TO_T0, vec![even("m", 1_000_000, 20)]);
    assert_eq!(plan.found.subtables, 1_000_000);
    assert!(plan.groups.len() <= 300, "{}", plan.groups.len());
    assert!(plan.found.shards <= 1_000, "{}", plan.found.shards);
}

fn any_period() -> impl Strategy<Value = Period> {
    let ends = (prop_oneof![Just(i64::MIN), -5_000_i64..5_000], -5_000_i64..9_000);
    ends.prop_map(|(a, b)| Period { from: a.min(b), to: b.max(a) })
}

fn any_table() -> impl Strategy<Value = TableSeen> {
    let rows = prop_oneof![Just(0_u64), 1_u64..600, 10_000_u64..90_000_000];
    ("[a-z]{1,40}", proptest::option::of(rows), proptest::option::of(any_period()))
        .prop_map(|(name, rows, period)| TableSeen { name, rows, period })
}

fn any_stable() -> impl Strategy<Value = (StableSeen, Vec<TableSeen>)> {
    let known =
        (prop_oneof![Just(0_u64), 0_u64..500_000_000], proptest::option::of(any_period()), 0_u32..70_000);
    // what was counted beforehand need not agree with what is listed
    (any::<bool>(), known, 0_u64..400, proptest::collection::vec(any_table(), 0..150)).prop_map(
        |(normal, (rows, period, row_bytes), tables, listed)| {
            let name = if normal { String::new() } else { "s".to_owned() };
            (StableSeen { name, rows, tables, period, row_bytes }, listed)
        },
    )
}

/// Promise S5, told without the planner's own means: each subtable's periods, put in order, join without gap or overlap.
fn tiles(group: &PlannedGroup, period: Period) -> Result<(), TestCaseError> {
    let mut by_index: BTreeMap<u32, Vec<Period>> = BTreeMap::new();
    for shard in group.shards.iter().filter(|shard| matches!(shard.kind, ShardKind::Copy(_))) {
        prop_assert!(!shard.range.is_empty() && !shard.period.is_empty(), "{:?}", shard);
        for index in shard.range.from..shard.range.to {
            by_index.entry(index).or_default().push(shard.period);
        }
    }
    prop_assert_eq!(by_index.len(), group.names.len());
    prop_assert_eq!(by_index.keys().copied().max(), u32::try_from(group.names.len() - 1).ok());
    for periods in by_index.values_mut() {
        periods.sort();
        prop_assert_eq!((periods[0].from, periods[periods.len() - 1].to), (period.from, period.to));
        prop_assert!(periods.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shards_tile_every_groups_subtables_and_the_tasks_period(
        catalog in proptest::collection::vec(any_stable(), 0..4),
        period in any_period().prop_filter("a task of no time", |period| !period.is_empty()),
        unit in proptest::option::of(1_i64..5_000),
        grouped in proptest::option::of(any::<bool>()),
        slots in 0_u32..40,
    ) {
        let mut expected: Vec<String> =
            catalog.iter().flat_map(|(_, tables)| tables).map(|table| table.name.clone()).collect();
        let plan = plan(Asked { unit, grouped, slots, ..ASKED }, period, catalog);
        let mut ids = std::collections::BTreeSet::new();
        for group in &plan.groups {
            tiles(group, period)?;
            prop_assert!(group.names.len() <= 4_096);
            prop_assert!(group.shards.iter().all(|shard| shard.group == Some(group.id)));
            prop_assert!(group.shards.iter().all(|shard| ids.insert(shard.id.clone())), "ids are unique");
            let copies = || group.shards.iter().filter(|shard| matches!(shard.kind, ShardKind::Copy(_)));
            prop_assert!(copies().is_sorted_by_key(|shard| shard.period.from), "the oldest first");
            // one subtable is never cut finer than a query is worth, so only a range of one may be larger
            for shard in copies().filter(|shard| shard.range.len() > 1) {
                let heaviest = 2 * MAX_SHARD_ROWS;
                prop_assert!(shard.estimate.rows <= MAX_SHARD_ROWS + heaviest + 1, "{:?}", shard);
            }
        }
        let mut planned: Vec<String> = plan.groups.iter().flat_map(|group| group.names.clone()).collect();
        expected.sort();
        planned.sort();
        prop_assert_eq!(planned, expected, "promise S9");
        let shards: usize = plan.groups.iter().map(|group| group.shards.len()).sum();
        prop_assert_eq!(plan.found.shards, u64::try_from(shards).unwrap() + 1);
    }

    #[test]
    fn a_shard_of_wide_rows_stays_within_its_bytes(row_bytes in 1_u32..70_000, each in 1_000_u64..50_000_000) {
        let mut stable = even("wide", 8, each);
        stable.0.row_bytes = row_bytes;
        let plan = plan(ASKED, TO_T0, vec![stable]);
        for shard in plan.copies() {
            let one_query = u64::from(row_bytes) * 2 * Bounds::query_rows(row_bytes) * u64::from(shard.range.len());
            prop_assert!(shard.estimate.bytes <= 2 * MAX_SHARD_BYTES.max(one_query), "{:?}", shard);
        }
    }
}

fn asked_for(mode: Mode) -> Asked {
    let (retro, unit) = (Duration::from_secs(5), Some(Duration::from_secs(1)));
    let options = Options { mode, retro, unit, ..Options::default() };
    Asked::new(&options, Precision::Milli, 4)
}

#[test]
fn a_unit_is_counted_in_the_precision_of_the_source() {
    assert_eq!(asked_for(Mode::History).unit, Some(1_000));
}

#[test]
fn no_group_is_stored_that_no_shard_leads_to() {
    let asked = Asked { schema: SchemaMode::None, ..asked_for(Mode::Realtime) };
    let plan = plan(asked, TO_T0, vec![even("m", 3, 10)]);
    assert_eq!(
        plan.groups.iter().map(|group| group.names.len()).collect::<Vec<_>>(),
        [0],
        "the tail's alone"
    );
}

#[test]
fn what_is_followed_has_a_tail_for_each_stable_and_for_each_group_of_normal_tables() {
    let catalog = || {
        vec![
            even("m", 3, 10),
            even("", 2, 10),
            (StableSeen { name: "empty".into(), ..StableSeen::default() }, vec![]),
        ]
    };
    let period = Period { from: i64::MIN, to: DAY };
    let kinds = |mode| {
        let plan = plan(asked_for(mode), period, catalog());
        let shards = plan
            .groups
            .iter()
            .flat_map(|group| group.shards.iter().map(|one| (group.stable.clone(), one.clone())));
        let tails: Vec<_> = shards.filter(|(_, one)| one.kind == ShardKind::Tail).collect();
        (plan.copies().count() > 0, tails)
    };
    assert_eq!(kinds(Mode::History), (true, vec![]));
    let lists = Asked { tail_by: TailBy::Names, ..asked_for(Mode::Realtime) };
    let listed = plan(lists, period, catalog()).groups;
    let tails = listed.iter().flat_map(|group| group.shards.iter().map(|one| (group.stable.as_str(), one)));
    let tails = tails.filter(|(_, one)| one.kind == ShardKind::Tail);
    let places: Vec<_> = tails.map(|(stable, one)| (stable, one.range.len())).collect();
    assert_eq!(places, [("m", 0), ("m", 3), ("", 2), ("empty", 0)], "each list, and one for what is new");
    for (mode, copies) in [(Mode::Both, true), (Mode::Realtime, false)] {
        let (copied, tails) = kinds(mode);
        assert_eq!(copied, copies, "{mode:?}");
        let places: Vec<_> = tails.iter().map(|(stable, one)| (stable.as_str(), one.range.len())).collect();
        assert_eq!(places, [("m", 0), ("", 2), ("empty", 0)], "{mode:?}");
        assert!(
            tails.iter().all(|(_, one)| one.period == Period { from: DAY - 5_000, to: i64::MAX }),
            "from T0 less `retro`"
        );
    }
}
